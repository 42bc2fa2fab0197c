//! What a server says is told so that a caller can act upon it.

use ::mailer::{Disposition, ErrorKind, Outcome, Scope, Stage};

use super::{
    Harness,
    post::{Answers, Post, answers, assert_answers, mail, mail_to},
};
use crate::{
    Case, Checked, cases,
    smtp_server::{Options, Point, Step, Twist},
};

use Disposition::{Permanent, Transient};
use Outcome::{NotApplied, Unknown};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["smtp::errors";
        a_no_to_the_connection_is_the_transports,
        a_temporary_no_to_a_mail_is_the_transports,
        a_permanent_no_to_a_mail_is_the_messages,
        a_no_to_every_recipient_is_about_them,
        a_server_that_takes_its_leave_is_unavailable,
        a_mail_that_is_too_large_for_the_server_is_called_so,
        throttling_is_told_from_a_quota_that_is_used_up,
        code_and_text_of_a_reply_are_told,
        a_reply_needs_no_text,
        a_reply_is_told_without_control_characters,
        a_reply_in_another_encoding_is_a_reply,
        a_long_line_is_a_reply,
        a_reply_without_end_is_nonsense,
        a_greeting_in_another_protocol_is_nonsense,
        a_code_of_no_known_class_is_nonsense,
        nonsense_after_the_dot_leaves_the_outcome_open,
        a_check_finds_what_a_mail_would_find,
        a_check_names_nobody_and_sends_nothing
    ]
}

/// Whether it may pass, the first digit says; nothing was sent.
async fn a_no_to_the_connection_is_the_transports(harness: &dyn Harness) -> Checked {
    for (reply, disposition) in [("451 4.3.0 not now", Transient), ("554 5.3.2 not here", Permanent)] {
        for points in [&[Point::Greeting][..], &[Point::Ehlo, Point::Helo]] {
            let post = Post::open(harness, Options::new()).await?;
            for point in points {
                post.server.twist(Twist::at(*point).replies(reply).always());
            }
            let error = post.fails(&mail()).await;
            let expected =
                (ErrorKind::Unavailable, Scope::Transport, disposition, NotApplied, Stage::Connect);
            assert_answers(&error, expected, reply);
            post.server.untwist();
            post.next_is_fine().await;
        }
    }
    Ok(())
}

/// Another backend may take the same mail at once.
async fn a_temporary_no_to_a_mail_is_the_transports(harness: &dyn Harness) -> Checked {
    for (point, stage) in OF_A_MAIL {
        let expected = (ErrorKind::Unavailable, Scope::Transport, Transient, NotApplied, stage);
        assert_says(harness, point, &["451 4.3.0 not now", "450 4.7.1 later", "452 4.3.1 no room"], expected)
            .await?;
    }
    Ok(())
}

/// It would be refused elsewhere, too; also after the dot a clear no is proof that nothing was sent.
async fn a_permanent_no_to_a_mail_is_the_messages(harness: &dyn Harness) -> Checked {
    for (point, stage) in OF_A_MAIL {
        let expected = (ErrorKind::Refused, Scope::Message, Permanent, NotApplied, stage);
        assert_says(harness, point, &["550 5.7.1 not this", "554 5.6.0 no"], expected).await?;
    }
    Ok(())
}

/// The mail and the transport are fine, and each refused recipient is named.
async fn a_no_to_every_recipient_is_about_them(harness: &dyn Harness) -> Checked {
    for (replies, disposition) in [
        (["450 4.2.1 busy", "451 4.3.0 not now", "452 4.5.3 too many"], Transient),
        (["550 5.1.1 nobody", "551 5.1.6 moved", "553 5.1.3 odd"], Permanent),
    ] {
        for reply in replies {
            let post = Post::open(harness, Options::new()).await?;
            let error = post.fails_by(Twist::at(Point::Rcpt).replies(reply)).await;
            let expected = (ErrorKind::Refused, Scope::Recipients, disposition, NotApplied, Stage::Envelope);
            assert_answers(&error, expected, reply);
            let [refused] = error.refused() else { panic!("one recipient was refused: {error:?}") };
            assert_eq!(refused.address.as_str(), "ann@example.com");
            assert_eq!(refused.permanent, disposition == Permanent, "{reply}");
            assert_eq!(refused.reply.as_ref().map(|reply| reply.code.as_str()), Some(&reply[..3]));
            post.next_is_fine().await;
        }
    }
    Ok(())
}

/// 421 is about the connection, whatever it answers.
async fn a_server_that_takes_its_leave_is_unavailable(harness: &dyn Harness) -> Checked {
    for (point, stage) in [
        (Point::Greeting, Stage::Connect),
        (Point::Ehlo, Stage::Connect),
        (Point::Mail, Stage::Envelope),
        (Point::Rcpt, Stage::Envelope),
        (Point::Data, Stage::Data),
        (Point::Verdict, Stage::Verdict),
    ] {
        let post = Post::open(harness, Options::new()).await?;
        let farewell = [Step::line("421 4.3.2 shutting down"), Step::Close];
        let error = post.fails_by(Twist::at(point).does(farewell)).await;
        let expected = (ErrorKind::Unavailable, Scope::Transport, Transient, NotApplied, stage);
        assert_answers(&error, expected, &format!("{point:?}"));
        post.next_is_fine().await;
    }
    Ok(())
}

