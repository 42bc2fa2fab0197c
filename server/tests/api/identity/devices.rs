//! Devices: known ones, and the caller's list.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use insta::assert_json_snapshot;
use serde_json::json;

use crate::support::{Client, TestApp};

async fn is_known(client: &Client, email: &str, device: &str) -> serde_json::Value {
    let request = client
        .request(Method::GET, "/api/devices/knowndevice")
        .header("X-Request-Email", email)
        .header("X-Device-Identifier", device)
        .body(Body::empty())
        .unwrap();
    client.send(request).await.ok()
}

#[tokio::test]
async fn a_device_is_known_after_its_first_login() {
    let app = TestApp::new().await;
    let client = app.user("alice").await;
    let device = URL_SAFE_NO_PAD.encode("alice's device");
    let email = "alice@vault.example";
    assert_eq!(is_known(&client, &URL_SAFE_NO_PAD.encode(email), &device).await, json!(true));
    assert_eq!(is_known(&client, &URL_SAFE.encode(email), &device).await, json!(true));
    assert_eq!(is_known(&client, &URL_SAFE.encode(email), "another").await, json!(false));
    assert_eq!(is_known(&client, &URL_SAFE.encode("bob@vault.example"), &device).await, json!(false));
}

#[tokio::test]
async fn the_question_needs_both_headers() {
    let app = TestApp::new().await;
    let answer = app.anonymous().get("/api/devices/knowndevice").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.json()["validationErrors"]["x-request-email"].is_array());
}

#[tokio::test]
async fn a_user_sees_his_own_devices() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let bob = app.user("bob").await;
    assert_json_snapshot!(alice.get("/api/devices").await.ok());
    let path = format!("/api/devices/identifier/{}", URL_SAFE_NO_PAD.encode("alice's device"));
    assert_eq!(alice.get(&path).await.ok()["name"], "alice's device");
    assert_eq!(bob.get(&path).await.status, StatusCode::NOT_FOUND);
    alice.put(&format!("{path}/token"), json!({ "pushToken": "t" })).await.ok();
    assert_eq!(
        bob.put(&format!("{path}/token"), json!({ "pushToken": "t" })).await.status,
        StatusCode::NOT_FOUND
    );
}
