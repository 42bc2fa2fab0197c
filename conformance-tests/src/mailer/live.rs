//! What can be checked of a provider that delivers to the world, where nobody can look at what arrives.
//!
//! The whole suite sends to addresses that are not there. These cases send to one reader who asked for it, and look at
//! the answers alone: about twenty mails, which say in their subject what they are.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use ::mailer::{
    Address, Backend, Context, Email, Envelope, ErrorKind, Mailbox, Meta, Outcome, Outgoing, Support,
};
use async_trait::async_trait;

use super::{
    cancellation::poll_and_drop,
    desk::{readers, render},
};
use crate::{Case, Checked, cases};

/// Above this a mail is not made only to see it refused.
const LARGEST: u64 = 64 << 20;

/// A backend in front of a real provider.
#[async_trait]
pub trait Live: Send + Sync + 'static {
    /// A backend that no other case has used.
    async fn open(&self) -> Arc<dyn Backend>;

    /// From whom the provider takes mail.
    fn from(&self) -> Address;

    /// Who gets the mails, and knows it.
    fn to(&self) -> Address;
}

/// All cases.
pub fn cases() -> Vec<Case<dyn Live>> {
    cases!["live";
        the_provider_can_be_reached_and_accepts_us,
        a_mail_is_taken_and_its_receipt_is_complete,
        a_mail_with_everything_is_taken,
        mails_sent_at_once_have_receipts_of_their_own,
        what_is_not_declared_is_refused_before_it_is_sent,
        nothing_is_sent_after_the_deadline,
        a_dropped_call_leaves_the_next_one_alone,
        after_closing_every_call_is_refused
    ]
}

/// Before any mail, and without one.
async fn the_provider_can_be_reached_and_accepts_us(live: &dyn Live) -> Checked {
    live.open().await.check().await.unwrap_or_else(|error| panic!("{error:?}"));
    Ok(())
}

/// It names the mail and who took it, and no name of the provider's unless that is declared.
async fn a_mail_is_taken_and_its_receipt_is_complete(live: &dyn Live) -> Checked {
    let backend = live.open().await;
    let mail = render(&email(live, "a plain mail").text("Nothing needs to be done."));
    let receipt = backend.deliver(&mail, &Context::new()).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert!(!receipt.via.is_empty(), "nobody took it");
    assert_eq!((receipt.attempts, receipt.refused.as_slice()), (1, &[][..]));
    // A server that says nothing but yes names no mail.
    assert!(
        receipt.provider_id.is_none() || backend.capabilities().provider_id,
        "an id nobody claimed to have"
    );
    if backend.capabilities().keeps_message_id {
        assert_eq!(&receipt.message_id, mail.message_id());
    }
    Ok(())
}

/// Text, HTML, a picture in it, a file, and letters of every script.
async fn a_mail_with_everything_is_taken(live: &dyn Live) -> Checked {
    const PIXEL: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\xff\0\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
    let email = email(live, "Grüße, 你好, שלום 🔑")
        .text("A dot alone:\n.\nand one more:\n..\n")
        .html(r#"<p>A red dot: <img src="cid:dot" alt="" width="20" height="20"></p>"#)
        .inline("dot", "image/gif", PIXEL)
        .attach("Prüfung \"1\".txt", "text/plain", "attached\n");
    let backend = live.open().await;
    backend.deliver(&render(&email), &Context::new()).await.unwrap_or_else(|error| panic!("{error:?}"));
    Ok(())
}

/// No two of them are told the same name, and each is told its own id.
async fn mails_sent_at_once_have_receipts_of_their_own(live: &dyn Live) -> Checked {
    const COUNT: usize = 10;
    let backend = live.open().await;
    let mut running = tokio::task::JoinSet::new();
    for n in 0..COUNT {
        let (backend, mail) =
            (Arc::clone(&backend), render(&email(live, &format!("{n} of {COUNT} at once"))));
        running.spawn(async move {
            let receipt = backend.deliver(&mail, &Context::new()).await;
            (mail, receipt.unwrap_or_else(|error| panic!("{error:?}")))
        });
    }
    let sent = running.join_all().await;
    if backend.capabilities().keeps_message_id {
        assert!(
            sent.iter().all(|(mail, receipt)| &receipt.message_id == mail.message_id()),
            "they are swapped"
        );
    }
    let ids: BTreeSet<_> = sent.iter().map(|(_, receipt)| &receipt.message_id).collect();
    assert_eq!(ids.len(), COUNT, "two mails with one id");
    let names: Vec<_> = sent.iter().filter_map(|(_, receipt)| receipt.provider_id.as_ref()).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "two mails with one name");
    Ok(())
}

