//! Who we are is proved to those who ask, and to nobody else.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use ::mailer::{Disposition, ErrorKind, Outcome, Scope, Stage};
use async_trait::async_trait;

use super::{
    Harness, Login, Mechanism, Provider,
    post::{Post, assert_answers, mail},
};
use crate::{
    Absent, Case, Checked, cases,
    smtp_server::{self, Options, Point, Step, Twist},
};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["smtp::auth";
        each_mechanism_proves_who_we_are,
        names_and_passwords_may_hold_anything_that_is_text,
        nobody_is_named_where_nobody_is_set,
        we_say_who_we_are_once_for_each_connection,
        a_server_that_knows_no_common_mechanism_is_told_apart,
        a_password_that_is_wrong_fails_for_good,
        a_server_that_cannot_judge_now_may_do_so_later,
        a_server_that_wants_to_know_who_we_are_is_heard,
        a_refused_token_ends_its_exchange,
        a_secret_that_was_refused_is_asked_for_once_more,
        a_secret_that_is_refused_twice_fails,
        a_provider_without_a_secret_may_have_one_later,
        a_secret_that_cannot_be_sent_is_not_sent,
        no_error_tells_the_secret
    ]
}

/// Each alone on a server that knows no other.
async fn each_mechanism_proves_who_we_are(harness: &dyn Harness) -> Checked {
    for (mechanism, offered) in [
        (None, smtp_server::Mechanism::Plain),
        (None, smtp_server::Mechanism::Login),
        (Some(Mechanism::Plain), smtp_server::Mechanism::Plain),
        (Some(Mechanism::Login), smtp_server::Mechanism::Login),
        (Some(Mechanism::Xoauth2), smtp_server::Mechanism::Xoauth2),
    ] {
        let options = Options::new().user("ann", "secret").mechanisms(&[offered]);
        let login = Login { mechanism, ..Login::fixed("ann", "secret") };
        let post = open(harness, options, login).await?;
        post.next_is_fine().await;
        assert_eq!(post.server.mails()[0].user.as_deref(), Some("ann"), "{mechanism:?}");
    }
    Ok(())
}

/// What divides parts elsewhere divides nothing here.
async fn names_and_passwords_may_hold_anything_that_is_text(harness: &dyn Harness) -> Checked {
    for mechanism in [Mechanism::Plain, Mechanism::Login] {
        for (user, password) in [("jürgen:%40@x", "p:%20 ä=\"\\"), ("a b", " ")] {
            let options = Options::new().user(user, password);
            let post = open(harness, options, Login::fixed(user, password).by(mechanism)).await?;
            post.next_is_fine().await;
            assert_eq!(post.server.mails()[0].user.as_deref(), Some(user));
        }
    }
    Ok(())
}

/// Even if the server would listen.
async fn nobody_is_named_where_nobody_is_set(harness: &dyn Harness) -> Checked {
    let post = Post::open(harness, Options::new().keyword("AUTH PLAIN LOGIN XOAUTH2")).await?;
    post.next_is_fine().await;
    assert_eq!(post.server.seen(|seen| seen.count("AUTH")), 0);
    Ok(())
}

/// It holds for all mails that follow.
async fn we_say_who_we_are_once_for_each_connection(harness: &dyn Harness) -> Checked {
    let post = open(harness, sound(), Login::fixed("ann", "secret")).await?;
    for _ in 0..3 {
        post.next_is_fine().await;
    }
    assert_eq!(post.server.seen(|seen| (seen.count("AUTH"), seen.connections.len())), (1, 1));
    Ok(())
}

/// The error names what either side knows, as nobody can help otherwise.
async fn a_server_that_knows_no_common_mechanism_is_told_apart(harness: &dyn Harness) -> Checked {
    let post = open(harness, sound().auth_line("AUTH GSSAPI NTLM"), Login::fixed("ann", "secret")).await?;
    let error = post.fails(&mail()).await;
    assert_answers(&error, refused(Disposition::Permanent), "GSSAPI and NTLM");
    let text = error.to_string().to_uppercase();
    for name in ["GSSAPI", "NTLM", "PLAIN", "LOGIN"] {
        assert!(text.contains(name), "{name} is not in {text:?}");
    }
    assert_eq!(post.server.seen(|seen| (seen.count("AUTH"), seen.count("MAIL"))), (0, 0));
    Ok(())
}

