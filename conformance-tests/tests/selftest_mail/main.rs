//! The mail suite is itself tested: a sound backend passes every case, and for every case there is a backend with
//! one flaw that the case must find.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use conformance_tests::mailer::{Delivered, Harness, Observer, Setting, cases};
use conformance_tests::{Absent, Verdict};
use mailer::{
    Address, Backend, Capabilities, Context, Error, ErrorKind, MessageId, Outcome, Outgoing, Receipt, Support,
};

/// What is wrong with a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    /// Nothing.
    None,
    /// Lines end in LF.
    MutatesBytes,
    /// A line break more at the end.
    AddsALineBreak,
    /// Dots at the beginning of lines are taken for stuffing.
    UnstuffsDots,
    /// What follows a line with only a dot is lost.
    EndsAtADot,
    /// Bytes over 127 lose their highest bit.
    SevenBits,
    /// Recipients that stand in no header are dropped.
    DropsHidden,
    /// Recipients are read from the headers.
    ReadsHeaders,
    /// Hidden recipients get a header.
    LeaksHidden,
    SortsRecipients,
    RepeatsARecipient,
    LowersCase,
    /// The envelope sender is always the author.
    AuthorAlways,
    /// As before, and a sender of one's own is not declared.
    AuthorSilently,
    /// A mail is there that nobody sent.
    Haunted,
    SendsTwice,
    SplitsRecipients,
    /// A mail that was seen before is dropped.
    DropsRepeated,
    NamesAnotherId,
    CountsOneAttempt,
    /// Each receipt is the one of the mail before.
    SwapsReceipts,
    InventsProviderId,
    /// An id that was not declared.
    GivesUnclaimedId,
    ChangesItsMind,
    IgnoresLimits,
    ClaimsUtf8,
    IgnoresDeadline,
    CheckSends,
    TakesAfterClosing,
    /// Being unusable, it says that nobody knows what happened.
    UnusableIsUnsure,
    /// Being unusable, it says what the mail said.
    QuotesTheMail,
    /// The answer to a dropped call is given to the next.
    AnswersForTheDropped,
    /// After a dropped call nothing works.
    KeepsFailing,
    /// After a dropped check nothing works.
    PoisonedByCheck,
    /// Dropping sends a second copy.
    SendsDroppedTwice,
    ShowsHalf,
    /// What runs while closing is answered with `Ok` and lost.
    LosesOnClose,
}

