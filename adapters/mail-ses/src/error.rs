//! From the SDK's errors and SES's answers to ours.
//!
//! | What happens | Kind | Outcome |
//! |---|---|---|
//! | the last byte was not handed over yet | `Auth`, `Tls`, `Timeout`, `Unavailable` | not applied |
//! | no answer, or half of one, after that | `Timeout`, `Unavailable`, `Protocol` | unknown |
//! | an answer with a code, below 500 | by the code, as in [`classify`] | not applied |
//! | an answer of 500 and above | `Unavailable` | unknown |
//!
//! A 503 counts as the other 5xx do: what stands before SES gives it as well when SES took too long to answer.

use std::{error::Error as StdError, io};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sesv2::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use mailer::{Disposition, Error, ErrorKind, Outcome, Reply, Scope, Stage};

/// How far a call had come when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// SES surely does not have the whole request.
    Handing,
    /// It may have.
    Handed,
}

/// The answer to a call that failed.
pub(crate) fn translate<E>(error: &SdkError<E, HttpResponse>, progress: Progress) -> Error
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    match error {
        SdkError::ServiceError(answer) => {
            answered(answer.raw().status().as_u16(), answer.err().code(), answer.err().message())
        }
        SdkError::ResponseError(answer) => answered(answer.raw().status().as_u16(), None, None),
        SdkError::TimeoutError(_) => unanswered(ErrorKind::Timeout, "SES did not answer in time", progress),
        SdkError::DispatchFailure(failure) => dispatch(error, failure.is_timeout(), progress),
        SdkError::ConstructionFailure(_) => {
            Error::new(ErrorKind::Config, "no request to SES can be made of these options")
        }
        _ => unanswered(ErrorKind::Other, "the AWS SDK failed", progress),
    }
}

/// The caller's time is up.
pub(crate) fn deadline(progress: Progress) -> Error {
    unanswered(ErrorKind::Timeout, "the deadline has passed", progress)
}

/// An answer that says yes and then makes no sense.
pub(crate) fn nonsense(what: &str) -> Error {
    Error::new(ErrorKind::Protocol, what).at(Stage::Verdict)
}

fn dispatch(error: &(dyn StdError + 'static), is_timeout: bool, progress: Progress) -> Error {
    if let Some(error) = find::<CredentialsError>(error) {
        return credentials(error);
    }
    if progress == Progress::Handing && find::<rustls::Error>(error).is_some() {
        return Error::new(ErrorKind::Tls, "no private connection to SES").at(Stage::Tls);
    }
    if is_timeout {
        return unanswered(ErrorKind::Timeout, "SES could not be reached in time", progress);
    }
    unanswered(ErrorKind::Unavailable, "the connection to SES failed", progress)
}

/// Not having keys is never an answer about a mail. The SDK's own words may hold what a program or a service said.
fn credentials(error: &CredentialsError) -> Error {
    let (kind, disposition, what) = match error {
        CredentialsError::CredentialsNotLoaded(_) => {
            (ErrorKind::Auth, Disposition::Permanent, "nobody has credentials")
        }
        CredentialsError::InvalidConfiguration(_) => {
            (ErrorKind::Config, Disposition::Permanent, "what should yield credentials is set up wrongly")
        }
        CredentialsError::ProviderTimedOut(_) => {
            (ErrorKind::Auth, Disposition::Transient, "there were no credentials in time")
        }
        _ => (ErrorKind::Auth, Disposition::Transient, "there are no credentials for now"),
    };
    Error::new(kind, what).with_disposition(disposition).at(Stage::Auth)
}

fn unanswered(kind: ErrorKind, what: &str, progress: Progress) -> Error {
    match progress {
        Progress::Handing => Error::new(kind, what).with_outcome(Outcome::NotApplied).at(Stage::Connect),
        Progress::Handed => Error::new(kind, what).with_outcome(Outcome::Unknown).at(Stage::Verdict),
    }
}

/// SES has answered with something that is no receipt.
fn answered(status: u16, code: Option<&str>, message: Option<&str>) -> Error {
    let Some(code) = code else {
        let kind = if status >= 500 { ErrorKind::Unavailable } else { ErrorKind::Protocol };
        let what = format!("SES answered {status} and nothing that can be read");
        return Error::new(kind, what).at(Stage::Verdict);
    };
    let (kind, scope, disposition) = classify(status, code, message.unwrap_or_default());
    let is_clear = status < 500 || matches!(kind, ErrorKind::Throttled | ErrorKind::Quota);
    let outcome = if is_clear { Outcome::NotApplied } else { Outcome::Unknown };
    // What is said about credentials names who asked.
    let message = message.filter(|_| kind != ErrorKind::Auth);
    let stage = if kind == ErrorKind::Auth { Stage::Auth } else { Stage::Verdict };
    Error::new(kind, "")
        .with_scope(scope)
        .with_disposition(disposition)
        .with_outcome(outcome)
        .at(stage)
        .with_reply(reply(code, message))
}

/// What SES's codes mean, and where a code has several meanings, its texts.
fn classify(status: u16, code: &str, message: &str) -> (ErrorKind, Scope, Disposition) {
    use Disposition::{Permanent, Transient};
    use Scope::{Message, Transport};
    let says = |word: &str| message.to_ascii_lowercase().contains(word);
    match code {
        "LimitExceededException"
        | "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "TooManyRequestsException"
            if says("daily") =>
        {
            (ErrorKind::Quota, Transport, Transient)
        }
        "LimitExceededException"
        | "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "TooManyRequestsException" => (ErrorKind::Throttled, Transport, Transient),
        "SendingPausedException" => (ErrorKind::Unavailable, Transport, Transient),
        // Whether it is the sender or, in the sandbox, a recipient: it is the account that has to be changed.
        "MessageRejected" | "BadRequestException" if says("not verified") => {
            (ErrorKind::Config, Transport, Permanent)
        }
        "BadRequestException" if says("message length") => (ErrorKind::TooLarge, Message, Permanent),
        "BadRequestException" if says("configuration set") => (ErrorKind::Config, Transport, Permanent),
        "BadRequestException" | "MessageRejected" | "ValidationException" => {
            (ErrorKind::Refused, Message, Permanent)
        }
        "MailFromDomainNotVerifiedException" | "NotFoundException" => {
            (ErrorKind::Config, Transport, Permanent)
        }
        "AccessDenied"
        | "AccessDeniedException"
        | "AccountSuspendedException"
        | "IncompleteSignature"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "NotAuthorized"
        | "OptInRequired"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException" => (ErrorKind::Auth, Transport, Permanent),
        // Whoever hands them out has newer ones by then.
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
            (ErrorKind::Auth, Transport, Transient)
        }
        "RequestEntityTooLarge" | "RequestEntityTooLargeException" => {
            (ErrorKind::TooLarge, Message, Permanent)
        }
        _ if status >= 500 => (ErrorKind::Unavailable, Transport, Transient),
        _ => (ErrorKind::Other, Transport, Permanent),
    }
}

