//! Backends for SES with one flaw: the sound adapter, told or retold wrongly.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use aws_credential_types::provider::{ProvideCredentials, error::CredentialsError, future};
use conformance_tests::{
    Absent,
    mailer::{
        Harness, Setting,
        ses::{Fixed, KeySource, Target},
    },
    ses_server::Keys,
};
use mail_ses::{Credentials, Options, Ses, SharedCredentialsProvider};
use mailer::{Backend, Capabilities, Context, Envelope, Error, ErrorKind, Meta, Outcome, Outgoing, Receipt};

use super::Suspect;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    Nothing,
    /// The headers say who gets it.
    ReadsHeaders,
    /// The author's name is left out.
    BareAuthor,
    ForgetsSet,
    ForgetsTags,
    ForgetsKind,
    ForgetsFeedback,
    /// What a tag cannot hold is replaced.
    CleansKinds,
    /// A request goes out for a mail that is refused anyway.
    AsksFirst,
    /// The receipt names the id that was handed over.
    KeepsOwnId,
    /// Each mail has a client of its own.
    OpensAnew,
    /// The region that was opened first serves all.
    OneForAll,
    DropsToken,
    /// Keys are asked for once.
    KeepsKeys,
    ChecksNothing,
    /// Every error is of one kind.
    OneKind,
    QuotaIsSpeed,
    /// What the operator has to change is told to the author.
    BlamesTheMail,
    /// Who has no keys invents some.
    InventsKeys,
    TellsSecrets,
    RepeatsFailures,
    /// What nobody knows is claimed.
    IsSure,
    /// What is known is doubted.
    IsUnsure,
    /// A call that was dropped is taken for one that runs.
    WaitsForTheDropped,
}

/// A sound harness of this group.
pub(crate) fn sound() -> Arc<dyn Harness> {
    Arc::new(Workshop::new(Flaw::Nothing))
}

pub(crate) fn suspects() -> Vec<Suspect> {
    let of = |(flaw, found_by): &(Flaw, &'static [&'static str])| {
        Suspect::new(format!("ses: {flaw:?}"), Workshop::new(*flaw), found_by)
    };
    FINDS.iter().map(of).collect()
}

const FINDS: &[(Flaw, &[&str])] = &[
    (Flaw::ReadsHeaders, &["ses::the_destination_is_the_envelope"]),
    (Flaw::BareAuthor, &["ses::the_author_keeps_the_name"]),
    (Flaw::ForgetsSet, &["ses::configuration_set_tags_and_feedback_go_with_the_mail"]),
    (Flaw::ForgetsTags, &["ses::configuration_set_tags_and_feedback_go_with_the_mail"]),
    (Flaw::ForgetsKind, &["ses::configuration_set_tags_and_feedback_go_with_the_mail"]),
    (Flaw::ForgetsFeedback, &["ses::configuration_set_tags_and_feedback_go_with_the_mail"]),
    (Flaw::CleansKinds, &["ses::a_kind_that_no_tag_can_hold_is_invalid"]),
    (Flaw::AsksFirst, &["ses::what_ses_cannot_carry_makes_no_request"]),
    (Flaw::KeepsOwnId, &["ses::readers_see_the_id_of_the_region"]),
    (Flaw::OpensAnew, &["ses::one_connection_serves_many_mails"]),
    (Flaw::OneForAll, &["ses::two_regions_at_once_do_not_mix"]),
    (Flaw::DropsToken, &["ses::temporary_keys_bring_their_token"]),
    (Flaw::KeepsKeys, &["ses::keys_that_end_are_asked_for_again"]),
    (Flaw::ChecksNothing, &["ses::checking_asks_whether_mails_are_taken"]),
    (Flaw::OneKind, &["ses::each_refusal_has_its_kind"]),
    (Flaw::QuotaIsSpeed, &["ses::too_fast_is_not_too_much"]),
    (
        Flaw::BlamesTheMail,
        &[
            "ses::a_sender_nobody_verified_is_the_operators_fault",
            "ses::what_is_not_set_up_is_the_operators_fault",
        ],
    ),
    (Flaw::InventsKeys, &["ses::without_credentials_nothing_is_asked"]),
    (Flaw::TellsSecrets, &["ses::credentials_that_are_not_good_are_told"]),
    (Flaw::RepeatsFailures, &["ses::no_failure_is_repeated_behind_the_callers_back"]),
    (
        Flaw::IsSure,
        &[
            "ses::a_broken_answer_leaves_the_outcome_unknown",
            "ses::a_reply_that_is_lost_leaves_the_outcome_unknown",
            "ses::an_answer_that_stalls_is_unknown_at_the_deadline",
        ],
    ),
    (
        Flaw::IsUnsure,
        &[
            "ses::a_server_that_is_not_there_got_nothing",
            "ses::an_upload_that_is_cut_was_not_sent",
            "ses::an_upload_that_stalls_was_not_sent_by_the_deadline",
        ],
    ),
    (Flaw::WaitsForTheDropped, &["ses::a_call_that_is_dropped_poisons_nothing"]),
];

struct Workshop {
    flaw: Flaw,
    first: OnceLock<Target>,
}

/// The sound adapter behind a flaw.
#[derive(Debug)]
struct Broken {
    flaw: Flaw,
    target: Target,
    sound: Ses,
    is_busy: AtomicBool,
}

#[derive(Debug)]
struct Provider(Arc<dyn KeySource>);

impl Workshop {
    fn new(flaw: Flaw) -> Self {
        Self { flaw, first: OnceLock::new() }
    }

