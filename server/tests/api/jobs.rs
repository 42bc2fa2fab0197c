//! Background jobs: the outbox. The files of removed attachments are in `vault/removal.rs`.

use std::time::Duration;

use diesel::prelude::QueryDsl as _;
use diesel_async::RunQueryDsl as _;
use mailer::{Error, ErrorKind};
use undercroft::jobs;
use undercroft::schema::outbox;

use crate::support::{Choice, TestApp};

/// State, bytes and attempts of every mail.
async fn queue(app: &TestApp) -> Vec<(String, String, i32)> {
    let rows = app.state.db.read(async move |conn| {
        dbconn::on_conn!(conn, |c| outbox::table
            .select((outbox::state, outbox::mail, outbox::attempts))
            .load::<(String, String, i32)>(c)
            .await)
    });
    rows.await.unwrap()
}

#[tokio::test]
async fn a_mail_waits_for_the_jobs_and_is_sent_once() {
    let app = TestApp::new().await;
    app.user("alice").await;
    app.inbox.assert_none();

    app.run_jobs().await;
    app.run_jobs().await;

    let mail = app.inbox.one();
    assert_eq!(mail.kind(), Some("new_device"));
    assert_eq!(mail.to(), ["alice@vault.example"]);
}

#[tokio::test]
async fn a_mail_that_fails_is_tried_again_later() {
    let app = TestApp::new().await;
    app.user("alice").await;
    app.inbox.fail_next(Error::new(ErrorKind::Throttled, "not now"));

    app.run_jobs().await;
    app.run_jobs().await;
    app.inbox.assert_none();
    let (state, mail, attempts) = queue(&app).await.pop().unwrap();
    assert_eq!((state.as_str(), attempts), ("pending", 1));
    assert!(!mail.is_empty());

    app.advance(Duration::from_mins(1));
    app.run_jobs().await;
    assert_eq!(app.inbox.one().kind(), Some("new_device"));
}

#[tokio::test]
async fn a_mail_that_was_sent_leaves_no_bytes_behind() {
    let app = TestApp::new().await;
    app.user("alice").await;
    assert!(queue(&app).await[0].1.contains("alice@vault.example"));
    app.run_jobs().await;
    assert_eq!(queue(&app).await, [("sent".to_owned(), String::new(), 1)]);
}

#[tokio::test]
async fn a_mail_that_nobody_takes_is_kept_for_the_operator() {
    let app = TestApp::new().await;
    app.user("alice").await;
    app.inbox.fail_next(Error::new(ErrorKind::Refused, "no such reader"));
    app.run_jobs().await;
    let (state, mail, _) = queue(&app).await.pop().unwrap();
    assert_eq!((state.as_str(), mail.is_empty()), ("dead", false));
    app.inbox.assert_none();
}

#[tokio::test]
async fn two_rounds_at_once_send_each_mail_once() {
    let app = TestApp::new().await;
    for name in ["alice", "bob", "carol"] {
        app.user(name).await;
    }
    let (first, second) = tokio::join!(jobs::round(&app.state), jobs::round(&app.state));
    first.and(second).unwrap();
    assert_eq!(app.inbox.sent().len(), 3);
    assert!(queue(&app).await.iter().all(|(state, ..)| state == "sent"));
}

#[tokio::test]
async fn ended_mails_are_tidied_away_after_a_month() {
    let app = TestApp::new().await;
    app.user("alice").await;
    app.run_jobs().await;
    app.advance(Duration::from_hours(30 * 24));
    jobs::tidy(&app.state).await.unwrap();
    assert_eq!(queue(&app).await.len(), 1);
    app.advance(Duration::from_secs(1));
    jobs::tidy(&app.state).await.unwrap();
    assert_eq!(queue(&app).await, []);
}

#[tokio::test]
async fn without_mail_nothing_is_queued_and_the_jobs_run_all_the_same() {
    let app = TestApp::with(Choice { mail: false, ..Choice::default() }).await;
    app.user("alice").await;
    app.run_jobs().await;
    assert_eq!(queue(&app).await, []);
}