/// Until somebody changes something.
async fn a_password_that_is_wrong_fails_for_good(harness: &dyn Harness) -> Checked {
    for reply in ["535 5.7.8 not so", "534 5.7.9 too weak", "538 5.7.11 not in clear"] {
        let post = open(harness, sound(), Login::fixed("ann", "secret")).await?;
        let error = post.fails_by(Twist::at(Point::Auth).replies(reply)).await;
        assert_answers(&error, refused(Disposition::Permanent), reply);
        assert_eq!(error.reply().map(|told| told.code.as_str()), Some(&reply[..3]), "{error:?}");
        post.next_is_fine().await;
    }
    let post = open(harness, sound(), Login::fixed("ann", "wrong")).await?;
    assert_answers(&post.fails(&mail()).await, refused(Disposition::Permanent), "a wrong password");
    assert_eq!(post.server.seen(|seen| seen.count("MAIL")), 0);
    Ok(())
}

/// Its list of users may be out of reach.
async fn a_server_that_cannot_judge_now_may_do_so_later(harness: &dyn Harness) -> Checked {
    for reply in ["454 4.7.0 not now", "432 4.7.12 change it", "451 4.3.0 hm"] {
        let post = open(harness, sound(), Login::fixed("ann", "secret")).await?;
        let error = post.fails_by(Twist::at(Point::Auth).replies(reply)).await;
        assert_answers(&error, refused(Disposition::Transient), reply);
        post.next_is_fine().await;
    }
    Ok(())
}

/// It says so when it is named a sender.
async fn a_server_that_wants_to_know_who_we_are_is_heard(harness: &dyn Harness) -> Checked {
    let post = Post::open(harness, sound()).await?;
    let error = post.fails(&mail()).await;
    let expected =
        (ErrorKind::Auth, Scope::Transport, Disposition::Permanent, Outcome::NotApplied, Stage::Envelope);
    assert_answers(&error, expected, "530");
    assert_eq!(error.reply().map(|told| told.code.as_str()), Some("530"), "{error:?}");
    Ok(())
}

/// The server tells the fault in a challenge, waits for an answer, and only then says no.
async fn a_refused_token_ends_its_exchange(harness: &dyn Harness) -> Checked {
    let login = Login::fixed("ann", "stale").by(Mechanism::Xoauth2);
    let post = open(harness, sound(), login).await?;
    let error = post.fails(&mail()).await;
    assert_answers(&error, refused(Disposition::Permanent), "a stale token");
    assert_eq!(error.reply().map(|told| told.code.as_str()), Some("535"), "{error:?}");
    Ok(())
}

/// It may have been renewed meanwhile; nobody but the provider learns of it.
async fn a_secret_that_was_refused_is_asked_for_once_more(harness: &dyn Harness) -> Checked {
    for mechanism in [Mechanism::Xoauth2, Mechanism::Plain] {
        let secrets = Secrets::new(["stale", "secret"]);
        let post =
            open(harness, sound(), Login::asked("ann", Arc::clone(&secrets) as _).by(mechanism)).await?;
        post.next_is_fine().await;
        assert_eq!(secrets.asked(), 2, "{mechanism:?}");
        post.next_is_fine().await;
        assert_eq!(post.server.mails().len(), 2);
    }
    Ok(())
}

/// Asking again and again would lock somebody out.
async fn a_secret_that_is_refused_twice_fails(harness: &dyn Harness) -> Checked {
    let secrets = Secrets::new(["stale", "older", "secret"]);
    let post = open(harness, sound(), Login::asked("ann", Arc::clone(&secrets) as _)).await?;
    assert_answers(&post.fails(&mail()).await, refused(Disposition::Permanent), "two stale secrets");
    assert_eq!((secrets.asked(), post.server.seen(|seen| seen.count("AUTH"))), (2, 2));
    post.next_is_fine().await;
    Ok(())
}

