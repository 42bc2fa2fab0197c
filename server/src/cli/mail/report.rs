//! What came of mails, in words for an operator.

use std::fmt;

use mailer::{Drained, Error, ErrorKind, Outcome, Refused, Scope, Stage};

/// A mail that was not handed over, or may not have been, with what to do about it.
#[derive(Debug)]
pub(super) struct NotSent(pub(super) Error);

impl std::error::Error for NotSent {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.0)
    }
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(error) = self;
        writeln!(f, "{error}")?;
        for Refused { address, reply, .. } in error.refused() {
            let reply = reply.as_ref().map(ToString::to_string).unwrap_or_default();
            writeln!(f, "  refused  {address} {reply}")?;
        }
        writeln!(f, "  stage    {}", stage(error.stage()))?;
        writeln!(f, "  outcome  {}", outcome(error.outcome()))?;
        write!(f, "  advice   {}", advice(error))
    }
}

/// The counts of a drain that are not zero.
pub(super) fn drained(drained: &Drained) -> String {
    let counts = [
        ("sent", drained.sent),
        ("to be tried again", drained.later),
        ("given up", drained.dead),
        ("perhaps sent", drained.unsure),
        ("too late to be sent", drained.expired),
        ("left for the next time", drained.released),
        ("claimed by somebody else meanwhile", drained.lost),
    ];
    let counts = counts.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what}"));
    let text = counts.collect::<Vec<_>>().join(", ");
    if text.is_empty() { "nothing was due".to_owned() } else { text }
}

fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Prepare => "before anything was sent",
        Stage::Connect => "connecting",
        Stage::Tls => "making the connection private",
        Stage::Auth => "logging in",
        Stage::Envelope => "naming sender and recipient",
        Stage::Data => "handing over the mail",
        Stage::Verdict => "waiting for the answer to the whole mail",
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::NotApplied => "surely not sent",
        Outcome::Applied => "sent all the same",
        Outcome::Unknown => "perhaps sent",
    }
}

fn advice(error: &Error) -> &'static str {
    if error.outcome() != Outcome::NotApplied {
        return "Look whether it has arrived before you try again.";
    }
    match error.kind() {
        ErrorKind::Auth => "Check the user and the password in the setting `mail`.",
        ErrorKind::Tls => {
            "Check the host's name and certificate, and the kind of TLS: `smtps:` begins with it, `smtp:` upgrades to it."
        }
        ErrorKind::Config => "Check the setting `mail`.",
        ErrorKind::Invalid => "Check the address and the setting `mail_from`.",
        ErrorKind::Refused if error.scope() == Scope::Recipients => {
            "The provider does not take mail for this address."
        }
        ErrorKind::Refused => {
            "Check the setting `mail_from`: it has to be a sender that the provider accepts."
        }
        ErrorKind::Throttled | ErrorKind::Quota => "Wait, or ask the provider for a higher limit.",
        ErrorKind::Unavailable | ErrorKind::Timeout => {
            "Check host and port, and whether anything in between lets mail out; many clouds do not."
        }
        _ => "The provider's words above say more.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_where_what_and_what_to_do() {
        let error = Error::new(ErrorKind::Auth, "user ann").at(Stage::Auth);
        assert_eq!(
            NotSent(error).to_string(),
            "mail provider did not accept the credentials: user ann\n  stage    logging in\n  outcome  surely not \
             sent\n  advice   Check the user and the password in the setting `mail`."
        );
        let error = Error::new(ErrorKind::Timeout, "").at(Stage::Verdict);
        assert!(NotSent(error).to_string().contains("before you try again"));
    }

    #[test]
    fn a_drain_is_told_without_zeros() {
        assert_eq!(drained(&Drained::default()), "nothing was due");
        let mut some = Drained::default();
        (some.sent, some.unsure) = (2, 1);
        assert_eq!(drained(&some), "2 sent, 1 perhaps sent");
    }
}
