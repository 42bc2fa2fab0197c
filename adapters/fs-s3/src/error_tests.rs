use super::*;

fn asked(method: Method, conditions: &[header::HeaderName]) -> Asked {
    let mut request = HttpRequest::new(object_store::client::HttpRequestBody::empty());
    *request.method_mut() = method;
    for name in conditions {
        request.headers_mut().insert(name, header::HeaderValue::from_static("*"));
    }
    Asked::of(&request)
}

fn told(asked: &Asked, status: u16, code: &str) -> Error {
    let body = format!("<Error><Code>{code}</Code><Message>hush</Message><Region>eu-west-3</Region></Error>");
    let status = StatusCode::from_u16(status).expect("a status");
    refusal(asked, status, &HeaderMap::new(), body.as_bytes())
}

#[test]
fn each_code_of_a_refused_write_has_its_kind_and_changed_nothing() {
    let write = asked(Method::PUT, &[]);
    for (status, code, kind) in [
        (404, "NoSuchBucket", ErrorKind::Config),
        (403, "AccessDenied", ErrorKind::Denied),
        (403, "SignatureDoesNotMatch", ErrorKind::Unauthenticated),
        (403, "InvalidAccessKeyId", ErrorKind::Unauthenticated),
        (400, "ExpiredToken", ErrorKind::Unauthenticated),
        (403, "RequestTimeTooSkewed", ErrorKind::Unauthenticated),
        (503, "SlowDown", ErrorKind::Throttled),
        (429, "TooManyRequests", ErrorKind::Throttled),
        (400, "RequestTimeout", ErrorKind::Timeout),
        (400, "EntityTooLarge", ErrorKind::TooLarge),
        (400, "BadDigest", ErrorKind::Integrity),
        (400, "KeyTooLongError", ErrorKind::InvalidKey),
        (403, "QuotaExceeded", ErrorKind::NoSpace),
        (501, "NotImplemented", ErrorKind::Unsupported),
        (301, "PermanentRedirect", ErrorKind::Config),
        (400, "InvalidStorageClass", ErrorKind::Config),
        (400, "KMS.DisabledException", ErrorKind::Config),
        (409, "ConditionalRequestConflict", ErrorKind::Unavailable),
        (400, "SomethingNew", ErrorKind::Other),
    ] {
        let error = told(&write, status, code);
        assert_eq!((error.kind(), error.outcome()), (kind, Outcome::NotApplied), "{code}");
        assert!(error.to_string().contains(code) && !error.to_string().contains("hush"), "{error}");
    }
}

#[test]
fn what_failed_in_the_server_may_have_been_written_and_cannot_have_been_read() {
    for status in [500, 502, 503, 504] {
        assert_eq!(told(&asked(Method::PUT, &[]), status, "InternalError").outcome(), Outcome::Unknown);
        assert_eq!(told(&asked(Method::GET, &[]), status, "InternalError").outcome(), Outcome::NotApplied);
    }
}

#[test]
fn a_failed_condition_means_what_the_condition_was() {
    let create = asked(Method::PUT, &[header::IF_NONE_MATCH]);
    let swap = asked(Method::POST, &[header::IF_MATCH]);
    let read = asked(Method::GET, &[header::IF_NONE_MATCH, header::IF_MATCH]);
    assert_eq!(told(&create, 412, "PreconditionFailed").kind(), ErrorKind::AlreadyExists);
    assert_eq!(told(&swap, 412, "PreconditionFailed").kind(), ErrorKind::Precondition);
    assert_eq!(told(&swap, 404, "NoSuchKey").kind(), ErrorKind::Precondition);
    assert_eq!(told(&read, 412, "").kind(), ErrorKind::Precondition);
    assert_eq!(told(&read, 304, "").kind(), ErrorKind::NotModified);
    assert_eq!(told(&read, 404, "NoSuchKey").kind(), ErrorKind::NotFound);
}

#[test]
fn a_404_that_no_s3_server_has_written_is_no_missing_object() {
    let empty = |method| refusal(&asked(method, &[]), StatusCode::NOT_FOUND, &HeaderMap::new(), b"<html>");
    assert_eq!(empty(Method::GET).kind(), ErrorKind::Config);
    assert_eq!(empty(Method::HEAD).kind(), ErrorKind::NotFound);
}

#[test]
fn the_right_region_is_named() {
    let error = told(&asked(Method::GET, &[]), 400, "AuthorizationHeaderMalformed");
    assert!(error.kind() == ErrorKind::Config && error.to_string().contains("`eu-west-3`"), "{error}");
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-bucket-region", header::HeaderValue::from_static("eu-north-1"));
    let error = refusal(&asked(Method::HEAD, &[]), StatusCode::MOVED_PERMANENTLY, &headers, b"");
    assert!(error.kind() == ErrorKind::Config && error.to_string().contains("`eu-north-1`"), "{error}");
}

#[test]
fn the_pause_that_the_server_asks_for_is_passed_on() {
    let mut headers = HeaderMap::new();
    headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static("7"));
    let error = refusal(&asked(Method::GET, &[]), StatusCode::SERVICE_UNAVAILABLE, &headers, b"");
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Throttled, Retry::After(Duration::from_secs(7))));
}

#[test]
fn an_error_behind_a_good_status_is_an_error() {
    let complete = asked(Method::POST, &[]);
    let body = b"<Error><Code>InternalError</Code><Message>hush</Message></Error>";
    let error = hidden_refusal(&complete, body).expect("an error");
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::Unknown));
    let body = b"<Error><Code>PreconditionFailed</Code></Error>";
    let error = hidden_refusal(&asked(Method::POST, &[header::IF_NONE_MATCH]), body).expect("an error");
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::AlreadyExists, Outcome::NotApplied));
    assert!(hidden_refusal(&complete, b"<CompleteMultipartUploadResult/>").is_none());
}

#[test]
fn no_answer_leaves_a_write_open_unless_nobody_was_reached() {
    let lost = |method, kind| {
        let error = HttpError::new(kind, std::io::Error::other("https://host/?X-Amz-Signature=hush"));
        broken(&asked(method, &[]), &error)
    };
    assert_eq!(lost(Method::PUT, HttpErrorKind::Connect).outcome(), Outcome::NotApplied);
    assert_eq!(lost(Method::PUT, HttpErrorKind::Timeout).outcome(), Outcome::Unknown);
    assert_eq!(lost(Method::PUT, HttpErrorKind::Request).outcome(), Outcome::Unknown);
    assert_eq!(lost(Method::GET, HttpErrorKind::Timeout).outcome(), Outcome::NotApplied);
    assert!(!format!("{:?}", lost(Method::PUT, HttpErrorKind::Unknown)).contains("hush"));
}
