//! The words in which an error answers: its kind, and the answers to each of its questions.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The portable kinds of failure, and what a new error of each implies:
///
/// | Kinds | Scope | Disposition | Outcome |
/// |---|---|---|---|
/// | `Invalid`, `TooLarge`, `Unsupported`, `Expired`, `Refused` | message | permanent | not applied |
/// | `Suppressed` | recipients | permanent | not applied |
/// | `Auth`, `Tls`, `Closed`, `Config` | transport | permanent | not applied |
/// | `Throttled`, `Quota` | transport | transient | not applied |
/// | `Unavailable`, `Timeout`, `Protocol` | transport | transient | **unknown** |
/// | `Other` | transport | permanent | **unknown** |
///
/// Callers branch on the kind, never on the text. New kinds may be added, so a `match` needs a last arm; the
/// questions of [`Error`](crate::Error) are answered for kinds a caller does not know, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// A value that mail cannot carry; [`Error::field`](crate::Error::field) names it.
    Invalid,
    /// The message is larger than the provider takes.
    TooLarge,
    /// The backend cannot do what this mail asks for. Nothing was attempted.
    Unsupported,
    /// A recipient is on the list of addresses not to be written to.
    Suppressed,
    /// The mail's `not_after` has passed.
    Expired,
    /// The provider did not accept who we are.
    Auth,
    /// The connection could not be made private, or not with the right party.
    Tls,
    /// The provider said no to this message or its recipients.
    Refused,
    /// Too fast; slower would do.
    Throttled,
    /// An allowance, such as a day's, is used up.
    Quota,
    /// The provider could not be reached, or says it is out of order.
    Unavailable,
    /// Time ran out.
    Timeout,
    /// The provider's answer made no sense.
    Protocol,
    /// The backend was closed before the call.
    Closed,
    /// The backend is set up wrongly.
    Config,
    /// Anything else.
    Other,
}

/// Whose fault it is, and so who can do something about it.
///
/// A message's fault goes back to whoever wrote it. A recipient's is remembered against the address, if it is
/// permanent. A transport's is the operator's, and no reason to doubt mail or recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// This message would fail anywhere: another backend does not help.
    Message,
    /// Some or all recipients; the message and the transport are fine.
    Recipients,
    /// The way to the provider; another backend may work.
    Transport,
}

/// Whether the same call can succeed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// Repeating it is pointless until somebody changes something.
    Permanent,
    /// It may pass by itself.
    Transient,
    /// It may pass, and the provider named the time to wait.
    After(Duration),
}

/// Whether the mail went out in spite of the error.
///
/// The same three words are used by all contracts of this family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Not sent, for certain: no recipient will get this mail because of this call, so repeating it cannot make
    /// a second copy. The provider either never had the whole message or clearly answered no.
    NotApplied,
    /// Sent, for certain; what failed came after the provider had taken the message over.
    Applied,
    /// Nobody can tell: the whole message was handed over, or may have been, and its verdict was not read.
    /// Repeating it may send it twice.
    Unknown,
}

/// What a caller who holds nothing but this error should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// Do not send it again: it is pointless, or it may make a second copy.
    Never,
    /// Send it again later, with growing pauses.
    Backoff,
    /// Send it again, not before this time has passed.
    After(Duration),
}

/// How far the call had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Before any I/O: rendering, checks, waiting for a turn.
    Prepare,
    /// Reaching the provider.
    Connect,
    /// Making the connection private.
    Tls,
    /// Proving who we are.
    Auth,
    /// Naming sender and recipients.
    Envelope,
    /// Handing over the message.
    Data,
    /// Waiting for the answer to the whole message.
    Verdict,
}

impl ErrorKind {
    /// The name in lower case, as it is stored and as metrics are labelled.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::TooLarge => "too_large",
            Self::Unsupported => "unsupported",
            Self::Suppressed => "suppressed",
            Self::Expired => "expired",
            Self::Auth => "auth",
            Self::Tls => "tls",
            Self::Refused => "refused",
            Self::Throttled => "throttled",
            Self::Quota => "quota",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Protocol => "protocol",
            Self::Closed => "closed",
            Self::Config => "config",
            Self::Other => "other",
        }
    }

    /// What is true of every error of this kind unless its maker says otherwise.
    pub(crate) fn implies(self) -> (Scope, Disposition, Outcome) {
        use Disposition::{Permanent, Transient};
        use Outcome::{NotApplied, Unknown};
        use Scope::{Message, Recipients, Transport};
        match self {
            Self::Invalid | Self::TooLarge | Self::Unsupported | Self::Expired | Self::Refused => {
                (Message, Permanent, NotApplied)
            }
            Self::Suppressed => (Recipients, Permanent, NotApplied),
            Self::Auth | Self::Tls | Self::Closed | Self::Config => (Transport, Permanent, NotApplied),
            Self::Throttled | Self::Quota => (Transport, Transient, NotApplied),
            Self::Unavailable | Self::Timeout | Self::Protocol => (Transport, Transient, Unknown),
            Self::Other => (Transport, Permanent, Unknown),
        }
    }

    /// The words that open an error's text.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Invalid => "invalid mail",
            Self::TooLarge => "mail too large",
            Self::Unsupported => "not supported by this mail backend",
            Self::Suppressed => "recipient suppressed",
            Self::Expired => "mail expired",
            Self::Auth => "mail provider did not accept the credentials",
            Self::Tls => "no private connection to the mail provider",
            Self::Refused => "mail refused",
            Self::Throttled => "mail throttled",
            Self::Quota => "mail quota used up",
            Self::Unavailable => "mail provider unavailable",
            Self::Timeout => "mail timed out",
            Self::Protocol => "mail provider answered nonsense",
            Self::Closed => "mail backend closed",
            Self::Config => "mail backend set up wrongly",
            Self::Other => "mail failed",
        }
    }
}

impl Outcome {
    /// The name in lower case, as it is stored and as metrics are labelled.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotApplied => "not_applied",
            Self::Applied => "applied",
            Self::Unknown => "unknown",
        }
    }
}

impl Stage {
    /// The name in lower case, as it is stored and as metrics are labelled.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Auth => "auth",
            Self::Envelope => "envelope",
            Self::Data => "data",
            Self::Verdict => "verdict",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_stored_as(value: impl Serialize, name: &str) {
        assert_eq!(serde_json::to_string(&value).unwrap(), format!("\"{name}\""));
    }

    #[test]
    fn names_are_those_that_are_stored() {
        for kind in [ErrorKind::TooLarge, ErrorKind::Tls, ErrorKind::Other] {
            assert_stored_as(kind, kind.as_str());
        }
        for outcome in [Outcome::NotApplied, Outcome::Applied, Outcome::Unknown] {
            assert_stored_as(outcome, outcome.as_str());
        }
        for stage in [Stage::Prepare, Stage::Connect, Stage::Tls, Stage::Verdict] {
            assert_stored_as(stage, stage.as_str());
        }
    }
}
