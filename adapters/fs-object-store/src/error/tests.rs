use std::fmt;

use object_store::Error as Theirs;

use super::*;

/// A cause with this text and, perhaps, a cause of its own.
#[derive(Debug)]
struct Saying(&'static str, Option<Box<Saying>>);

impl fmt::Display for Saying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl StdError for Saying {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.1.as_deref().map(|cause| cause as _)
    }
}

const FIRST_TRY: &str = "Error performing PUT https://store/b/k?X-Amz-Signature=5ec2e7 in 3ms - oh";
const THIRD_TRY: &str = "Error performing PUT https://store/b/k in 3ms, after 2 retries, max_retries: 10, \
                         retry_timeout: 180s  - oh";

fn generic(source: impl StdError + Send + Sync + 'static) -> Theirs {
    Theirs::Generic { store: "S3", source: Box::new(source) }
}

/// What a request that was tried like this gives when the answer has this text.
fn answered(tried: &'static str, answer: &'static str) -> Saying {
    Saying(tried, Some(Box::new(Saying(answer, None))))
}

fn known(variant: &str) -> Theirs {
    let (path, source) = ("k".to_owned(), Box::new(answered(FIRST_TRY, "")));
    match variant {
        "NotFound" => Theirs::NotFound { path, source },
        "AlreadyExists" => Theirs::AlreadyExists { path, source },
        "Precondition" => Theirs::Precondition { path, source },
        "NotModified" => Theirs::NotModified { path, source },
        "PermissionDenied" => Theirs::PermissionDenied { path, source },
        "Unauthenticated" => Theirs::Unauthenticated { path, source },
        "NotSupported" => Theirs::NotSupported { source },
        "NotImplemented" => Theirs::NotImplemented { operation: path.clone(), implementer: path },
        "UnknownConfigurationKey" => Theirs::UnknownConfigurationKey { store: "S3", key: path },
        _ => panic!("there is no {variant} in this table"),
    }
}

#[test]
fn each_variant_has_its_kind_and_changed_nothing() {
    for (variant, call, kind) in [
        ("NotFound", Call::Look, ErrorKind::NotFound),
        ("NotFound", Call::Copy, ErrorKind::NotFound),
        ("NotFound", Call::Delete, ErrorKind::NotFound),
        ("NotFound", Call::List, ErrorKind::Unavailable),
        ("NotFound", Call::Stage, ErrorKind::Unavailable),
        ("NotFound", Call::Publish, ErrorKind::Unavailable),
        ("AlreadyExists", Call::Publish, ErrorKind::AlreadyExists),
        ("Precondition", Call::Publish, ErrorKind::Precondition),
        ("NotModified", Call::Look, ErrorKind::NotModified),
        ("PermissionDenied", Call::Publish, ErrorKind::Denied),
        ("Unauthenticated", Call::Publish, ErrorKind::Unauthenticated),
        ("NotSupported", Call::Publish, ErrorKind::Unsupported),
        ("NotImplemented", Call::Publish, ErrorKind::Unsupported),
        ("UnknownConfigurationKey", Call::Publish, ErrorKind::Config),
    ] {
        let error = translate(&known(variant), call);
        assert_eq!((error.kind(), error.outcome()), (kind, Outcome::NotApplied), "{variant} in {call:?}");
    }
}

#[test]
fn each_answer_has_its_kind_and_outcome() {
    use Outcome::{NotApplied, Unknown};
    for (answer, kind, outcome) in [
        ("Server returned non-2xx status code: 400 Bad Request: ", ErrorKind::Other, NotApplied),
        ("Server returned non-2xx status code: 401 Unauthorized: ", ErrorKind::Unauthenticated, NotApplied),
        ("Server returned non-2xx status code: 403 Forbidden: ", ErrorKind::Denied, NotApplied),
        ("Server returned non-2xx status code: 405 Method Not Allowed: ", ErrorKind::Unsupported, NotApplied),
        ("Server returned non-2xx status code: 408 Request Timeout: ", ErrorKind::Timeout, NotApplied),
        ("Server returned non-2xx status code: 413 Payload Too Large: ", ErrorKind::TooLarge, NotApplied),
        ("Server returned non-2xx status code: 416 Range: ", ErrorKind::InvalidRange, NotApplied),
        ("Server returned non-2xx status code: 429 Too Many Requests: ", ErrorKind::Throttled, NotApplied),
        ("Server returned non-2xx status code: 500 Internal: ", ErrorKind::Unavailable, Unknown),
        ("Server returned non-2xx status code: 501 Not Implemented: ", ErrorKind::Unsupported, NotApplied),
        ("Server returned non-2xx status code: 503 Unavailable: ", ErrorKind::Unavailable, Unknown),
        ("Server returned non-2xx status code: 507 Full: ", ErrorKind::NoSpace, NotApplied),
        (
            "Server returned non-2xx status code: 503 Slow Down: <Error><Code>SlowDown</Code></Error>",
            ErrorKind::Throttled,
            NotApplied,
        ),
        (
            "Server returned non-2xx status code: 400 Bad Request: <Code>BadDigest</Code>",
            ErrorKind::Integrity,
            NotApplied,
        ),
        (
            "Server returned non-2xx status code: 403 Forbidden: <Code>ExpiredToken</Code>",
            ErrorKind::Unauthenticated,
            NotApplied,
        ),
        ("Server returned error response: <Code>InternalError</Code>", ErrorKind::Other, Unknown),
        ("something nobody has seen before", ErrorKind::Other, Unknown),
    ] {
        let error = translate(&generic(answered(FIRST_TRY, answer)), Call::Publish);
        assert_eq!((error.kind(), error.outcome()), (kind, outcome), "{answer}");
        let error = translate(&generic(answered(FIRST_TRY, answer)), Call::Stage);
        assert_eq!(error.outcome(), NotApplied, "{answer}");
    }
}