/// Which flaw which case must find. `content::` alone stands for the whole group.
const FINDS: &[(Flaw, &[&str])] = &[
    (
        Flaw::MutatesBytes,
        &[
            "content::",
            "limits::international_domains_need_no_support",
            "injection::odd_header_values_stay_values",
            "injection::boundaries_in_the_text_divide_nothing",
            "injection::random_names_and_subjects_read_the_same_again",
        ],
    ),
    (Flaw::AddsALineBreak, &["content::no_line_break_is_added_or_lost_at_the_end"]),
    (Flaw::UnstuffsDots, &["content::lines_that_begin_with_a_dot"]),
    (Flaw::EndsAtADot, &["content::lines_that_begin_with_a_dot", "injection::a_body_cannot_end_the_mail"]),
    (Flaw::SevenBits, &["content::eight_bit_bytes_in_a_finished_mail"]),
    (
        Flaw::DropsHidden,
        &["envelope::readers_of_to_cc_and_bcc_all_get_it", "envelope::hidden_copies_are_in_no_header"],
    ),
    (
        Flaw::ReadsHeaders,
        &["envelope::recipients_may_differ_from_the_headers", "injection::odd_addresses_arrive_as_they_are"],
    ),
    (Flaw::LeaksHidden, &["envelope::hidden_copies_are_in_no_header"]),
    (Flaw::SortsRecipients, &["envelope::recipients_keep_their_order"]),
    (Flaw::RepeatsARecipient, &["envelope::a_recipient_named_twice_gets_one"]),
    (Flaw::LowersCase, &["envelope::the_case_of_a_local_part_is_kept"]),
    (Flaw::AuthorAlways, &["envelope::a_sender_other_than_the_author", "envelope::the_null_sender"]),
    (Flaw::AuthorSilently, &["envelope::a_sender_other_than_the_author", "envelope::the_null_sender"]),
    (
        Flaw::Haunted,
        &[
            "envelope::no_recipient_is_no_envelope",
            "injection::line_breaks_and_controls_are_refused_in_every_field",
            "injection::what_is_no_address_is_refused",
            "injection::headers_of_our_own_cannot_be_set_twice",
            "injection::a_finished_mail_with_bare_line_breaks_is_refused",
        ],
    ),
    (Flaw::SendsTwice, &["content::text_only", "receipt::one_mail_for_many_recipients_arrives_once"]),
    (Flaw::SplitsRecipients, &["receipt::one_mail_for_many_recipients_arrives_once"]),
    (Flaw::DropsRepeated, &["receipt::the_same_mail_handed_over_twice_arrives_twice_unchanged"]),
    (Flaw::NamesAnotherId, &["receipt::it_names_the_message_id_that_arrives"]),
    (Flaw::CountsOneAttempt, &["receipt::it_tells_who_took_the_mail_and_at_which_attempt"]),
    (Flaw::SwapsReceipts, &["receipt::many_at_once_are_neither_lost_nor_swapped"]),
    (Flaw::InventsProviderId, &["receipt::the_provider_id_is_that_of_the_mail"]),
    (Flaw::GivesUnclaimedId, &["receipt::the_provider_id_is_that_of_the_mail"]),
    (Flaw::ChangesItsMind, &["limits::capabilities_do_not_change"]),
    (
        Flaw::IgnoresLimits,
        &[
            "limits::one_recipient_more_than_declared_is_refused",
            "limits::one_byte_more_than_declared_is_refused",
        ],
    ),
    (Flaw::ClaimsUtf8, &["limits::local_parts_of_every_script"]),
    (Flaw::IgnoresDeadline, &["limits::nothing_is_sent_after_the_deadline"]),
    (Flaw::CheckSends, &["limits::checking_sends_nothing"]),
    (Flaw::TakesAfterClosing, &["limits::after_closing_every_call_is_refused"]),
    (Flaw::UnusableIsUnsure, &["limits::an_unusable_backend_surely_sent_nothing"]),
    (Flaw::QuotesTheMail, &["limits::an_unusable_backend_surely_sent_nothing"]),
    (Flaw::AnswersForTheDropped, &["cancellation::after_a_dropped_call_the_next_gets_its_own_answer"]),
    (Flaw::KeepsFailing, &["cancellation::after_a_dropped_call_the_next_gets_its_own_answer"]),
    (Flaw::PoisonedByCheck, &["cancellation::dropped_check_and_close_poison_nothing"]),
    (Flaw::SendsDroppedTwice, &["cancellation::a_dropped_call_sends_at_most_once"]),
    (Flaw::ShowsHalf, &["cancellation::what_can_be_seen_is_whole"]),
    (Flaw::LosesOnClose, &["cancellation::closing_while_sending_loses_nothing"]),
];

#[test]
fn a_sound_backend_passes_every_case() {
    for case in cases() {
        assert_eq!(case.judge(&Workshop(Flaw::None)), Verdict::Passed, "{}", case.name());
    }
}

#[test]
fn each_flaw_is_found_by_the_cases_named_for_it() {
    for (flaw, names) in FINDS {
        for name in *names {
            let found: Vec<_> = cases().into_iter().filter(|case| case.name().starts_with(name)).collect();
            assert!(!found.is_empty(), "there is no case {name}");
            for case in found {
                let verdict = case.judge(&Workshop(*flaw));
                assert!(matches!(verdict, Verdict::Failed(_)), "{flaw:?} passes {}", case.name());
            }
        }
    }
}

#[test]
fn every_case_finds_some_flaw() {
    let named: BTreeSet<&str> = FINDS.iter().flat_map(|(_, names)| *names).copied().collect();
    for case in cases() {
        let is_named = named.iter().any(|name| case.name().starts_with(name));
        assert!(is_named, "nothing shows that {} can fail", case.name());
    }
}

/// Makes backends with one flaw.
struct Workshop(Flaw);

#[async_trait]
impl Harness for Workshop {
    async fn open(&self) -> Result<Setting, Absent> {
        let broken = Broken { flaw: self.0, state: Arc::default() };
        if self.0 == Flaw::Haunted {
            broken.state().sent.push(ghost());
        }
        Ok(Setting { backend: Arc::new(broken.clone()), observer: Arc::new(broken) })
    }

    async fn open_unusable(&self) -> Result<Arc<dyn Backend>, Absent> {
        Ok(Arc::new(Unusable(self.0)))
    }
}

