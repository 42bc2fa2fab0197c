//! What is to be private is private, and with the right party, or nothing is said.

use ::mailer::{Disposition, Error, ErrorKind, Outcome, Scope, Stage, Support};

use super::{
    Harness, Login, Security, Target,
    post::{Post, mail, mail_to},
};
use crate::{
    Absent, Case, Checked, cases,
    smtp_server::{Certificate, Options, Point, Step, Twist},
};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["smtp::tls";
        mail_and_login_are_private_by_starttls,
        mail_and_login_are_private_from_the_first_byte,
        a_server_without_starttls_is_told_nothing,
        a_server_that_refuses_starttls_is_told_nothing,
        what_came_in_clear_after_the_go_ahead_is_not_trusted,
        a_certificate_signed_by_nobody_is_refused,
        a_certificate_of_another_time_is_refused,
        a_certificate_for_another_name_is_refused,
        an_authority_that_was_not_named_is_refused,
        any_certificate_is_taken_by_those_who_say_so,
        a_port_that_wants_tls_at_once_is_not_waited_for,
        a_port_that_begins_in_clear_is_told_at_once,
        a_server_with_an_old_version_of_tls_only_is_refused,
        what_was_announced_in_clear_is_forgotten,
        a_login_is_not_sent_in_clear_unless_asked_for,
        a_server_that_leaves_without_a_word_of_tls_does_no_harm,
        a_handshake_that_stalls_ends_at_the_deadline
    ]
}

/// What came in clear is the greeting and the wish for privacy.
async fn mail_and_login_are_private_by_starttls(harness: &dyn Harness) -> Checked {
    let post = open(harness, sound().start_tls(), Security::StartTls).await?;
    post.next_is_fine().await;
    assert_private(&post);
    let words =
        post.server.seen(|seen| seen.connections[0].clear.split(|&b| b == b' ' || b == b'\r').count());
    assert!(words < 8, "more than EHLO and STARTTLS came in clear");
    Ok(())
}

/// Nothing came in clear.
async fn mail_and_login_are_private_from_the_first_byte(harness: &dyn Harness) -> Checked {
    let post = open(harness, sound().implicit_tls(), Security::Implicit).await?;
    post.next_is_fine().await;
    assert_private(&post);
    assert_eq!(post.server.seen(|seen| seen.connections[0].clear.len()), 0);
    Ok(())
}

/// Somebody between us and the server may have taken the offer away.
async fn a_server_without_starttls_is_told_nothing(harness: &dyn Harness) -> Checked {
    let post = open(harness, sound(), Security::StartTls).await?;
    assert_tls(&post.fails(&mail()).await, "STARTTLS is not offered");
    assert_told_nothing(&post);
    Ok(())
}

/// For now or for good.
async fn a_server_that_refuses_starttls_is_told_nothing(harness: &dyn Harness) -> Checked {
    for (reply, disposition) in
        [("454 4.7.0 not now", Disposition::Transient), ("502 5.5.1 never", Disposition::Permanent)]
    {
        let post = open(harness, sound().start_tls(), Security::StartTls).await?;
        let error = post.fails_by(Twist::at(Point::StartTls).replies(reply)).await;
        assert_tls(&error, reply);
        assert_eq!(error.disposition(), disposition, "{reply}: {error:?}");
        assert_told_nothing(&post);
        post.next_is_fine().await;
    }
    Ok(())
}

/// Anybody can have put it there, so the connection is given up.
async fn what_came_in_clear_after_the_go_ahead_is_not_trusted(harness: &dyn Harness) -> Checked {
    for forged in ["250-localhost\r\n250-SIZE 1\r\n250 AUTH PLAIN\r\n", "220 hello\r\n", "250", "\r\n"] {
        let post = open(harness, sound().start_tls(), Security::StartTls).await?;
        let reply = Step::Reply(format!("220 2.0.0 go ahead\r\n{forged}").into());
        let error = post.fails_by(Twist::at(Point::StartTls).does([reply])).await;
        let told = (error.scope(), error.outcome());
        assert_eq!(told, (Scope::Transport, Outcome::NotApplied), "{forged:?}: {error:?}");
        let kind = error.kind();
        assert!(matches!(kind, ErrorKind::Tls | ErrorKind::Protocol), "{forged:?}: {error:?}");
        assert_told_nothing(&post);
        assert_eq!(post.server.seen(|seen| seen.connections[0].private.len()), 0, "the conversation went on");
        post.next_is_fine().await;
    }
    Ok(())
}

