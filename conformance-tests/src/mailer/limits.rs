//! What is declared holds in full; what is not is refused, at once and without effect.

use std::time::Instant;

use ::mailer::{Address, Context, ErrorKind, Outcome, Outgoing, Scope, Support};

use super::{
    Harness,
    desk::{Desk, address, email, email_to, enveloped, readers, render, with_body},
};
use crate::{Case, Checked, cases};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["limits";
        capabilities_do_not_change,
        one_recipient_more_than_declared_is_refused,
        one_byte_more_than_declared_is_refused,
        local_parts_of_every_script,
        one_local_part_of_another_script_counts_for_the_whole_mail,
        international_domains_need_no_support,
        nothing_is_sent_after_the_deadline,
        checking_sends_nothing,
        after_closing_every_call_is_refused,
        what_it_shows_of_itself_tells_nothing_of_the_mails,
        an_unusable_backend_surely_sent_nothing
    ]
}

/// Whoever asked once may rely on the answer.
async fn capabilities_do_not_change(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let before = desk.capabilities();
    desk.deliver(&render(&email())).await;
    assert_eq!(desk.capabilities(), before);
    Ok(())
}

/// As many as are declared are taken, or a good many where there is no limit; one more is refused.
async fn one_recipient_more_than_declared_is_refused(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let from = || Some(address("vault@example.org"));
    let limit = desk.capabilities().max_recipients;
    if let Some(limit) = limit {
        desk.assert_refused(&enveloped(from(), readers(limit + 1)), ErrorKind::Unsupported).await;
    }
    let mail = enveloped(from(), readers(limit.unwrap_or(200)));
    desk.deliver(&mail).await;
    desk.only(&mail).await;
    Ok(())
}

/// Of the largest mail every byte is taken, or of a large one where there is no limit.
async fn one_byte_more_than_declared_is_refused(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let limit = desk.capabilities().max_bytes;
    let size = limit.map_or(20 << 20, |limit| usize::try_from(limit).expect("a mail fits memory"));
    let sized = |size: usize| {
        let head = with_body("\r\n").raw().len() - 2;
        with_body(lines(size - head))
    };
    if limit.is_some() {
        desk.assert_refused(&sized(size + 1), ErrorKind::TooLarge).await;
    }
    let mail = sized(size);
    assert_eq!(mail.raw().len(), size);
    desk.deliver(&mail).await;
    desk.only(&mail).await;
    Ok(())
}

/// Declared, such a mail arrives; not declared, it is refused; left to the server, one of the two.
async fn local_parts_of_every_script(harness: &dyn Harness) -> Checked {
    arrives_as_declared(&Desk::open(harness).await?, &render(&email_to("jürgen@example.com").text("hello")))
        .await;
    Ok(())
}

/// It is not sent to some of its recipients and refused for the others.
async fn one_local_part_of_another_script_counts_for_the_whole_mail(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let to = ["ann@example.com", "jürgen@example.com", "bob@example.com"].map(address);
    arrives_as_declared(&desk, &enveloped(Some(address("vault@example.org")), to)).await;
    Ok(())
}

/// Takes or refuses a mail with a local part that is not ASCII.
async fn arrives_as_declared(desk: &Desk, mail: &Outgoing) {
    match desk.capabilities().utf8_local {
        Support::No => desk.assert_refused(mail, ErrorKind::Unsupported).await,
        Support::Yes => {
            desk.deliver(mail).await;
            desk.only(mail).await;
        }
        Support::Negotiated => match desk.try_deliver(mail).await {
            Ok(_) => drop(desk.only(mail).await),
            Err(_) => desk.assert_refused(mail, ErrorKind::Unsupported).await,
        },
    }
}

/// They are ASCII by the time a backend sees them.
async fn international_domains_need_no_support(harness: &dyn Harness) -> Checked {
    let delivered = Desk::open(harness).await?.send(&email_to("ann@Müller.example").text("hello")).await;
    assert_eq!(delivered.to.iter().map(Address::as_str).collect::<Vec<_>>(), ["ann@xn--mller-kva.example"]);
    Ok(())
}

/// A deadline that has passed is found out before anything is sent.
async fn nothing_is_sent_after_the_deadline(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let cx = Context::new().with_deadline(Instant::now());
    let error = desk.backend.deliver(&render(&email()), &cx).await.expect_err("the mail was taken");
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::NotApplied), "{error}");
    assert_eq!(desk.delivered().await, []);
    Ok(())
}

/// It may be done at any time, on a clock.
async fn checking_sends_nothing(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    desk.backend.check().await.expect("the backend works");
    assert_eq!(desk.delivered().await, []);
    Ok(())
}

/// Also if it is closed twice, and also for a mail that would be refused anyway.
async fn after_closing_every_call_is_refused(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    desk.backend.close().await;
    desk.backend.close().await;
    desk.assert_refused(&render(&email()), ErrorKind::Closed).await;
    let error = desk.backend.check().await.expect_err("a closed backend works");
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    Ok(())
}

/// A `Debug` ends up in somebody's log.
async fn what_it_shows_of_itself_tells_nothing_of_the_mails(harness: &dyn Harness) -> Checked {
    let desk = Desk::open(harness).await?;
    let mail = render(&email().subject("geheimnis").text("geheimnis").header("X-Secret", "geheimnis"));
    let receipt = desk.deliver(&mail).await;
    for shown in [format!("{:?}", desk.backend), format!("{mail:?}"), format!("{receipt:?}")] {
        assert!(!shown.contains("geheimnis"), "{shown}");
    }
    Ok(())
}

/// The fault is the transport's, nothing went out, and the error holds nothing of the mail.
async fn an_unusable_backend_surely_sent_nothing(harness: &dyn Harness) -> Checked {
    let backend = harness.open_unusable().await?;
    let mail =
        email().subject("geheimnis").text("geheimnis").attach("geheimnis.txt", "text/plain", "geheimnis");
    let error = backend.deliver(&render(&mail), &Context::new()).await.expect_err("the mail was taken");
    assert_eq!((error.scope(), error.outcome()), (Scope::Transport, Outcome::NotApplied), "{error}");
    assert!(!format!("{error} {error:?}").contains("geheimnis"), "the error tells what the mail says");
    backend.check().await.expect_err("an unusable backend is found to work");
    Ok(())
}

/// Lines of text that are this long together.
fn lines(size: usize) -> Vec<u8> {
    let mut lines = b"0123456789abcdefghijklmnopqrstuvwxyz\r\n".repeat(size / 38 + 1);
    lines.truncate(size);
    let end = lines.len() - 2;
    // The cut may have left half a line break before the one that is put here.
    if end > 0 && lines[end - 1] == b'\r' {
        lines[end - 1] = b'x';
    }
    lines[end..].copy_from_slice(b"\r\n");
    lines
}
