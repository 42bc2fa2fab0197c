//! What went wrong, told so that a caller can act without reading the text.

use std::error::Error as StdError;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Address, Disposition, ErrorKind, Outcome, Retry, Scope, Stage};

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
    attempts: u32,
    earlier: Vec<Error>,
    source: Option<Box<dyn StdError + Send + Sync>>,
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
            attempts: 1,
            earlier: Vec::new(),
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

    /// Says how many attempts the call has made, as a layer knows that repeats it.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    /// Adds what other backends said that were asked for the same mail before this one.
    #[must_use]
    pub fn with_earlier(mut self, earlier: Vec<Error>) -> Self {
        self.0.earlier = earlier;
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

    /// The recipients that were refused; empty unless the provider named them, or they themselves are why
    /// ([`Suppressed`](ErrorKind::Suppressed), local parts that the backend does not support).
    pub fn refused(&self) -> &[Refused] {
        &self.0.refused
    }

    /// How many attempts the call has made: 1, unless layers made more of it.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// What other backends said that were asked for the same mail before this one, in order. Empty but for
    /// [`Failover`](crate::layers::Failover) and [`RoundRobin`](crate::layers::RoundRobin).
    pub fn earlier(&self) -> &[Error] {
        &self.0.earlier
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
        for earlier in &self.0.earlier {
            write!(f, "; before that: {earlier}")?;
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
    use std::time::Duration;

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
