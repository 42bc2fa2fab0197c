//! Removing what has files: the rows go at once, the files with the next round of jobs.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use undercroft::jobs;

use super::attachments::{announce, attach, link, path_of, put};
use super::{assert_not_found, make_item, revision, rows, send, stored, sync};
use crate::support::{Client, TestApp};

/// Alice has two items with a file each, Bob has one.
struct Shelf {
    app: TestApp,
    alice: Client,
    bob: Client,
    /// Items of Alice's, each with its file.
    files: [(String, String); 2],
    /// Bob's item with its file.
    foreign: (String, String),
}

impl Shelf {
    async fn new() -> Self {
        let app = TestApp::new().await;
        let (alice, bob) = (app.user("alice").await, app.user("bob").await);
        let files = [with_file(&alice).await, with_file(&alice).await];
        let foreign = with_file(&bob).await;
        Self { app, alice, bob, files, foreign }
    }

    /// Does it; then only these items have files: at once in the database, after the jobs in the store.
    async fn leaves<const N: usize>(
        &self,
        left: [&(String, String); N],
        method: Method,
        path: &str,
        body: Value,
    ) {
        let everything = stored(&self.app).await;
        send(&self.alice, &method, path, &body).await.ok();
        assert_eq!(rows(&self.app).await, i64::try_from(N).unwrap(), "{method} {path}");
        assert_eq!(stored(&self.app).await, everything, "the files wait for the jobs");
        for _ in 0..2 {
            self.app.run_jobs().await;
            let mut left: Vec<_> =
                left.iter().map(|(cipher, id)| format!("attachments/{cipher}/{id}")).collect();
            left.sort();
            assert_eq!(stored(&self.app).await, left, "{method} {path}");
        }
        let (cipher, id) = &self.foreign;
        let path = link(&self.bob, cipher, id).await;
        assert_eq!(self.app.anonymous().get(&path).await.bytes, "file");
    }
}

async fn with_file(client: &Client) -> (String, String) {
    let cipher = make_item(client).await;
    let id = attach(client, &cipher, b"file").await;
    (cipher, id)
}

#[tokio::test]
async fn a_removed_attachment_takes_its_file_along() {
    let shelf = Shelf::new().await;
    let [(cipher, id), second] = &shelf.files;
    let path = format!("/api/ciphers/{cipher}/attachment/{id}");
    shelf.leaves([second, &shelf.foreign], Method::DELETE, &path, json!(null)).await;
    assert_not_found(&shelf.alice.get(&path).await, "a removed attachment");
    assert_not_found(&shelf.alice.delete(&path, json!(null)).await, "a removed attachment");
}

#[tokio::test]
async fn removing_answers_the_item_without_the_file_and_moves_the_date() {
    for (method, rest) in [(Method::DELETE, ""), (Method::POST, "/delete"), (Method::DELETE, "/admin")] {
        let shelf = Shelf::new().await;
        let (cipher, id) = &shelf.files[0];
        shelf.app.advance(Duration::from_secs(1));
        let before = revision(&shelf.alice).await;
        let path = format!("/api/ciphers/{cipher}/attachment/{id}{rest}");
        let answer = send(&shelf.alice, &method, &path, &json!(null)).await.ok();
        assert_eq!(answer["cipher"]["attachments"], Value::Null);
        assert_eq!(answer["cipher"], shelf.alice.get(&format!("/api/ciphers/{cipher}")).await.ok());
        assert!(revision(&shelf.alice).await > before);
    }
}

#[tokio::test]
async fn a_deleted_item_takes_its_file_along() {
    let shelf = Shelf::new().await;
    let [(cipher, _), second] = &shelf.files;
    let path = format!("/api/ciphers/{cipher}");
    shelf.leaves([second, &shelf.foreign], Method::DELETE, &path, json!(null)).await;
}

#[tokio::test]
async fn deleted_items_take_their_files_along_but_not_those_of_others() {
    let shelf = Shelf::new().await;
    let ids = json!({ "ids": [shelf.files[0].0, shelf.files[1].0, shelf.foreign.0] });
    shelf.leaves([&shelf.foreign], Method::DELETE, "/api/ciphers", ids).await;
}

#[tokio::test]
async fn a_purge_takes_all_files_of_the_user_along() {
    let shelf = Shelf::new().await;
    let proof = json!({ "masterPasswordHash": "secret of alice@vault.example" });
    shelf.leaves([&shelf.foreign], Method::POST, "/api/ciphers/purge", proof).await;
}

#[tokio::test]
async fn a_deleted_account_takes_its_files_along() {
    let shelf = Shelf::new().await;
    let proof = json!({ "masterPasswordHash": "secret of alice@vault.example" });
    shelf.leaves([&shelf.foreign], Method::DELETE, "/api/accounts", proof).await;
}

#[tokio::test]
async fn an_item_in_the_trash_keeps_its_file() {
    let shelf = Shelf::new().await;
    let path = format!("/api/ciphers/{}/delete", shelf.files[0].0);
    let [first, second] = &shelf.files;
    shelf.leaves([first, second, &shelf.foreign], Method::PUT, &path, json!(null)).await;
}

#[tokio::test]
async fn a_file_that_arrives_after_its_removal_does_not_stay() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let cipher = make_item(&alice).await;
    let announced = announce(&alice, &cipher, 4).await.ok();
    let id = announced["attachmentId"].as_str().unwrap();
    alice.delete(&format!("/api/ciphers/{cipher}/attachment/{id}"), json!(null)).await.ok();
    app.run_jobs().await;

    assert_not_found(&put(&alice, &path_of(&announced["url"]), "file").await, "a removed attachment");

    app.run_jobs().await;
    assert_eq!(stored(&app).await, [""; 0]);
    assert_eq!(rows(&app).await, 0);
}

#[tokio::test]
async fn announcements_are_forgotten_after_a_day() {
    const DAY: Duration = Duration::from_hours(24);
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let (cipher, kept) = with_file(&alice).await;
    announce(&alice, &cipher, 4).await.ok();
    app.advance(DAY);
    let alice = app.login("alice").await;
    let young = announce(&alice, &cipher, 4).await.ok();

    jobs::tidy(&app.state).await.unwrap();
    assert_eq!(rows(&app).await, 3, "a day is not more than a day");
    app.advance(Duration::from_secs(1));
    jobs::tidy(&app.state).await.unwrap();
    app.run_jobs().await;

    assert_eq!(rows(&app).await, 2);
    assert_eq!(put(&alice, &path_of(&young["url"]), "file").await.status, StatusCode::CREATED);
    let vault = sync(&alice).await;
    let listed: Vec<_> =
        vault["ciphers"][0]["attachments"].as_array().unwrap().iter().map(|file| &file["id"]).collect();
    assert_eq!(listed.len(), 2);
    assert!(listed.contains(&&json!(kept)) && listed.contains(&&young["attachmentId"]));
}
