//! An entry is there if and only if the transaction was committed, and a key names one entry.

use ::mailer::DedupeKey;

use super::{
    Harness, State,
    desk::{Desk, LEASE, email, final_verdicts, mail, noon, render, tells},
};
use crate::{Case, Checked, cases};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["outbox::adding";
        what_was_added_is_claimed_as_it_was,
        what_was_rolled_back_is_never_claimed,
        a_key_names_one_entry,
        a_settled_entry_keeps_its_key,
        mails_without_a_key_are_entries_of_their_own
    ]
}

/// Envelope, bytes, message id and what else is known of a mail come back unchanged.
async fn what_was_added_is_claimed_as_it_was(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let mut email = email("123456").kind("otp");
    email.key = Some(DedupeKey::new("otp-1").expect("a key"));
    email.not_after = Some(noon() + LEASE);
    let mail = render(&email);
    let id = desk.table.enqueue(&mail, noon()).await;
    let entry = desk.entry(&id).await;
    assert_eq!(entry.state, State::Waiting);
    assert!(tells(&entry, &mail), "the harness does not show what is stored of a mail");
    let claimed = desk.claim_one(noon()).await;
    assert_eq!((claimed.lease.id, claimed.attempts), (id, 0));
    assert_eq!(claimed.mail, mail);
    Ok(())
}

/// The mail is part of the application's transaction.
async fn what_was_rolled_back_is_never_claimed(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    desk.table.enqueue_and_roll_back(&mail("never"), noon()).await?;
    desk.assert_nothing_due(noon() + LEASE, "its transaction was rolled back").await;
    Ok(())
}

/// Adding a second mail with the key adds nothing, and gives the id of the first.
async fn a_key_names_one_entry(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let keyed = |text: &str, key: &str| {
        let mut email = email(text);
        email.key = Some(DedupeKey::new(key).expect("a key"));
        render(&email)
    };
    let first = keyed("first", "invite-1");
    let id = desk.table.enqueue(&first, noon()).await;
    assert_eq!(desk.table.enqueue(&keyed("second", "invite-1"), noon()).await, id, "the first one's id");
    let other = desk.table.enqueue(&keyed("other", "invite-2"), noon()).await;
    assert_ne!(other, id, "another key");
    let claimed = desk.claim(10, noon()).await;
    assert_eq!(claimed.len(), 2);
    let ours = claimed.iter().find(|claimed| claimed.lease.id == id).expect("the first is due");
    assert_eq!(ours.mail, first, "the first one stays");
    Ok(())
}

/// Also when it has been sent or given up, until it is purged.
async fn a_settled_entry_keeps_its_key(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    for (n, (verdict, _)) in final_verdicts(&mail("settled")).into_iter().enumerate() {
        let mut email = email("settled");
        email.key = Some(DedupeKey::new(format!("invite-{n}")).expect("a key"));
        let id = desk.table.enqueue(&render(&email), noon()).await;
        let claimed = desk.claim_one(noon()).await;
        assert!(desk.settle(&claimed.lease, &verdict).await);
        assert_eq!(desk.table.enqueue(&render(&email), noon()).await, id, "{verdict:?}");
        desk.assert_nothing_due(noon() + LEASE, "its key was settled").await;
    }
    Ok(())
}

/// Equal mails, and the very same mail twice, were meant twice.
async fn mails_without_a_key_are_entries_of_their_own(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let first = desk.add("same").await.0;
    let second = desk.add("same").await.0;
    assert_ne!(first, second);
    assert_eq!(desk.claim(10, noon()).await.len(), 2);
    Ok(())
}
