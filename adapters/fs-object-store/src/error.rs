//! From `object_store`'s errors to ours.

use std::{error::Error as StdError, io};

use persistent_fs::{Error, ErrorKind, Outcome};

/// What was being done when a store answered with an error. The same answer means different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Reading or describing an object. Nothing can have changed.
    Look,
    /// Listing. What is not found is the store.
    List,
    /// Beginning an upload, sending a part, giving up: nothing visible can have changed. What is not found is the
    /// store, or the upload.
    Stage,
    /// A write that becomes visible by this call: a put, or the completion of an upload.
    Publish,
    /// A copy within the store. What is not found is its source.
    Copy,
    /// A delete.
    Delete,
}

/// What an error's causes say about it, as far as they let themselves be asked.
#[derive(Debug, Default)]
struct Clues {
    /// The status of an HTTP answer.
    status: Option<u16>,
    /// The code in the body of an S3 answer, such as `SlowDown`.
    code: Option<String>,
    /// Whether the request had been repeated, so that an earlier attempt may have succeeded.
    repeated: bool,
    io: Option<(io::ErrorKind, Option<i32>)>,
    wire: Option<Wire>,
}

/// How a request failed that got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "http"), expect(dead_code, reason = "only stores that speak HTTP have a wire"))]
enum Wire {
    NotConnected,
    TimedOut,
    Broken,
}

/// Says in our terms what an error of a store means: its kind, and whether the change was applied.
///
/// `object_store`'s own text stays out of it, since it holds URLs and bodies; what is kept is the HTTP status, the S3
/// error code and the number of an error of the operating system.
///
/// Where a request was repeated below us, even a clear refusal leaves open what the first attempt did, so its outcome
/// is [`Outcome::Unknown`]. A store opened without repetitions of its own gives clearer answers.
///
/// Behind a store that is one of ours in turn, such as [`AsObjectStore`](crate::AsObjectStore), its own error is found
/// and means what it meant there.
pub fn translate(error: &object_store::Error, call: Call) -> Error {
    if let Some(ours) = ours(error) {
        return Error::new(ours.kind(), ours.to_string())
            .with_outcome(ours.outcome())
            .with_retry(ours.retry());
    }
    let clues = Clues::of(error);
    let (kind, why, refused) = by_variant(error, call).map_or_else(
        || by_clues(&clues, call),
        |(kind, why)| match clues.code.as_deref().and_then(by_code) {
            // The code says more than the variant, which is only the status.
            Some((kind, why)) => (kind, why, true),
            None => (kind, why, true),
        },
    );
    let outcome = match call {
        Call::Look | Call::List | Call::Stage => Outcome::NotApplied,
        Call::Publish | Call::Copy | Call::Delete if refused && !clues.repeated => Outcome::NotApplied,
        Call::Publish | Call::Copy | Call::Delete => Outcome::Unknown,
    };
    let translated = Error::new(kind, clues.describe(why)).with_outcome(outcome);
    match clues.io {
        Some((_, Some(number))) => translated.with_source(io::Error::from_raw_os_error(number)),
        Some((kind, None)) => translated.with_source(io::Error::from(kind)),
        None => translated,
    }
}

/// [`translate`], for `map_err`.
pub(crate) fn translating(call: Call) -> impl Fn(object_store::Error) -> Error {
    move |error| translate(&error, call)
}

/// The error of ours that this one carries.
fn ours(error: &object_store::Error) -> Option<&Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(ours) = error.downcast_ref::<Error>() {
            return Some(ours);
        }
        cause = error.source();
    }
    None
}

/// What the variant alone says. Each of these is an answer, so the change was refused.
fn by_variant(error: &object_store::Error, call: Call) -> Option<(ErrorKind, &'static str)> {
    use object_store::Error as Theirs;
    Some(match error {
        Theirs::NotFound { .. } => match call {
            Call::Look | Call::Copy | Call::Delete => (ErrorKind::NotFound, "no such object"),
            Call::List | Call::Publish => (ErrorKind::Unavailable, "the store itself is not there"),
            Call::Stage => (ErrorKind::Unavailable, "the store or the upload is not there any more"),
        },
        Theirs::AlreadyExists { .. } => (ErrorKind::AlreadyExists, "an object is already there"),
        Theirs::Precondition { .. } => {
            (ErrorKind::Precondition, "the object has another version, or is gone")
        }
        Theirs::NotModified { .. } => (ErrorKind::NotModified, "the object has not changed"),
        Theirs::NotSupported { .. } | Theirs::NotImplemented { .. } => {
            (ErrorKind::Unsupported, "the store does not offer this")
        }
        Theirs::PermissionDenied { .. } => (ErrorKind::Denied, "the credentials do not allow this"),
        Theirs::Unauthenticated { .. } => (ErrorKind::Unauthenticated, "the credentials were not accepted"),
        Theirs::InvalidPath { .. } => (ErrorKind::Other, "the store holds a name that it cannot express"),
        Theirs::UnknownConfigurationKey { .. } => {
            (ErrorKind::Config, "the store was configured with an unknown key")
        }
        _ => return None,
    })
}

/// What the causes say, and whether it is certain that the change was refused.
fn by_clues(clues: &Clues, call: Call) -> (ErrorKind, &'static str, bool) {
    if let Some((kind, why)) = clues.code.as_deref().and_then(by_code) {
        return (kind, why, true);
    }
    if let Some(status) = clues.status {
        return by_status(status);
    }
    match clues.wire {
        Some(Wire::NotConnected) => return (ErrorKind::Unavailable, "the store cannot be reached", true),
        Some(Wire::TimedOut) => return (ErrorKind::Timeout, "the store did not answer in time", false),
        Some(Wire::Broken) => return (ErrorKind::Unavailable, "the connection to the store broke", false),
        None => {}
    }
    clues.io.map_or((ErrorKind::Other, "the store failed", false), |(kind, _)| by_io(kind, call))
}

