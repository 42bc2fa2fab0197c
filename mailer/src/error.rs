//! What went wrong, told so that a caller can act without reading the text.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Address;

/// Why a mail was not, or may not have been, handed over.
///
/// Three questions decide what to do next, and each has its own answer here: whose fault it is
/// ([`scope`](Self::scope)), whether it can pass later ([`disposition`](Self::disposition)), and whether the
/// mail may have gone out all the same ([`outcome`](Self::outcome)). [`retry`](Self::retry) puts the last two
/// together. The text is for people: it names fields, hosts and reply codes, never a body, a subject, a secret
/// or a link.
///
/// ```
/// # use mailer::{Error, ErrorKind, Outcome, Retry};
/// // The provider closed the connection before it had the whole message.
/// let early = Error::new(ErrorKind::Unavailable, "connection lost").with_outcome(Outcome::NotApplied);
/// assert_eq!(early.retry(), Retry::Backoff);
/// // It did so after the last byte: the mail may be on its way, and a second one would be a copy.
/// let late = Error::new(ErrorKind::Unavailable, "connection lost");
/// assert_eq!((late.outcome(), late.retry()), (Outcome::Unknown, Retry::Never));
/// ```
///
/// A new error starts with what its [`ErrorKind`] implies; whoever knows better says so with the `with_…`
/// methods. A kind that does not by itself prove that nothing was sent starts as [`Outcome::Unknown`].
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    scope: Scope,
    disposition: Disposition,
    outcome: Outcome,
    stage: Stage,
    field: Option<String>,
    message: String,
    reply: Option<Reply>,
    refused: Vec<Refused>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

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
/// questions of [`Error`] are answered for kinds a caller does not know, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// A value that mail cannot carry; [`Error::field`] names it.
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

/// A provider's own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The reply code (`550`) or the provider's name for the fault (`MessageRejected`).
    pub code: String,
    /// The enhanced status code (`5.1.1`), if there was one.
    pub enhanced: Option<String>,
    /// The text, line by line, already free of control characters.
    pub lines: Vec<String>,
}

/// One recipient the provider did not take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The recipient.
    pub address: Address,
    /// True if the address will not work later either.
    pub permanent: bool,
    /// The provider's words, if it gave any.
    pub reply: Option<Reply>,
}

impl Error {
    /// An error of this kind with the scope, disposition, outcome and stage that the kind implies.
    ///
    /// `message` must not quote a body, a subject, a secret or a link.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let (scope, disposition, outcome) = kind.implies();
        Self(Box::new(Inner {
            kind,
            scope,
            disposition,
            outcome,
            stage: Stage::Prepare,
            field: None,
            message: message.into(),
            reply: None,
            refused: Vec::new(),
            source: None,
        }))
    }

    /// [`ErrorKind::Invalid`] for one named field, for example `subject` or `attachment 2: file name`.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        let mut error = Self::new(ErrorKind::Invalid, message);
        error.0.field = Some(field.into());
        error
    }

    /// Says whose fault it is.
    #[must_use]
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.0.scope = scope;
        self
    }

    /// Says whether it can pass.
    #[must_use]
    pub fn with_disposition(mut self, disposition: Disposition) -> Self {
        self.0.disposition = disposition;
        self
    }

    /// Says whether the mail may have gone out.
    #[must_use]
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.0.outcome = outcome;
        self
    }

    /// Says how far the call had come.
    #[must_use]
    pub fn at(mut self, stage: Stage) -> Self {
        self.0.stage = stage;
        self
    }

    /// Adds the provider's words.
    #[must_use]
    pub fn with_reply(mut self, reply: Reply) -> Self {
        self.0.reply = Some(reply);
        self
    }

    /// Adds the recipients that were refused. An error is for a mail that was taken for nobody; where it was taken for
    /// some, the [`Receipt`](crate::Receipt) names the others.
    #[must_use]
    pub fn with_refused(mut self, refused: Vec<Refused>) -> Self {
        self.0.refused = refused;
        self
    }

    /// Adds the cause. Its text must obey the same rules as this error's.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The portable kind.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whose fault it is.
    pub fn scope(&self) -> Scope {
        self.0.scope
    }

    /// Whether the same call can succeed later.
    pub fn disposition(&self) -> Disposition {
        self.0.disposition
    }

    /// Whether the mail may have gone out.
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// Whether to send the same mail again: only if the fault is not permanent **and** the mail was surely not
    /// sent.
    pub fn retry(&self) -> Retry {
        match (self.0.outcome, self.0.disposition) {
            (Outcome::NotApplied, Disposition::Transient) => Retry::Backoff,
            (Outcome::NotApplied, Disposition::After(wait)) => Retry::After(wait),
            _ => Retry::Never,
        }
    }

    /// How far the call had come.
    pub fn stage(&self) -> Stage {
        self.0.stage
    }

    /// The field an [`ErrorKind::Invalid`] is about.
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// The provider's words, if it said anything.
    pub fn reply(&self) -> Option<&Reply> {
        self.0.reply.as_ref()
    }

    /// The recipients that were refused; empty unless the provider named them.
    pub fn refused(&self) -> &[Refused] {
        &self.0.refused
    }
}

impl ErrorKind {
    /// What is true of every error of this kind unless its maker says otherwise.
    fn implies(self) -> (Scope, Disposition, Outcome) {
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
    fn words(self) -> &'static str {
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

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.kind.words())?;
        if let Some(field) = &self.0.field {
            write!(f, ": {field}")?;
        }
        if !self.0.message.is_empty() {
            write!(f, ": {}", self.0.message)?;
        }
        if let Some(reply) = &self.0.reply {
            write!(f, " ({reply})")?;
        }
        Ok(())
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code)?;
        if let Some(enhanced) = &self.enhanced {
            write!(f, " {enhanced}")?;
        }
        if let Some(first) = self.lines.first() {
            write!(f, " {first}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("scope", &self.0.scope)
            .field("disposition", &self.0.disposition)
            .field("outcome", &self.0.outcome)
            .field("stage", &self.0.stage)
            .field("text", &format_args!("{self}"))
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_and_was_surely_not_sent_is_retried() {
        let wait = Duration::from_secs(7);
        for (outcome, disposition, expected) in [
            (Outcome::NotApplied, Disposition::Transient, Retry::Backoff),
            (Outcome::NotApplied, Disposition::After(wait), Retry::After(wait)),
            (Outcome::NotApplied, Disposition::Permanent, Retry::Never),
            (Outcome::Unknown, Disposition::Transient, Retry::Never),
            (Outcome::Unknown, Disposition::After(wait), Retry::Never),
            (Outcome::Applied, Disposition::Transient, Retry::Never),
        ] {
            let error = Error::new(ErrorKind::Other, "").with_outcome(outcome).with_disposition(disposition);
            assert_eq!(error.retry(), expected, "{outcome:?} {disposition:?}");
        }
    }

    #[test]
    fn a_timeout_is_not_taken_for_proof_that_nothing_was_sent() {
        assert_eq!(Error::new(ErrorKind::Timeout, "").outcome(), Outcome::Unknown);
        assert_eq!(Error::new(ErrorKind::Throttled, "").outcome(), Outcome::NotApplied);
    }

    #[test]
    fn the_text_names_field_and_reply() {
        let reply =
            Reply { code: "550".into(), enhanced: Some("5.1.1".into()), lines: vec!["no such user".into()] };
        let error = Error::invalid("subject", "holds a line break").with_reply(reply);
        assert_eq!(error.to_string(), "invalid mail: subject: holds a line break (550 5.1.1 no such user)");
    }
}
