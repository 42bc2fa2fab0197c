//! What went wrong, whether anything changed, and whether trying again makes sense.

use std::{error::Error as StdError, fmt, time::Duration};

use crate::Key;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Cause = Box<dyn StdError + Send + Sync + 'static>;

/// An error of a file store.
///
/// ```
/// # use persistent_fs::{Error, ErrorKind, Key, Outcome, Retry};
/// # fn main() -> Result<(), Error> {
/// let error = Error::new(ErrorKind::Unavailable, "no answer to the commit")
///     .with_outcome(Outcome::Unknown)
///     .with_operation("put")
///     .with_key(&Key::parse("a/b")?);
/// assert_eq!(error.to_string(), "put a/b: no answer to the commit");
/// assert_eq!((error.outcome(), error.retry()), (Outcome::Unknown, Retry::Backoff));
/// # Ok(())
/// # }
/// ```
///
/// Act on [`kind`](Self::kind), [`outcome`](Self::outcome) and [`retry`](Self::retry); log the rest. The message names
/// the operation and the key, and never holds a secret, a signed URL or any part of a body.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    outcome: Outcome,
    retry: Retry,
    operation: Option<&'static str>,
    key: Option<Key>,
    detail: String,
    source: Option<Cause>,
}

/// What a caller can act on. The same for every backend.
///
/// | Kinds | Whose turn it is | As an HTTP status |
/// |---|---|---|
/// | `NotFound`, `NotModified` | the caller's: these are answers | 404, 304 |
/// | `AlreadyExists`, `Precondition` | the caller's: look again, decide again | 409, 412 |
/// | `InvalidKey`, `InvalidRange`, `InvalidOption` | the caller's: another argument | 400, 416, 400 |
/// | `TooLarge`, `NoSpace` | the user's, the operator's | 413, 507 |
/// | `Integrity` | who sent or stored the bytes | 422 for a write, 500 for a read |
/// | `Unsupported`, `Config`, `Denied`, `Unauthenticated` | the operator's | 500 |
/// | `Throttled`, `Unavailable`, `Timeout` | nobody's: it may pass, see [`Retry`] | 503 |
/// | `Other` | whoever reads the log | 500 |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No object has this key.
    NotFound,
    /// A create found an object already there.
    AlreadyExists,
    /// The object is not the version that the call asked for.
    Precondition,
    /// The object is still the version that the caller has.
    NotModified,
    /// The text is no valid key, or this backend cannot hold this key beside those it has.
    InvalidKey,
    /// The range covers no byte of the object.
    InvalidRange,
    /// An argument makes no sense, whatever the state of the store.
    InvalidOption,
    /// The body exceeds a limit.
    TooLarge,
    /// The storage is full, or its quota is used up.
    NoSpace,
    /// Bytes are not what they were declared or recorded to be.
    Integrity,
    /// The backend does not offer this.
    Unsupported,
    /// The credentials do not allow this.
    Denied,
    /// The credentials are missing, wrong or expired.
    Unauthenticated,
    /// The backend asks for fewer requests.
    Throttled,
    /// The backend cannot be reached or is not working.
    Unavailable,
    /// The backend did not answer in time.
    Timeout,
    /// The configuration is wrong: a URL, an option, a root that is no directory.
    Config,
    /// Anything else.
    Other,
}

/// Whether the change that was asked for has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Nothing changed: the old object, or its absence, still stands.
    NotApplied,
    /// The change is visible, though the call failed after it.
    Applied,
    /// Either; never anything in between. Look before you act.
    Unknown,
}

/// Whether the same call may succeed later. It says nothing about whether repeating is harmless: that is the
/// [`Outcome`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// It will not, until something else changes.
    Never,
    /// It may, after the caller's usual pause.
    Backoff,
    /// It may, after this long, says the backend.
    After(Duration),
}

impl ErrorKind {
    /// The kind in one word, as logs and metrics have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::Precondition => "precondition",
            Self::NotModified => "not_modified",
            Self::InvalidKey => "invalid_key",
            Self::InvalidRange => "invalid_range",
            Self::InvalidOption => "invalid_option",
            Self::TooLarge => "too_large",
            Self::NoSpace => "no_space",
            Self::Integrity => "integrity",
            Self::Unsupported => "unsupported",
            Self::Denied => "denied",
            Self::Unauthenticated => "unauthenticated",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Config => "config",
            Self::Other => "other",
        }
    }
}

