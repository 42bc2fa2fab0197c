//! From `opendal`'s errors to ours.

use std::{error::Error as StdError, io};

use opendal::ErrorKind as Theirs;
use persistent_fs::{Error, ErrorKind, Outcome, Retry};

/// What was being done when the operator answered with an error. The same answer means different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// Reading or describing an object.
    Look,
    /// Listing. What is not found is the store.
    List,
    /// Sending a part, or giving up: nothing visible is meant to change.
    Stage,
    /// A write that becomes visible by this call, under the condition that is named.
    Publish(Condition),
    /// A copy within the store. What is not found is its source.
    Copy(Condition),
    Delete,
}

/// What `ConditionNotMatch` is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    None,
    Create,
    Match,
}

/// Says in our terms what an error of an operator means. Its own text stays out of it, since it may hold a URL; what
/// is kept is the number of an error of the operating system.
pub(crate) fn translate(error: &opendal::Error, call: Call) -> Error {
    let cause = io_cause(error);
    let (kind, why) = by_kind(error.kind(), cause.as_ref().map(io::Error::kind), call);
    let outcome = match call {
        Call::Look | Call::List | Call::Stage => Outcome::NotApplied,
        Call::Publish(_) | Call::Copy(_) | Call::Delete if is_refusal(kind) => Outcome::NotApplied,
        Call::Publish(_) | Call::Copy(_) | Call::Delete => Outcome::Unknown,
    };
    let mut translated = Error::new(kind, why).with_outcome(outcome);
    // Some services call every error of a file system temporary, also those that are answers.
    if error.is_temporary() && !is_refusal(kind) {
        translated = translated.with_retry(Retry::Backoff);
    }
    match cause {
        Some(cause) => translated.with_source(cause),
        None => translated,
    }
}

/// [`translate`], for `map_err`.
pub(crate) fn translating(call: Call) -> impl Fn(opendal::Error) -> Error {
    move |error| translate(&error, call)
}

fn by_kind(kind: Theirs, io: Option<io::ErrorKind>, call: Call) -> (ErrorKind, &'static str) {
    match (kind, call) {
        (Theirs::NotFound | Theirs::IsADirectory | Theirs::NotADirectory, Call::Look | Call::Delete)
        | (Theirs::NotFound, Call::Copy(_)) => (ErrorKind::NotFound, "no such object"),
        (Theirs::NotFound, _) => (ErrorKind::Unavailable, "the store itself is not there"),
        (
            Theirs::ConditionNotMatch | Theirs::AlreadyExists,
            Call::Publish(Condition::Create) | Call::Copy(Condition::Create),
        ) => (ErrorKind::AlreadyExists, "an object is already there"),
        (Theirs::IsADirectory | Theirs::NotADirectory | Theirs::AlreadyExists, _) => {
            (ErrorKind::InvalidKey, "the store cannot hold this key beside those it has")
        }
        (Theirs::ConditionNotMatch, _) => {
            (ErrorKind::Precondition, "the object has another version, or is gone")
        }
        (Theirs::PermissionDenied, _) => (ErrorKind::Denied, "the credentials do not allow this"),
        (Theirs::RateLimited, _) => (ErrorKind::Throttled, "the store asks for fewer requests"),
        (Theirs::RangeNotSatisfied, _) => (ErrorKind::InvalidRange, "no byte lies in the range"),
        (Theirs::Unsupported, _) => (ErrorKind::Unsupported, "the store does not offer this"),
        (Theirs::ConfigInvalid, _) => (ErrorKind::Config, "the store is not configured for this"),
        (Theirs::Conflict, _) => (ErrorKind::Unavailable, "another change of the same object was under way"),
        _ => io.map_or((ErrorKind::Other, "the store failed"), |io| by_io(io, call)),
    }
}

/// For services on a file system, whose errors mostly have no kind of their own.
fn by_io(kind: io::ErrorKind, call: Call) -> (ErrorKind, &'static str) {
    match (kind, call) {
        (io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded, _) => {
            (ErrorKind::NoSpace, "the disk is full")
        }
        (io::ErrorKind::ReadOnlyFilesystem, _) => (ErrorKind::Denied, "the file system does not allow this"),
        // Something else has the name, or a part of it: a folder, or a file where a folder would have to be.
        (
            io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory | io::ErrorKind::DirectoryNotEmpty,
            Call::Look | Call::Delete,
        ) => (ErrorKind::NotFound, "no such object"),
        (
            io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::DirectoryNotEmpty
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::InvalidFilename,
            _,
        ) => (ErrorKind::InvalidKey, "the store cannot hold this key beside those it has"),
        (io::ErrorKind::TimedOut, _) => (ErrorKind::Timeout, "the store did not answer in time"),
        (
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe,
            _,
        ) => (ErrorKind::Unavailable, "the connection to the store broke"),
        _ => (ErrorKind::Other, "the store failed"),
    }
}

