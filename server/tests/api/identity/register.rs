//! New accounts.

use axum::http::StatusCode;
use serde_json::{Value, json};
use undercroft::app::Signups;

use crate::support::{Answer, ENC, TestApp, registration};

const SEND: &str = "/identity/accounts/register/send-verification-email";
const FINISH: &str = "/identity/accounts/register/finish";

fn assert_refused(answer: &Answer, field: &str) {
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.json()["validationErrors"][field].is_array(), "{}", answer.json());
}

/// The token in the mail that was sent last.
async fn mailed_token(app: &TestApp) -> String {
    app.run_jobs().await;
    let mail = app.inbox.one();
    assert_eq!(mail.kind(), Some("verify_registration"));
    let text = mail.text().unwrap();
    let (_, token) = text.split_once("token=").unwrap();
    token.split_whitespace().next().unwrap().to_owned()
}

fn with_token(email: &str, token: &str) -> Value {
    let mut body = registration(email);
    body["emailVerificationToken"] = json!(token);
    body
}

#[tokio::test]
async fn one_step_is_enough_where_anybody_may_register() {
    let app = TestApp::new().await;
    let client = app.anonymous();
    let answer = client.post(FINISH, registration("alice@vault.example")).await;
    assert_eq!(answer.ok(), json!({ "object": "register", "captchaBypassToken": "" }));
    client.log_in("alice@vault.example", "laptop").await.ok();
}

#[tokio::test]
async fn the_old_route_and_the_newest_spelling_are_taken() {
    let app = TestApp::new().await;
    let client = app.anonymous();
    client.post("/identity/accounts/register", registration("old@vault.example")).await.ok();

    let kdf = json!({ "kdfType": 1, "iterations": 3, "memory": 64, "parallelism": 4 });
    let answer = client
        .post(
            FINISH,
            json!({
                "email": "New@vault.example",
                "masterPasswordAuthentication": {
                    "kdf": kdf,
                    "salt": "new@vault.example",
                    "masterPasswordAuthenticationHash": "secret of new@vault.example",
                },
                "masterPasswordUnlock": {
                    "kdf": kdf,
                    "salt": "new@vault.example",
                    "masterKeyWrappedUserKey": ENC,
                },
            }),
        )
        .await;
    answer.ok();
    let session = client.log_in("new@vault.example", "laptop").await.ok();
    assert_eq!(session["KdfMemory"], 64);
}

#[tokio::test]
async fn the_two_halves_of_the_newest_spelling_must_agree() {
    let app = TestApp::new().await;
    let kdf = |iterations: i32| json!({ "kdfType": 0, "iterations": iterations });
    let body = |other: Value, salt: &str| {
        json!({
            "email": "new@vault.example",
            "masterPasswordAuthentication": {
                "kdf": kdf(600_000), "salt": "new@vault.example", "masterPasswordAuthenticationHash": "x",
            },
            "masterPasswordUnlock": { "kdf": other, "salt": salt, "masterKeyWrappedUserKey": ENC },
        })
    };
    let client = app.anonymous();
    assert_refused(&client.post(FINISH, body(kdf(700_000), "new@vault.example")).await, "unlockData.kdf");
    assert_refused(&client.post(FINISH, body(kdf(600_000), "other@vault.example")).await, "unlockData.salt");
}

#[tokio::test]
async fn without_mail_the_token_comes_in_the_answer() {
    let app = TestApp::with(crate::support::Choice { mail: false, ..Default::default() }).await;
    let client = app.anonymous();
    let answer = client.post(SEND, json!({ "email": "alice@vault.example", "name": "Alice" })).await;
    let token = answer.ok().as_str().unwrap().to_owned();
    client.post(FINISH, with_token("alice@vault.example", &token)).await.ok();
}

