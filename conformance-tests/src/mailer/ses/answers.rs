//! What SES says, and what a caller may conclude.

use ::mailer::{Context, Disposition, ErrorKind, Outcome, Scope};

use super::{Counter, Fixed, Harness, Target, assert_tells_nothing, desk, secret_mail, server};
use crate::{
    Case, Checked, cases,
    ses_server::{AccountState, Fault, Keys},
};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["ses";
        each_refusal_has_its_kind,
        too_fast_is_not_too_much,
        a_sender_nobody_verified_is_the_operators_fault,
        what_is_not_set_up_is_the_operators_fault,
        a_broken_answer_leaves_the_outcome_unknown,
        without_credentials_nothing_is_asked,
        credentials_that_are_not_good_are_told,
        no_failure_is_repeated_behind_the_callers_back
    ]
}

/// Kind, whose fault it is, and whether it can pass. A refusal is proof that nothing was sent.
async fn each_refusal_has_its_kind(harness: &dyn Harness) -> Checked {
    use Disposition::{Permanent, Transient};
    use Scope::{Message, Transport};
    let counter = Counter::open(harness).await?;
    for (status, code, kind, scope, disposition) in [
        (400, "AccountSuspendedException", ErrorKind::Auth, Transport, Permanent),
        (400, "BadRequestException", ErrorKind::Refused, Message, Permanent),
        (400, "LimitExceededException", ErrorKind::Throttled, Transport, Transient),
        (400, "MailFromDomainNotVerifiedException", ErrorKind::Config, Transport, Permanent),
        (400, "MessageRejected", ErrorKind::Refused, Message, Permanent),
        (404, "NotFoundException", ErrorKind::Config, Transport, Permanent),
        (400, "SendingPausedException", ErrorKind::Unavailable, Transport, Transient),
        (429, "TooManyRequestsException", ErrorKind::Throttled, Transport, Transient),
        (403, "AccessDeniedException", ErrorKind::Auth, Transport, Permanent),
        (418, "SomethingNewException", ErrorKind::Other, Transport, Permanent),
    ] {
        counter.server.inject(Fault::answer(status, code, "the words of SES"));
        let error = counter.fail(&secret_mail()).await;
        assert_eq!((error.kind(), error.scope(), error.disposition()), (kind, scope, disposition), "{error}");
        assert_eq!(error.outcome(), Outcome::NotApplied, "{error}");
        assert_eq!(error.reply().map(|reply| reply.code.as_str()), Some(code));
        assert_tells_nothing(&error);
        counter.assert_works().await;
    }
    Ok(())
}

/// One name stands for both, and only the text tells them apart.
async fn too_fast_is_not_too_much(harness: &dyn Harness) -> Checked {
    let counter = Counter::open(harness).await?;
    for (code, message, kind) in [
        ("ThrottlingException", "Maximum sending rate exceeded.", ErrorKind::Throttled),
        ("Throttling", "Rate exceeded", ErrorKind::Throttled),
        ("ThrottlingException", "Daily message quota exceeded.", ErrorKind::Quota),
        ("LimitExceededException", "Daily message quota exceeded.", ErrorKind::Quota),
        ("TooManyRequestsException", "Daily message quota exceeded.", ErrorKind::Quota),
    ] {
        counter.server.inject(Fault::answer(400, code, message));
        let error = counter.fail(&secret_mail()).await;
        assert_eq!((error.kind(), error.outcome()), (kind, Outcome::NotApplied), "{code}: {message}");
        assert_eq!((error.scope(), error.disposition()), (Scope::Transport, Disposition::Transient));
    }
    Ok(())
}

/// And in the sandbox a recipient nobody verified is, too: the mail may go by another way.
async fn a_sender_nobody_verified_is_the_operators_fault(harness: &dyn Harness) -> Checked {
    let counter = Counter::open(harness).await?;
    let mut email = desk::email();
    email.from = desk::address("vault@unverified.example").into();
    let assert_config = |error: ::mailer::Error| {
        let found = (error.kind(), error.scope(), error.outcome());
        assert_eq!(found, (ErrorKind::Config, Scope::Transport, Outcome::NotApplied), "{error}");
    };
    assert_config(counter.fail(&desk::render(&email)).await);
    counter.server.set_account(AccountState { production: false, ..AccountState::default() });
    assert_config(counter.fail(&secret_mail()).await);
    counter.server.verify("example.com");
    counter.assert_works().await;
    Ok(())
}