/// The server has nothing to do with it.
async fn a_provider_without_a_secret_may_have_one_later(harness: &dyn Harness) -> Checked {
    let secrets = Secrets::new(["", "secret"]);
    let post = open(harness, sound(), Login::asked("ann", secrets)).await?;
    assert_answers(&post.fails(&mail()).await, refused(Disposition::Transient), "no secret");
    assert_eq!(post.server.seen(|seen| seen.count("AUTH")), 0);
    post.next_is_fine().await;
    Ok(())
}

/// A NUL would divide it.
async fn a_secret_that_cannot_be_sent_is_not_sent(harness: &dyn Harness) -> Checked {
    let secrets = Secrets::new(["se\0cret", "se\0cret"]);
    let post = open(harness, sound(), Login::asked("ann", secrets).by(Mechanism::Plain)).await?;
    let error = post.fails(&mail()).await;
    assert_eq!((error.scope(), error.outcome()), (Scope::Transport, Outcome::NotApplied), "{error:?}");
    assert!(matches!(error.kind(), ErrorKind::Auth | ErrorKind::Config), "{error:?}");
    assert_eq!(post.server.seen(|seen| (seen.count("AUTH"), seen.count("MAIL"))), (0, 0));
    Ok(())
}

/// Not even a server that repeats what it was told makes it.
async fn no_error_tells_the_secret(harness: &dyn Harness) -> Checked {
    for (mechanism, echo) in [
        (Mechanism::Plain, "535 5.7.8 not t0psecret, AGFubgB0MHBzZWNyZXQ="),
        (Mechanism::Login, "535 5.7.8 not t0psecret, dDBwc2VjcmV0"),
        (Mechanism::Xoauth2, "535 5.7.8 not t0psecret, dXNlcj1hbm4BYXV0aD1CZWFyZXIgdDBwc2VjcmV0AQE="),
    ] {
        let options = Options::new().user("ann", "t0psecret");
        let post = open(harness, options, Login::fixed("ann", "t0psecret").by(mechanism)).await?;
        let steps = [Step::line(echo)];
        let error = post.fails_by(Twist::at(Point::Auth).does(steps)).await;
        assert_answers(&error, refused(Disposition::Permanent), echo);
        let told = format!("{error} {error:?} {:?} {:?}", error.reply(), post.backend);
        let quoted = echo.rsplit(' ').next().expect("it ends with what was sent");
        assert!(!told.contains("t0psecret") && !told.contains(quoted), "the secret is in {told:?}");
        post.next_is_fine().await;
    }
    Ok(())
}

/// Answers one secret after the other, the last again and again; an empty one is none.
struct Secrets {
    secrets: Mutex<Vec<&'static str>>,
    asked: AtomicUsize,
}

impl Secrets {
    fn new<const N: usize>(secrets: [&'static str; N]) -> Arc<Self> {
        let secrets = secrets.into_iter().rev().collect();
        Arc::new(Self { secrets: Mutex::new(secrets), asked: AtomicUsize::new(0) })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Provider for Secrets {
    async fn secret(&self) -> Result<String, String> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut secrets = self.secrets.lock().expect("nobody panics while holding it");
        let secret = if secrets.len() > 1 { secrets.pop() } else { secrets.last().copied() };
        secret.filter(|secret| !secret.is_empty()).map(str::to_owned).ok_or_else(|| "out of reach".to_owned())
    }
}

fn sound() -> Options {
    Options::new().user("ann", "secret")
}

/// In clear, as nothing here is about privacy.
async fn open(harness: &dyn Harness, options: Options, login: Login) -> Result<Post, Absent> {
    let adjust = |target: &mut super::Target| {
        (target.login, target.login_in_clear) = (Some(login), true);
    };
    Post::open_with(harness, options, adjust).await
}

fn refused(disposition: Disposition) -> super::post::Answers {
    (ErrorKind::Auth, Scope::Transport, disposition, Outcome::NotApplied, Stage::Auth)
}
