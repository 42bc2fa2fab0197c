//! What is lost on the way: when nothing was sent for sure, and when nobody knows.

use std::time::{Duration, Instant};

use ::mailer::{Context, ErrorKind, Outcome, Outgoing, Scope};

use super::{Counter, Fixed, Harness, Target, assert_tells_nothing, desk, secret_mail, server};
use crate::{Case, Checked, cases, ses_server::Fault};

/// Long enough for a request on loopback, and short enough to wait for.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["ses";
        a_server_that_is_not_there_got_nothing,
        an_upload_that_is_cut_was_not_sent,
        a_reply_that_is_lost_leaves_the_outcome_unknown,
        an_upload_that_stalls_was_not_sent_by_the_deadline,
        an_answer_that_stalls_is_unknown_at_the_deadline,
        a_call_that_is_dropped_poisons_nothing
    ]
}

/// Nobody took the connection.
async fn a_server_that_is_not_there_got_nothing(harness: &dyn Harness) -> Checked {
    let server = server("eu-west-1").await;
    let target = Target::new(&server, Fixed(Some(server.issue_keys())));
    drop(server);
    let backend = harness.open_ses(&target).await?;
    let error = backend.deliver(&secret_mail(), &Context::new()).await.expect_err("nobody is there");
    let found = (error.kind(), error.scope(), error.outcome());
    assert_eq!(found, (ErrorKind::Unavailable, Scope::Transport, Outcome::NotApplied), "{error}");
    assert_tells_nothing(&error);
    Ok(())
}

/// More than fits between the two ends, so the last byte was surely not handed over.
async fn an_upload_that_is_cut_was_not_sent(harness: &dyn Harness) -> Checked {
    let counter = Counter::open(harness).await?;
    counter.server.inject(Fault::CloseEarly);
    let error = counter.fail(&large()).await;
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::NotApplied), "{error}");
    assert_eq!(counter.server.deliveries(), []);
    counter.assert_works().await;
    Ok(())
}

/// SES has taken the mail, and nobody learns it.
async fn a_reply_that_is_lost_leaves_the_outcome_unknown(harness: &dyn Harness) -> Checked {
    let counter = Counter::open(harness).await?;
    for mail in [secret_mail(), large()] {
        let before = counter.server.deliveries().len();
        counter.server.inject(Fault::CloseLate);
        let error = counter.fail(&mail).await;
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::Unknown), "{error}");
        assert_eq!(counter.server.deliveries().len(), before + 1, "it is not sent again");
        counter.assert_works().await;
    }
    Ok(())
}

/// The server has stopped reading, so it never had the whole mail.
async fn an_upload_that_stalls_was_not_sent_by_the_deadline(harness: &dyn Harness) -> Checked {
    let counter = Counter::open(harness).await?;
    counter.server.inject(Fault::StallEarly);
    let (mail, mut patience) = (large(), PATIENCE);
    // Until it has come as far as the server: preparing so much takes its time.
    while counter.server.requests() == 0 {
        let cx = Context::new().with_deadline(Instant::now() + patience);
        let error = counter.backend.deliver(&mail, &cx).await.expect_err("nobody read it");
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::NotApplied), "{error}");
        patience *= 2;
    }
    counter.assert_works().await;
    Ok(())
}

/// The server has all of it, and says nothing.
async fn an_answer_that_stalls_is_unknown_at_the_deadline(harness: &dyn Harness) -> Checked {
    let counter = Counter::open(harness).await?;
    counter.server.inject(Fault::StallLate);
    let cx = Context::new().with_deadline(Instant::now() + PATIENCE);
    let error = counter.backend.deliver(&secret_mail(), &cx).await.expect_err("nobody answered");
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::Unknown), "{error}");
    counter.assert_works().await;
    Ok(())
}

/// Dropped while SES thinks, it leaves no connection behind on which its answer would be somebody else's.
async fn a_call_that_is_dropped_poisons_nothing(harness: &dyn Harness) -> Checked {
    let counter = Counter::open(harness).await?;
    counter.assert_works().await;
    counter.server.inject(Fault::StallLate);
    let (mail, cx) = (secret_mail(), Context::new());
    let before = counter.server.requests();
    tokio::select! {
        answer = counter.backend.deliver(&mail, &cx) => panic!("nobody answered: {answer:?}"),
        () = counter.server.wait_for_requests(before + 1) => {}
    }
    counter.assert_works().await;
    Ok(())
}

/// More than any socket's buffers hold, and less than SES takes.
fn large() -> Outgoing {
    desk::with_body("0123456789abcdefghijklmnopqrstuvwxyz0123456789\r\n".repeat((12 << 20) / 48))
}