fn reply(code: &str, message: Option<&str>) -> Reply {
    let clean = |text: &str| text.chars().filter(|c| !c.is_control()).take(500).collect::<String>();
    Reply { code: clean(code), enhanced: None, lines: message.map(clean).into_iter().collect() }
}

/// The first cause of this type. What an I/O error wraps is a cause, too, though it does not say so.
fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = wrapped.map(|wrapped| wrapped as &(dyn StdError + 'static)).or_else(|| error.source());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_code_has_several_meanings() {
        for (code, message, kind) in [
            ("ThrottlingException", "Maximum sending rate exceeded.", ErrorKind::Throttled),
            ("ThrottlingException", "Daily message quota exceeded.", ErrorKind::Quota),
            ("LimitExceededException", "Daily sending quota exceeded", ErrorKind::Quota),
            ("TooManyRequestsException", "", ErrorKind::Throttled),
            ("BadRequestException", "Illegal address", ErrorKind::Refused),
            ("BadRequestException", "Message length is more than 41943040 bytes long.", ErrorKind::TooLarge),
            ("BadRequestException", "Configuration set <x> does not exist.", ErrorKind::Config),
            ("MessageRejected", "Email address is not verified.", ErrorKind::Config),
            ("MessageRejected", "Bad content.", ErrorKind::Refused),
            ("ExpiredTokenException", "", ErrorKind::Auth),
            ("SomethingNew", "", ErrorKind::Other),
        ] {
            assert_eq!(classify(400, code, message).0, kind, "{code}: {message}");
        }
    }

    #[test]
    fn who_asked_is_not_told() {
        let error = answered(403, Some("AccessDeniedException"), Some("arn:aws:iam::1:user/geheim may not"));
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Auth, Outcome::NotApplied));
        assert!(!format!("{error} {error:?}").contains("geheim"));
    }

    #[test]
    fn what_is_broken_behind_the_door_may_have_taken_the_mail() {
        for (status, code) in [(500, Some("InternalFailure")), (503, Some("ServiceUnavailable")), (502, None)]
        {
            let error = answered(status, code, None);
            assert_eq!(
                (error.kind(), error.outcome()),
                (ErrorKind::Unavailable, Outcome::Unknown),
                "{code:?}"
            );
        }
        let throttled = answered(503, Some("Throttling"), None);
        assert_eq!((throttled.kind(), throttled.outcome()), (ErrorKind::Throttled, Outcome::NotApplied));
    }
}