/// A list of mails with a flaw. Without one it is all that the contract asks for.
#[derive(Clone, Debug)]
struct Broken {
    flaw: Flaw,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    sent: Vec<Delivered>,
    closed: bool,
    poisoned: bool,
    answers: VecDeque<Receipt>,
    previous: Option<Receipt>,
}

impl Broken {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding it")
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    /// What is refused before anything happens.
    fn admit(&self, mail: &Outgoing, cx: &Context) -> Result<(), Error> {
        if self.state().closed && !self.is(Flaw::TakesAfterClosing) {
            return Err(Error::new(ErrorKind::Closed, ""));
        }
        if self.state().poisoned {
            return Err(Error::new(ErrorKind::Unavailable, ""));
        }
        if !self.is(Flaw::IgnoresDeadline) {
            cx.admit()?;
        }
        if self.is(Flaw::ClaimsUtf8) && mail.needs_utf8() {
            return Err(Error::new(ErrorKind::Unsupported, ""));
        }
        if self.is(Flaw::IgnoresLimits) || self.is(Flaw::AuthorSilently) {
            return Ok(());
        }
        self.capabilities().admit(mail)
    }

    fn store(&self, mail: &Outgoing, id: &str) {
        let arrived = Delivered {
            from: self.sender(mail),
            to: self.recipients(mail),
            raw: self.bytes(mail),
            provider_id: Some(id.to_owned()),
        };
        let mut state = self.state();
        let is_repeated = state.sent.iter().any(|one| one.raw == arrived.raw);
        match self.flaw {
            Flaw::DropsRepeated if is_repeated => {}
            Flaw::SendsTwice => state.sent.extend([arrived.clone(), arrived]),
            Flaw::SplitsRecipients => {
                let split = |to: &Address| Delivered { to: vec![to.clone()], ..arrived.clone() };
                state.sent.extend(arrived.to.iter().map(split));
            }
            _ => state.sent.push(arrived),
        }
    }

    fn sender(&self, mail: &Outgoing) -> Option<Address> {
        match self.flaw {
            Flaw::AuthorAlways | Flaw::AuthorSilently => {
                Some("vault@example.org".parse().expect("an address"))
            }
            _ => mail.envelope().from().cloned(),
        }
    }

    fn recipients(&self, mail: &Outgoing) -> Vec<Address> {
        let mut to = mail.envelope().to().to_vec();
        let raw = String::from_utf8_lossy(mail.raw());
        match self.flaw {
            Flaw::DropsHidden => to.retain(|address| raw.contains(address.as_str())),
            Flaw::ReadsHeaders => to = vec!["ann@example.com".parse().expect("an address")],
            Flaw::SortsRecipients => to.sort(),
            Flaw::RepeatsARecipient => to.push(to[0].clone()),
            Flaw::LowersCase => {
                to = to.iter().map(|to| to.as_str().to_lowercase().parse().expect("an address")).collect();
            }
            _ => {}
        }
        to
    }

    fn bytes(&self, mail: &Outgoing) -> Bytes {
        let raw = mail.raw();
        match self.flaw {
            Flaw::MutatesBytes => raw.iter().copied().filter(|&b| b != b'\r').collect(),
            Flaw::AddsALineBreak => [&raw[..], b"\r\n"].concat().into(),
            Flaw::UnstuffsDots => {
                let lines = raw.split_inclusive(|&b| b == b'\n');
                lines.flat_map(|line| line.strip_prefix(b".").unwrap_or(line)).copied().collect()
            }
            Flaw::EndsAtADot => {
                let end = raw.windows(5).position(|at| at == b"\r\n.\r\n").map_or(raw.len(), |at| at + 2);
                raw.slice(..end)
            }
            Flaw::SevenBits => raw.iter().map(|b| b & 0x7F).collect(),
            Flaw::LeaksHidden => {
                let to = mail.envelope().to().last().expect("there is a recipient");
                [format!("Bcc: {to}\r\n").as_bytes(), raw].concat().into()
            }
            _ => raw.clone(),
        }
    }

