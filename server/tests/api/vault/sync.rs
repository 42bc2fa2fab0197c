//! `/api/sync`: the whole vault in one answer.

use insta::assert_json_snapshot;
use serde_json::{Value, json};

use super::attachments::{announce, attach};
use super::{item, make_folder, make_item, sync, with};
use crate::support::TestApp;

#[tokio::test]
async fn an_empty_vault_is_whole() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let answer = alice.get("/api/sync").await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_json_snapshot!(answer.ok());
}

#[tokio::test]
async fn a_vault_with_an_item_of_each_type_is_whole() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let folder = make_folder(&alice).await;
    let mut ids = Vec::new();
    for kind in 1..=8 {
        ids.push(alice.post("/api/ciphers", with(item(kind), "folderId", folder.as_str())).await.id());
    }
    attach(&alice, &ids[0], b"a small file").await;
    alice.put(&format!("/api/ciphers/{}/delete", ids[1]), json!(null)).await.ok();
    alice.put(&format!("/api/ciphers/{}/archive", ids[2]), json!(null)).await.ok();
    alice.put(&format!("/api/ciphers/{}/partial", ids[3]), json!({ "favorite": true })).await.ok();
    assert_json_snapshot!(sync(&alice).await);
}

#[tokio::test]
async fn domains_can_be_left_out() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    assert_eq!(alice.get("/api/sync?excludeDomains=true").await.ok()["domains"], Value::Null);
    for path in ["/api/sync", "/api/sync?excludeDomains=false", "/api/sync?excludeDomains=perhaps"] {
        assert_eq!(alice.get(path).await.ok()["domains"]["object"], "domains", "{path}");
    }
}

#[tokio::test]
async fn a_vault_of_ten_thousand_items_arrives_complete() {
    const COUNT: usize = 10_000;
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let name = |n: usize| format!("2.aXY=|{n}|bWFj");
    let ciphers: Vec<_> = (0..COUNT).map(|n| with(item(2), "name", name(n))).collect();
    let import = json!({ "ciphers": ciphers, "folders": [], "folderRelationships": [] });
    alice.post("/api/ciphers/import", import).await.ok();

    let vault = sync(&alice).await;
    assert_eq!(vault["object"], "sync");
    let mut names: Vec<_> =
        vault["ciphers"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    let mut expected: Vec<_> = (0..COUNT).map(name).collect();
    expected.sort_unstable();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn a_file_is_listed_when_it_is_there_and_no_sooner() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let id = make_item(&alice).await;
    announce(&alice, &id, 4).await.ok();
    assert_eq!(sync(&alice).await["ciphers"][0]["attachments"], Value::Null);
    attach(&alice, &id, b"one").await;
    attach(&alice, &id, b"three").await;
    let vault = sync(&alice).await;
    assert_eq!(vault["ciphers"].as_array().unwrap().len(), 1, "an item with two files is one item");
    let mut sizes: Vec<_> = vault["ciphers"][0]["attachments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["size"].as_str().unwrap())
        .collect();
    sizes.sort_unstable();
    assert_eq!(sizes, ["3", "5"]);
}

#[tokio::test]
async fn nothing_of_another_user_appears() {
    let app = TestApp::new().await;
    let (alice, bob) = (app.user("alice").await, app.user("bob").await);
    let id = make_item(&alice).await;
    make_folder(&alice).await;
    attach(&alice, &id, b"a file").await;
    let vault = sync(&bob).await;
    assert_eq!([&vault["ciphers"], &vault["folders"]], [&json!([]), &json!([])]);
    assert_eq!(vault["profile"]["email"], "bob@vault.example");
}

#[tokio::test]
async fn trash_and_archive_are_part_of_it() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let (trashed, archived) = (make_item(&alice).await, make_item(&alice).await);
    alice.put(&format!("/api/ciphers/{trashed}/delete"), json!(null)).await.ok();
    alice.put(&format!("/api/ciphers/{archived}/archive"), json!(null)).await.ok();
    let vault = sync(&alice).await;
    let find = |id: &str| vault["ciphers"].as_array().unwrap().iter().find(|item| item["id"] == id).unwrap();
    assert!(find(&trashed)["deletedDate"].is_string() && find(&trashed)["archivedDate"].is_null());
    assert!(find(&archived)["archivedDate"].is_string() && find(&archived)["deletedDate"].is_null());
}