#[test]
fn a_code_says_more_than_the_variant() {
    let answer = "Server returned non-2xx status code: 404 Not Found: <Code>NoSuchBucket</Code>";
    let error = Theirs::NotFound { path: "k".into(), source: Box::new(answered(FIRST_TRY, answer)) };
    assert_eq!(translate(&error, Call::Look).kind(), ErrorKind::Unavailable);
}

#[test]
fn a_refusal_after_a_repetition_leaves_open_what_the_first_attempt_did() {
    let error = Theirs::AlreadyExists { path: "k".into(), source: Box::new(answered(THIRD_TRY, "")) };
    let error = translate(&error, Call::Publish);
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::AlreadyExists, Outcome::Unknown));
}

#[test]
fn an_error_of_the_system_keeps_its_number() {
    for (number, call, kind, outcome) in [
        (28, Call::Publish, ErrorKind::NoSpace, Outcome::NotApplied),
        (13, Call::Publish, ErrorKind::Denied, Outcome::NotApplied),
        (20, Call::Publish, ErrorKind::InvalidKey, Outcome::NotApplied),
        (20, Call::Look, ErrorKind::NotFound, Outcome::NotApplied),
        (21, Call::Delete, ErrorKind::NotFound, Outcome::NotApplied),
        (5, Call::Publish, ErrorKind::Other, Outcome::Unknown),
    ] {
        let error = translate(&generic(io::Error::from_raw_os_error(number)), call);
        assert_eq!((error.kind(), error.outcome()), (kind, outcome), "{number} in {call:?}");
        let source = error.source().and_then(<dyn StdError>::downcast_ref::<io::Error>).expect("a source");
        assert_eq!(source.raw_os_error(), Some(number));
    }
}

#[cfg(feature = "http")]
#[test]
fn a_request_without_an_answer_is_told_by_how_it_failed() {
    use object_store::client::{HttpError, HttpErrorKind as Kind};
    use persistent_fs::Retry;

    for (how, kind, outcome) in [
        (Kind::Connect, ErrorKind::Unavailable, Outcome::NotApplied),
        (Kind::Timeout, ErrorKind::Timeout, Outcome::Unknown),
        (Kind::Interrupted, ErrorKind::Unavailable, Outcome::Unknown),
    ] {
        let error = translate(&generic(HttpError::new(how, Saying("", None))), Call::Publish);
        assert_eq!(
            (error.kind(), error.outcome(), error.retry()),
            (kind, outcome, Retry::Backoff),
            "{how:?}"
        );
    }
}

#[test]
fn nothing_that_a_store_says_gets_through() {
    let answer =
        "Server returned non-2xx status code: 503 Slow Down: <Code>SlowDown</Code><Token>5ec2e7</Token>";
    for answer in [answer, "Server returned error response: <Code>5ec2e7 with spaces</Code>", "5ec2e7"] {
        let error = translate(&generic(answered(FIRST_TRY, answer)), Call::Publish);
        assert!(!format!("{error} {error:?}").contains("5ec2e7"), "{error:?}");
        assert!(error.source().is_none(), "{error:?}");
    }
}

#[test]
fn an_error_of_ours_that_went_through_theirs_means_what_it_meant() {
    let ours = Error::new(ErrorKind::InvalidKey, "not beside this one").with_outcome(Outcome::Unknown);
    let error = translate(&Theirs::NotSupported { source: Box::new(ours) }, Call::Publish);
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::InvalidKey, Outcome::Unknown));
    assert_eq!(error.to_string(), "not beside this one");
}