/// Whether an error of this kind is an answer that comes instead of the change.
fn is_refusal(kind: ErrorKind) -> bool {
    !matches!(kind, ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Other)
}

/// The error of the operating system below, as a new one that holds nothing else.
fn io_cause(error: &opendal::Error) -> Option<io::Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(
                error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error),
            );
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_meaning_and_outcome() {
        use Condition::{Create, Match, None};
        use Outcome::{NotApplied, Unknown};
        for (theirs, call, kind, outcome) in [
            (Theirs::NotFound, Call::Look, ErrorKind::NotFound, NotApplied),
            (Theirs::NotFound, Call::Copy(None), ErrorKind::NotFound, NotApplied),
            (Theirs::NotFound, Call::Delete, ErrorKind::NotFound, NotApplied),
            (Theirs::NotFound, Call::List, ErrorKind::Unavailable, NotApplied),
            (Theirs::NotFound, Call::Publish(None), ErrorKind::Unavailable, Unknown),
            (Theirs::IsADirectory, Call::Look, ErrorKind::NotFound, NotApplied),
            (Theirs::NotADirectory, Call::Publish(None), ErrorKind::InvalidKey, NotApplied),
            (Theirs::AlreadyExists, Call::Publish(None), ErrorKind::InvalidKey, NotApplied),
            (Theirs::AlreadyExists, Call::Publish(Create), ErrorKind::AlreadyExists, NotApplied),
            (Theirs::ConditionNotMatch, Call::Publish(Create), ErrorKind::AlreadyExists, NotApplied),
            (Theirs::ConditionNotMatch, Call::Publish(Match), ErrorKind::Precondition, NotApplied),
            (Theirs::ConditionNotMatch, Call::Look, ErrorKind::Precondition, NotApplied),
            (Theirs::PermissionDenied, Call::Publish(None), ErrorKind::Denied, NotApplied),
            (Theirs::RateLimited, Call::Publish(None), ErrorKind::Throttled, NotApplied),
            (Theirs::RangeNotSatisfied, Call::Look, ErrorKind::InvalidRange, NotApplied),
            (Theirs::Unsupported, Call::Publish(None), ErrorKind::Unsupported, NotApplied),
            (Theirs::ConfigInvalid, Call::Publish(None), ErrorKind::Config, NotApplied),
            (Theirs::Conflict, Call::Publish(None), ErrorKind::Unavailable, Unknown),
            (Theirs::Unexpected, Call::Publish(None), ErrorKind::Other, Unknown),
            (Theirs::Unexpected, Call::Stage, ErrorKind::Other, NotApplied),
        ] {
            let error = translate(&opendal::Error::new(theirs, ""), call);
            assert_eq!((error.kind(), error.outcome()), (kind, outcome), "{theirs:?} in {call:?}");
        }
    }

    #[test]
    fn an_error_of_the_system_keeps_its_number() {
        for (number, call, kind, outcome) in [
            (28, Call::Publish(Condition::None), ErrorKind::NoSpace, Outcome::NotApplied),
            (20, Call::Publish(Condition::None), ErrorKind::InvalidKey, Outcome::NotApplied),
            (39, Call::Delete, ErrorKind::NotFound, Outcome::NotApplied),
            (5, Call::Publish(Condition::None), ErrorKind::Other, Outcome::Unknown),
        ] {
            let cause = io::Error::from_raw_os_error(number);
            let error = translate(&opendal::Error::new(Theirs::Unexpected, "").set_source(cause), call);
            assert_eq!((error.kind(), error.outcome()), (kind, outcome), "{number} in {call:?}");
            let source =
                error.source().and_then(<dyn StdError>::downcast_ref::<io::Error>).expect("a source");
            assert_eq!(source.raw_os_error(), Some(number));
        }
    }

    #[test]
    fn nothing_that_an_operator_says_gets_through() {
        let error = opendal::Error::new(Theirs::Unexpected, "GET https://store/k?sig=5ec2e7")
            .with_context("uri", "https://store/k?sig=5ec2e7")
            .set_source(io::Error::other("sig=5ec2e7"))
            .set_temporary();
        let error = translate(&error, Call::Publish(Condition::None));
        assert_eq!(error.retry(), Retry::Backoff);
        assert!(!format!("{error} {error:?}").contains("5ec2e7"), "{error:?}");
    }
}
