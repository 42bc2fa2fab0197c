//! The envelope alone decides who gets a mail and who hears about failures.

use ::mailer::{Envelope, EnvelopeFrom, ErrorKind, Support};

use super::{
    Harness,
    desk::{Desk, address, email, email_to, enveloped, header_names, parse, readers, render},
};
use crate::{Case, Checked, Need, cases};

/// A backend without an envelope sender of its own refuses a mail that needs one.
const ENVELOPE_FROM: Need<dyn Harness> = Need {
    declared: |harness| {
        Box::pin(async move { Ok(Desk::open(harness).await?.capabilities().envelope_from != Support::No) })
    },
    undeclared: |harness| {
        Box::pin(async move {
            let null = enveloped(None, readers(1));
            Desk::open(harness).await?.assert_refused(&null, ErrorKind::Unsupported).await;
            let other = enveloped(Some(address("bounce@example.org")), readers(1));
            Desk::open(harness).await?.assert_refused(&other, ErrorKind::Unsupported).await;
            Ok(())
        })
    },
};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["envelope";
        readers_of_to_cc_and_bcc_all_get_it,
        hidden_copies_are_in_no_header,
        recipients_may_differ_from_the_headers,
        recipients_keep_their_order,
        a_recipient_named_twice_gets_one,
        the_case_of_a_local_part_is_kept,
        no_recipient_is_no_envelope
    ]
}

pub(super) fn sender_cases() -> Vec<Case<dyn Harness>> {
    cases!["envelope" needs ENVELOPE_FROM;
        a_sender_other_than_the_author,
        the_null_sender
    ]
}

/// One reader of each sort.
async fn readers_of_to_cc_and_bcc_all_get_it(harness: &dyn Harness) -> Checked {
    let mail = email().cc(address("cc@example.com")).bcc(address("bcc@example.com")).text("hello");
    let delivered = Desk::open(harness).await?.send(&mail).await;
    let to = ["ann@example.com", "cc@example.com", "bcc@example.com"].map(address);
    assert_eq!(delivered.to, to);
    Ok(())
}

/// Nobody learns of them from the mail.
async fn hidden_copies_are_in_no_header(harness: &dyn Harness) -> Checked {
    let mail = email().bcc(address("hidden@example.com")).text("hello");
    let delivered = Desk::open(harness).await?.send(&mail).await;
    assert!(delivered.to.contains(&address("hidden@example.com")));
    assert!(!header_names(&parse(&delivered)).contains("bcc"));
    assert!(!String::from_utf8_lossy(&delivered.raw).contains("hidden@"), "the mail tells of a hidden copy");
    Ok(())
}

/// As mailing lists and redirected mail need it.
async fn recipients_may_differ_from_the_headers(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let mail = enveloped(Some(address("vault@example.org")), [address("other@example.net")]);
    desk.deliver(&mail).await;
    assert_eq!(desk.only(&mail).await.to, [address("other@example.net")]);
    Ok(())
}

/// They are not sorted.
async fn recipients_keep_their_order(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let to = ["z@example.com", "a@example.com", "m@example.com"].map(address);
    let mail = enveloped(Some(address("vault@example.org")), to.clone());
    desk.deliver(&mail).await;
    assert_eq!(desk.only(&mail).await.to, to);
    Ok(())
}

/// Also if named once in `To` and once in `Bcc`.
async fn a_recipient_named_twice_gets_one(harness: &dyn Harness) -> Checked {
    let mail = email().bcc(address("ann@EXAMPLE.com")).text("hello");
    let delivered = Desk::open(harness).await?.send(&mail).await;
    assert_eq!(delivered.to, [address("ann@example.com")]);
    Ok(())
}

/// Only the host that owns an address may say what case means in it.
async fn the_case_of_a_local_part_is_kept(harness: &dyn Harness) -> Checked {
    let delivered = Desk::open(harness).await?.send(&email_to("Ann.LEE@example.com").text("hello")).await;
    assert_eq!(delivered.to[0].as_str(), "Ann.LEE@example.com");
    Ok(())
}

/// Such a mail cannot be made, so no backend needs to refuse it, and nothing arrives.
async fn no_recipient_is_no_envelope(harness: &dyn Harness) -> Checked {
    let error = Envelope::new(None, []).expect_err("an envelope without recipients was made");
    assert_eq!((error.kind(), error.field()), (ErrorKind::Invalid, Some("to")));
    assert_eq!(Desk::open(harness).await?.delivered().await, []);
    Ok(())
}

/// Failures go to an address of their own.
async fn a_sender_other_than_the_author(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let bounces = address("bounces+1@example.org");
    let mail = render(&email().envelope_from(EnvelopeFrom::Address(bounces.clone())).text("hello"));
    desk.deliver(&mail).await;
    assert_eq!(desk.only(&mail).await.from, Some(bounces));
    Ok(())
}

/// Failures go to nobody.
async fn the_null_sender(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let mail = render(&email().envelope_from(EnvelopeFrom::Null).text("hello"));
    desk.deliver(&mail).await;
    assert_eq!(desk.only(&mail).await.from, None);
    Ok(())
}