/// One recipient too many, one byte too many, an address that is not ASCII: surely not sent.
async fn what_is_not_declared_is_refused_before_it_is_sent(live: &dyn Live) -> Checked {
    let backend = live.open().await;
    let capabilities = backend.capabilities();
    let plain = render(&email(live, "this must not arrive"));
    let mut refused: Vec<(Outgoing, ErrorKind)> = Vec::new();
    if let Some(limit) = capabilities.max_recipients {
        let many = Envelope::new(Some(live.from()), readers(limit + 1)).expect("there are some");
        refused.push((plain.with_envelope(many), ErrorKind::Unsupported));
    }
    if let Some(limit) = capabilities.max_bytes.filter(|limit| *limit <= LARGEST) {
        let mut raw = plain.raw().to_vec();
        let missing = usize::try_from(limit).expect("it is small") + 1 - raw.len();
        raw.extend(b"0123456789\r\n".repeat(missing / 12 + 1));
        let large = Outgoing::new(plain.envelope().clone(), raw, Meta::default()).expect("it is sound");
        refused.push((large, ErrorKind::TooLarge));
    }
    if capabilities.utf8_local == Support::No {
        let reader = "jürgen@example.com".parse::<Address>().expect("an address");
        let envelope = Envelope::new(Some(live.from()), [reader]).expect("there is one");
        refused.push((plain.with_envelope(envelope), ErrorKind::Unsupported));
    }
    for (mail, kind) in refused {
        let error = backend.deliver(&mail, &Context::new()).await.expect_err("the mail was taken");
        assert_eq!((error.kind(), error.outcome()), (kind, Outcome::NotApplied), "{error}");
    }
    Ok(())
}

/// A deadline that has passed is found out first.
async fn nothing_is_sent_after_the_deadline(live: &dyn Live) -> Checked {
    let cx = Context::new().with_deadline(Instant::now());
    let mail = render(&email(live, "this must not arrive"));
    let error = live.open().await.deliver(&mail, &cx).await.expect_err("the mail was taken");
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::NotApplied), "{error}");
    Ok(())
}

/// Whether the dropped mail arrives is open; the one after it does.
async fn a_dropped_call_leaves_the_next_one_alone(live: &dyn Live) -> Checked {
    let backend = live.open().await;
    for polls in 1..=2 {
        let dropped = render(&email(live, "dropped, and may arrive"));
        let cx = Context::new();
        poll_and_drop(polls, backend.deliver(&dropped, &cx)).await;
        let next = render(&email(live, "sent after a dropped one"));
        let receipt =
            backend.deliver(&next, &Context::new()).await.unwrap_or_else(|error| panic!("{error:?}"));
        if backend.capabilities().keeps_message_id {
            assert_eq!(&receipt.message_id, next.message_id(), "the receipt is that of the dropped mail");
        }
    }
    Ok(())
}

/// Also if it is closed twice.
async fn after_closing_every_call_is_refused(live: &dyn Live) -> Checked {
    let backend = live.open().await;
    backend.close().await;
    backend.close().await;
    let mail = render(&email(live, "this must not arrive"));
    let error = backend.deliver(&mail, &Context::new()).await.expect_err("the mail was taken");
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Closed, Outcome::NotApplied), "{error}");
    assert_eq!(backend.check().await.expect_err("a closed backend works").kind(), ErrorKind::Closed);
    Ok(())
}

fn email(live: &dyn Live, what: &str) -> Email {
    Email::new(Mailbox::new(live.from()), Mailbox::new(live.to())).subject(format!("Mail test: {what}"))
}
