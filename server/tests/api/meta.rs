//! `/alive`, `/api/config` and what everybody may ask.

use axum::http::StatusCode;
use insta::assert_json_snapshot;
use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn the_configuration_is_what_clients_adapt_to() {
    let app = TestApp::new().await;
    let answer = app.anonymous().get("/api/config").await;
    assert_json_snapshot!(answer.ok());
}

#[tokio::test]
async fn the_server_says_its_version_and_time() {
    let app = TestApp::new().await;
    let client = app.anonymous();
    assert_eq!(client.get("/api/version").await.ok(), json!("2026.9.0"));
    assert_eq!(client.get("/api/now").await.ok(), json!("2026-01-02T03:04:05.678901Z"));
}

#[tokio::test]
async fn alive_asks_the_database() {
    let app = TestApp::new().await;
    let client = app.anonymous();
    assert_eq!(client.get("/alive").await.ok(), json!("2026-01-02T03:04:05.678901Z"));
    assert_eq!(client.get("/api/alive").await.ok(), json!("2026-01-02T03:04:05.678901Z"));

    app.state.db.close();
    let answer = client.get("/alive").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["object"], "error");
}

#[tokio::test]
async fn an_unknown_route_is_answered_in_the_envelope() {
    let app = TestApp::new().await;
    let answer = app.anonymous().get("/api/no-such-thing").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_json_snapshot!(answer.json());
}

#[tokio::test]
async fn lists_that_are_not_here_yet_are_empty_and_ask_for_a_session() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    for path in
        ["/api/sends", "/api/collections", "/api/auth-requests/pending", "/api/two-factor", "/api/webauthn"]
    {
        assert_eq!(app.anonymous().get(path).await.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(alice.get(path).await.ok()["data"], json!([]), "{path}");
    }
}
