//! Connections are used again, are never too many, and none is left behind.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use ::mailer::{Context, Disposition, ErrorKind, Outcome, Scope, Stage};

use super::{
    Harness,
    post::{Post, assert_answers, bounded, mail, mail_to, settle},
};
use crate::{
    Case, Checked, cases,
    smtp_server::{Options, Point, Step, Twist},
};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    let mut all = cases!["smtp::pool";
        mails_one_after_the_other_share_a_connection,
        no_more_connections_are_open_than_allowed,
        waiting_for_a_connection_ends_at_the_deadline,
        a_connection_that_lay_idle_too_long_is_not_used_again,
        a_connection_carries_no_more_mails_than_allowed,
        a_no_costs_no_connection,
        nonsense_costs_the_connection,
        a_server_that_takes_no_more_connections_does_no_harm,
        closing_lets_a_running_call_finish,
        closing_closes_every_connection,
        a_runtime_that_ended_takes_nothing_with_it,
        failed_calls_leave_no_connection_behind
    ];
    all.extend(cases!["smtp::pool" heavy;
        among_a_thousand_at_once_none_is_lost_or_swapped,
        a_thousand_connections_leave_nothing_behind
    ]);
    all
}

/// Connecting costs more than a mail.
async fn mails_one_after_the_other_share_a_connection(harness: &dyn Harness) -> Checked {
    let post = Post::open(harness, Options::new()).await?;
    for _ in 0..5 {
        post.next_is_fine().await;
    }
    assert_eq!(post.server.opened(), 1);
    Ok(())
}

/// Whoever comes over the limit waits for his turn.
async fn no_more_connections_are_open_than_allowed(harness: &dyn Harness) -> Checked {
    for limit in [1, 2, 8] {
        let post = Post::open_with(harness, Options::new(), |target| target.connections = limit).await?;
        let mails: Vec<_> = (0..100).map(|_| mail()).collect();
        let calls: Vec<_> = mails.iter().map(|mail| post.begin(mail, Context::new())).collect();
        for (mail, call) in mails.iter().zip(calls) {
            let receipt =
                call.answer().await.unwrap_or_else(|error| panic!("a mail was not taken: {error:?}"));
            post.assert_arrived(mail, &receipt);
        }
        let most = post.server.seen(|seen| seen.most_live);
        assert!(most <= limit, "{most} connections were open, and {limit} are allowed");
    }
    Ok(())
}

/// Nothing was done for it yet.
async fn waiting_for_a_connection_ends_at_the_deadline(harness: &dyn Harness) -> Checked {
    let post = Post::open_with(harness, Options::new(), |target| target.connections = 1).await?;
    post.server.twist(Twist::at(Point::Data).does([Step::Hold, Step::Proceed]));
    let first = mail();
    let sending = post.begin(&first, Context::new());
    post.until(|seen| seen.held == 1).await;
    let deadline = Instant::now() + Duration::from_millis(200);
    let error = post.try_within(&mail(), Context::new().with_deadline(deadline)).await;
    let error = error.expect_err("the only connection is busy");
    let late =
        (ErrorKind::Timeout, Scope::Transport, Disposition::Transient, Outcome::NotApplied, Stage::Prepare);
    assert_answers(&error, late, "waiting");
    post.server.release();
    let receipt = sending.answer().await.unwrap_or_else(|error| panic!("the mail was not taken: {error:?}"));
    post.assert_arrived(&first, &receipt);
    post.next_is_fine().await;
    assert_eq!(post.server.opened(), 1);
    Ok(())
}

/// The server, or something between, may have forgotten it without a word.
async fn a_connection_that_lay_idle_too_long_is_not_used_again(harness: &dyn Harness) -> Checked {
    let idle = Duration::from_millis(100);
    let post = Post::open_with(harness, Options::new(), |target| target.idle = idle).await?;
    post.next_is_fine().await;
    // Nothing happens that could be waited for.
    tokio::time::sleep(idle * 3).await;
    post.next_is_fine().await;
    assert_eq!(post.server.opened(), 2);
    post.until(|seen| seen.connections[0].is_closed).await;
    Ok(())
}

