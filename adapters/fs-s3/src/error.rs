//! From S3's answers to our errors: one table, whoever sent the request.

use std::{error::Error as StdError, time::Duration};

use http::{HeaderMap, Method, StatusCode, header};
use object_store::client::{HttpError, HttpErrorKind, HttpRequest};
use persistent_fs::{Error, ErrorKind, Outcome, Retry};

use crate::{connect::header_text, xml};

/// What was asked, as far as it decides what an answer means.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// It was to succeed only where there is no object.
    creates: bool,
    /// It was to succeed only over one version.
    swaps: bool,
    /// The body is a document or nothing, and may tell what the status does not. Not so the body of an object.
    pub(crate) may_hide_refusal: bool,
}

impl Asked {
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let (method, headers) = (request.method().clone(), request.headers());
        let writes = method == Method::PUT || method == Method::POST;
        Self {
            creates: writes && headers.contains_key(header::IF_NONE_MATCH),
            swaps: writes && headers.contains_key(header::IF_MATCH),
            may_hide_refusal: !method.is_safe() || request.uri().query().is_some(),
            method,
        }
    }

    /// What is known after a failure that does not tell.
    fn unknown(&self) -> Outcome {
        if self.method.is_safe() { Outcome::NotApplied } else { Outcome::Unknown }
    }
}

/// What the refusal in an answer means. Nothing of the server's own words is kept but its code.
pub(crate) fn refusal(asked: &Asked, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
    let told = xml::refusal(body).unwrap_or_default();
    let (kind, why, certain) = by_code(asked, &told.code)
        .map(|(kind, why)| (kind, why, true))
        .or_else(|| by_status(asked, status))
        .unwrap_or((ErrorKind::Other, "the server refused the request", status.is_client_error()));
    let mut detail = match told.code.as_str() {
        "" => format!("{why} ({})", status.as_u16()),
        code => format!("{why} ({} {code})", status.as_u16()),
    };
    let region = header_text(headers, "x-amz-bucket-region").unwrap_or(&told.region);
    if kind == ErrorKind::Config && is_plain(region) {
        detail = format!("{detail}; the bucket is in region `{region}`");
    }
    let error = Error::new(kind, detail);
    let outcome = if certain { Outcome::NotApplied } else { asked.unknown() };
    let error = match (error.retry(), retry_after(headers)) {
        (Retry::Backoff, Some(pause)) => error.with_retry(Retry::After(pause)),
        _ => error,
    };
    error.with_outcome(outcome)
}

/// The refusal in an answer whose status says that all is well, if there is one.
pub(crate) fn hidden_refusal(asked: &Asked, body: &[u8]) -> Option<Error> {
    let told = xml::refusal(body)?;
    let by_code = by_code(asked, &told.code);
    let certain = by_code.is_some();
    let (kind, why) = by_code.unwrap_or((ErrorKind::Unavailable, "the server failed after it had answered"));
    let detail = if told.code.is_empty() { why.to_owned() } else { format!("{why} (200 {})", told.code) };
    let outcome = if certain { Outcome::NotApplied } else { asked.unknown() };
    Some(Error::new(kind, detail).with_outcome(outcome))
}

/// What it means that there was no answer.
pub(crate) fn broken(asked: &Asked, error: &HttpError) -> Error {
    let (kind, why, outcome) = match error.kind() {
        HttpErrorKind::Connect => {
            (ErrorKind::Unavailable, "the server cannot be reached", Outcome::NotApplied)
        }
        HttpErrorKind::Timeout => (ErrorKind::Timeout, "the server did not answer in time", asked.unknown()),
        _ => (ErrorKind::Unavailable, "the connection broke before the answer", asked.unknown()),
    };
    Error::new(kind, why).with_outcome(outcome)
}

/// Tells an error of `object_store` in our terms. Ours among its causes is taken as it is; the others come from a body
/// that broke off, or from whoever hands out credentials.
pub(crate) fn retell(error: &object_store::Error) -> Error {
    let mut cause: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(error) = cause {
        if let Some(ours) = error.downcast_ref::<Error>() {
            return again(ours);
        }
        cause = error.source();
    }
    fs_object_store::translate(error, fs_object_store::Call::Look)
}

/// An error of ours that went through the HTTP client.
pub(crate) fn unpack(error: &HttpError) -> Error {
    error.source().and_then(|cause| cause.downcast_ref::<Error>()).map_or_else(
        || Error::new(ErrorKind::Other, "the HTTP client failed").with_outcome(Outcome::Unknown),
        again,
    )
}

/// The same error once more: it is not `Clone`, since its cause need not be. Those made here have none.
fn again(error: &Error) -> Error {
    Error::new(error.kind(), error.to_string()).with_outcome(error.outcome()).with_retry(error.retry())
}

