//! Mail that is refused for some of its recipients.

use ::mailer::{Disposition, ErrorKind, Outcome, Receipt, Refused, Scope, Stage};

use super::{
    Harness,
    post::{Post, assert_answers, mail_to},
};
use crate::{
    Case, Checked, Need, cases,
    smtp_server::{Options, Point, Step, Twist},
};

/// A backend that sends to all recipients or to none.
const PARTIAL: Need<dyn Harness> = Need {
    declared: |harness| {
        Box::pin(async move { Ok(Post::open(harness, Options::new()).await?.backend.capabilities().partial) })
    },
    undeclared: |harness| {
        Box::pin(async move { assert_sent_to_none(&Post::open(harness, no_bob()).await?).await })
    },
};

const READERS: [&str; 3] = ["ann@example.com", "bob@example.com", "eve@example.com"];

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    let mut partial = cases!["smtp::partial" needs PARTIAL;
        the_others_get_the_mail_and_the_refused_are_named,
        without_pipelining_it_is_the_same,
        refusals_for_now_are_told_from_those_for_good,
        of_a_thousand_recipients_each_has_its_own_answer
    ];
    partial.extend(cases!["smtp::partial";
        if_all_are_refused_no_mail_is_sent,
        if_one_may_be_taken_later_the_mail_may,
        all_or_nothing_sends_nothing_unless_all_are_taken,
        a_server_that_refuses_all_and_waits_for_the_mail_gets_none
    ]);
    partial
}

/// In the receipt, with the server's words.
async fn the_others_get_the_mail_and_the_refused_are_named(harness: &dyn Harness) -> Checked {
    assert_partly_sent(&Post::open(harness, no_bob()).await?).await
}

/// One command after the other.
async fn without_pipelining_it_is_the_same(harness: &dyn Harness) -> Checked {
    let options = Options::bare().recipient("bob@example.com", "550 5.1.1 nobody");
    assert_partly_sent(&Post::open(harness, options).await?).await
}

/// Only the latter are remembered against an address.
async fn refusals_for_now_are_told_from_those_for_good(harness: &dyn Harness) -> Checked {
    let options = no_bob().recipient("ann@example.com", "450 4.2.0 later");
    let post = Post::open(harness, options).await?;
    let receipt = post.send(&mail_to(&READERS)).await;
    let told: Vec<_> =
        receipt.refused.iter().map(|refused| (refused.address.as_str(), refused.permanent)).collect();
    assert_eq!(told, [("ann@example.com", false), ("bob@example.com", true)]);
    Ok(())
}

/// However many answers come at once.
async fn of_a_thousand_recipients_each_has_its_own_answer(harness: &dyn Harness) -> Checked {
    let readers: Vec<_> = (0..1000).map(|n| format!("reader{n}@example.com")).collect();
    let readers: Vec<_> = readers.iter().map(String::as_str).collect();
    let is_refused = |n: usize| n % 10 == 7 || n == 999;
    let refused: Vec<_> = (0..1000).filter(|&n| is_refused(n)).map(|n| readers[n]).collect();
    let refuse = |options: Options, reader: &&str| options.recipient(reader, "550 5.1.1 nobody");
    for options in [Options::new(), Options::bare()] {
        let post = Post::open(harness, refused.iter().fold(options, refuse)).await?;
        let receipt = post.send(&mail_to(&readers)).await;
        assert_eq!(named(&receipt.refused), refused);
        post.next_is_fine().await;
    }
    Ok(())
}

/// Not a byte of it. The connection is as good as before.
async fn if_all_are_refused_no_mail_is_sent(harness: &dyn Harness) -> Checked {
    for options in [Options::new(), Options::bare()] {
        let post = Post::open(harness, options).await?;
        post.server.twist(Twist::at(Point::Rcpt).replies("550 5.1.1 nobody").times(3));
        let error = post.fails(&mail_to(&READERS)).await;
        let expected = (
            ErrorKind::Refused,
            Scope::Recipients,
            Disposition::Permanent,
            Outcome::NotApplied,
            Stage::Envelope,
        );
        assert_answers(&error, expected, "all are refused");
        assert_eq!(named(error.refused()), READERS);
        assert_no_body(&post);
        post.server.untwist();
        post.send(&mail_to(&["zoe@example.com"])).await;
        assert_eq!(post.server.opened(), 1, "the connection was thrown away");
    }
    Ok(())
}

