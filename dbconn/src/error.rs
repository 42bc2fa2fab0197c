//! What went wrong, what came of the work, and whether to try again.

use std::{error::Error as StdError, fmt, time::Duration};

/// A failure to connect, or of work on a connection.
///
/// Act on [`kind`](Error::kind), [`outcome`](Error::outcome) and [`retry`](Error::retry), never on the text.
/// Neither the text nor `Debug` contains a password, a bound value or the values of a row.
///
/// What has become of the work, by where the error came from:
///
/// | Operation | Outcome | What the pool has already tried |
/// |---|---|---|
/// | `open` | `NotApplied` | nothing: the configuration is wrong |
/// | `wait` | `NotApplied` | waiting, for as long as the options say |
/// | `credentials`, `connect` | `NotApplied` | a second login, if the backend asked for it |
/// | `begin` | `NotApplied` | beginning again, on another connection if this one was dead |
/// | `statement` in a `write` or `snapshot` | `NotApplied` | the whole body again, after a conflict or a lost connection |
/// | `statement` in a `read` | `Unknown` if the connection was lost, else `NotApplied` | the same |
/// | `commit` of a `write` | `Unknown` if the connection was lost, else `NotApplied` | the whole body again, after a conflict |
///
/// An error that the body of a unit of work made itself is returned as it was made.
///
/// ```
/// use dbconn::{Error, ErrorKind, Outcome, Retry};
///
/// let error = Error::new(ErrorKind::Unavailable, "connect", "no connection: connection refused");
/// assert_eq!((error.outcome(), error.retry()), (Outcome::NotApplied, Retry::Backoff));
/// assert_eq!(error.to_string(), "database connect: no connection: connection refused");
///
/// // Not knowing whether it happened is not a reason to do it again.
/// let lost = Error::new(ErrorKind::Unavailable, "commit", "the connection was lost").with_outcome(Outcome::Unknown);
/// assert_eq!(lost.retry(), Retry::Never);
/// ```
pub struct Error {
    kind: ErrorKind,
    outcome: Outcome,
    retry: Retry,
    operation: &'static str,
    detail: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The failures that callers tell apart.
///
/// There are as many as there are reactions. A caller that has none of its own for a kind treats it
/// like `Other`: reports it, and fails. More kinds may be added.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Somebody else changed the same rows, or holds the lock. The same work may succeed when repeated from its start.
    /// The pool has done so already, as often as its options allow, so a caller who sees this has met
    /// contention that lasts.
    Conflict,
    /// A rule of the schema was broken. Never retried. Inside a `write` the statement may be undone by
    /// a savepoint; else the unit of work is rolled back.
    Constraint(Constraint),
    /// The server cannot be reached, went away, or refuses new connections for now. Also what a closed
    /// pool answers, then with `Retry::Never`.
    Unavailable,
    /// A deadline passed: waiting for a free connection or for one's turn to write, connecting, asking
    /// for credentials, or the server's own limit for a statement. The pool sets none for statements.
    Timeout,
    /// The server refused the credentials, the source gave expired ones, or the role lacks a privilege.
    Denied,
    /// The request itself is wrong: bad SQL, a value that the column cannot hold, work that the rules of the pool forbid.
    Invalid,
    /// The engine lacks what was asked for. Nothing was sent.
    Unsupported,
    /// A limit of the engine: rows or bytes per transaction, disk full.
    Limit,
    /// The configuration is wrong: a URL, a certificate file or a server's certificate, the name of a
    /// database that does not exist, a folder that is not there.
    Config,
    /// Exactly one row was demanded and there is none. A query that ends in `optional()` gives `None` instead.
    NotFound,
    /// Anything else.
    Other,
}

/// Which rule of the schema was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    /// The sort of rule.
    pub rule: Rule,
    /// Postgres: the constraint's name. SQLite: `table.column[, table.column]` for unique and not-null rules, the
    /// constraint's name for checks, and nothing for foreign keys.
    pub name: Option<String>,
}

/// The sorts of rules a schema can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// A unique index or primary key.
    Unique,
    /// A foreign key.
    ForeignKey,
    /// A column that may not be null.
    NotNull,
    /// A check, or an exclusion.
    Check,
}

/// What came of the work that failed.
///
/// This is the question that a retry depends on, and the kind does not answer it: a lost connection
/// is harmless before the commit and a riddle after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing of it took effect. For a `read` this is said of the statement that failed; those before
    /// it were carried out one by one.
    NotApplied,
    /// All of it took effect; only the answer was lost or came late.
    Applied,
    /// The connection was lost when the answer was due. It must be asked for, not repeated: look for a
    /// row that the work would have written, by a key that was chosen beforehand.
    Unknown,
}

/// Whether trying again is worth it.
///
/// Advice for the caller of the pool; the pool's own attempts are over by then. "Again" means the
/// whole unit of work, from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It will fail again.
    Never,
    /// It may succeed after a pause that grows with each attempt.
    Backoff,
    /// It may succeed after this pause.
    After(Duration),
}

impl Error {
    /// An error whose retry hint is the usual one of its kind, and whose work took no effect.
    ///
    /// `operation` is a word for what was being done, from the table above where it fits. `detail` is
    /// for a person; it must name neither a secret nor a value.
    ///
    /// `Conflict`, `Unavailable` and `Timeout` are worth another try after a pause, all others are not.
    pub fn new(kind: ErrorKind, operation: &'static str, detail: impl Into<String>) -> Self {
        let retry = match kind {
            ErrorKind::Conflict | ErrorKind::Unavailable | ErrorKind::Timeout => Retry::Backoff,
            _ => Retry::Never,
        };
        Self { kind, outcome: Outcome::NotApplied, retry, operation, detail: detail.into(), source: None }
    }

    /// The same error with another outcome. An unknown outcome is never to be retried.
    #[must_use]
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        if outcome != Outcome::NotApplied {
            self.retry = Retry::Never;
        }
        self
    }

    /// The same error with another hint.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// The same error with its cause, whose text must be as free of secrets as this one's.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error, saying what it happened to.
    #[cfg(feature = "diesel")]
    pub(crate) fn named(mut self, name: &str) -> Self {
        self.detail = format!("{name}: {}", self.detail);
        self
    }

    /// What sort of failure it is.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// What came of the work.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Whether to try again.
    pub fn retry(&self) -> Retry {
        self.retry
    }

    /// What was being done: `connect`, `commit`, `statement` …
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// The constraint that was broken, if that is what happened.
    pub fn constraint(&self) -> Option<&Constraint> {
        match &self.kind {
            ErrorKind::Constraint(constraint) => Some(constraint),
            _ => None,
        }
    }

    /// Whether a unique rule was broken.
    pub fn is_unique_violation(&self) -> bool {
        self.constraint().is_some_and(|constraint| constraint.rule == Rule::Unique)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "database {}: {}", self.operation, self.detail)?;
        if self.outcome == Outcome::Unknown { f.write_str(" (outcome unknown)") } else { Ok(()) }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind)
            .field("outcome", &self.outcome)
            .field("retry", &self.retry)
            .field("operation", &self.operation)
            .field("detail", &self.detail)
            .field("source", &self.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
