//! `/api/ciphers/import`.

use axum::http::StatusCode;
use insta::assert_json_snapshot;
use serde_json::{Value, json};

use super::{NOBODY, blamed, item, make_folder, revision, sync, with};
use crate::support::{ENC, OTHER, TestApp};

const PATH: &str = "/api/ciphers/import";

fn import(ciphers: Vec<Value>, folders: Value, places: &[(usize, usize)]) -> Value {
    let places: Vec<_> = places.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    let mut body = json!({ "folderRelationships": places });
    body["ciphers"] = ciphers.into();
    body["folders"] = folders;
    body
}

/// An encrypted string that holds a number.
fn numbered(number: usize) -> String {
    format!("2.aXY=|{number}|bWFj")
}

#[tokio::test]
async fn a_large_export_comes_in_whole_with_its_folders() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let ciphers = (0..600).map(|n| with(item(1), "name", numbered(n))).collect();
    let folders =
        json!([{ "name": numbered(0) }, { "name": numbered(1) }, { "id": "", "name": numbered(2) }]);
    let places: Vec<_> = (0..600).filter(|n| n % 4 < 3).map(|n| (n, n % 4)).collect();
    alice.post(PATH, import(ciphers, folders, &places)).await.ok();

    let vault = sync(&alice).await;
    let folders = vault["folders"].as_array().unwrap();
    assert_eq!(folders.len(), 3);
    let items = vault["ciphers"].as_array().unwrap();
    assert_eq!(items.len(), 600);
    for number in 0..600 {
        let item = items.iter().find(|item| item["name"] == numbered(number)).unwrap();
        let folder = folders.iter().find(|folder| folder["name"] == numbered(number % 4));
        let folder = folder.map_or(Value::Null, |folder| folder["id"].clone());
        assert_eq!(item["folderId"], folder, "item {number}");
    }
}

#[tokio::test]
async fn one_bad_item_is_named_and_nothing_is_written() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let before = (sync(&alice).await, revision(&alice).await);
    app.advance(std::time::Duration::from_secs(1));
    for (field, bad) in [
        ("Ciphers[3].Notes", with(item(1), "notes", "A".repeat(10_001))),
        ("Ciphers[3].Name", with(item(1), "name", "plain")),
        ("Ciphers[3].Type", item(77)),
        ("Ciphers[3].Login.uris[0].match", with(item(1), "login", json!({ "uris": [{ "match": "x" }] }))),
        ("Ciphers[3].EncryptedFor", with(item(1), "encryptedFor", NOBODY)),
    ] {
        let ciphers = vec![item(1), item(2), item(3), bad, item(4)];
        let answer = alice.post(PATH, import(ciphers, json!([{ "name": ENC }]), &[(0, 0)])).await;
        assert_eq!(blamed(&answer), field);
        assert_eq!((sync(&alice).await, revision(&alice).await), before);
    }
}

#[tokio::test]
async fn the_refusal_of_an_item_is_the_one_that_web_vaults_read() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let ciphers = vec![item(1), with(item(1), "notes", "A".repeat(10_001))];
    let answer = alice.post(PATH, import(ciphers, json!([]), &[])).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_json_snapshot!(answer.json()["validationErrors"]);
}

#[tokio::test]
async fn a_place_in_a_folder_that_is_not_sent_is_refused() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let before = sync(&alice).await;
    let answer = alice.post(PATH, import(vec![item(1)], json!([{ "name": ENC }]), &[(0, 1)])).await;
    assert_eq!(blamed(&answer), "folderRelationships");
    assert_eq!(sync(&alice).await, before);
}

#[tokio::test]
async fn a_folder_with_a_plain_name_is_refused() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let before = sync(&alice).await;
    let folders = json!([{ "name": ENC }, { "name": "Bank" }]);
    assert_eq!(blamed(&alice.post(PATH, import(vec![item(1)], folders, &[])).await), "folders[1].name");
    assert_eq!(sync(&alice).await, before);
}

#[tokio::test]
async fn items_go_into_a_folder_that_is_there_already() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let there = make_folder(&alice).await;
    let folders = json!([{ "id": there, "name": OTHER }, { "name": OTHER }]);
    alice.post(PATH, import(vec![item(1), item(2)], folders, &[(0, 0), (1, 1)])).await.ok();

    let vault = sync(&alice).await;
    let folders = vault["folders"].as_array().unwrap();
    assert_eq!(folders.len(), 2);
    let old = folders.iter().find(|folder| folder["id"] == there.as_str()).unwrap();
    assert_eq!(old["name"], ENC, "the name that is there stays");
    let items = vault["ciphers"].as_array().unwrap();
    let login = items.iter().find(|item| item["type"] == 1).unwrap();
    assert_eq!(login["folderId"], there.as_str());
    let note = items.iter().find(|item| item["type"] == 2).unwrap();
    assert!(note["folderId"] != there.as_str() && note["folderId"].is_string());
}

#[tokio::test]
async fn a_folder_of_somebody_else_is_made_anew() {
    let app = TestApp::new().await;
    let (alice, bob) = (app.user("alice").await, app.user("bob").await);
    let foreign = make_folder(&alice).await;
    let before = sync(&alice).await;
    let folders = json!([{ "id": foreign, "name": OTHER }, { "id": NOBODY, "name": OTHER }]);
    bob.post(PATH, import(vec![item(1)], folders, &[(0, 0)])).await.ok();

    assert_eq!(sync(&alice).await, before);
    let vault = sync(&bob).await;
    let ids: Vec<_> = vault["folders"].as_array().unwrap().iter().map(|folder| &folder["id"]).collect();
    assert_eq!(ids.len(), 2);
    assert!(ids.iter().all(|id| **id != foreign.as_str()));
    assert!(ids.contains(&&vault["ciphers"][0]["folderId"]));
}

#[tokio::test]
async fn an_items_own_word_about_its_folder_does_not_count() {
    let app = TestApp::new().await;
    let (alice, bob) = (app.user("alice").await, app.user("bob").await);
    let foreign = make_folder(&alice).await;
    bob.post(PATH, import(vec![with(item(1), "folderId", foreign)], json!([]), &[])).await.ok();
    assert_eq!(sync(&bob).await["ciphers"][0]["folderId"], Value::Null);
}

#[tokio::test]
async fn names_of_old_clients_begin_with_capitals_here_too() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let body = json!({
        "Ciphers": [{ "Type": 2, "Name": ENC, "SecureNote": { "Type": 0 } }],
        "Folders": [{ "Name": ENC }],
        "FolderRelationships": [{ "Key": 0, "Value": 0 }],
    });
    alice.post(PATH, body).await.ok();
    let vault = sync(&alice).await;
    assert_eq!(vault["ciphers"][0]["folderId"], vault["folders"][0]["id"]);
}