/// The codes that say more than their status. Each is a refusal, so nothing was applied.
fn by_code(asked: &Asked, code: &str) -> Option<(ErrorKind, &'static str)> {
    Some(match code {
        // A swap that finds nothing to replace is told so by Amazon.
        "NoSuchKey" if asked.swaps => (ErrorKind::Precondition, "the object is gone"),
        "NoSuchKey" => (ErrorKind::NotFound, "no such object"),
        "NoSuchBucket" => (ErrorKind::Config, "the bucket does not exist"),
        "NoSuchUpload" => (ErrorKind::Other, "the upload is gone"),
        "PreconditionFailed" if asked.creates => (ErrorKind::AlreadyExists, "an object is already there"),
        "PreconditionFailed" => (ErrorKind::Precondition, "the object has another version, or is gone"),
        "ConditionalRequestConflict" | "OperationAborted" => {
            (ErrorKind::Unavailable, "another write of the same object was under way")
        }
        "AccessDenied" | "AllAccessDisabled" | "AccountProblem" => {
            (ErrorKind::Denied, "the credentials do not allow this")
        }
        "InvalidAccessKeyId"
        | "NotSignedUp"
        | "SignatureDoesNotMatch"
        | "InvalidToken"
        | "CredentialsNotSupported"
        | "MissingSecurityHeader"
        | "AuthFailure" => (ErrorKind::Unauthenticated, "the server does not accept the credentials"),
        "ExpiredToken" | "TokenRefreshRequired" => {
            (ErrorKind::Unauthenticated, "the credentials have expired")
        }
        "RequestTimeTooSkewed" => {
            (ErrorKind::Unauthenticated, "the clock of this machine differs too much from the server's")
        }
        "SlowDown"
        | "TooManyRequests"
        | "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "BandwidthLimitExceeded" => (ErrorKind::Throttled, "the server asks for fewer requests"),
        "RequestTimeout" => (ErrorKind::Timeout, "the body did not reach the server in time"),
        "InvalidRange" => (ErrorKind::InvalidRange, "no byte of the object lies in the range"),
        "EntityTooLarge" => (ErrorKind::TooLarge, "the body exceeds what the server takes"),
        "BadDigest"
        | "InvalidDigest"
        | "XAmzContentSHA256Mismatch"
        | "XAmzContentChecksumMismatch"
        | "IncompleteBody" => (ErrorKind::Integrity, "the body did not arrive as it was sent"),
        "KeyTooLongError" => (ErrorKind::InvalidKey, "prefix and key are too long for the server"),
        "QuotaExceeded" | "InsufficientCapacity" | "XMinioStorageFull" | "XMinioAdminBucketQuotaExceeded" => {
            (ErrorKind::NoSpace, "the storage is full")
        }
        "NotImplemented" | "MethodNotAllowed" => (ErrorKind::Unsupported, "the server does not offer this"),
        "PermanentRedirect"
        | "TemporaryRedirect"
        | "Redirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException" => (ErrorKind::Config, "region or endpoint is wrong"),
        "InvalidStorageClass" => (ErrorKind::Config, "the server does not know the storage class"),
        "InvalidEncryptionAlgorithmError" => (ErrorKind::Config, "the server does not offer the encryption"),
        "InvalidBucketName" => (ErrorKind::Config, "the bucket's name is not valid"),
        kms if kms.starts_with("KMS.") => (ErrorKind::Config, "the encryption key cannot be used"),
        _ => return None,
    })
}

/// What the status says alone: of a HEAD, or of something before the server. The flag says whether the request was
/// surely refused.
fn by_status(asked: &Asked, status: StatusCode) -> Option<(ErrorKind, &'static str, bool)> {
    Some(match status.as_u16() {
        301 | 302 | 307 | 308 => (ErrorKind::Config, "region or endpoint is wrong", true),
        304 => (ErrorKind::NotModified, "the object has not changed", true),
        401 => (ErrorKind::Unauthenticated, "the server does not accept the credentials", true),
        403 => (ErrorKind::Denied, "the credentials do not allow this", true),
        404 if asked.method == Method::HEAD => (ErrorKind::NotFound, "no such object", true),
        // An object that is missing is told by code; this is something else than S3, or a path that leads past it.
        404 => (ErrorKind::Config, "what answers at the endpoint knows no such bucket", true),
        405 | 501 => (ErrorKind::Unsupported, "the server does not offer this", true),
        409 => (ErrorKind::Unavailable, "another write of the same object was under way", true),
        412 if asked.creates => (ErrorKind::AlreadyExists, "an object is already there", true),
        412 => (ErrorKind::Precondition, "the object has another version, or is gone", true),
        413 => (ErrorKind::TooLarge, "the body exceeds what the server takes", true),
        416 => (ErrorKind::InvalidRange, "no byte of the object lies in the range", true),
        429 => (ErrorKind::Throttled, "the server asks for fewer requests", true),
        503 => (ErrorKind::Throttled, "the server asks for fewer requests", false),
        507 => (ErrorKind::NoSpace, "the storage is full", true),
        500.. => (ErrorKind::Unavailable, "the server is not working", false),
        _ => return None,
    })
}

/// How long the server asks to wait. A date in its place is not used by anybody.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    header_text(headers, header::RETRY_AFTER)?.trim().parse().ok().map(Duration::from_secs)
}

/// Whether it is a word such as a region's name, and nothing that somebody smuggled in.
pub(crate) fn is_plain(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
