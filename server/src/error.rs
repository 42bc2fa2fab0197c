//! What can go wrong in the server, by meaning. `http/error.rs` alone gives it a status and a body.

use std::error::Error as StdError;

/// A failure, as services report it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The thing is not there, or is somebody else's: the caller cannot tell which.
    #[error("not found")]
    NotFound,
    /// No valid proof of who is calling.
    #[error("not authorised")]
    Unauthorized,
    /// E-mail and password do not belong together; the same words for an unknown user.
    #[error("wrong e-mail or password")]
    BadCredentials,
    /// The refresh token is unknown, expired or was withdrawn.
    #[error("the session has ended")]
    SessionEnded,
    /// The request says something that cannot be done.
    #[error("{message}")]
    Invalid {
        /// Path of the field in the request, empty when no single field is to blame.
        field: String,
        /// A sentence for the user.
        message: String,
    },
    /// The body is larger than this route takes.
    #[error("the request is too large")]
    TooLarge,
    /// A part of the server that will be back: try again.
    #[error("temporarily unavailable")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
    /// Everything else; the cause is logged, never shown.
    #[error("internal error")]
    Internal(#[source] Box<dyn StdError + Send + Sync>),
    /// The database's answer, kept whole so that a conflict can be retried.
    #[error("database: {0}")]
    Database(dbconn::Error),
}

impl Error {
    /// The request is wrong in one field.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), message: message.into() }
    }

    /// The request as a whole is refused, with a sentence for the user.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::invalid("", message)
    }

    /// A failure that only the log should explain.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Internal(source.into())
    }
}

impl From<dbconn::Error> for Error {
    fn from(error: dbconn::Error) -> Self {
        Self::Database(error)
    }
}

impl dbconn::WorkError for Error {
    fn database(&self) -> Option<&dbconn::Error> {
        match self {
            Self::Database(error) => Some(error),
            _ => None,
        }
    }
}

impl From<persistent_fs::Error> for Error {
    fn from(error: persistent_fs::Error) -> Self {
        use persistent_fs::ErrorKind;
        match error.kind() {
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::TooLarge => Self::TooLarge,
            ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Timeout => {
                Self::Unavailable(error.into())
            }
            _ => Self::Internal(error.into()),
        }
    }
}

impl From<mailer::Error> for Error {
    fn from(error: mailer::Error) -> Self {
        Self::Internal(error.into())
    }
}
