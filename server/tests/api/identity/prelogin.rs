//! How a client learns to derive the master key.

use axum::http::StatusCode;
use insta::assert_json_snapshot;
use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn a_user_is_told_his_own_parameters() {
    let app = TestApp::new().await;
    app.user("alice").await;
    let answer = app
        .anonymous()
        .post("/identity/accounts/prelogin/password", json!({ "email": " ALICE@vault.example " }))
        .await;
    assert_json_snapshot!(answer.ok());
}

#[tokio::test]
async fn an_unknown_address_gets_a_plausible_answer_that_never_changes() {
    let app = TestApp::new().await;
    let ask = async |email: &str| {
        app.anonymous().post("/identity/accounts/prelogin", json!({ "email": email })).await.ok()
    };
    let mut derivations = std::collections::BTreeSet::new();
    for number in 0..40 {
        let email = format!("nobody{number}@vault.example");
        let answer = ask(&email).await;
        assert_eq!(answer, ask(&email).await);
        assert_eq!(answer["salt"], email);
        derivations.insert(answer["kdf"].as_i64());
    }
    // As varied as real accounts: one answer for all would tell who is real.
    assert_eq!(derivations.len(), 2);
}

#[tokio::test]
async fn what_is_no_address_is_refused() {
    let app = TestApp::new().await;
    let answer = app.anonymous().post("/identity/accounts/prelogin", json!({ "email": "nobody" })).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_json_snapshot!(answer.json());
}
