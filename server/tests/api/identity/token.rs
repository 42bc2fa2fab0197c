//! Logging in and staying logged in.

use std::time::Duration;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use insta::assert_json_snapshot;
use serde_json::Value;

use crate::support::{Answer, Client, TestApp};

const DAY: Duration = Duration::from_hours(24);

async fn refresh(client: &Client, token: &str) -> Answer {
    client.form("/identity/connect/token", &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
}

#[tokio::test]
async fn a_login_answers_all_that_opens_the_vault() {
    let app = TestApp::new().await;
    app.anonymous().register("alice@vault.example").await;
    let answer = app.anonymous().log_in("alice@vault.example", "laptop").await;
    assert_json_snapshot!(answer.ok());
}

#[tokio::test]
async fn the_access_token_is_a_jwt_that_clients_can_read() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let token = alice.access.unwrap();
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    assert_json_snapshot!(serde_json::from_slice::<Value>(&claims).unwrap());
}

#[tokio::test]
async fn fields_are_taken_however_they_are_spelt() {
    let app = TestApp::new().await;
    app.anonymous().register("alice@vault.example").await;
    let fields = [
        ("Grant_Type", "password"),
        ("UserName", "ALICE@vault.example"),
        ("password", "secret of alice@vault.example"),
        ("device_identifier", "1"),
        ("device_name", "laptop"),
        ("DEVICETYPE", "25"),
    ];
    app.anonymous().form("/identity/connect/token", &fields).await.ok();
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_are_answered_alike() {
    let app = TestApp::new().await;
    app.anonymous().register("alice@vault.example").await;
    let wrong = app.anonymous().log_in_with("alice@vault.example", "wrong", "laptop").await;
    let unknown = app.anonymous().log_in_with("bob@vault.example", "wrong", "laptop").await;
    let nonsense = app.anonymous().log_in_with("no address", "wrong", "laptop").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert_eq!((wrong.status, wrong.json()), (unknown.status, unknown.json()));
    assert_eq!((wrong.status, wrong.json()), (nonsense.status, nonsense.json()));
    assert_json_snapshot!(wrong.json());
}

#[tokio::test]
async fn missing_fields_and_unknown_grants_are_named() {
    let app = TestApp::new().await;
    let token = "/identity/connect/token";
    let answer = app.anonymous().form(token, &[("grant_type", "password"), ("username", "a@b.c")]).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.json()["validationErrors"]["password"].is_array());
    let answer = app.anonymous().form(token, &[("grant_type", "webauthn")]).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.json()["validationErrors"]["grant_type"].is_array());
}

#[tokio::test]
async fn a_session_is_refreshed_as_long_as_it_is_used() {
    let app = TestApp::new().await;
    let mut alice = app.user("alice").await;
    let token = alice.refresh.clone().unwrap();
    for _ in 0..3 {
        app.advance(20 * DAY);
        let answer = refresh(&alice, &token).await;
        alice.adopt(&answer);
        assert_eq!(alice.refresh.as_deref(), Some(&*token));
        alice.get("/api/accounts/profile").await.ok();
    }
    app.advance(31 * DAY);
    let answer = refresh(&alice, &token).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn an_unknown_refresh_token_ends_the_session() {
    let app = TestApp::new().await;
    let answer = refresh(&app.anonymous(), "invented").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_json_snapshot!(answer.json());
}

#[tokio::test]
async fn an_expired_or_tampered_access_token_is_refused() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let good = alice.access.clone().unwrap();
    for (index, _) in good.char_indices().step_by(7) {
        let mut bytes = good.clone().into_bytes();
        bytes[index] = if bytes[index] == b'x' { b'y' } else { b'x' };
        let mut mallory = alice.clone();
        mallory.access = Some(String::from_utf8(bytes).unwrap());
        let answer = mallory.get("/api/accounts/profile").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "byte {index}");
    }
    // One that says it needs no signature.
    let (_, rest) = good.split_once('.').unwrap();
    let (claims, _) = rest.split_once('.').unwrap();
    let mut mallory = alice.clone();
    mallory.access = Some(format!("{}.{claims}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#)));
    assert_eq!(mallory.get("/api/accounts/profile").await.status, StatusCode::UNAUTHORIZED);

    alice.get("/api/accounts/profile").await.ok();
    app.advance(Duration::from_hours(2));
    assert_eq!(alice.get("/api/accounts/profile").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_for_one_purpose_is_good_for_no_other() {
    let app = TestApp::with(crate::support::Choice { mail: false, ..Default::default() }).await;
    let body = serde_json::json!({ "email": "alice@vault.example" });
    let answer = app.anonymous().post("/identity/accounts/register/send-verification-email", body).await;
    let mut mallory = app.anonymous();
    mallory.access = answer.ok().as_str().map(str::to_owned);
    assert_eq!(mallory.get("/api/accounts/profile").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_new_device_is_told_to_the_user_once() {
    let app = TestApp::new().await;
    let client = app.anonymous();
    client.register("alice@vault.example").await;
    for _ in 0..2 {
        client.log_in("alice@vault.example", "laptop").await.ok();
        app.run_jobs().await;
    }
    let mail = app.inbox.one();
    assert_eq!(mail.kind(), Some("new_device"));
    assert_eq!(mail.to(), ["alice@vault.example"]);
    insta::assert_snapshot!(mail.text().unwrap());
    client.log_in("alice@vault.example", "phone").await.ok();
    app.run_jobs().await;
    assert_eq!(app.inbox.sent_of_kind("new_device").len(), 2);
}
