//! A dropped future poisons nothing, and what can be seen is whole.

use std::{
    pin::{Pin, pin},
    task::Poll,
};

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

/// How often a call is polled before it is dropped: at each of the first points where it waits, and at some later ones.
const EVERYWHERE: [usize; 18] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 18, 24, 36, 60, 120];

/// Wherever the first call is dropped, the second mail arrives once, with its own bytes and its own receipt.
async fn after_a_dropped_call_the_next_gets_its_own_answer(harness: &dyn Harness) -> Checked {
    for polls in EVERYWHERE {
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
    for polls in EVERYWHERE {
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
    let desk = Desk::open(harness).await?;
    let mail = render(&email().text("a line of text\n".repeat(20_000)));
    let mut sending = pin!(async {
        for _ in 0..8 {
            desk.deliver(&mail).await;
        }
    });
    // In one task, so that somebody looks at each point where a delivery waits.
    while poll_once(&mut sending).await.is_pending() {
        for one in desk.delivered().await {
            desk.assert_same(&mail, &one);
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(desk.delivered().await.len(), 8);
    Ok(())
}

/// A call that runs is finished; one that comes too late is refused and sends nothing.
async fn closing_while_sending_loses_nothing(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let mails: Vec<_> = readers(20).iter().map(|reader| render(&email_to(reader.as_str()))).collect();
    let cx = Context::new();
    let (mut answers, mut waiting) = (Vec::new(), Vec::new());
    for (n, mail) in mails.iter().enumerate() {
        let mut call = desk.backend.deliver(mail, &cx);
        // Every other call has begun when the backend is closed.
        let polled = if n % 2 == 0 { poll_once(&mut call).await } else { Poll::Pending };
        match polled {
            Poll::Ready(answer) => answers.push(answer),
            Poll::Pending => waiting.push(call),
        }
    }
    let finish = async {
        for call in waiting {
            answers.push(call.await);
        }
    };
    tokio::join!(desk.backend.close(), finish);
    let taken = answers.iter().filter(|answer| answer.is_ok()).count();
    for error in answers.into_iter().filter_map(Result::err) {
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Closed, Outcome::NotApplied), "{error}");
    }
    assert_eq!(desk.delivered().await.len(), taken, "taken and arrived differ");
    Ok(())
}

async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}

/// Polls a future this many times, letting others run in between, and drops it.
pub(super) async fn poll_and_drop<T>(polls: usize, future: impl Future<Output = T>) {
    let mut future = pin!(future);
    for _ in 0..polls {
        if poll_once(&mut future).await.is_ready() {
            break;
        }
        tokio::task::yield_now().await;
    }
}