    fn receipt(&self, mail: &Outgoing, cx: &Context, id: String) -> Receipt {
        let message_id = match self.flaw {
            Flaw::NamesAnotherId => MessageId::parse("another@example.org").expect("an id"),
            _ => mail.message_id().clone(),
        };
        let attempts = if self.is(Flaw::CountsOneAttempt) { 1 } else { cx.attempt };
        let id = if self.is(Flaw::InventsProviderId) { "1".repeat(40) } else { id };
        Receipt::new(message_id, "selftest").with_attempts(attempts).with_provider_id(id)
    }

    /// The flaws that show only where a call waits.
    async fn wait(&self, mail: &Outgoing, receipt: Receipt) -> Option<Receipt> {
        match self.flaw {
            Flaw::AnswersForTheDropped => {
                self.state().answers.push_back(receipt);
                tokio::task::yield_now().await;
                return self.state().answers.pop_front();
            }
            Flaw::KeepsFailing => {
                self.state().poisoned = true;
                tokio::task::yield_now().await;
                self.state().poisoned = false;
            }
            Flaw::SendsDroppedTwice => {
                let mut again = Again(Some((self.clone(), mail.clone())));
                tokio::task::yield_now().await;
                again.0 = None;
            }
            Flaw::ShowsHalf => {
                let at = self.state().sent.len() - 1;
                let whole = self.state().sent[at].raw.clone();
                self.state().sent[at].raw = whole.slice(..whole.len() / 2);
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                self.state().sent[at].raw = whole;
            }
            Flaw::SwapsReceipts => return self.state().previous.replace(receipt.clone()).or(Some(receipt)),
            _ => {}
        }
        Some(receipt)
    }
}

#[async_trait]
impl Backend for Broken {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        let sent = self.state().sent.len();
        capabilities.max_recipients = Some(if self.is(Flaw::ChangesItsMind) { 60 + sent } else { 60 });
        capabilities.max_bytes = Some(16 << 20);
        capabilities.utf8_local = Support::Yes;
        capabilities.envelope_from = if self.is(Flaw::AuthorSilently) { Support::No } else { Support::Yes };
        capabilities.provider_id = !self.is(Flaw::GivesUnclaimedId);
        capabilities.keeps_message_id = true;
        capabilities
    }

    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        self.admit(mail, cx)?;
        let id = mail.message_id().to_string();
        if self.is(Flaw::LosesOnClose) {
            while !self.state().closed {
                tokio::task::yield_now().await;
            }
            return Ok(self.receipt(mail, cx, id));
        }
        self.store(mail, &id);
        let receipt = self.receipt(mail, cx, id);
        Ok(self.wait(mail, receipt).await.expect("an answer was put there"))
    }

    async fn check(&self) -> Result<(), Error> {
        if self.state().closed {
            return Err(Error::new(ErrorKind::Closed, ""));
        }
        if self.is(Flaw::CheckSends) {
            self.state().sent.push(ghost());
        }
        if self.is(Flaw::PoisonedByCheck) {
            self.state().poisoned = true;
            tokio::task::yield_now().await;
            self.state().poisoned = false;
        }
        Ok(())
    }

    async fn close(&self) {
        self.state().closed = true;
    }
}

#[async_trait]
impl Observer for Broken {
    async fn delivered(&self) -> Vec<Delivered> {
        self.state().sent.clone()
    }
}

/// Sends a mail when dropped.
struct Again(Option<(Broken, Outgoing)>);

impl Drop for Again {
    fn drop(&mut self) {
        if let Some((broken, mail)) = &self.0 {
            broken.store(mail, "again");
        }
    }
}

/// A backend that can take no mail.
#[derive(Debug)]
struct Unusable(Flaw);

#[async_trait]
impl Backend for Unusable {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    async fn deliver(&self, mail: &Outgoing, _: &Context) -> Result<Receipt, Error> {
        let text = match self.0 {
            Flaw::QuotesTheMail => String::from_utf8_lossy(mail.raw()).into_owned(),
            _ => String::new(),
        };
        let unsure = self.0 == Flaw::UnusableIsUnsure;
        let outcome = if unsure { Outcome::Unknown } else { Outcome::NotApplied };
        Err(Error::new(ErrorKind::Unavailable, text).with_outcome(outcome))
    }

    async fn check(&self) -> Result<(), Error> {
        Err(Error::new(ErrorKind::Unavailable, ""))
    }

    async fn close(&self) {}
}

/// A mail that nobody sent.
fn ghost() -> Delivered {
    Delivered { from: None, to: Vec::new(), raw: Bytes::from_static(b"X: y\r\n\r\n"), provider_id: None }
}