/// What is left for later is worth another attempt.
async fn if_one_may_be_taken_later_the_mail_may(harness: &dyn Harness) -> Checked {
    let options = no_bob().recipient("ann@example.com", "450 4.2.0 later");
    let post = Post::open(harness, options).await?;
    let error = post.fails(&mail_to(&["bob@example.com", "ann@example.com"])).await;
    let expected =
        (ErrorKind::Refused, Scope::Recipients, Disposition::Transient, Outcome::NotApplied, Stage::Envelope);
    assert_answers(&error, expected, "one is refused for now");
    let permanent: Vec<_> = error.refused().iter().map(|refused| refused.permanent).collect();
    assert_eq!(permanent, [true, false]);
    assert_no_body(&post);
    post.send(&mail_to(&["eve@example.com"])).await;
    Ok(())
}

/// Where that is asked for.
async fn all_or_nothing_sends_nothing_unless_all_are_taken(harness: &dyn Harness) -> Checked {
    for options in [no_bob(), Options::bare().recipient("bob@example.com", "550 5.1.1 nobody")] {
        let post = Post::open_with(harness, options, |target| target.all_or_nothing = true).await?;
        assert_sent_to_none(&post).await?;
    }
    Ok(())
}

/// As happens when commands are sent together. Whatever it says then, nobody got the mail.
async fn a_server_that_refuses_all_and_waits_for_the_mail_gets_none(harness: &dyn Harness) -> Checked {
    for verdict in [Step::Proceed, Step::line("250 2.0.0 Ok: queued as NOTHING")] {
        let post = Post::open(harness, Options::new()).await?;
        post.server.twist(Twist::at(Point::Rcpt).replies("550 5.1.1 nobody").times(3));
        post.server.twist(Twist::at(Point::Data).replies("354 go ahead"));
        post.server.twist(Twist::at(Point::Verdict).does([verdict]));
        let error = post.fails_briefly(&mail_to(&READERS)).await;
        assert_eq!((error.kind(), error.scope()), (ErrorKind::Refused, Scope::Recipients), "{error:?}");
        assert_eq!(error.outcome(), Outcome::NotApplied, "{error:?}");
        assert_no_body(&post);
        post.server.untwist();
        post.next_is_fine().await;
    }
    Ok(())
}

fn no_bob() -> Options {
    Options::new().recipient("bob@example.com", "550 5.1.1 nobody")
}

async fn assert_partly_sent(post: &Post) -> Checked {
    let mail = mail_to(&READERS);
    let Receipt { refused, .. } = post.send(&mail).await;
    assert_eq!(named(&refused), ["bob@example.com"]);
    assert!(refused[0].permanent);
    let reply = refused[0].reply.as_ref().expect("the server said why");
    assert_eq!((reply.code.as_str(), reply.lines.concat().contains("nobody")), ("550", true), "{reply:?}");
    assert_eq!(post.arrived(&mail)[0].to, ["ann@example.com", "eve@example.com"]);
    post.next_is_fine().await;
    Ok(())
}

/// One of the recipients is refused, so nobody gets the mail, and the error says who it was.
async fn assert_sent_to_none(post: &Post) -> Checked {
    let error = post.fails(&mail_to(&READERS)).await;
    assert_eq!((error.kind(), error.scope()), (ErrorKind::Refused, Scope::Recipients), "{error:?}");
    assert_eq!(error.outcome(), Outcome::NotApplied, "{error:?}");
    assert_eq!(named(error.refused()), ["bob@example.com"]);
    assert_no_body(post);
    post.next_is_fine().await;
    Ok(())
}

fn named(refused: &[Refused]) -> Vec<&str> {
    refused.iter().map(|refused| refused.address.as_str()).collect()
}

fn assert_no_body(post: &Post) {
    let bytes: usize =
        post.server.seen(|seen| seen.connections.iter().map(|connection| connection.body).sum());
    assert_eq!(bytes, 0, "a mail was sent to nobody");
    assert_eq!(post.server.mails(), [], "a mail was sent to nobody");
}