/// By 552, or by an enhanced code that says it better than its own.
async fn a_mail_that_is_too_large_for_the_server_is_called_so(harness: &dyn Harness) -> Checked {
    for (point, stage) in OF_A_MAIL {
        let expected = (ErrorKind::TooLarge, Scope::Message, Permanent, NotApplied, stage);
        assert_says(harness, point, &["552 too much", "554 5.3.4 too large"], expected).await?;
    }
    Ok(())
}

/// The first passes when one is slower; the second does not before the allowance is renewed.
async fn throttling_is_told_from_a_quota_that_is_used_up(harness: &dyn Harness) -> Checked {
    for (kind, reply) in [
        (ErrorKind::Throttled, "454 Throttling failure: Maximum sending rate exceeded."),
        (ErrorKind::Quota, "454 Throttling failure: Daily message quota exceeded."),
    ] {
        for (point, stage) in OF_A_MAIL {
            assert_says(harness, point, &[reply], (kind, Scope::Transport, Transient, NotApplied, stage))
                .await?;
        }
    }
    Ok(())
}

/// The enhanced code is told apart from the text, and no line is lost.
async fn code_and_text_of_a_reply_are_told(harness: &dyn Harness) -> Checked {
    let post = Post::open(harness, Options::new()).await?;
    let lines = "554-5.7.1 this is not wanted\r\n554-5.7.1 see below\r\n554 5.7.1 because of us\r\n";
    let error = post.fails_by(Twist::at(Point::Verdict).does([Step::Reply(lines.into())])).await;
    let reply = error.reply().expect("the server said why");
    assert_eq!((reply.code.as_str(), reply.enhanced.as_deref()), ("554", Some("5.7.1")));
    let text = reply.lines.join("\n");
    for line in ["this is not wanted", "see below", "because of us"] {
        assert!(text.contains(line), "{reply:?} lacks {line:?}");
    }
    assert_eq!(reply.lines.len(), 3, "{reply:?}");
    assert!(error.to_string().contains("554"), "{error}");
    post.next_is_fine().await;
    Ok(())
}

/// Three digits are enough.
async fn a_reply_needs_no_text(harness: &dyn Harness) -> Checked {
    let post = Post::open(harness, Options::new()).await?;
    for (point, code) in [(Point::Mail, "250"), (Point::Rcpt, "250"), (Point::Data, "354")] {
        post.server.twist(Twist::at(point).replies(code));
    }
    post.next_is_fine().await;
    let error = post.fails_by(Twist::at(Point::Mail).replies("550")).await;
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
    let reply = error.reply().expect("the server answered");
    assert_eq!((reply.code.as_str(), reply.enhanced.as_deref()), ("550", None));
    post.next_is_fine().await;
    Ok(())
}

/// They could end a line of a log, or rule a terminal.
async fn a_reply_is_told_without_control_characters(harness: &dyn Harness) -> Checked {
    let post = Post::open(harness, Options::new()).await?;
    let reply = Step::Reply("550 5.7.1 red\x1b[31m\0 and\x07 more\rforged\x7f\r\n".into());
    let error = post.fails_by(Twist::at(Point::Mail).does([reply])).await;
    let reply = error.reply().expect("the server said why");
    let text = format!("{error}{}", reply.lines.concat());
    assert!(!text.chars().any(char::is_control), "{text:?}");
    post.next_is_fine().await;
    Ok(())
}

/// What is not UTF-8 in it is replaced.
async fn a_reply_in_another_encoding_is_a_reply(harness: &dyn Harness) -> Checked {
    let post = Post::open(harness, Options::new()).await?;
    let reply = Step::Reply(b"550 5.7.1 caf\xe9 ferm\xe9\r\n"[..].into());
    let error = post.fails_by(Twist::at(Point::Rcpt).does([reply])).await;
    assert_eq!((error.kind(), error.scope()), (ErrorKind::Refused, Scope::Recipients), "{error:?}");
    let lines = &error.reply().expect("the server said why").lines;
    assert!(lines[0].contains("caf") && lines[0].contains("ferm"), "{lines:?}");
    post.server.twist(Twist::at(Point::Data).does([Step::Reply(b"354 all\xe9z\r\n"[..].into())]));
    post.next_is_fine().await;
    Ok(())
}

/// Servers put whole paragraphs into one.
async fn a_long_line_is_a_reply(harness: &dyn Harness) -> Checked {
    let post = Post::open(harness, Options::new()).await?;
    for point in [Point::Ehlo, Point::Mail, Point::Rcpt] {
        post.server.twist(Twist::at(point).replies(&format!("250 {}", "x".repeat(3000))));
    }
    post.next_is_fine().await;
    Ok(())
}