/// A configuration set that is not there, and an account that is paused.
async fn what_is_not_set_up_is_the_operators_fault(harness: &dyn Harness) -> Checked {
    let server = server("eu-west-1").await;
    let mut target = Target::new(&server, Fixed(Some(server.issue_keys())));
    target.configuration_set = Some("missing".to_owned());
    let backend = harness.open_ses(&target).await?;
    let error = backend.deliver(&secret_mail(), &Context::new()).await.expect_err("there is no such set");
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Config, Outcome::NotApplied), "{error}");
    server.make_configuration_set("missing");
    server.set_account(AccountState { sending: false, ..AccountState::default() });
    let error = backend.deliver(&secret_mail(), &Context::new()).await.expect_err("sending is paused");
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::NotApplied), "{error}");
    assert_eq!(server.deliveries(), []);
    Ok(())
}

/// What answers may not be what decided; a yes that breaks off may still have been one.
async fn a_broken_answer_leaves_the_outcome_unknown(harness: &dyn Harness) -> Checked {
    let counter = Counter::open(harness).await?;
    let raw = |status, body: &str| Fault::Raw { status, body: body.to_owned() };
    for (fault, kind) in [
        (Fault::answer(500, "InternalFailure", "oh"), ErrorKind::Unavailable),
        (Fault::answer(503, "ServiceUnavailable", "oh"), ErrorKind::Unavailable),
        (raw(500, ""), ErrorKind::Unavailable),
        (raw(502, "<html>Bad Gateway</html>"), ErrorKind::Unavailable),
        (raw(503, "{\"mess"), ErrorKind::Unavailable),
        (raw(200, "<html>geheimnis</html>"), ErrorKind::Protocol),
        (Fault::Truncate, ErrorKind::Protocol),
        (Fault::NoId, ErrorKind::Protocol),
    ] {
        counter.server.inject(fault.clone());
        let error = counter.fail(&secret_mail()).await;
        assert_eq!((error.kind(), error.outcome()), (kind, Outcome::Unknown), "{fault:?}: {error}");
        assert_tells_nothing(&error);
        counter.assert_works().await;
    }
    Ok(())
}

/// Who has none cannot sign, and SES hears nothing.
async fn without_credentials_nothing_is_asked(harness: &dyn Harness) -> Checked {
    let server = server("eu-west-1").await;
    let backend = harness.open_ses(&Target::new(&server, Fixed(None))).await?;
    let error = backend.deliver(&secret_mail(), &Context::new()).await.expect_err("nobody signed");
    let found = (error.kind(), error.scope(), error.outcome());
    assert_eq!(found, (ErrorKind::Auth, Scope::Transport, Outcome::NotApplied), "{error}");
    let error = backend.check().await.expect_err("nobody signed");
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert_eq!(server.requests(), 0);
    Ok(())
}

/// Unknown, wrong and expired ones; nothing of them is repeated.
async fn credentials_that_are_not_good_are_told(harness: &dyn Harness) -> Checked {
    let server = server("eu-west-1").await;
    let (good, expired) = (server.issue_keys(), server.issue_temporary_keys());
    server.expire_keys(&expired);
    for keys in [
        Keys::new("AKIDUNKNOWN", "geheimnis", None),
        Keys::new(good.id.clone(), "geheimnis", None),
        Keys::new(good.id.clone(), good.secret.clone(), Some("geheimnis".to_owned())),
        expired.clone(),
    ] {
        let backend = harness.open_ses(&Target::new(&server, Fixed(Some(keys.clone())))).await?;
        let error = backend.deliver(&secret_mail(), &Context::new()).await.expect_err("who was that?");
        assert_eq!(
            (error.kind(), error.outcome()),
            (ErrorKind::Auth, Outcome::NotApplied),
            "{keys:?}: {error}"
        );
        let error_of_check = backend.check().await.expect_err("who was that?");
        assert_eq!(error_of_check.kind(), ErrorKind::Auth, "{keys:?}: {error_of_check}");
        for secret in [&keys.secret, keys.session_token.as_ref().unwrap_or(&keys.secret)] {
            assert!(!format!("{error} {error:?} {backend:?}").contains(secret), "a secret is told");
        }
    }
    assert_eq!(server.deliveries(), []);
    Ok(())
}

/// One call is one request, whatever comes of it.
async fn no_failure_is_repeated_behind_the_callers_back(harness: &dyn Harness) -> Checked {
    let counter = Counter::open(harness).await?;
    for fault in [
        Fault::answer(400, "ThrottlingException", "Maximum sending rate exceeded."),
        Fault::answer(429, "TooManyRequestsException", "slower"),
        Fault::answer(500, "InternalFailure", "oh"),
        Fault::answer(503, "ServiceUnavailable", "oh"),
        Fault::Truncate,
        Fault::CloseEarly,
        Fault::CloseLate,
    ] {
        let before = counter.server.requests();
        counter.server.inject(fault.clone());
        counter.fail(&secret_mail()).await;
        assert_eq!(counter.server.requests() - before, 1, "{fault:?}");
    }
    Ok(())
}
