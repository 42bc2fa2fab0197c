//! Request bodies that are not what they should be.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use bytes::Bytes;
use futures_util::stream;
use insta::assert_json_snapshot;
use serde_json::json;

use super::blamed;
use crate::support::{Client, TestApp};

async fn post(client: &Client, body: impl Into<Body>) -> crate::support::Answer {
    client.raw(Method::POST, "/api/ciphers", "application/json", body).await
}

#[tokio::test]
async fn a_body_without_end_is_refused_in_the_envelope() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let answer = post(&alice, vec![b' '; 20 * 1024 * 1024 + 1]).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_json_snapshot!(answer.json());

    // The same without a length in front.
    let pieces = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 16_000])));
    assert_eq!(post(&alice, Body::from_stream(pieces)).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn broken_json_is_refused_with_the_place_where_it_breaks() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let answer = post(&alice, "{\"type\": 1,\n  \"name\": nope}").await;
    assert_eq!(blamed(&answer), "");
    assert_json_snapshot!(answer.json()["message"]);
}

#[tokio::test]
async fn a_value_of_the_wrong_type_is_named() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let answer = alice.post("/api/ciphers", json!({ "type": 1, "name": ["x"] })).await;
    assert_eq!(blamed(&answer), "name");
    assert_json_snapshot!(answer.json());
    assert_eq!(blamed(&alice.post("/api/ciphers/import", json!({ "ciphers": {} })).await), "ciphers");
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let answer = alice.post("/api/ciphers", json!({ "type": 1 })).await;
    assert_eq!(blamed(&answer), "");
    assert!(answer.json()["message"].as_str().unwrap().contains("`name`"));
    for body in [json!(null), json!([]), json!("text"), json!(7)] {
        assert_eq!(blamed(&alice.post("/api/folders", body).await), "");
    }
}

#[tokio::test]
async fn no_body_and_a_body_that_breaks_off_are_refused() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    assert_eq!(blamed(&post(&alice, Body::empty()).await), "");
    let pieces = [Ok(Bytes::from_static(b"{\"name\":")), Err(std::io::Error::other("the cable"))];
    assert_eq!(blamed(&post(&alice, Body::from_stream(stream::iter(pieces))).await), "");
    assert_eq!(blamed(&post(&alice, vec![0xff, 0xfe, 0x00]).await), "");
}

#[tokio::test]
async fn deep_nesting_is_refused_and_harms_nobody() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    assert_eq!(blamed(&post(&alice, deep).await), "");
    alice.get("/api/folders").await.ok();
}
