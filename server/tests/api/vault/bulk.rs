//! `/api/ciphers`: many items at a time, and the whole vault.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use super::{NOBODY, blamed, item, make_folder, make_item, revision, send, sync, with};
use crate::support::{Client, TestApp};

/// Two items of Alice's, one of Bob's, and a list of them all in which nobody's id stands as well.
struct Crowd {
    app: TestApp,
    alice: Client,
    bob: Client,
    ids: [String; 2],
    foreign: String,
}

impl Crowd {
    async fn new() -> Self {
        let app = TestApp::new().await;
        let (alice, bob) = (app.user("alice").await, app.user("bob").await);
        let ids = [make_item(&alice).await, make_item(&alice).await];
        let foreign = make_item(&bob).await;
        app.advance(Duration::from_secs(1));
        Self { app, alice, bob, ids, foreign }
    }

    fn list(&self) -> Value {
        json!({ "ids": [self.ids[0], self.foreign, NOBODY, self.ids[1]] })
    }

    /// Does it to the list, and checks that nothing of Bob's has changed.
    async fn act(&self, method: Method, path: &str, body: Value) -> Value {
        let (before, revised) = (sync(&self.bob).await, revision(&self.bob).await);
        let answer = send(&self.alice, &method, path, &body).await.ok();
        assert_eq!(sync(&self.bob).await, before, "{method} {path}");
        assert_eq!(revision(&self.bob).await, revised, "{method} {path}");
        answer
    }

    async fn items(&self) -> Vec<Value> {
        sync(&self.alice).await["ciphers"].as_array().unwrap().clone()
    }
}

