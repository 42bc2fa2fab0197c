//! The cases that look at answers alone, on the same broken backends.

use std::sync::Arc;

use async_trait::async_trait;
use conformance_tests::{
    Verdict,
    mailer::{
        Harness as _,
        live::{Live, cases},
    },
};
use mailer::{Address, Backend};

use crate::{broken::Workshop, flaw::Flaw};

/// Which case finds which backend.
const FOUND: [(&str, Subject); 9] = [
    ("the_provider_can_be_reached_and_accepts_us", Subject::Unusable),
    ("a_mail_is_taken_and_its_receipt_is_complete", Subject::Unusable),
    ("a_mail_is_taken_and_its_receipt_is_complete", Subject::With(Flaw::GivesUnclaimedId)),
    ("a_mail_with_everything_is_taken", Subject::Unusable),
    ("mails_sent_at_once_have_receipts_of_their_own", Subject::With(Flaw::SwapsReceipts)),
    ("what_is_not_declared_is_refused_before_it_is_sent", Subject::With(Flaw::IgnoresLimits)),
    ("nothing_is_sent_after_the_deadline", Subject::With(Flaw::IgnoresDeadline)),
    ("a_dropped_call_leaves_the_next_one_alone", Subject::With(Flaw::AnswersForTheDropped)),
    ("after_closing_every_call_is_refused", Subject::With(Flaw::TakesAfterClosing)),
];

#[derive(Clone, Copy, Debug)]
enum Subject {
    /// A sound backend whose provider takes no mail.
    Unusable,
    With(Flaw),
}

#[async_trait]
impl Live for Subject {
    async fn open(&self) -> Arc<dyn Backend> {
        match self {
            Self::Unusable => Workshop(Flaw::None).open_unusable().await.expect("it has one"),
            Self::With(flaw) => Workshop(*flaw).open().await.expect("it has one").backend,
        }
    }

    fn from(&self) -> Address {
        "vault@example.org".parse().expect("an address")
    }

    fn to(&self) -> Address {
        "ann@example.com".parse().expect("an address")
    }
}

fn judge(name: &str, subject: Subject) -> Verdict {
    let case = cases().into_iter().find(|case| case.name() == format!("live::{name}"));
    case.unwrap_or_else(|| panic!("there is no case {name}")).judge(&subject)
}

#[test]
fn a_sound_provider_passes_each_case_and_a_flaw_is_found() {
    for case in cases() {
        let name = case.name().trim_start_matches("live::");
        assert_eq!(judge(name, Subject::With(Flaw::None)), Verdict::Passed, "{name}");
        assert!(FOUND.iter().any(|(found, _)| *found == name), "nothing shows that {name} can fail");
    }
    for (name, subject) in FOUND {
        let verdict = judge(name, subject);
        assert!(matches!(verdict, Verdict::Failed(_)), "{subject:?} survives {name}: {verdict:?}");
    }
}
