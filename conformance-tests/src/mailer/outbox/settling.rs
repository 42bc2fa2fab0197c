//! What stays of an entry, and what is forgotten.

use ::mailer::Verdict;

use super::{
    Harness, State,
    desk::{Desk, LEASE, broke, final_verdicts, noon, seconds, sent, tells},
};
use crate::{Case, Checked, cases, mailer::cancellation::poll_and_drop};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["outbox::settling";
        what_is_settled_is_never_claimed_again,
        what_a_mail_said_is_forgotten_when_it_has_done_its_duty,
        a_mail_that_is_dead_or_unsure_is_kept,
        what_went_wrong_can_be_read,
        a_mail_for_later_waits_whole_until_its_time,
        what_is_released_is_due_at_once,
        several_settled_together_are_each_settled,
        purging_removes_what_was_settled_before_and_nothing_else,
        a_dropped_call_leaves_an_entry_before_or_after_it
    ]
}

/// Each final verdict leads to its state, for good.
async fn what_is_settled_is_never_claimed_again(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    for (verdict, state) in final_verdicts(&super::desk::mail("any")) {
        desk.add("hello").await;
        let claimed = desk.claim_one(noon()).await;
        assert!(desk.settle(&claimed.lease, &verdict).await, "{verdict:?}");
        desk.assert_state(&claimed.lease.id, state).await;
        desk.assert_nothing_due(noon() + seconds(10 * 365 * 86400), "it was settled").await;
    }
    Ok(())
}

/// Nothing of it is left in the table of one that was sent or came too late.
async fn what_a_mail_said_is_forgotten_when_it_has_done_its_duty(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    for is_sent in [true, false] {
        let (id, mail) = desk.add("the code is 123456").await;
        assert!(tells(&desk.entry(&id).await, &mail), "the harness does not show what is stored of a mail");
        let claimed = desk.claim_one(noon()).await;
        let verdict = if is_sent { sent(&mail) } else { Verdict::Expired };
        assert!(desk.settle(&claimed.lease, &verdict).await);
        assert_eq!(desk.entry(&id).await.mail, "", "{verdict:?}");
    }
    Ok(())
}

/// Somebody may decide to send it after all.
async fn a_mail_that_is_dead_or_unsure_is_kept(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    for verdict in [Verdict::Dead(broke()), Verdict::Unsure(broke())] {
        let (id, mail) = desk.add("the code is 123456").await;
        let claimed = desk.claim_one(noon()).await;
        assert!(desk.settle(&claimed.lease, &verdict).await);
        assert!(tells(&desk.entry(&id).await, &mail), "{verdict:?}");
    }
    Ok(())
}

/// Whoever has to look finds the error's text beside the entry.
async fn what_went_wrong_can_be_read(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let at = noon() + seconds(3600);
    for verdict in [Verdict::Dead(broke()), Verdict::Unsure(broke()), Verdict::Later { at, error: broke() }] {
        let (id, _) = desk.add("hello").await;
        let claimed = desk.claim_one(noon()).await;
        assert!(desk.settle(&claimed.lease, &verdict).await);
        let reason = desk.entry(&id).await.reason.unwrap_or_default();
        assert!(reason.contains("the suite's own refusal"), "{verdict:?}: {reason}");
    }
    Ok(())
}

/// Not a moment earlier is it due, and it is the same mail.
async fn a_mail_for_later_waits_whole_until_its_time(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let (id, mail) = desk.add("hello").await;
    let claimed = desk.claim_one(noon()).await;
    // After the end of the lease, which is over when it is settled.
    let at = noon() + LEASE * 6;
    assert!(desk.settle(&claimed.lease, &Verdict::Later { at, error: broke() }).await);
    desk.assert_state(&id, State::Waiting).await;
    desk.assert_nothing_due(at - seconds(1), "it is due a second later").await;
    let again = desk.claim_one(at).await;
    assert_eq!((again.mail, again.attempts), (mail, 1));
    // Before the end of the lease.
    let soon = at + seconds(1);
    assert!(desk.settle(&again.lease, &Verdict::Later { at: soon, error: broke() }).await);
    assert_eq!(desk.claim_one(soon).await.attempts, 2);
    Ok(())
}