/// The ids in a list of items, in the order of ids.
fn ids_in(list: &Value) -> Vec<&str> {
    let mut ids: Vec<_> =
        list["data"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids
}

fn sorted(ids: &[String; 2]) -> Vec<&str> {
    let mut ids: Vec<_> = ids.iter().map(String::as_str).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn items_of_others_are_not_put_into_the_trash_nor_restored() {
    let crowd = Crowd::new().await;
    crowd.act(Method::PUT, "/api/ciphers/delete", crowd.list()).await;
    assert!(crowd.items().await.iter().all(|item| item["deletedDate"].is_string()));
    let restored = crowd.act(Method::PUT, "/api/ciphers/restore", crowd.list()).await;
    assert_eq!(ids_in(&restored), sorted(&crowd.ids));
    assert!(crowd.items().await.iter().all(|item| item["deletedDate"].is_null()));
}

#[tokio::test]
async fn items_of_others_are_not_archived() {
    let crowd = Crowd::new().await;
    let archived = crowd.act(Method::PUT, "/api/ciphers/archive", crowd.list()).await;
    assert_eq!(ids_in(&archived), sorted(&crowd.ids));
    assert!(crowd.items().await.iter().all(|item| item["archivedDate"].is_string()));
    let back = crowd.act(Method::PUT, "/api/ciphers/unarchive", crowd.list()).await;
    assert_eq!(ids_in(&back), sorted(&crowd.ids));
    assert!(crowd.items().await.iter().all(|item| item["archivedDate"].is_null()));
}

#[tokio::test]
async fn items_of_others_are_not_moved() {
    let crowd = Crowd::new().await;
    let folder = make_folder(&crowd.alice).await;
    for (method, wanted) in [(Method::PUT, json!(folder)), (Method::POST, Value::Null)] {
        let body = with(crowd.list(), "folderId", wanted.clone());
        crowd.act(method, "/api/ciphers/move", body).await;
        assert!(crowd.items().await.iter().all(|item| item["folderId"] == wanted));
    }
}

#[tokio::test]
async fn items_of_others_are_not_deleted() {
    for (method, path) in [(Method::DELETE, "/api/ciphers"), (Method::POST, "/api/ciphers/delete")] {
        let crowd = Crowd::new().await;
        crowd.act(method, path, crowd.list()).await;
        assert_eq!(crowd.items().await, [Value::Null; 0]);
    }
}

#[tokio::test]
async fn a_list_of_foreign_items_changes_nothing_and_wakes_no_client() {
    let crowd = Crowd::new().await;
    let before = (crowd.items().await, revision(&crowd.alice).await);
    let strangers = json!({ "ids": [crowd.foreign, NOBODY], "folderId": null });
    for (method, path) in [
        (Method::PUT, "/api/ciphers/delete"),
        (Method::PUT, "/api/ciphers/restore"),
        (Method::PUT, "/api/ciphers/archive"),
        (Method::PUT, "/api/ciphers/unarchive"),
        (Method::PUT, "/api/ciphers/move"),
        (Method::POST, "/api/ciphers/delete"),
        (Method::DELETE, "/api/folders"),
    ] {
        crowd.act(method, path, strangers.clone()).await;
    }
    assert_eq!((crowd.items().await, revision(&crowd.alice).await), before);
}

#[tokio::test]
async fn a_list_may_hold_thousands_of_ids() {
    let crowd = Crowd::new().await;
    let strangers = (0..4_000).map(|n| format!("00000000-0000-4000-8000-{n:012}"));
    let ids: Vec<_> = crowd.ids.iter().cloned().chain(strangers).collect();
    let body = json!({ "ids": ids });
    let archived = crowd.act(Method::PUT, "/api/ciphers/archive", body.clone()).await;
    assert_eq!(ids_in(&archived), sorted(&crowd.ids));
    crowd.act(Method::PUT, "/api/ciphers/delete", body.clone()).await;
    crowd.act(Method::DELETE, "/api/ciphers", body).await;
    assert_eq!(crowd.items().await, [Value::Null; 0]);
}

#[tokio::test]
async fn a_list_that_holds_something_else_is_refused() {
    let crowd = Crowd::new().await;
    let before = crowd.items().await;
    for path in ["delete", "restore", "archive", "unarchive", "move"] {
        let path = format!("/api/ciphers/{path}");
        let body = json!({ "ids": [crowd.ids[0], "not-an-id"] });
        assert_eq!(blamed(&crowd.alice.put(&path, body).await), "ids[1]");
        assert_eq!(blamed(&crowd.alice.put(&path, json!({ "ids": null })).await), "ids");
        assert_eq!(blamed(&crowd.alice.put(&path, json!({})).await), "");
    }
    assert_eq!(crowd.items().await, before);
}

#[tokio::test]
async fn purging_needs_the_password_and_empties_one_vault() {
    let crowd = Crowd::new().await;
    let folder = make_folder(&crowd.alice).await;
    crowd.alice.post("/api/ciphers", with(item(2), "folderId", folder)).await.ok();
    let before = sync(&crowd.alice).await;
    for body in [json!({ "masterPasswordHash": "wrong" }), json!({}), json!({ "masterPasswordHash": null })] {
        assert_eq!(blamed(&crowd.alice.post("/api/ciphers/purge", body).await), "masterPasswordHash");
    }
    assert_eq!(sync(&crowd.alice).await, before);

    let proof = json!({ "masterPasswordHash": "secret of alice@vault.example" });
    // The vault of an organization is not the user's own, and must not be taken for it.
    let other = format!("/api/ciphers/purge?organizationId={NOBODY}");
    let refused = crowd.alice.post(&other, proof.clone()).await;
    assert_eq!(refused.status.as_u16(), 404);
    assert_eq!(sync(&crowd.alice).await, before);

    crowd.app.advance(Duration::from_secs(1));
    let revised = revision(&crowd.alice).await;
    crowd.act(Method::POST, "/api/ciphers/purge", proof).await;
    let after = sync(&crowd.alice).await;
    assert_eq!([&after["ciphers"], &after["folders"]], [&json!([]), &json!([])]);
    assert!(revision(&crowd.alice).await > revised);
}