/// The codes of S3 that say more than their status. All of them are refusals.
fn by_code(code: &str) -> Option<(ErrorKind, &'static str)> {
    Some(match code {
        "NoSuchBucket" => (ErrorKind::Unavailable, "the bucket is not there"),
        "SlowDown" | "RequestLimitExceeded" | "TooManyRequests" | "Throttling" | "ThrottlingException" => {
            (ErrorKind::Throttled, "the store asks for fewer requests")
        }
        "ConditionalRequestConflict" => {
            (ErrorKind::Unavailable, "another write of the same object was under way")
        }
        "ExpiredToken"
        | "InvalidToken"
        | "InvalidAccessKeyId"
        | "NotSignedUp"
        | "SignatureDoesNotMatch"
        | "TokenRefreshRequired" => (ErrorKind::Unauthenticated, "the credentials were not accepted"),
        "RequestTimeTooSkewed" => (ErrorKind::Unauthenticated, "the clocks here and there differ too much"),
        "EntityTooLarge" => (ErrorKind::TooLarge, "the body exceeds the store's limit"),
        "BadDigest" | "InvalidDigest" | "XAmzContentSHA256Mismatch" => {
            (ErrorKind::Integrity, "the body did not arrive as it was sent")
        }
        "KeyTooLongError" => (ErrorKind::InvalidKey, "the key is too long for the store"),
        "QuotaExceeded" | "InsufficientCapacity" => (ErrorKind::NoSpace, "the store is full"),
        "NotImplemented" => (ErrorKind::Unsupported, "the store does not offer this"),
        "RequestTimeout" => (ErrorKind::Timeout, "the body did not arrive in time"),
        _ => return None,
    })
}

fn by_status(status: u16) -> (ErrorKind, &'static str, bool) {
    match status {
        401 => (ErrorKind::Unauthenticated, "the credentials were not accepted", true),
        403 => (ErrorKind::Denied, "the credentials do not allow this", true),
        405 | 501 => (ErrorKind::Unsupported, "the store does not offer this", true),
        408 => (ErrorKind::Timeout, "the request did not arrive in time", true),
        413 => (ErrorKind::TooLarge, "the body exceeds the store's limit", true),
        416 => (ErrorKind::InvalidRange, "no byte lies in the range", true),
        429 => (ErrorKind::Throttled, "the store asks for fewer requests", true),
        507 => (ErrorKind::NoSpace, "the store is full", true),
        500.. => (ErrorKind::Unavailable, "the store is not working", false),
        400..500 => (ErrorKind::Other, "the store refused the request", true),
        _ => (ErrorKind::Other, "the store answered with an error", false),
    }
}

/// For stores on a file system. Only what surely comes before the publication counts as refused.
fn by_io(kind: io::ErrorKind, call: Call) -> (ErrorKind, &'static str, bool) {
    match (kind, call) {
        (io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded, _) => {
            (ErrorKind::NoSpace, "the disk is full", true)
        }
        (io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem, _) => {
            (ErrorKind::Denied, "the file system does not allow this", true)
        }
        // Something else has the name, or a part of it: a folder, or a file where a folder would have to be.
        (io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory, Call::Look | Call::Delete) => {
            (ErrorKind::NotFound, "no such object", true)
        }
        (
            io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::DirectoryNotEmpty
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::InvalidFilename,
            _,
        ) => (ErrorKind::InvalidKey, "the file system cannot hold this key beside those it has", true),
        (io::ErrorKind::NotFound, _) => (ErrorKind::Unavailable, "a folder has vanished", true),
        (io::ErrorKind::TimedOut, _) => (ErrorKind::Timeout, "the file system did not answer in time", false),
        _ => (ErrorKind::Other, "the file system failed", false),
    }
}

impl Clues {
    fn of(error: &object_store::Error) -> Self {
        let mut clues = Self::default();
        let mut cause: Option<&(dyn StdError + 'static)> = error.source();
        while let Some(error) = cause {
            clues.note(error);
            cause = error.source();
        }
        clues
    }

    fn note(&mut self, error: &(dyn StdError + 'static)) {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            self.io = Some((error.kind(), error.raw_os_error()));
        }
        #[cfg(feature = "http")]
        if let Some(error) = error.downcast_ref::<object_store::client::HttpError>() {
            use object_store::client::HttpErrorKind as Kind;
            self.wire = Some(match error.kind() {
                Kind::Connect => Wire::NotConnected,
                Kind::Timeout => Wire::TimedOut,
                _ => Wire::Broken,
            });
        }
        // The type that has the status is private, so it has to be read from its text.
        let text = error.to_string();
        if let Some(rest) = text.strip_prefix("Server returned non-2xx status code: ") {
            self.status = rest.split(' ').next().and_then(|status| status.parse().ok());
        }
        if text.starts_with("Server returned ") {
            self.code = code_in(&text);
        }
        self.repeated |= text.starts_with("Error performing ") && text.contains(" retries, max_retries: ");
    }

    fn describe(&self, why: &str) -> String {
        match (self.status, &self.code) {
            (Some(status), Some(code)) => format!("{why} ({status} {code})"),
            (Some(status), None) => format!("{why} ({status})"),
            (None, Some(code)) => format!("{why} ({code})"),
            (None, None) => why.to_owned(),
        }
    }
}

/// The text between `<Code>` and `</Code>`, if it looks like a code and like nothing else.
fn code_in(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let plain = (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    plain.then(|| code.to_owned())
}

#[cfg(test)]
mod tests;
