//! `/api/accounts`.

use axum::http::StatusCode;
use insta::assert_json_snapshot;
use serde_json::{Value, json};

use crate::support::{Client, ENC, OTHER, TestApp};

const SECRET: &str = "secret of alice@vault.example";

async fn assert_out(client: &Client) {
    assert_eq!(client.get("/api/accounts/profile").await.status, StatusCode::UNAUTHORIZED);
    let refresh = client.refresh.as_deref().unwrap();
    let answer = client
        .form("/identity/connect/token", &[("grant_type", "refresh_token"), ("refresh_token", refresh)])
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_profile_is_whole() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    assert_json_snapshot!(alice.get("/api/accounts/profile").await.ok());
}

#[tokio::test]
async fn name_language_and_colour_can_be_changed() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    alice.put("/api/accounts/profile", json!({ "name": "Alice B.", "culture": "de-DE" })).await.ok();
    alice.put("/api/accounts/avatar", json!({ "avatarColor": "#aabbcc" })).await.ok();
    let profile = alice.get("/api/accounts/profile").await.ok();
    assert_eq!(
        [&profile["name"], &profile["culture"], &profile["avatarColor"]],
        ["Alice B.", "de-DE", "#aabbcc"]
    );

    let answer = alice.put("/api/accounts/avatar", json!({ "avatarColor": "red" })).await;
    assert!(answer.json()["validationErrors"]["avatarColor"].is_array());
    let answer = alice.put("/api/accounts/profile", json!({ "name": "x".repeat(51) })).await;
    assert!(answer.json()["validationErrors"]["name"].is_array());
    assert_eq!(alice.get("/api/accounts/profile").await.ok(), profile);
}

#[tokio::test]
async fn the_revision_date_is_a_number_that_grows_with_each_change() {
    let app = TestApp::new().await;
    let (alice, bob) = (app.user("alice").await, app.user("bob").await);
    let before = alice.get("/api/accounts/revision-date").await.ok();
    assert_eq!(before, json!(1_767_323_045_678_i64));
    app.advance(std::time::Duration::from_secs(5));
    alice.put("/api/accounts/profile", json!({ "name": "A" })).await.ok();
    assert_eq!(alice.get("/api/accounts/revision-date").await.ok(), json!(1_767_323_050_678_i64));
    assert_eq!(bob.get("/api/accounts/revision-date").await.ok(), before);
}

#[tokio::test]
async fn a_key_pair_is_stored_once() {
    let app = TestApp::new().await;
    let client = app.anonymous();
    let mut registration = crate::support::registration("alice@vault.example");
    registration["userAsymmetricKeys"] = Value::Null;
    client.post("/identity/accounts/register/finish", registration).await.ok();
    let alice = app.login("alice").await;
    assert_eq!(alice.get("/api/accounts/profile").await.ok()["accountKeys"], Value::Null);

    let keys = json!({ "publicKey": "bmV3", "encryptedPrivateKey": ENC });
    for _ in 0..2 {
        let answer = alice.post("/api/accounts/keys", keys.clone()).await.ok();
        assert_eq!(answer, json!({ "publicKey": "bmV3", "privateKey": ENC, "object": "keys" }));
    }
    assert_eq!(alice.get("/api/accounts/keys").await.ok()["publicKey"], "bmV3");
    // Another pair would lose all that was ever shared with the first.
    let other = json!({ "publicKey": "b3RoZXI=", "encryptedPrivateKey": OTHER });
    assert_eq!(alice.post("/api/accounts/keys", other).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(alice.get("/api/accounts/keys").await.ok()["publicKey"], "bmV3");
}

#[tokio::test]
async fn the_id_of_the_user_key_is_kept_and_answered_at_the_next_login() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let id = "0123456789abcdef0123456789abcdef";
    alice.post("/api/accounts/key-management/user-key-id", json!({ "userKeyId": id })).await.ok();
    let answer = alice.log_in("alice@vault.example", "laptop").await.ok();
    assert_eq!(answer["UserDecryptionOptions"]["MasterPasswordUnlock"]["ContainedKeyId"], id);
    let answer =
        alice.post("/api/accounts/key-management/user-key-id", json!({ "userKeyId": "short" })).await;
    assert!(answer.json()["validationErrors"]["userKeyId"].is_array());
}

#[tokio::test]
async fn a_new_password_ends_all_sessions_and_opens_new_ones() {
    let app = TestApp::new().await;
    let (alice, phone) = (app.user("alice").await, app.login("alice").await);
    let change =
        |old: &str| json!({ "masterPasswordHash": old, "newMasterPasswordHash": "new secret", "key": OTHER });
    let answer = alice.post("/api/accounts/password", change("wrong")).await;
    assert!(answer.json()["validationErrors"]["masterPasswordHash"].is_array());
    alice.get("/api/accounts/profile").await.ok();

    alice.post("/api/accounts/password", change(SECRET)).await.ok();
    assert_out(&alice).await;
    assert_out(&phone).await;
    assert_eq!(alice.log_in("alice@vault.example", "laptop").await.status, StatusCode::BAD_REQUEST);
    let answer = alice.log_in_with("alice@vault.example", "new secret", "laptop").await.ok();
    assert_eq!(answer["Key"], OTHER);
}