/// Neither a line nor a list of lines makes the backend wait, or its memory grow, for ever.
async fn a_reply_without_end_is_nonsense(harness: &dyn Harness) -> Checked {
    for endless in ["x".repeat(2 << 20), "more\r\n250-".repeat(300_000)] {
        let post = Post::open(harness, Options::new()).await?;
        let reply = format!("250-{endless}");
        let error = post.fails_by(Twist::at(Point::Ehlo).does([Step::Reply(reply.into()), Step::Hold])).await;
        let told = (error.kind(), error.scope(), error.outcome(), error.stage());
        assert_eq!(told, (ErrorKind::Protocol, Scope::Transport, NotApplied, Stage::Connect), "{error:?}");
        post.server.release();
        post.next_is_fine().await;
    }
    Ok(())
}

/// Somebody else listens there.
async fn a_greeting_in_another_protocol_is_nonsense(harness: &dyn Harness) -> Checked {
    for greeting in ["HTTP/1.1 400 Bad Request", "SSH-2.0-OpenSSH_9.2", "+OK POP3 ready", "", "22 hello"] {
        let post = Post::open(harness, Options::new()).await?;
        let error = post.fails_by(Twist::at(Point::Greeting).replies(greeting)).await;
        let told = (error.kind(), error.scope(), error.outcome(), error.stage());
        assert_eq!(
            told,
            (ErrorKind::Protocol, Scope::Transport, NotApplied, Stage::Connect),
            "{greeting}: {error:?}"
        );
        post.next_is_fine().await;
    }
    Ok(())
}

/// It is neither a yes nor a no.
async fn a_code_of_no_known_class_is_nonsense(harness: &dyn Harness) -> Checked {
    for (point, stage) in
        [(Point::Mail, Stage::Envelope), (Point::Rcpt, Stage::Envelope), (Point::Data, Stage::Data)]
    {
        for reply in ["199 hm", "650 hm", "999 hm", "000 hm"] {
            let post = Post::open(harness, Options::new()).await?;
            let error = post.fails_by(Twist::at(point).replies(reply)).await;
            let told = (error.kind(), error.scope(), error.outcome(), error.stage());
            assert_eq!(
                told,
                (ErrorKind::Protocol, Scope::Transport, NotApplied, stage),
                "{reply}: {error:?}"
            );
            post.next_is_fine().await;
        }
    }
    Ok(())
}

/// The server has the whole mail, and what it made of it cannot be known.
async fn nonsense_after_the_dot_leaves_the_outcome_open(harness: &dyn Harness) -> Checked {
    for reply in ["199 hm", "650 hm", "what?", "354 go ahead"] {
        let post = Post::open(harness, Options::new()).await?;
        let error = post.fails_by(Twist::at(Point::Verdict).replies(reply)).await;
        let told = (error.kind(), error.scope(), error.outcome(), error.stage());
        assert_eq!(
            told,
            (ErrorKind::Protocol, Scope::Transport, Unknown, Stage::Verdict),
            "{reply}: {error:?}"
        );
        post.next_is_fine().await;
    }
    Ok(())
}

/// The same kind, from the same place.
async fn a_check_finds_what_a_mail_would_find(harness: &dyn Harness) -> Checked {
    for steps in [[Step::line("554 5.3.2 not here")], [Step::line("451 4.3.0 not now")], [Step::Close]] {
        let post = Post::open(harness, Options::new()).await?;
        post.server.twist(Twist::at(Point::Greeting).does(steps.clone()).always());
        let by_mail = answers(&post.fails(&mail()).await);
        let by_check = post.check().await.expect_err("a server that refuses everybody is found to work");
        assert_eq!(answers(&by_check).0, by_mail.0, "{steps:?}: {by_check:?}");
        post.server.untwist();
        post.check().await.expect("the server works again");
        post.next_is_fine().await;
    }
    Ok(())
}

/// It may be done at any time.
async fn a_check_names_nobody_and_sends_nothing(harness: &dyn Harness) -> Checked {
    let post = Post::open(harness, Options::new()).await?;
    for _ in 0..3 {
        post.check().await.expect("the server works");
        post.next_is_fine().await;
    }
    let sent = post.server.seen(|seen| (seen.count("RCPT"), seen.count("DATA"), seen.mails.len()));
    assert_eq!(sent, (3, 3, 3));
    Ok(())
}

/// Where a mail as such is accepted or not.
const OF_A_MAIL: [(Point, Stage); 3] =
    [(Point::Mail, Stage::Envelope), (Point::Data, Stage::Data), (Point::Verdict, Stage::Verdict)];

/// Checks what comes of each of these replies, and that the next mail is fine.
async fn assert_says(harness: &dyn Harness, point: Point, replies: &[&str], expected: Answers) -> Checked {
    for reply in replies {
        let post = Post::open(harness, Options::new()).await?;
        post.server.twist(Twist::at(point).replies(reply).always());
        let error = post.fails(&mail_to(&["ann@example.com", "bob@example.com"])).await;
        assert_answers(&error, expected, reply);
        assert_eq!(error.reply().map(|told| told.code.as_str()), Some(&reply[..3]), "{error:?}");
        post.server.untwist();
        post.next_is_fine().await;
    }
    Ok(())
}
