//! Who gets which entry, and for how long.

use std::{collections::BTreeSet, sync::Arc};

use tokio::task::JoinSet;

use super::{
    Harness, State,
    desk::{Desk, LEASE, noon, seconds, sent, tells},
};
use crate::{Case, Checked, cases};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["outbox::claims";
        the_oldest_due_come_first_and_no_more_than_asked_for,
        what_is_not_due_waits,
        a_lease_keeps_others_away_until_it_ends,
        each_claim_counts_until_it_is_released,
        a_late_worker_has_no_say,
        claims_at_the_same_time_share_nothing,
        a_damaged_mail_is_dead_and_blocks_nothing,
        a_clock_that_goes_back_repeats_and_loses_nothing
    ]
}

/// The rest is left for the next claim.
async fn the_oldest_due_come_first_and_no_more_than_asked_for(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    for (text, due) in [("second", 20), ("first", 10), ("third", 30)] {
        desk.add_due(text, noon() + seconds(due)).await;
    }
    let now = noon() + seconds(30);
    let texts = |claimed: Vec<::mailer::Claimed>| -> Vec<String> {
        let raw = claimed.iter().map(|one| String::from_utf8_lossy(one.mail.raw()).into_owned());
        raw.map(|raw| raw.trim_end().rsplit("\r\n").next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(texts(desk.claim(2, now).await), ["first", "second"]);
    assert_eq!(texts(desk.claim(2, now).await), ["third"]);
    Ok(())
}

/// A mail may be added for later; an empty list says that nothing is due.
async fn what_is_not_due_waits(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    desk.assert_nothing_due(noon(), "the table is empty").await;
    let due = noon() + seconds(60);
    desk.add_due("later", due).await;
    desk.assert_nothing_due(due - seconds(1), "it is due a second later").await;
    desk.claim_one(due).await;
    Ok(())
}

/// At its end, and not before, anybody may claim the entry anew.
async fn a_lease_keeps_others_away_until_it_ends(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let (_, mail) = desk.add("hello").await;
    let first = desk.claim_one(noon()).await;
    desk.assert_nothing_due(noon(), "it was claimed just now").await;
    desk.assert_nothing_due(noon() + LEASE - seconds(1), "its lease has a second left").await;
    let second = desk.claim_one(noon() + LEASE).await;
    assert_eq!(second.mail, mail);
    assert_eq!(second.lease.id, first.lease.id);
    assert!(second.lease.generation > first.lease.generation, "the generation grows with each claim");
    Ok(())
}

/// Whether a worker that died had sent it, nobody knows.
async fn each_claim_counts_until_it_is_released(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    desk.add("hello").await;
    let mut now = noon();
    for attempts in [0, 1, 2] {
        assert_eq!(desk.claim_one(now).await.attempts, attempts);
        now += LEASE;
    }
    let claimed = desk.claim_one(now).await;
    assert!(desk.settle(&claimed.lease, &::mailer::Verdict::Released).await);
    let again = desk.claim_one(now).await;
    assert_eq!(again.attempts, 3, "a released claim does not count");
    assert!(again.lease.generation > claimed.lease.generation, "it was a claim all the same");
    Ok(())
}

/// What it has to tell changes nothing once somebody else has claimed the entry, or it is settled, or gone.
async fn a_late_worker_has_no_say(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let (id, mail) = desk.add("hello").await;
    let late = desk.claim_one(noon()).await.lease;
    let ours = desk.claim_one(noon() + LEASE).await.lease;
    assert!(!desk.settle(&late, &sent(&mail)).await, "somebody else has claimed it");
    desk.assert_state(&id, State::Waiting).await;
    assert!(tells(&desk.entry(&id).await, &mail), "a late worker has blanked the mail");
    desk.assert_nothing_due(noon() + LEASE, "a late worker has ended the lease of another").await;
    assert!(desk.settle(&ours, &sent(&mail)).await);
    assert!(!desk.settle(&ours, &::mailer::Verdict::Released).await, "it is settled");
    assert!(!desk.settle(&late, &::mailer::Verdict::Expired).await, "it is settled by somebody else");
    desk.assert_state(&id, State::Sent).await;
    let gone = ::mailer::Lease { id: "00000000-0000-4000-8000-000000000000".to_owned(), ..ours };
    assert!(!desk.settle(&gone, &sent(&mail)).await, "there is no such entry");
    Ok(())
}

/// Of many who claim at once each entry goes to one.
async fn claims_at_the_same_time_share_nothing(harness: &dyn Harness) -> Checked {
    const COUNT: usize = 60;
    let desk = Arc::new(Desk::open(harness).await?);
    for n in 0..COUNT {
        desk.add(&n.to_string()).await;
    }
    let mut workers = JoinSet::new();
    for _ in 0..8 {
        let desk = Arc::clone(&desk);
        workers.spawn(async move {
            let mut ids = Vec::new();
            loop {
                let claimed = desk.claim(5, noon()).await;
                if claimed.is_empty() {
                    return ids;
                }
                ids.extend(claimed.into_iter().map(|claimed| claimed.lease.id));
                tokio::task::yield_now().await;
            }
        });
    }
    let claimed = workers.join_all().await.concat();
    let different: BTreeSet<_> = claimed.iter().collect();
    assert_eq!(claimed.len(), different.len(), "an entry was claimed twice");
    assert_eq!(different.len(), COUNT, "an entry was claimed by nobody");
    Ok(())
}

/// What cannot be read back as a mail is settled by the store, with a reason; those behind it are claimed.
async fn a_damaged_mail_is_dead_and_blocks_nothing(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let (damaged, _) = desk.add_due("damaged", noon() - seconds(1)).await;
    desk.table.damage(&damaged).await?;
    let (sound, mail) = desk.add("sound").await;
    // A claim may spend its limit on what it settles.
    let mut claimed = desk.claim(1, noon()).await;
    claimed.extend(desk.claim(1, noon()).await);
    let ids: Vec<_> = claimed.iter().map(|claimed| claimed.lease.id.as_str()).collect();
    assert_eq!(ids, [&sound]);
    assert_eq!(claimed[0].mail, mail);
    let entry = desk.entry(&damaged).await;
    assert_eq!(entry.state, State::Dead);
    assert!(entry.reason.is_some_and(|reason| !reason.is_empty()), "nobody is told why");
    desk.assert_nothing_due(noon() + LEASE - seconds(1), "a dead entry is never due").await;
    Ok(())
}

/// It may delay, and that is all: who claimed last has the say, whatever the time is.
async fn a_clock_that_goes_back_repeats_and_loses_nothing(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let (id, mail) = desk.add("hello").await;
    let before = noon() - seconds(3600);
    let lease = desk.claim_one(noon()).await.lease;
    desk.assert_nothing_due(before, "it is leased").await;
    let at = before + seconds(30);
    assert!(desk.settle(&lease, &::mailer::Verdict::Later { at, error: super::desk::broke() }).await);
    desk.assert_nothing_due(before, "it is due in half a minute").await;
    let lease = desk.claim_one(at).await.lease;
    assert!(desk.settle(&lease, &sent(&mail)).await);
    desk.assert_state(&id, State::Sent).await;
    for now in [before, noon(), noon() + LEASE] {
        desk.assert_nothing_due(now, "it was sent").await;
    }
    Ok(())
}