impl Error {
    /// An error of this kind. Nothing was applied, and whether to retry follows from the kind.
    pub fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        let retry = match kind {
            ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Timeout => Retry::Backoff,
            _ => Retry::Never,
        };
        let detail = detail.into();
        let outcome = Outcome::NotApplied;
        Self(Box::new(Inner { kind, outcome, retry, operation: None, key: None, detail, source: None }))
    }

    /// This backend does not offer `what`.
    pub fn unsupported(what: &str) -> Self {
        Self::new(ErrorKind::Unsupported, format!("{what} is not offered by this backend"))
    }

    /// The upload was given up with an earlier error or a dropped write, and takes nothing more.
    pub fn upload_lost() -> Self {
        Self::new(ErrorKind::Other, "the upload was lost with an earlier error or a dropped write")
    }

    /// Sets whether the change was applied.
    #[must_use]
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.0.outcome = outcome;
        self
    }

    /// Sets whether trying again makes sense.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Names the operation that failed.
    #[must_use]
    pub fn with_operation(mut self, operation: &'static str) -> Self {
        self.0.operation = Some(operation);
        self
    }

    /// Names the key it failed on.
    #[must_use]
    pub fn with_key(mut self, key: &Key) -> Self {
        self.0.key = Some(key.clone());
        self
    }

    /// Keeps the cause for the log. Its text obeys the same rule as ours: no secret, no signed URL, no body.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Cause>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What a caller can act on.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the change was applied. Reads always answer [`Outcome::NotApplied`].
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// Whether trying again makes sense.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// The operation that failed, if it was recorded.
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// The key it failed on, if there was one.
    pub fn key(&self) -> Option<&Key> {
        self.0.key.as_ref()
    }

    /// Whether the object, and nothing else, is missing: a store that is gone answers otherwise.
    pub fn is_not_found(&self) -> bool {
        self.0.kind == ErrorKind::NotFound
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(operation) = self.0.operation {
            write!(f, "{operation}")?;
            if let Some(key) = &self.0.key {
                write!(f, " {key}")?;
            }
            write!(f, ": ")?;
        } else if let Some(key) = &self.0.key {
            write!(f, "{key}: ")?;
        }
        write!(f, "{}", self.0.detail)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("outcome", &self.0.outcome)
            .field("retry", &self.0.retry)
            .field("message", &self.to_string())
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// Keeps the kind where `std` has one, and the error itself as the cause.
impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        use std::io::ErrorKind as Io;
        let kind = match error.kind() {
            ErrorKind::NotFound => Io::NotFound,
            ErrorKind::AlreadyExists => Io::AlreadyExists,
            ErrorKind::InvalidKey | ErrorKind::InvalidRange | ErrorKind::InvalidOption => Io::InvalidInput,
            ErrorKind::TooLarge => Io::FileTooLarge,
            ErrorKind::NoSpace => Io::StorageFull,
            ErrorKind::Integrity => Io::InvalidData,
            ErrorKind::Unsupported => Io::Unsupported,
            ErrorKind::Denied | ErrorKind::Unauthenticated => Io::PermissionDenied,
            ErrorKind::Timeout => Io::TimedOut,
            _ => Io::Other,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_names_operation_key_and_detail() {
        let key = Key::parse("a/b").expect("a key");
        let error = Error::new(ErrorKind::NotFound, "no such object").with_operation("read").with_key(&key);
        assert_eq!(error.to_string(), "read a/b: no such object");
    }

    #[test]
    fn only_trouble_of_the_backend_is_worth_a_retry_by_default() {
        assert_eq!(Error::new(ErrorKind::Unavailable, "").retry(), Retry::Backoff);
        assert_eq!(Error::new(ErrorKind::Denied, "").retry(), Retry::Never);
    }

    #[test]
    fn an_io_error_keeps_kind_and_cause() {
        let io = std::io::Error::from(Error::new(ErrorKind::NoSpace, "full"));
        assert_eq!(io.kind(), std::io::ErrorKind::StorageFull);
        assert!(io.get_ref().is_some_and(<dyn StdError + Send + Sync>::is::<Error>));
    }
}