/// Servers count, too.
async fn a_connection_carries_no_more_mails_than_allowed(harness: &dyn Harness) -> Checked {
    let post =
        Post::open_with(harness, Options::new(), |target| target.mails_per_connection = Some(2)).await?;
    for _ in 0..5 {
        post.next_is_fine().await;
    }
    let carried =
        post.server.seen(|seen| seen.connections.iter().map(|one| one.ended_mails).collect::<Vec<_>>());
    assert_eq!(carried, [2, 2, 1]);
    post.until(|seen| seen.live <= 1).await;
    Ok(())
}

/// The conversation goes on where it was.
async fn a_no_costs_no_connection(harness: &dyn Harness) -> Checked {
    for point in [Point::Mail, Point::Rcpt, Point::Data, Point::Verdict] {
        for reply in ["550 5.7.1 no", "451 4.3.0 not now"] {
            let post = Post::open(harness, Options::new()).await?;
            post.fails_by(Twist::at(point).replies(reply)).await;
            post.next_is_fine().await;
            assert_eq!(post.server.opened(), 1, "{point:?} {reply}");
        }
    }
    Ok(())
}

/// Nobody knows what its next answer would belong to.
async fn nonsense_costs_the_connection(harness: &dyn Harness) -> Checked {
    for point in [Point::Mail, Point::Rcpt, Point::Data, Point::Verdict] {
        let post = Post::open(harness, Options::new()).await?;
        post.fails_by(Twist::at(point).replies("what?\r\n250 ok")).await;
        post.next_is_fine().await;
        post.next_is_fine().await;
        post.until(|seen| seen.connections[0].is_closed).await;
        assert_eq!(post.server.mails().len(), 2, "{point:?}");
    }
    Ok(())
}

/// The mails go over those there are, or fail for now.
async fn a_server_that_takes_no_more_connections_does_no_harm(harness: &dyn Harness) -> Checked {
    let post = Post::open(harness, Options::new().connections(1)).await?;
    post.server.twist(Twist::at(Point::Data).does([Step::Hold, Step::Proceed]));
    let (first, second) = (mail(), mail());
    let sending = post.begin(&first, Context::new());
    post.until(|seen| seen.held == 1).await;
    let next = post.begin(&second, Context::new());
    // It waits for the first connection, or is sent away on another.
    post.until(|seen| seen.connections.len() == 2).await;
    post.server.release();
    let receipt = sending.answer().await.unwrap_or_else(|error| panic!("the mail was not taken: {error:?}"));
    post.assert_arrived(&first, &receipt);
    match next.answer().await {
        Ok(receipt) => post.assert_arrived(&second, &receipt),
        Err(error) => {
            let busy = (
                ErrorKind::Unavailable,
                Scope::Transport,
                Disposition::Transient,
                Outcome::NotApplied,
                Stage::Connect,
            );
            assert_answers(&error, busy, "421");
            assert_eq!(post.arrived(&second), []);
        }
    }
    post.until(|seen| seen.live <= 1).await;
    post.next_is_fine().await;
    Ok(())
}

/// Its answer is its own; whoever comes later is refused.
async fn closing_lets_a_running_call_finish(harness: &dyn Harness) -> Checked {
    let post = Post::open(harness, Options::new()).await?;
    post.server.twist(Twist::at(Point::Verdict).does([Step::Hold, Step::Proceed]));
    let running = mail();
    let sending = post.begin(&running, Context::new());
    post.until(|seen| seen.held == 1).await;
    let backend = Arc::clone(&post.backend);
    let closing = tokio::spawn(async move { backend.close().await });
    settle().await;
    assert!(!closing.is_finished(), "it was closed while a call was running");
    post.server.release();
    let receipt = sending.answer().await.unwrap_or_else(|error| panic!("the mail was not taken: {error:?}"));
    post.assert_arrived(&running, &receipt);
    bounded("close", closing).await.expect("closing does not panic");
    let error = post.fails(&mail()).await;
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Closed, Outcome::NotApplied), "{error:?}");
    Ok(())
}