#[tokio::test]
async fn with_mail_the_token_is_in_the_mail_and_proves_the_address() {
    let app =
        TestApp::with(crate::support::Choice { signups: Signups::Verified, ..Default::default() }).await;
    let client = app.anonymous();
    assert_refused(&client.post(FINISH, registration("alice@vault.example")).await, "emailVerificationToken");

    let answer = client.post(SEND, json!({ "email": "alice@vault.example", "name": "Alice" })).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    let token = mailed_token(&app).await;
    let clicked = json!({ "email": "alice@vault.example", "emailVerificationToken": token });
    client.post("/identity/accounts/register/verification-email-clicked", clicked).await.ok();
    client.post(FINISH, with_token("alice@vault.example", &token)).await.ok();

    let mut alice = app.anonymous();
    let answer = alice.log_in("alice@vault.example", "laptop").await;
    alice.adopt(&answer);
    assert_eq!(alice.get("/api/accounts/profile").await.ok()["emailVerified"], true);
}

#[tokio::test]
async fn a_token_is_good_for_half_an_hour_and_one_address() {
    let app =
        TestApp::with(crate::support::Choice { signups: Signups::Verified, ..Default::default() }).await;
    let client = app.anonymous();
    client.post(SEND, json!({ "email": "alice@vault.example" })).await;
    let token = mailed_token(&app).await;

    assert_refused(
        &client.post(FINISH, with_token("bob@vault.example", &token)).await,
        "emailVerificationToken",
    );
    let mut tampered = token.clone().into_bytes();
    let middle = tampered.len() / 2;
    tampered[middle] = if tampered[middle] == b'A' { b'B' } else { b'A' };
    let tampered = String::from_utf8(tampered).unwrap();
    assert_refused(
        &client.post(FINISH, with_token("alice@vault.example", &tampered)).await,
        "emailVerificationToken",
    );
    app.advance(std::time::Duration::from_mins(31));
    assert_refused(
        &client.post(FINISH, with_token("alice@vault.example", &token)).await,
        "emailVerificationToken",
    );
}

#[tokio::test]
async fn asking_for_a_taken_address_looks_the_same_and_sends_nothing() {
    let app = TestApp::new().await;
    app.anonymous().register("alice@vault.example").await;
    let answer = app.anonymous().post(SEND, json!({ "email": "alice@vault.example" })).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    app.run_jobs().await;
    app.inbox.assert_none();
}

#[tokio::test]
async fn one_address_has_one_account_whoever_comes_second() {
    let app = TestApp::new().await;
    let (first, second) = (app.anonymous(), app.anonymous());
    let (one, two) = tokio::join!(
        first.post(FINISH, registration("alice@vault.example")),
        second.post(FINISH, registration("Alice@Vault.Example")),
    );
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
}

#[tokio::test]
async fn a_closed_server_takes_nobody() {
    let app = TestApp::with(crate::support::Choice { signups: Signups::Closed, ..Default::default() }).await;
    let client = app.anonymous();
    assert_refused(&client.post(FINISH, registration("alice@vault.example")).await, "");
    assert_refused(&client.post(SEND, json!({ "email": "alice@vault.example" })).await, "");
    assert_eq!(client.get("/api/config").await.ok()["settings"]["disableUserRegistration"], true);
}

#[tokio::test]
async fn weak_keys_plain_text_and_missing_fields_are_named() {
    let app = TestApp::new().await;
    let client = app.anonymous();
    let change = |field: &str, value: Value| {
        let mut body = registration("alice@vault.example");
        body[field] = value;
        body
    };
    assert_refused(&client.post(FINISH, change("kdfIterations", json!(1000))).await, "kdfIterations");
    assert_refused(
        &client.post(FINISH, change("userSymmetricKey", json!("plain"))).await,
        "userSymmetricKey",
    );
    assert_refused(
        &client.post(FINISH, change("masterPasswordHash", Value::Null)).await,
        "masterPasswordHash",
    );
    assert_refused(&client.post(FINISH, change("email", json!("nobody"))).await, "email");
    assert_eq!(client.log_in("alice@vault.example", "laptop").await.status, StatusCode::BAD_REQUEST);
}
