//! A dropped future poisons nothing, and what can be seen is whole.

use std::{future::Future, pin::pin, sync::Arc};

use ::mailer::{Context, ErrorKind, Outcome};

use super::{
    Harness,
    desk::{Desk, email, email_to, parse, readers, render},
};
use crate::{Case, Checked, cases};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["cancellation";
        after_a_dropped_call_the_next_gets_its_own_answer,
        a_dropped_call_sends_at_most_once,
        dropped_check_and_close_poison_nothing,
        what_can_be_seen_is_whole,
        closing_while_sending_loses_nothing
    ]
}

/// Wherever the first call is dropped, the second mail arrives once, with its own bytes and its own receipt.
async fn after_a_dropped_call_the_next_gets_its_own_answer(harness: &dyn Harness) -> Checked {
    for polls in 0..12 {
        let desk = Desk::open(harness).await?;
        let (first, second) = (render(&email().text("first")), render(&email().text("second, and longer")));
        poll_and_drop(polls, desk.backend.deliver(&first, &Context::new())).await;
        let receipt = desk.deliver(&second).await;
        let delivered = desk.delivered().await;
        let id = Some(receipt.message_id.as_str());
        let own: Vec<_> = delivered.iter().filter(|one| parse(one).message_id() == id).collect();
        assert_eq!(own.len(), 1, "the second mail, after {polls} polls of the first");
        desk.assert_same(&second, own[0]);
    }
    Ok(())
}

/// Whether it was sent is unknown; twice it was not, nor in part.
async fn a_dropped_call_sends_at_most_once(harness: &dyn Harness) -> Checked {
    for polls in 0..12 {
        let desk = Desk::open(harness).await?;
        let mail = render(&email().text("hello"));
        poll_and_drop(polls, desk.backend.deliver(&mail, &Context::new())).await;
        // Closing waits for what still runs.
        desk.backend.close().await;
        let delivered = desk.delivered().await;
        assert!(delivered.len() <= 1, "it arrived {} times after {polls} polls", delivered.len());
        for one in &delivered {
            desk.assert_same(&mail, one);
        }
    }
    Ok(())
}

/// The other calls may be dropped as well.
async fn dropped_check_and_close_poison_nothing(harness: &dyn Harness) -> Checked {
    for polls in 0..4 {
        let desk = Desk::open(harness).await?;
        poll_and_drop(polls, desk.backend.check()).await;
        let mail = render(&email().text("hello"));
        desk.deliver(&mail).await;
        desk.only(&mail).await;
        poll_and_drop(polls, desk.backend.close()).await;
        desk.backend.close().await;
        let error = desk.try_deliver(&mail).await.expect_err("a closed backend took a mail");
        assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    }
    Ok(())
}

/// Whoever looks while mails arrive sees each of them whole or not at all.
async fn what_can_be_seen_is_whole(harness: &dyn Harness) -> Checked {
    let desk = Arc::new(Desk::open(harness).await?);
    let mail = render(&email().text("a line of text\n".repeat(20_000)));
    let sending = tokio::spawn({
        let (desk, mail) = (Arc::clone(&desk), mail.clone());
        async move {
            for _ in 0..8 {
                desk.deliver(&mail).await;
            }
        }
    });
    while !sending.is_finished() {
        for one in desk.delivered().await {
            desk.assert_same(&mail, &one);
        }
        tokio::task::yield_now().await;
    }
    sending.await.expect("all mails are taken");
    assert_eq!(desk.delivered().await.len(), 8);
    Ok(())
}

/// A call that runs is finished; one that comes too late is refused and sends nothing.
async fn closing_while_sending_loses_nothing(harness: &dyn Harness) -> Checked {
    let desk = Arc::new(Desk::open(harness).await?);
    let mut running = tokio::task::JoinSet::new();
    for reader in readers(20) {
        let desk = Arc::clone(&desk);
        running.spawn(async move { desk.try_deliver(&render(&email_to(reader.as_str()))).await });
    }
    tokio::task::yield_now().await;
    desk.backend.close().await;
    let mut taken = 0;
    for answer in running.join_all().await {
        match answer {
            Ok(_) => taken += 1,
            Err(error) => {
                assert_eq!(
                    (error.kind(), error.outcome()),
                    (ErrorKind::Closed, Outcome::NotApplied),
                    "{error}"
                );
            }
        }
    }
    assert_eq!(desk.delivered().await.len(), taken, "taken and arrived differ");
    let late = desk.try_deliver(&render(&email())).await.expect_err("a closed backend took a mail");
    assert_eq!(late.kind(), ErrorKind::Closed, "{late}");
    Ok(())
}

/// Polls a future this many times, letting others run in between, and drops it.
async fn poll_and_drop<T>(polls: usize, future: impl Future<Output = T>) {
    let mut future = pin!(future);
    for _ in 0..polls {
        let ready =
            std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx).is_ready())).await;
        if ready {
            break;
        }
        tokio::task::yield_now().await;
    }
}