/// Whoever made it up himself is whoever he likes.
async fn a_certificate_signed_by_nobody_is_refused(harness: &dyn Harness) -> Checked {
    assert_not_trusted(harness, Certificate::SelfSigned, |_| {}).await
}

/// Nobody says any more whose it is.
async fn a_certificate_of_another_time_is_refused(harness: &dyn Harness) -> Checked {
    assert_not_trusted(harness, Certificate::Expired, |_| {}).await
}

/// It is somebody else's.
async fn a_certificate_for_another_name_is_refused(harness: &dyn Harness) -> Checked {
    assert_not_trusted(harness, Certificate::OtherName, |_| {}).await
}

/// Only those that the adapter trusts by itself, or those it was told.
async fn an_authority_that_was_not_named_is_refused(harness: &dyn Harness) -> Checked {
    assert_not_trusted(harness, Certificate::Sound, |target| target.authority = None).await
}

/// And by nobody else.
async fn any_certificate_is_taken_by_those_who_say_so(harness: &dyn Harness) -> Checked {
    for certificate in [Certificate::SelfSigned, Certificate::Expired, Certificate::OtherName] {
        let options = sound().implicit_tls().certificate(certificate);
        let post = open_with(harness, options, Security::Implicit, |target| {
            (target.accept_invalid_certificates, target.authority) = (true, None);
        });
        let post = post.await?;
        post.next_is_fine().await;
        assert_private(&post);
    }
    Ok(())
}

