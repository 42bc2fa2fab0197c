//! What an [`Outbox`](::mailer::Outbox) promises, as far as it rests on its store.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use ::mailer::{Drained, Error, ErrorKind, Outcome};
use tokio::sync::Barrier;

use super::{
    Harness, State,
    desk::{Answer, Desk, LEASE, Provider, email, noon, render, seconds},
};
use crate::{Case, Checked, cases};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["outbox::drains";
        two_at_once_send_each_mail_once,
        a_poisonous_mail_dies_and_the_others_flow,
        what_is_too_late_is_never_sent,
        what_may_have_gone_out_is_surfaced_and_never_repeated,
        at_its_deadline_a_drain_keeps_nothing_claimed
    ]
}

/// Whoever claims a mail sends it; the other one does not.
async fn two_at_once_send_each_mail_once(harness: &dyn Harness) -> Checked {
    const COUNT: usize = 60;
    let desk = Desk::open(harness).await?;
    let mut mails = BTreeSet::new();
    for n in 0..COUNT {
        mails.insert(desk.add(&n.to_string()).await.1.message_id().clone());
    }
    // The first mail of each is under way until that of the other is.
    let meeting = Arc::new(Barrier::new(2));
    let providers = [(); 2].map(|()| Provider::that([Answer::Meet(Arc::clone(&meeting))]));
    let [one, other] = providers.each_ref().map(|provider| desk.outbox(provider, noon()));
    let (one, other) = tokio::join!(one.drain(COUNT / 2, None), other.drain(COUNT / 2, None));
    let (one, other) = (one.expect("a drain is answered"), other.expect("a drain is answered"));
    assert_eq!((one.sent + other.sent, one.lost + other.lost), (COUNT, 0));
    let taken = providers.map(|provider| provider.taken()).concat();
    assert_eq!(taken.len(), COUNT, "a mail was sent twice, or not at all");
    assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), mails);
    Ok(())
}

/// A mail that fails each time is given up after the last attempt, and is in nobody's way meanwhile.
async fn a_poisonous_mail_dies_and_the_others_flow(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let (id, _) = desk.add_due("poison", noon() - seconds(1)).await;
    for attempt in 1..=3 {
        let now = noon() + seconds(attempt * 3600);
        let (_, other) = desk.add_due("another", now).await;
        let provider = Provider::that([Answer::Refuse(Error::new(ErrorKind::Throttled, "not now"))]);
        // Nothing else has waited for as long.
        let drained = desk.outbox(&provider, now).drain(1, None).await.expect("a drain is answered");
        let expected = if attempt < 3 { (1, 0) } else { (0, 1) };
        assert_eq!((drained.later, drained.dead), expected, "attempt {attempt}");
        let drained = desk.outbox(&provider, now).drain(10, None).await.expect("a drain is answered");
        assert_eq!((drained.sent, drained.later), (1, 0));
        assert_eq!(provider.taken(), [other.message_id().clone()]);
    }
    desk.assert_state(&id, State::Dead).await;
    desk.assert_nothing_due(noon() + seconds(86400), "it is dead").await;
    Ok(())
}

/// Its `not_after` is stored with it.
async fn what_is_too_late_is_never_sent(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let mut email = email("the code is 123456");
    email.not_after = Some(noon());
    let id = desk.table.enqueue(&render(&email), noon()).await;
    let provider = Provider::default();
    let late = desk.outbox(&provider, noon() + seconds(1));
    assert_eq!(late.drain(10, None).await.expect("a drain is answered").expired, 1);
    let entry = desk.entry(&id).await;
    assert_eq!((entry.state, entry.mail.as_str()), (State::Expired, ""));
    assert_eq!(provider.taken(), []);
    Ok(())
}

/// The operator finds it in the table, with what happened.
async fn what_may_have_gone_out_is_surfaced_and_never_repeated(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let (id, _) = desk.add("hello").await;
    let cut = Error::new(ErrorKind::Unavailable, "cut after the last byte").with_outcome(Outcome::Unknown);
    let provider = Provider::that([Answer::Refuse(cut)]);
    let drained = desk.outbox(&provider, noon()).drain(10, None).await.expect("a drain is answered");
    assert_eq!(drained.unsure, 1);
    let entry = desk.entry(&id).await;
    assert_eq!(entry.state, State::Unsure);
    assert!(entry.reason.is_some_and(|reason| reason.contains("cut after the last byte")));
    let again = desk.outbox(&provider, noon() + LEASE * 9).drain(10, None).await;
    assert_eq!(again.expect("a drain is answered"), Drained::default());
    assert_eq!(provider.taken(), []);
    Ok(())
}

/// What it had no time to begin is given back, at once.
async fn at_its_deadline_a_drain_keeps_nothing_claimed(harness: &dyn Harness) -> Checked {
    const COUNT: usize = 12;
    let desk = Desk::open(harness).await?;
    for n in 0..COUNT {
        desk.add(&n.to_string()).await;
    }
    let provider = Provider::that((0..COUNT).map(|_| Answer::AtTheDeadline));
    let deadline = Instant::now() + Duration::from_secs(1);
    let drained = desk.outbox(&provider, noon()).drain(COUNT, Some(deadline)).await;
    let drained = drained.expect("a drain is answered");
    assert!(drained.released > 0, "the case is about those for which there was no time: {drained:?}");
    assert_eq!(drained.sent + drained.released, COUNT, "{drained:?}");
    assert_eq!(desk.claim(COUNT, noon()).await.len(), drained.released, "what was given back is due");
    Ok(())
}
