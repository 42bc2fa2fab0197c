//! A call may be dropped wherever it waits, and what comes after is not disturbed.

use std::{pin::pin, sync::Arc, task::Poll, time::Instant};

use ::mailer::{Context, ErrorKind, Outcome, Stage};

use super::{
    Harness,
    post::{Post, aside, large_mail, mail},
};
use crate::{
    Case, Checked, cases,
    smtp_server::{Options, Point, Step, Twist},
};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["smtp::cancellation";
        after_a_call_dropped_in_a_stall_the_next_mail_is_itself,
        after_a_call_dropped_at_any_wait_the_next_mail_is_itself,
        a_call_dropped_in_the_middle_of_a_mail_sent_nothing,
        a_call_dropped_after_the_dot_sent_at_most_once,
        a_dropped_call_gives_its_place_back,
        a_dropped_check_disturbs_nobody,
        a_deadline_that_has_passed_opens_no_connection
    ]
}

/// Wherever the server made it wait: no answer to the first mail is taken for one to the second.
async fn after_a_call_dropped_in_a_stall_the_next_mail_is_itself(harness: &dyn Harness) -> Checked {
    for point in [Point::Greeting, Point::Ehlo, Point::Mail, Point::Rcpt, Point::Data, Point::Verdict] {
        for is_warm in [false, true] {
            let post = Post::open(harness, Options::new()).await?;
            if is_warm {
                post.next_is_fine().await;
                // There is a connection already, so it comes to no greeting any more.
                if matches!(point, Point::Greeting | Point::Ehlo) {
                    continue;
                }
            }
            post.server.twist(Twist::at(point).does([Step::Hold, Step::Proceed]));
            let call = post.begin(&mail(), Context::new());
            post.until(|seen| seen.held == 1).await;
            call.abandon().await;
            post.server.release();
            post.next_is_fine().await;
            post.next_is_fine().await;
        }
    }
    Ok(())
}

/// Poll by poll, until a call gets through.
async fn after_a_call_dropped_at_any_wait_the_next_mail_is_itself(harness: &dyn Harness) -> Checked {
    for polls in 0..100 {
        let post = Post::open(harness, Options::new()).await?;
        let first = mail();
        let (backend, mail) = (Arc::clone(&post.backend), first.clone());
        let call = async move { polled(polls, backend.deliver(&mail, &Context::new())).await };
        let is_done = aside("deliver", call).await;
        assert!(post.arrived(&first).len() <= 1, "it was sent twice");
        post.next_is_fine().await;
        post.next_is_fine().await;
        assert!(post.arrived(&first).len() <= 1, "it was sent again");
        if is_done {
            return Ok(());
        }
    }
    panic!("a call is woken more often than it could have reason to be");
}

/// The server may keep what it has, and knows that it is not all.
async fn a_call_dropped_in_the_middle_of_a_mail_sent_nothing(harness: &dyn Harness) -> Checked {
    let post = Post::open(harness, Options::new()).await?;
    post.server.twist(Twist::at(Point::Body(1)).does([Step::Hold]));
    let mail = large_mail();
    let call = post.begin(&mail, Context::new());
    post.until(|seen| seen.held == 1).await;
    call.abandon().await;
    post.server.release();
    post.until(|seen| seen.connections[0].is_closed).await;
    assert_eq!(post.arrived(&mail), []);
    post.next_is_fine().await;
    assert_eq!(post.server.mails().len(), 1);
    Ok(())
}

/// It is not sent again over another connection.
async fn a_call_dropped_after_the_dot_sent_at_most_once(harness: &dyn Harness) -> Checked {
    for steps in [[Step::Hold, Step::Take], [Step::Hold, Step::Proceed]] {
        let post = Post::open(harness, Options::new()).await?;
        post.server.twist(Twist::at(Point::Verdict).does(steps));
        let mail = mail();
        let call = post.begin(&mail, Context::new());
        post.until(|seen| seen.held == 1).await;
        call.abandon().await;
        post.server.release();
        post.next_is_fine().await;
        post.until(|seen| seen.connections[0].is_closed).await;
        assert_eq!(post.arrived(&mail).len(), 1);
        assert_eq!(post.server.mails().len(), 2);
    }
    Ok(())
}

/// Where only one connection may be open, the next call gets it.
async fn a_dropped_call_gives_its_place_back(harness: &dyn Harness) -> Checked {
    let post = Post::open_with(harness, Options::new(), |target| target.connections = 1).await?;
    for point in [Point::Greeting, Point::Mail, Point::Data, Point::Verdict] {
        post.server.twist(Twist::at(point).does([Step::Hold, Step::Close]));
        let call = post.begin(&mail(), Context::new());
        post.until(|seen| seen.held == 1).await;
        // Another one waits for its turn.
        let waiting = mail();
        let next = post.begin(&waiting, Context::new());
        call.abandon().await;
        let receipt = next.answer().await.unwrap_or_else(|error| panic!("the mail was not taken: {error:?}"));
        post.assert_arrived(&waiting, &receipt);
        post.server.release();
        // So that the next round begins with a connection of its own.
        post.server.twist(Twist::at(Point::Mail).does([Step::line("421 4.3.2 bye"), Step::Close]));
        drop(post.try_send(&mail()).await);
        post.server.untwist();
    }
    post.next_is_fine().await;
    Ok(())
}

/// Whoever asks whether the server works asks on behalf of nobody else.
async fn a_dropped_check_disturbs_nobody(harness: &dyn Harness) -> Checked {
    for polls in 0..100 {
        let post = Post::open(harness, Options::new()).await?;
        let backend = Arc::clone(&post.backend);
        let is_done = aside("check", async move { polled(polls, backend.check()).await }).await;
        post.next_is_fine().await;
        post.next_is_fine().await;
        if is_done {
            return Ok(());
        }
    }
    panic!("a check is woken more often than it could have reason to be");
}

/// Nobody hears of the mail.
async fn a_deadline_that_has_passed_opens_no_connection(harness: &dyn Harness) -> Checked {
    let post = Post::open(harness, Options::new()).await?;
    let error = post.try_within(&mail(), Context::new().with_deadline(Instant::now())).await;
    let error = error.expect_err("the mail was taken");
    let told = (error.kind(), error.outcome(), error.stage());
    assert_eq!(told, (ErrorKind::Timeout, Outcome::NotApplied, Stage::Prepare), "{error:?}");
    assert_eq!(post.server.opened(), 0);
    post.next_is_fine().await;
    Ok(())
}

/// Polls a future each time that it was woken, but not more often than this, and drops it. Whether it came to its end.
async fn polled<T>(polls: usize, future: impl Future<Output = T>) -> bool {
    let mut future = pin!(future);
    let mut polled = 0;
    std::future::poll_fn(|cx| {
        if polled == polls {
            return Poll::Ready(false);
        }
        polled += 1;
        future.as_mut().poll(cx).map(|_| true)
    })
    .await
}