/// And before all others, so that being given back is no drawback.
async fn what_is_released_is_due_at_once(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let (id, mail) = desk.add("hello").await;
    let claimed = desk.claim_one(noon()).await;
    desk.add_due("older", noon() - seconds(3600)).await;
    assert!(desk.settle(&claimed.lease, &Verdict::Released).await);
    desk.assert_state(&id, State::Waiting).await;
    let again = desk.claim(1, noon()).await;
    assert_eq!(again.len(), 1);
    assert_eq!((&again[0].lease.id, &again[0].mail, again[0].attempts), (&id, &mail, 0));
    Ok(())
}

/// The answers are those of each, in order, and one that comes too late does not spoil the others.
async fn several_settled_together_are_each_settled(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let mails = [desk.add("first").await, desk.add("second").await, desk.add("third").await];
    let mut leases: Vec<_> = desk.claim(10, noon()).await.into_iter().map(|claimed| claimed.lease).collect();
    leases.sort_by_key(|lease| mails.iter().position(|(id, _)| *id == lease.id));
    leases[1].generation -= 1;
    let verdicts = [sent(&mails[0].1), sent(&mails[1].1), Verdict::Unsure(broke())];
    let settled: Vec<_> = leases.into_iter().zip(verdicts).collect();
    let kept = desk.store.settle_all(&settled).await.expect("settling is answered");
    assert_eq!(kept, [true, false, true]);
    for ((id, mail), state) in mails.iter().zip([State::Sent, State::Waiting, State::Unsure]) {
        let entry = desk.entry(id).await;
        assert_eq!((entry.state, tells(&entry, mail)), (state, state != State::Sent));
    }
    let nothing = desk.store.settle_all(&[]).await.expect("nothing to settle is fine");
    assert!(nothing.is_empty());
    Ok(())
}

/// What waits stays, however old; so does what was settled since.
async fn purging_removes_what_was_settled_before_and_nothing_else(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let mut ids = Vec::new();
    for (verdict, _) in final_verdicts(&super::desk::mail("any")) {
        let (id, _) = desk.add("settled").await;
        let claimed = desk.claim_one(noon()).await;
        assert!(desk.settle(&claimed.lease, &verdict).await);
        ids.push(id);
    }
    let leased = desk.add("leased").await.0;
    desk.claim_one(noon()).await;
    let waiting = desk.add("waiting").await.0;
    // Any clock is later than the first of these, and earlier than the second.
    let (long_ago, far_off) = (std::time::SystemTime::UNIX_EPOCH, noon() + seconds(100 * 365 * 86400));
    assert_eq!(desk.store.purge(long_ago).await.expect("purging is answered"), 0);
    assert!(desk.table.entry(&ids[0]).await.is_some(), "it was settled since");
    assert_eq!(desk.store.purge(far_off).await.expect("purging is answered"), 4);
    for id in &ids {
        assert_eq!(desk.table.entry(id).await, None);
    }
    desk.assert_state(&leased, State::Waiting).await;
    desk.assert_state(&waiting, State::Waiting).await;
    Ok(())
}

/// Wherever a call is dropped, the entry is claimed or not, and settled or not; nothing is lost between.
async fn a_dropped_call_leaves_an_entry_before_or_after_it(harness: &dyn Harness) -> Checked {
    for polls in 0..6 {
        let desk = Desk::open(harness).await?;
        let (id, mail) = desk.add("hello").await;
        poll_and_drop(polls, desk.store.claim(1, LEASE, noon())).await;
        let claimed = desk.claim_one(noon() + LEASE).await;
        assert_eq!(claimed.mail, mail, "after {polls} polls of a claim");
        poll_and_drop(polls, desk.store.settle(&claimed.lease, &sent(&mail))).await;
        // Answered after what may still be under way.
        let is_first = desk.settle(&claimed.lease, &sent(&mail)).await;
        let entry = desk.entry(&id).await;
        assert_eq!((entry.state, entry.mail.as_str()), (State::Sent, ""), "after {polls}, {is_first}");
        desk.assert_nothing_due(noon() + LEASE * 2, "it was sent").await;
    }
    Ok(())
}