/// Also those that lie idle.
async fn closing_closes_every_connection(harness: &dyn Harness) -> Checked {
    let post = Post::open(harness, Options::new()).await?;
    post.server.twist(Twist::at(Point::Data).does([Step::Hold, Step::Proceed]).times(3));
    let calls: Vec<_> = (0..3).map(|_| post.begin(&mail(), Context::new())).collect();
    post.until(|seen| seen.held == 3).await;
    post.server.release();
    for call in calls {
        call.answer().await.unwrap_or_else(|error| panic!("the mail was not taken: {error:?}"));
    }
    post.close().await;
    post.until(|seen| seen.live == 0).await;
    Ok(())
}

/// A connection that was made on it is dead, and is not used on another.
async fn a_runtime_that_ended_takes_nothing_with_it(harness: &dyn Harness) -> Checked {
    let post = Post::open(harness, Options::new()).await?;
    let backend = Arc::clone(&post.backend);
    let elsewhere = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime can be built");
        let mail = mail();
        runtime
            .block_on(bounded("deliver", backend.deliver(&mail, &Context::new())))
            .map(|receipt| (mail, receipt))
    });
    let sent = bounded("deliver", elsewhere).await.expect("the other runtime does not panic");
    let (mail, receipt) = sent.unwrap_or_else(|error| panic!("the mail was not taken: {error:?}"));
    post.assert_arrived(&mail, &receipt);
    post.next_is_fine().await;
    post.next_is_fine().await;
    Ok(())
}

/// Nor do they use up the places of others.
async fn failed_calls_leave_no_connection_behind(harness: &dyn Harness) -> Checked {
    let options = Options::new().recipient("bob@example.com", "550 5.1.1 nobody");
    let post = Post::open_with(harness, options, |target| target.connections = 2).await?;
    for point in [Point::Greeting, Point::Ehlo, Point::Mail, Point::Rcpt, Point::Data, Point::Verdict] {
        for steps in [vec![Step::line("what?")], vec![Step::line("421 4.3.2 no")], vec![Step::Close]] {
            post.fails_by(Twist::at(point).does(steps)).await;
        }
    }
    for _ in 0..3 {
        post.fails(&mail_to(&["bob@example.com"])).await;
        post.next_is_fine().await;
    }
    post.until(|seen| seen.live <= 2).await;
    post.close().await;
    post.until(|seen| seen.live == 0).await;
    Ok(())
}

/// Receipt, provider's id and bytes belong together for each.
async fn among_a_thousand_at_once_none_is_lost_or_swapped(harness: &dyn Harness) -> Checked {
    let post = Post::open_with(harness, Options::new(), |target| target.connections = 8).await?;
    let mails: Vec<_> = (0..1000).map(|n| mail_to(&[&format!("reader{n}@example.com")])).collect();
    let calls: Vec<_> = mails.iter().map(|mail| post.begin(mail, Context::new())).collect();
    let mut receipts = Vec::new();
    for call in calls {
        receipts.push(call.answer().await.unwrap_or_else(|error| panic!("a mail was not taken: {error:?}")));
    }
    let arrived = post.server.mails();
    assert_eq!(arrived.len(), mails.len());
    let by_reader: BTreeMap<_, _> = arrived.iter().map(|one| (one.to[0].as_str(), one)).collect();
    for (mail, receipt) in mails.iter().zip(&receipts) {
        let one = by_reader.get(mail.envelope().to()[0].as_str()).expect("each reader gets a mail");
        post.assert_is(one, mail, receipt);
    }
    Ok(())
}

/// Neither open connections nor places taken.
async fn a_thousand_connections_leave_nothing_behind(harness: &dyn Harness) -> Checked {
    let post =
        Post::open_with(harness, Options::new(), |target| target.mails_per_connection = Some(1)).await?;
    for _ in 0..1000 {
        post.try_send(&mail()).await.unwrap_or_else(|error| panic!("a mail was not taken: {error:?}"));
    }
    assert_eq!((post.server.opened(), post.server.mails().len()), (1000, 1000));
    post.until(|seen| seen.live <= 1).await;
    post.close().await;
    post.until(|seen| seen.live == 0).await;
    Ok(())
}
