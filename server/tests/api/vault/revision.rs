//! The revision date, by which the owner's other clients learn that they must sync.

use std::time::Duration;

use axum::http::Method;
use serde_json::json;

use super::{item, make_folder, make_item, revision, send};
use crate::support::{ENC, OTHER, TestApp};

#[tokio::test]
async fn every_change_moves_the_owners_date_and_nobody_elses() {
    let app = TestApp::new().await;
    let (alice, bob) = (app.user("alice").await, app.user("bob").await);
    let (id, folder) = (make_item(&alice).await, make_folder(&alice).await);
    let (item_path, folder_path) = (format!("/api/ciphers/{id}"), format!("/api/folders/{folder}"));
    let ids = json!({ "ids": [id] });
    let bobs = revision(&bob).await;

    for (method, path, body) in [
        (Method::POST, "/api/folders".to_owned(), json!({ "name": ENC })),
        (Method::PUT, folder_path.clone(), json!({ "name": OTHER })),
        (Method::POST, "/api/ciphers".to_owned(), item(1)),
        (Method::PUT, item_path.clone(), item(2)),
        (Method::PUT, format!("{item_path}/partial"), json!({ "favorite": true })),
        (Method::PUT, "/api/ciphers/move".to_owned(), json!({ "ids": [id], "folderId": folder })),
        (Method::PUT, format!("{item_path}/archive"), json!(null)),
        (Method::PUT, "/api/ciphers/unarchive".to_owned(), ids.clone()),
        (Method::PUT, format!("{item_path}/delete"), json!(null)),
        (Method::PUT, "/api/ciphers/restore".to_owned(), ids.clone()),
        (Method::DELETE, folder_path, json!(null)),
        (
            Method::POST,
            "/api/ciphers/import".to_owned(),
            json!({ "ciphers": [item(1)], "folders": [], "folderRelationships": [] }),
        ),
        (Method::DELETE, "/api/ciphers".to_owned(), ids),
    ] {
        app.advance(Duration::from_secs(1));
        let before = revision(&alice).await;
        send(&alice, &method, &path, &body).await.ok();
        assert_eq!(revision(&alice).await, before + elapsed(before, &app), "{method} {path}");
    }
    assert_eq!(revision(&bob).await, bobs);
}

/// Milliseconds between a date and now.
fn elapsed(since: i64, app: &TestApp) -> i64 {
    app.state.clock.now().unix_millis() - since
}

#[tokio::test]
async fn reading_leaves_the_date_alone() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let id = make_item(&alice).await;
    let before = revision(&alice).await;
    app.advance(Duration::from_mins(1));
    for path in ["/api/sync", "/api/ciphers", "/api/folders", &format!("/api/ciphers/{id}")] {
        alice.get(path).await.ok();
    }
    assert_eq!(revision(&alice).await, before);
}
