//! A receipt belongs to its mail, and a mail arrives once.

use std::collections::BTreeMap;

use ::mailer::Context;

use super::{
    Harness,
    desk::{Desk, email, parse, readers, render},
};
use crate::{Case, Checked, Need, cases};

/// A backend that does not claim the provider's id gives none.
const PROVIDER_ID: Need<dyn Harness> = Need {
    declared: |harness| Box::pin(async move { Ok(Desk::open(harness).await?.capabilities().provider_id) }),
    undeclared: |harness| {
        Box::pin(async move {
            let receipt = Desk::open(harness).await?.deliver(&render(&email())).await;
            assert_eq!(receipt.provider_id, None, "an id nobody claimed to have");
            Ok(())
        })
    },
};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["receipt";
        it_names_the_message_id_that_arrives,
        it_tells_who_took_the_mail_and_at_which_attempt,
        one_mail_for_many_recipients_arrives_once,
        the_same_mail_handed_over_twice_arrives_twice_unchanged,
        many_at_once_are_neither_lost_nor_swapped
    ]
}

pub(super) fn heavy_cases() -> Vec<Case<dyn Harness>> {
    cases!["receipt" heavy;
        a_thousand_at_once_are_neither_lost_nor_swapped
    ]
}

pub(super) fn provider_id_cases() -> Vec<Case<dyn Harness>> {
    cases!["receipt" needs PROVIDER_ID;
        the_provider_id_is_that_of_the_mail
    ]
}

/// Ours, or the one the provider put in its place.
async fn it_names_the_message_id_that_arrives(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let mail = render(&email().text("hello"));
    let receipt = desk.deliver(&mail).await;
    let delivered = desk.only(&mail).await;
    assert_eq!(parse(&delivered).message_id(), Some(receipt.message_id.as_str()));
    if desk.capabilities().keeps_message_id {
        assert_eq!(&receipt.message_id, mail.message_id());
    }
    Ok(())
}

/// `via` is never empty, `attempts` is the caller's, and nobody was refused.
async fn it_tells_who_took_the_mail_and_at_which_attempt(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let mail = render(&email());
    for attempt in [1, 3] {
        let cx = Context::new().with_attempt(attempt);
        let receipt = desk.backend.deliver(&mail, &cx).await.expect("the mail is taken");
        assert!(!receipt.via.is_empty());
        assert_eq!((receipt.attempts, receipt.refused.len()), (attempt, 0));
    }
    Ok(())
}

/// It is neither repeated nor split.
async fn one_mail_for_many_recipients_arrives_once(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let count = desk.capabilities().max_recipients.unwrap_or(50).min(50);
    let mut mail = email().text("hello");
    mail.to = readers(count).into_iter().map(Into::into).collect();
    assert_eq!(desk.send(&mail).await.to.len(), count);
    Ok(())
}

/// Handing over is not idempotent, and leaves the mail as it was. Where the provider drops repeated keys, a mail
/// without a key is still sent again.
async fn the_same_mail_handed_over_twice_arrives_twice_unchanged(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let mail = render(&email().text("hello"));
    let before = mail.clone();
    desk.deliver(&mail).await;
    desk.deliver(&mail).await;
    assert_eq!(mail, before);
    let delivered = desk.delivered().await;
    assert_eq!(delivered.len(), 2);
    for one in &delivered {
        desk.assert_same(&mail, one);
    }
    Ok(())
}

/// Of mails sent at the same time each arrives once, for its own recipient, with its own bytes and receipt.
async fn many_at_once_are_neither_lost_nor_swapped(harness: &dyn Harness) -> Checked {
    at_once(harness, 100).await
}

/// Also of so many that no pool has room for all.
async fn a_thousand_at_once_are_neither_lost_nor_swapped(harness: &dyn Harness) -> Checked {
    at_once(harness, 1000).await
}

/// Declared, it is there, and it is the one under which the mail arrived.
async fn the_provider_id_is_that_of_the_mail(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    for text in ["one", "two"] {
        let mail = render(&email().text(text));
        let receipt = desk.deliver(&mail).await;
        let id = receipt.provider_id.expect("the id is declared");
        let delivered = desk.delivered().await;
        let one = delivered.iter().find(|one| one.provider_id.as_ref() == Some(&id));
        desk.assert_same(&mail, one.expect("a mail arrived under this id"));
    }
    Ok(())
}

async fn at_once(harness: &dyn Harness, count: usize) -> Checked {
    let desk = std::sync::Arc::new(Desk::open(harness).await?);
    let mut running = tokio::task::JoinSet::new();
    for reader in readers(count) {
        let desk = std::sync::Arc::clone(&desk);
        running.spawn(async move {
            let mail = render(&super::desk::email_to(reader.as_str()).text(format!("for {reader}")));
            let receipt = desk.deliver(&mail).await;
            (mail, receipt)
        });
    }
    let sent = running.join_all().await;
    let delivered = desk.delivered().await;
    assert_eq!(delivered.len(), count);
    let mut by_reader: BTreeMap<_, _> = delivered.iter().map(|one| (&one.to[0], one)).collect();
    for (mail, receipt) in &sent {
        let one = by_reader.remove(&mail.envelope().to()[0]).expect("each recipient gets a mail");
        desk.assert_same(mail, one);
        assert_eq!(parse(one).message_id(), Some(receipt.message_id.as_str()), "receipts are swapped");
        if desk.capabilities().provider_id {
            assert_eq!(one.provider_id, receipt.provider_id, "provider ids are swapped");
        }
    }
    Ok(())
}