#[tokio::test]
async fn the_derivation_can_be_changed_and_must_be_strong() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let change = |kdf: Value| {
        json!({
            "masterPasswordHash": SECRET,
            "authenticationData": {
                "kdf": kdf, "salt": "alice@vault.example", "masterPasswordAuthenticationHash": "argon secret",
            },
            "unlockData": { "kdf": kdf, "salt": "alice@vault.example", "masterKeyWrappedUserKey": OTHER },
        })
    };
    let weak = json!({ "kdfType": 1, "iterations": 3, "memory": 4, "parallelism": 4 });
    let answer = alice.post("/api/accounts/kdf", change(weak)).await;
    assert!(answer.json()["validationErrors"]["kdfMemory"].is_array());

    let strong = json!({ "kdfType": 1, "iterations": 3, "memory": 64, "parallelism": 4 });
    alice.post("/api/accounts/kdf", change(strong)).await.ok();
    assert_out(&alice).await;
    let prelogin =
        alice.post("/identity/accounts/prelogin", json!({ "email": "alice@vault.example" })).await.ok();
    assert_eq!([&prelogin["kdf"], &prelogin["kdfMemory"]], [&json!(1), &json!(64)]);
    alice.log_in_with("alice@vault.example", "argon secret", "laptop").await.ok();
}

#[tokio::test]
async fn a_new_password_in_the_newest_spelling_keeps_the_derivation() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let change = |iterations: i32| {
        let kdf = json!({ "kdfType": 0, "iterations": iterations });
        json!({
            "masterPasswordHash": SECRET,
            "authenticationData": {
                "kdf": kdf, "salt": "alice@vault.example", "masterPasswordAuthenticationHash": "new secret",
            },
            "unlockData": { "kdf": kdf, "salt": "alice@vault.example", "masterKeyWrappedUserKey": OTHER },
        })
    };
    assert_eq!(alice.post("/api/accounts/password", change(700_000)).await.status, StatusCode::BAD_REQUEST);
    alice.post("/api/accounts/password", change(600_000)).await.ok();
    alice.log_in_with("alice@vault.example", "new secret", "laptop").await.ok();
}

#[tokio::test]
async fn a_new_stamp_ends_all_sessions_but_keeps_devices_known() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    alice.post("/api/accounts/security-stamp", json!({ "masterPasswordHash": SECRET })).await.ok();
    assert_out(&alice).await;
    app.inbox.take();
    app.login("alice").await;
    app.run_jobs().await;
    assert_eq!(app.inbox.sent_of_kind("new_device").len(), 1, "the first login alone was from a new device");
}

#[tokio::test]
async fn the_password_can_be_asked_for() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let path = "/api/accounts/verify-password";
    let answer = alice.post(path, json!({ "masterPasswordHash": SECRET })).await.ok();
    assert_eq!(answer, json!({ "object": "masterPasswordPolicy" }));
    assert_eq!(alice.post(path, json!({ "masterPasswordHash": "x" })).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(alice.post(path, json!({})).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_deleted_account_leaves_nothing_and_its_address_is_free() {
    let app = TestApp::new().await;
    let (alice, bob) = (app.user("alice").await, app.user("bob").await);
    alice.post("/api/folders", json!({ "name": ENC })).await.ok();
    let id = alice.get("/api/accounts/profile").await.ok()["id"].as_str().unwrap().to_owned();
    bob.get(&format!("/api/users/{id}/public-key")).await.ok();

    let answer = alice.delete("/api/accounts", json!({ "masterPasswordHash": "wrong" })).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    alice.delete("/api/accounts", json!({ "masterPasswordHash": SECRET })).await.ok();
    assert_out(&alice).await;
    assert_eq!(bob.get(&format!("/api/users/{id}/public-key")).await.status, StatusCode::NOT_FOUND);

    let again = app.user("alice").await;
    assert_eq!(again.get("/api/folders").await.ok()["data"], json!([]));
}

#[tokio::test]
async fn a_public_key_can_be_asked_for_by_any_user() {
    let app = TestApp::new().await;
    let (alice, bob) = (app.user("alice").await, app.user("bob").await);
    let id = alice.get("/api/accounts/profile").await.ok()["id"].as_str().unwrap().to_owned();
    assert_json_snapshot!(bob.get(&format!("/api/users/{id}/public-key")).await.ok());
    let nobody = "/api/users/00000000-0000-4000-8000-000000000000/public-key";
    assert_eq!(bob.get(nobody).await.status, StatusCode::NOT_FOUND);
}