    /// What the flaw makes of what was asked for.
    fn mistake(&self, target: &Target) -> Target {
        let mut target = target.clone();
        let keys = || target.keys.keys().map(|(keys, _)| keys);
        match self.flaw {
            Flaw::ForgetsSet => target.configuration_set = None,
            Flaw::ForgetsTags => target.tags.clear(),
            Flaw::ForgetsKind => target.kind_tag = None,
            Flaw::ForgetsFeedback => target.feedback = None,
            Flaw::OneForAll => target = self.first.get_or_init(|| target.clone()).clone(),
            Flaw::KeepsKeys => target.keys = Arc::new(Fixed(keys())),
            Flaw::DropsToken => {
                target.keys = Arc::new(Fixed(keys().map(|keys| Keys::new(keys.id, keys.secret, None))));
            }
            Flaw::InventsKeys => {
                let invented = || Keys::new("AKIDINVENTED", "invented", None);
                target.keys = Arc::new(Fixed(Some(keys().unwrap_or_else(invented))));
            }
            _ => {}
        }
        target
    }
}

#[async_trait]
impl Harness for Workshop {
    async fn open(&self) -> Result<Setting, Absent> {
        Err(Absent::because("this one is for SES alone"))
    }

    async fn open_ses(&self, target: &Target) -> Result<Arc<dyn Backend>, Absent> {
        let target = self.mistake(target);
        let sound = open(&target);
        Ok(Arc::new(Broken { flaw: self.flaw, target, sound, is_busy: AtomicBool::new(false) }))
    }
}

fn open(target: &Target) -> Ses {
    let credentials = SharedCredentialsProvider::new(Provider(Arc::clone(&target.keys)));
    let mut options = Options::new(target.region.clone(), credentials);
    options.endpoint = Some(target.endpoint.clone());
    options.configuration_set.clone_from(&target.configuration_set);
    options.tags.clone_from(&target.tags);
    options.kind_tag.clone_from(&target.kind_tag);
    options.feedback.clone_from(&target.feedback);
    Ses::open(options).expect("the options are sound")
}

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let found = self.0.keys().map(|(keys, until)| {
            Credentials::new(keys.id, keys.secret, keys.session_token, until, "selftest")
        });
        future::ProvideCredentials::ready(found.ok_or_else(CredentialsError::not_loaded_no_source))
    }
}

impl Broken {
    /// What the flaw makes of a mail.
    fn mangle(&self, mail: &Outgoing) -> Outgoing {
        match self.flaw {
            Flaw::ReadsHeaders => {
                let to = ["ann@example.com".parse().expect("an address")];
                let envelope = Envelope::new(mail.envelope().from().cloned(), to);
                mail.with_envelope(envelope.expect("there is a recipient"))
            }
            Flaw::BareAuthor => {
                let raw = String::from_utf8(mail.raw().to_vec()).expect("it was rendered as ASCII");
                let (before, rest) = raw.split_once("From: ").expect("there is an author");
                let (_, after) = rest.split_once("\r\n").expect("the header has more lines");
                let bare = format!("{before}From: vault@example.org\r\n{after}");
                rebuild(mail, bare, mail.meta().clone())
            }
            Flaw::CleansKinds => {
                let mut meta = mail.meta().clone();
                meta.kind = meta.kind.map(|kind| kind.replace('.', "_").into());
                rebuild(mail, mail.raw().clone(), meta)
            }
            _ => mail.clone(),
        }
    }

    /// What the flaw makes of an error.
    fn retell(&self, error: Error) -> Error {
        let unknown = error.outcome() == Outcome::Unknown;
        match (self.flaw, error.kind()) {
            (Flaw::OneKind, _) => Error::new(ErrorKind::Unavailable, "").with_outcome(error.outcome()),
            (Flaw::QuotaIsSpeed, ErrorKind::Quota) => Error::new(ErrorKind::Throttled, ""),
            (Flaw::BlamesTheMail, ErrorKind::Config) => Error::new(ErrorKind::Refused, ""),
            (Flaw::TellsSecrets, kind) => {
                let secret = self.target.keys.keys().map(|(keys, _)| keys.secret);
                Error::new(kind, secret.unwrap_or_default())
            }
            (Flaw::IsSure, _) if unknown => error.with_outcome(Outcome::NotApplied),
            (Flaw::IsUnsure, _) => error.with_outcome(Outcome::Unknown),
            _ => error,
        }
    }
}

fn rebuild(mail: &Outgoing, raw: impl Into<bytes::Bytes>, meta: Meta) -> Outgoing {
    Outgoing::new(mail.envelope().clone(), raw, meta).expect("the mail is still sound")
}

#[async_trait]
impl Backend for Broken {
    fn capabilities(&self) -> Capabilities {
        self.sound.capabilities()
    }

    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        if self.is_busy.swap(self.flaw == Flaw::WaitsForTheDropped, Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Unavailable, "another call is running"));
        }
        let fresh = (self.flaw == Flaw::OpensAnew).then(|| open(&self.target));
        let backend = fresh.as_ref().unwrap_or(&self.sound);
        let mangled = self.mangle(mail);
        let mut answer = backend.deliver(&mangled, cx).await;
        if self.flaw == Flaw::RepeatsFailures && answer.is_err() {
            answer = backend.deliver(&mangled, cx).await;
        }
        if self.flaw == Flaw::AsksFirst && answer.is_err() {
            drop(backend.check().await);
        }
        self.is_busy.store(false, Ordering::Relaxed);
        let mut receipt = answer.map_err(|error| self.retell(error))?;
        if self.flaw == Flaw::KeepsOwnId {
            receipt.message_id = mail.message_id().clone();
        }
        Ok(receipt)
    }

    async fn check(&self) -> Result<(), Error> {
        match self.flaw {
            Flaw::ChecksNothing => Ok(()),
            _ => self.sound.check().await,
        }
    }

    async fn close(&self) {
        self.sound.close().await;
    }
}
