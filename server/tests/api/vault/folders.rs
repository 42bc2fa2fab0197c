//! `/api/folders`.

use axum::http::Method;
use insta::assert_json_snapshot;
use serde_json::{Value, json};

use super::{NOBODY, assert_not_found, blamed, item, make_folder, make_item, revision, send, with};
use crate::support::{Client, ENC, OTHER, TestApp};

async fn folders(client: &Client) -> Value {
    client.get("/api/folders").await.ok()["data"].take()
}

#[tokio::test]
async fn a_new_folder_is_answered_shown_and_listed() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let folder = alice.post("/api/folders", json!({ "name": ENC, "id": NOBODY })).await.ok();
    assert_json_snapshot!(folder);
    let path = format!("/api/folders/{}", folder["id"].as_str().unwrap());
    assert_eq!(alice.get(&path).await.ok(), folder);
    assert_json_snapshot!("the_list_of_folders", alice.get("/api/folders").await.ok());
}

#[tokio::test]
async fn a_folder_can_be_renamed_by_either_verb() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let path = format!("/api/folders/{}", make_folder(&alice).await);
    for method in [Method::PUT, Method::POST] {
        app.advance(std::time::Duration::from_secs(1));
        let renamed = send(&alice, &method, &path, &json!({ "name": OTHER })).await.ok();
        assert_eq!(renamed["name"], OTHER);
        assert_eq!(alice.get(&path).await.ok(), renamed);
    }
}

#[tokio::test]
async fn deleting_a_folder_keeps_its_items_and_takes_them_out() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let (folder, kept) = (make_folder(&alice).await, make_folder(&alice).await);
    let inside = alice.post("/api/ciphers", with(item(1), "folderId", folder.as_str())).await.id();
    let elsewhere = alice.post("/api/ciphers", with(item(2), "folderId", kept.as_str())).await.id();

    alice.delete(&format!("/api/folders/{folder}"), json!(null)).await.ok();

    assert_not_found(&alice.get(&format!("/api/folders/{folder}")).await, "the folder");
    assert_eq!(alice.get(&format!("/api/ciphers/{inside}")).await.ok()["folderId"], Value::Null);
    assert_eq!(alice.get(&format!("/api/ciphers/{elsewhere}")).await.ok()["folderId"], kept.as_str());
}

#[tokio::test]
async fn a_folder_can_be_deleted_with_post_and_only_once() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let path = format!("/api/folders/{}/delete", make_folder(&alice).await);
    alice.post(&path, json!(null)).await.ok();
    assert_not_found(&alice.post(&path, json!(null)).await, "the folder");
}

#[tokio::test]
async fn deleting_several_folders_passes_over_those_of_others() {
    let app = TestApp::new().await;
    let (alice, bob) = (app.user("alice").await, app.user("bob").await);
    let (first, second, kept) =
        (make_folder(&alice).await, make_folder(&alice).await, make_folder(&alice).await);
    let foreign = make_folder(&bob).await;
    let lies_in_it = bob.post("/api/ciphers", with(item(1), "folderId", foreign.as_str())).await.id();

    alice.delete("/api/folders", json!({ "ids": [first, foreign, second, NOBODY] })).await.ok();

    assert_eq!(folders(&alice).await.as_array().unwrap().len(), 1);
    assert_eq!(folders(&alice).await[0]["id"], kept.as_str());
    assert_eq!(folders(&bob).await[0]["id"], foreign.as_str());
    assert_eq!(bob.get(&format!("/api/ciphers/{lies_in_it}")).await.ok()["folderId"], foreign.as_str());
}

#[tokio::test]
async fn renaming_someone_elses_folder_is_not_found() {
    let app = TestApp::new().await;
    let (alice, bob) = (app.user("alice").await, app.user("bob").await);
    let folder = make_folder(&alice).await;
    let before = folders(&alice).await;
    let revised = (revision(&alice).await, revision(&bob).await);
    app.advance(std::time::Duration::from_secs(1));

    for id in [folder.as_str(), NOBODY, "not-an-id", "..%2f..%2fx"] {
        let path = format!("/api/folders/{id}");
        for (method, path) in [
            (Method::GET, path.clone()),
            (Method::PUT, path.clone()),
            (Method::POST, path.clone()),
            (Method::DELETE, path.clone()),
            (Method::POST, format!("{path}/delete")),
        ] {
            let answer = send(&bob, &method, &path, &json!({ "name": OTHER })).await;
            assert_not_found(&answer, &format!("{method} {path}"));
        }
    }

    assert_eq!(folders(&alice).await, before);
    assert_eq!((revision(&alice).await, revision(&bob).await), revised);
}

#[tokio::test]
async fn a_name_that_is_not_encrypted_or_too_long_is_refused() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let folder = make_folder(&alice).await;
    let before = folders(&alice).await;
    let too_long = format!("2.aXY=|{}|bWFj", "A".repeat(1000));

    for name in ["", "Bank", "2.aXY=|../../x|bWFj", &too_long] {
        let body = json!({ "name": name });
        assert_eq!(blamed(&alice.post("/api/folders", body.clone()).await), "name", "{name}");
        assert_eq!(blamed(&alice.put(&format!("/api/folders/{folder}"), body).await), "name", "{name}");
    }
    for body in [json!({ "name": 7 }), json!({ "name": null }), json!({ "name": [] })] {
        assert_eq!(blamed(&alice.post("/api/folders", body).await), "name");
    }

    assert_eq!(folders(&alice).await, before);
}

#[tokio::test]
async fn folders_need_a_session() {
    let app = TestApp::new().await;
    let nobody = app.anonymous();
    for (method, path) in [
        (Method::GET, "/api/folders"),
        (Method::POST, "/api/folders"),
        (Method::DELETE, "/api/folders"),
        (Method::GET, "/api/ciphers"),
        (Method::POST, "/api/ciphers"),
        (Method::POST, "/api/ciphers/import"),
        (Method::GET, "/api/sync"),
    ] {
        let answer = send(&nobody, &method, path, &json!({ "name": ENC })).await;
        assert_eq!(answer.status.as_u16(), 401, "{method} {path}");
    }
}

#[tokio::test]
async fn an_item_cannot_be_put_into_someone_elses_folder() {
    let app = TestApp::new().await;
    let (alice, bob) = (app.user("alice").await, app.user("bob").await);
    let foreign = make_folder(&alice).await;
    let id = make_item(&bob).await;
    let before = bob.get("/api/ciphers").await.ok();

    for folder in [foreign.as_str(), NOBODY] {
        let filed = with(item(1), "folderId", folder);
        assert_eq!(blamed(&bob.post("/api/ciphers", filed.clone()).await), "folderId");
        assert_eq!(blamed(&bob.put(&format!("/api/ciphers/{id}"), filed).await), "folderId");
        let partial = json!({ "folderId": folder, "favorite": true });
        assert_eq!(blamed(&bob.put(&format!("/api/ciphers/{id}/partial"), partial).await), "folderId");
        let relocation = json!({ "ids": [id], "folderId": folder });
        assert_eq!(blamed(&bob.put("/api/ciphers/move", relocation).await), "folderId");
    }

    assert_eq!(bob.get("/api/ciphers").await.ok(), before);
}
