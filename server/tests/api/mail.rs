//! What the mail provider tells, and whom the server writes to afterwards.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::{Method, StatusCode};
use bytes::Bytes;
use mailer::events::{Bounce, Event, EventKind};
use mailer::{Error, ErrorKind};
use serde_json::json;
use undercroft::mail::events::Hook;
use undercroft::mail::{store, suppressions};

use crate::support::{Answer, Choice, TestApp};

/// A provider whose notifications are events as we write them, behind a password.
#[derive(Debug)]
struct Provider;

#[async_trait]
impl Hook for Provider {
    async fn read(&self, body: Bytes) -> Result<Vec<Event>, Error> {
        let text = body.strip_prefix(b"it's me:").ok_or_else(|| Error::new(ErrorKind::Auth, "who is it?"))?;
        let event =
            serde_json::from_slice(text).map_err(|error| Error::invalid("event", error.to_string()))?;
        Ok(vec![event])
    }
}

async fn app() -> TestApp {
    TestApp::with(Choice { mail_hook: Some(Arc::new(Provider)), ..Choice::default() }).await
}

fn event(id: &str, kind: EventKind, address: &str) -> String {
    let mut event = Event::new(id, kind);
    event.recipients = vec![address.parse().unwrap()];
    format!("it's me:{}", serde_json::to_string(&event).unwrap())
}

async fn tell(app: &TestApp, body: String) -> Answer {
    app.anonymous().raw(Method::POST, "/hooks/mail", "text/plain; charset=UTF-8", body).await
}

/// Addresses that are listed, with the reason.
async fn listed(app: &TestApp) -> Vec<(String, String)> {
    let all = app.state.db.read(async |conn| suppressions::all(conn, 10).await).await.unwrap();
    all.into_iter().map(|one| (one.address, one.reason)).collect()
}

#[tokio::test]
async fn an_address_that_bounced_is_not_written_to_again() {
    let app = app().await;
    app.user("alice").await;
    app.user("bob").await;
    let bounce = event("1", EventKind::Bounced(Bounce::Hard), "Alice@Vault.Example");
    assert_eq!(tell(&app, bounce).await.status, StatusCode::NO_CONTENT);
    assert_eq!(listed(&app).await, [("alice@vault.example".to_owned(), "bounced".to_owned())]);

    app.run_jobs().await;
    assert_eq!(app.inbox.one().to(), ["bob@vault.example"]);
    let troubled = app.state.db.read(async |conn| store::troubled(conn, 10).await).await.unwrap();
    assert_eq!((troubled.len(), troubled[0].state.as_str()), (1, "dead"));
    assert!(troubled[0].last_error.as_deref().unwrap().starts_with("recipient suppressed"));
}

#[tokio::test]
async fn an_event_that_comes_twice_is_heard_once() {
    let app = app().await;
    let complaint = event("1", EventKind::Complained, "ann@example.com");
    tell(&app, complaint.clone()).await;
    let address: mailer::Address = "ann@example.com".parse().unwrap();
    let removed = app.state.db.write(async move |conn| suppressions::remove(conn, &address).await).await;
    assert!(removed.unwrap(), "the operator takes it from the list");

    assert_eq!(tell(&app, complaint).await.status, StatusCode::NO_CONTENT);
    assert_eq!(listed(&app).await, []);
    tell(&app, event("2", EventKind::Complained, "ann@example.com")).await;
    assert_eq!(listed(&app).await, [("ann@example.com".to_owned(), "complained".to_owned())]);
}

#[tokio::test]
async fn what_does_not_last_suppresses_nobody() {
    let app = app().await;
    for (id, kind) in [("1", EventKind::Delivered), ("2", EventKind::Bounced(Bounce::Soft))] {
        assert_eq!(tell(&app, event(id, kind, "ann@example.com")).await.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(listed(&app).await, []);
}

#[tokio::test]
async fn a_stranger_tells_nothing() {
    let app = app().await;
    let complaint = event("1", EventKind::Complained, "ann@example.com");
    assert_eq!(tell(&app, complaint.replace("me", "you")).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(tell(&app, "it's me:nonsense".to_owned()).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(tell(&app, "it's me:".repeat(100_000)).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(listed(&app).await, []);
    assert_eq!(
        tell(&TestApp::new().await, complaint).await.status,
        StatusCode::NOT_FOUND,
        "nobody expects it"
    );
}

#[tokio::test]
async fn a_mail_that_was_given_up_is_sent_when_the_operator_says_so() {
    let app = TestApp::new().await;
    app.user("alice").await;
    app.inbox.fail_next(Error::new(ErrorKind::Timeout, "no answer"));
    app.run_jobs().await;
    let troubled = app.state.db.read(async |conn| store::troubled(conn, 10).await).await.unwrap();
    assert_eq!(troubled[0].state, "unsure");

    let (id, now) = (troubled[0].id.clone(), app.state.clock.now());
    let retried = app.state.db.write(async move |conn| store::retry(conn, &id, now).await).await;
    assert!(retried.unwrap());
    app.run_jobs().await;
    assert_eq!(app.inbox.one().kind(), Some("new_device"));
    let counts = app.state.db.read(async |conn| store::counts(conn).await).await.unwrap();
    assert_eq!(counts, [("sent".to_owned(), 1)]);
}

#[tokio::test]
async fn a_link_that_no_longer_works_is_not_sent() {
    let app = TestApp::new().await;
    let send = "/identity/accounts/register/send-verification-email";
    let answer = app.anonymous().post(send, json!({ "email": "ann@example.com", "name": "Ann" })).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    app.advance(Duration::from_mins(31));
    app.run_jobs().await;
    app.inbox.assert_none();
    let counts = app.state.db.read(async |conn| store::counts(conn).await).await.unwrap();
    assert_eq!(counts, [("expired".to_owned(), 1)]);
}

#[tokio::test]
async fn mails_can_be_read_where_the_operator_tries_things_out() {
    let app = TestApp::with(Choice { mail_preview: true, ..Choice::default() }).await;
    app.user("alice").await;
    app.run_jobs().await;
    let look = async |app: &TestApp, host: &str, path: &str| {
        let client = app.anonymous();
        let request = client.request(Method::GET, path).header("host", host).body(Body::empty());
        client.send(request.unwrap()).await
    };
    for host in ["localhost:8443", "127.0.0.1", "[::1]:8443"] {
        for path in ["/dev/mail", "/dev/mail/", "/dev/mail/mails.json"] {
            let page = look(&app, host, path).await;
            assert_eq!(page.status, StatusCode::OK, "{host} {path}");
            assert!(String::from_utf8_lossy(&page.bytes).contains("New login"), "{path}");
        }
    }
    assert_eq!(look(&app, "mail.stranger.example", "/dev/mail/").await.status, StatusCode::NOT_FOUND);
    assert_eq!(look(&TestApp::new().await, "localhost", "/dev/mail/").await.status, StatusCode::NOT_FOUND);
}
