//! A worker that ends in the middle: the mail is sent at least once, and every copy is the same mail.

use std::{
    pin::pin,
    task::Poll,
    time::{Duration, SystemTime},
};

use super::{
    Harness, Moment, State,
    desk::{Answer, Desk, LEASE, Provider, noon},
};
use crate::{Case, Checked, cases};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["outbox::crashes";
        ended_before_sending_a_mail_is_sent_by_the_next,
        ended_before_recording_a_mail_is_sent_again_as_the_same,
        killed_before_sending_a_process_loses_nothing,
        killed_before_recording_a_process_repeats_the_same_mail
    ]
}

/// The lease runs out, and the next drain sends it.
async fn ended_before_sending_a_mail_is_sent_by_the_next(harness: &dyn Harness) -> Checked {
    ended(harness, Answer::HangBefore, 1).await
}

/// By its message id, which was fixed when it was added, a reader knows the copy.
async fn ended_before_recording_a_mail_is_sent_again_as_the_same(harness: &dyn Harness) -> Checked {
    ended(harness, Answer::HangAfter, 2).await
}

async fn ended(harness: &dyn Harness, answer: Answer, copies: usize) -> Checked {
    let desk = Desk::open(harness).await?;
    let (id, mail) = desk.add("hello").await;
    let provider = Provider::that([answer]);
    let outbox = desk.outbox(&provider, noon());
    {
        let mut first = pin!(outbox.drain(10, None));
        // Until the provider is asked, and does not answer.
        while provider.is_untouched() {
            let polled = std::future::poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx))).await;
            assert!(polled.is_pending(), "nobody had answered");
            tokio::task::yield_now().await;
        }
    }
    desk.assert_state(&id, State::Waiting).await;
    desk.assert_nothing_due(noon(), "its lease has not run out").await;
    let next = desk.outbox(&provider, noon() + LEASE).drain(10, None).await.expect("a drain is answered");
    assert_eq!(next.sent, 1);
    assert_eq!(provider.taken(), vec![mail.message_id().clone(); copies]);
    desk.assert_state(&id, State::Sent).await;
    Ok(())
}

/// All that it had claimed is sent once.
async fn killed_before_sending_a_process_loses_nothing(harness: &dyn Harness) -> Checked {
    killed(harness, Moment::BeforeSending).await
}

/// What it had sent is sent again under its old id, and the rest once.
async fn killed_before_recording_a_process_repeats_the_same_mail(harness: &dyn Harness) -> Checked {
    killed(harness, Moment::BeforeRecording).await
}

async fn killed(harness: &dyn Harness, at: Moment) -> Checked {
    // A process has a clock of its own, so all of this happens long after any.
    const LONG: Duration = Duration::from_hours(1_000_000);
    let desk = Desk::open(harness).await?;
    let mut mails = Vec::new();
    for text in ["first", "second", "third"] {
        mails.push(desk.add_due(text, SystemTime::UNIX_EPOCH).await.1.message_id().clone());
    }
    let handed_over = desk.table.drain_and_be_killed(LEASE, at).await?;
    assert_eq!(handed_over.is_empty(), at == Moment::BeforeSending, "{handed_over:?}");
    assert!(handed_over.iter().all(|id| mails.contains(id)), "{handed_over:?}");
    desk.assert_nothing_due(SystemTime::UNIX_EPOCH, "the process had claimed them").await;
    let provider = Provider::default();
    let next = desk.outbox(&provider, noon() + LONG).drain(10, None).await.expect("a drain is answered");
    assert_eq!(next.sent, 3);
    let mut taken = provider.taken();
    taken.sort();
    mails.sort();
    assert_eq!(taken, mails);
    Ok(())
}