/// Each side waits for the other, and the deadline ends it.
async fn a_port_that_wants_tls_at_once_is_not_waited_for(harness: &dyn Harness) -> Checked {
    for security in [Security::StartTls, Security::None] {
        let post =
            Post::open_with(harness, Options::new().implicit_tls(), |target| target.security = security)
                .await?;
        let error = post.fails_briefly(&mail()).await;
        let told = (error.scope(), error.outcome(), error.stage());
        assert_eq!(told, (Scope::Transport, Outcome::NotApplied, Stage::Connect), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
        assert_told_nothing(&post);
    }
    Ok(())
}

/// Its greeting is no answer to a handshake.
async fn a_port_that_begins_in_clear_is_told_at_once(harness: &dyn Harness) -> Checked {
    let post = open(harness, sound().start_tls(), Security::Implicit).await?;
    assert_tls(&post.fails(&mail()).await, "the server speaks in clear");
    assert_told_nothing(&post);
    Ok(())
}

/// What it offers has been broken.
async fn a_server_with_an_old_version_of_tls_only_is_refused(harness: &dyn Harness) -> Checked {
    let mut hello = b"\x16\x03\x02\x00\x2a\x02\x00\x00\x26\x03\x02".to_vec();
    hello.extend([7; 32]);
    hello.extend(b"\x00\x00\x2f\x00");
    for (options, security) in
        [(sound().start_tls(), Security::StartTls), (sound().implicit_tls(), Security::Implicit)]
    {
        let post = open(harness, options, security).await?;
        let steps = [Step::Reply(hello.clone().into()), Step::Close];
        let error = post.fails_by(Twist::at(Point::Handshake).does(steps)).await;
        assert_tls(&error, "TLS 1.1");
        assert_eq!(error.disposition(), Disposition::Permanent, "{error:?}");
        post.next_is_fine().await;
    }
    Ok(())
}

/// The server is asked again once nobody can forge the answer.
async fn what_was_announced_in_clear_is_forgotten(harness: &dyn Harness) -> Checked {
    let clear =
        "250-localhost\r\n250-STARTTLS\r\n250-SMTPUTF8\r\n250-8BITMIME\r\n250-AUTH GSSAPI\r\n250 SIZE 10\r\n";
    let options = Options::bare().user("ann", "secret").start_tls();
    let post = open(harness, options, Security::StartTls).await?;
    post.server.twist(Twist::at(Point::Ehlo).does([Step::Reply(clear.into())]));
    post.next_is_fine().await;
    assert_eq!(post.server.seen(|seen| seen.connections[0].count("EHLO")), 2);
    if post.backend.capabilities().utf8_local != Support::No {
        let error = post.fails(&mail_to(&["jürgen@example.com"])).await;
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
    }
    assert_private(&post);
    Ok(())
}

/// A password that was sent in clear is everybody's.
async fn a_login_is_not_sent_in_clear_unless_asked_for(harness: &dyn Harness) -> Checked {
    let post = open_with(harness, sound(), Security::None, |target| target.login_in_clear = true).await?;
    post.next_is_fine().await;
    assert_eq!(post.server.mails()[0].user.as_deref(), Some("ann"));
    let post = open(harness, sound(), Security::None).await?;
    let error = post.fails(&mail()).await;
    assert_eq!((error.scope(), error.outcome()), (Scope::Transport, Outcome::NotApplied), "{error:?}");
    assert_told_nothing(&post);
    Ok(())
}

/// Many servers just hang up.
async fn a_server_that_leaves_without_a_word_of_tls_does_no_harm(harness: &dyn Harness) -> Checked {
    let post = open_with(harness, sound().implicit_tls(), Security::Implicit, |target| {
        target.mails_per_connection = Some(1);
    });
    let post = post.await?;
    post.server.twist(Twist::at(Point::Quit).does([Step::line("221 2.0.0 bye"), Step::Close]).always());
    for _ in 0..3 {
        post.next_is_fine().await;
    }
    post.close().await;
    post.until(|seen| seen.live == 0).await;
    Ok(())
}

/// As any other stall.
async fn a_handshake_that_stalls_ends_at_the_deadline(harness: &dyn Harness) -> Checked {
    for (options, security) in
        [(sound().start_tls(), Security::StartTls), (sound().implicit_tls(), Security::Implicit)]
    {
        let post = open(harness, options, security).await?;
        post.server.twist(Twist::at(Point::Handshake).does([Step::Hold]).always());
        let error = post.fails_briefly(&mail()).await;
        let told = (error.kind(), error.scope(), error.outcome(), error.stage());
        assert_eq!(
            told,
            (ErrorKind::Timeout, Scope::Transport, Outcome::NotApplied, Stage::Tls),
            "{error:?}"
        );
        post.server.untwist();
        post.server.release();
        post.next_is_fine().await;
    }
    Ok(())
}

fn sound() -> Options {
    Options::new().user("ann", "secret")
}

async fn open(harness: &dyn Harness, options: Options, security: Security) -> Result<Post, Absent> {
    open_with(harness, options, security, |_| {}).await
}

async fn open_with(
    harness: &dyn Harness,
    options: Options,
    security: Security,
    adjust: impl FnOnce(&mut Target),
) -> Result<Post, Absent> {
    let adjust = |target: &mut Target| {
        target.security = security;
        target.login = Some(Login::fixed("ann", "secret"));
        adjust(target);
    };
    Post::open_with(harness, options, adjust).await
}

/// Nobody is trusted who shows this certificate, whichever way the connection is made private.
async fn assert_not_trusted(
    harness: &dyn Harness,
    certificate: Certificate,
    adjust: impl Fn(&mut Target),
) -> Checked {
    for (options, security) in
        [(sound().start_tls(), Security::StartTls), (sound().implicit_tls(), Security::Implicit)]
    {
        let post = open_with(harness, options.certificate(certificate), security, &adjust).await?;
        let error = post.fails(&mail()).await;
        assert_tls(&error, &format!("{security:?}"));
        assert_eq!(error.disposition(), Disposition::Permanent, "{error:?}");
        assert_told_nothing(&post);
        post.check().await.expect_err("a check trusts everybody");
    }
    Ok(())
}

fn assert_tls(error: &Error, what: &str) {
    let told = (error.kind(), error.scope(), error.outcome(), error.stage());
    assert_eq!(
        told,
        (ErrorKind::Tls, Scope::Transport, Outcome::NotApplied, Stage::Tls),
        "{what}: {error:?}"
    );
}

/// All mails came over TLS, from somebody who was known.
fn assert_private(post: &Post) {
    for mail in post.server.mails() {
        assert_eq!((mail.private, mail.user.as_deref()), (true, Some("ann")));
    }
    assert_nothing_in_clear(post);
}

/// Neither who we are nor to whom we write.
fn assert_told_nothing(post: &Post) {
    assert_eq!(
        post.server.seen(|seen| (seen.count("AUTH"), seen.count("MAIL"), seen.mails.len())),
        (0, 0, 0)
    );
    assert_nothing_in_clear(post);
}

fn assert_nothing_in_clear(post: &Post) {
    post.server.seen(|seen| {
        for connection in &seen.connections {
            let clear = String::from_utf8_lossy(&connection.clear).to_ascii_uppercase();
            assert!(!clear.contains("AUTH") && !clear.contains("MAIL FROM"), "in clear came {clear:?}");
        }
    });
}
