//! Attachments as multipart forms, for clients and proxies that cannot use links.

use axum::http::{Method, StatusCode};
use serde_json::Value;
use undercroft::app::Uploads;

use super::attachments::{announce, attach, link};
use super::{assert_not_found, blamed, make_item, rows, stored, sync};
use crate::support::{Answer, Choice, Client, ENC, OTHER, TestApp};

const MIB: usize = 1024 * 1024;

async fn app() -> TestApp {
    TestApp::with(Choice { uploads: Uploads::Multipart, ..Choice::default() }).await
}

/// Announces a file of this length; the answer is where the clients then post it.
async fn announced(client: &Client, cipher: &str, size: usize) -> String {
    let answer = announce(client, cipher, size).await.ok();
    assert_eq!(answer["fileUploadType"], 0);
    format!("/api/ciphers/{cipher}/attachment/{}", answer["attachmentId"].as_str().unwrap())
}

async fn raw(client: &Client, path: &str, body: impl Into<axum::body::Body>) -> Answer {
    client.raw(Method::POST, path, "multipart/form-data; boundary=edge", body).await
}

async fn assert_nothing(app: &TestApp, client: &Client, what: &str) {
    assert_eq!(stored(app).await, [""; 0], "{what}");
    assert_eq!(sync(client).await["ciphers"][0]["attachments"], Value::Null, "{what}");
}

#[tokio::test]
async fn a_file_arrives_as_a_form() {
    let app = app().await;
    let alice = app.user("alice").await;
    let cipher = make_item(&alice).await;
    let path = announced(&alice, &cipher, 4).await;
    alice.upload(&path, OTHER, b"file", &[]).await.ok();
    let listed = sync(&alice).await["ciphers"][0]["attachments"][0].take();
    assert_eq!([&listed["size"], &listed["fileName"]], ["4", OTHER]);
    let path = link(&alice, &cipher, listed["id"].as_str().unwrap()).await;
    assert_eq!(app.anonymous().get(&path).await.bytes, "file");
}

#[tokio::test]
async fn a_form_may_differ_by_a_mebibyte_from_what_was_announced() {
    let app = app().await;
    let alice = app.user("alice").await;
    let cipher = make_item(&alice).await;
    for (size, sent) in [(10, MIB + 10), (2 * MIB, MIB)] {
        let path = announced(&alice, &cipher, size).await;
        alice.upload(&path, ENC, &vec![7; sent], &[]).await.ok();
        let items = sync(&alice).await["ciphers"].take();
        let sizes: Vec<_> =
            items[0]["attachments"].as_array().unwrap().iter().map(|file| &file["size"]).collect();
        assert!(sizes.contains(&&Value::from(sent.to_string())), "{sizes:?}");
    }
}

#[tokio::test]
async fn a_form_that_differs_more_is_refused_and_forgotten() {
    let app = app().await;
    let alice = app.user("alice").await;
    let cipher = make_item(&alice).await;
    for (size, sent) in [(10, MIB + 11), (2 * MIB, MIB - 1), (2 * MIB, 0)] {
        let path = announced(&alice, &cipher, size).await;
        assert_eq!(blamed(&alice.upload(&path, ENC, &vec![7; sent], &[]).await), "fileSize");
        assert_nothing(&app, &alice, &sent.to_string()).await;
        assert_eq!(rows(&app).await, 0);
        assert_not_found(&alice.upload(&path, ENC, b"again", &[]).await, "a forgotten announcement");
    }
}

#[tokio::test]
async fn a_form_that_breaks_off_leaves_nothing() {
    let app = app().await;
    let alice = app.user("alice").await;
    let cipher = make_item(&alice).await;
    let head = "--edge\r\nContent-Disposition: form-data; name=\"data\"; filename=\"x\"\r\n\r\n";
    for (what, body) in [
        ("no end", format!("{head}file")),
        ("half an end", format!("{head}file\r\n--ed")),
        ("no file", "--edge--\r\n".to_owned()),
        ("another part", format!("{}file\r\n--edge--\r\n", head.replace("data\"", "other\""))),
        ("nothing", String::new()),
        ("no form", "file".to_owned()),
    ] {
        let path = announced(&alice, &cipher, 4).await;
        assert_eq!(raw(&alice, &path, body.clone()).await.status, StatusCode::BAD_REQUEST, "{what}");
        let path = format!("/api/ciphers/{cipher}/attachment");
        assert_eq!(raw(&alice, &path, body.clone()).await.status, StatusCode::BAD_REQUEST, "{what}");
        assert_nothing(&app, &alice, what).await;
    }
    let path = announced(&alice, &cipher, 4).await;
    let answer = alice.raw(Method::POST, &path, "application/octet-stream", "file").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_nothing(&app, &alice, "no form at all").await;
}

#[tokio::test]
async fn a_form_that_breaks_off_does_not_harm_the_file_that_is_there() {
    let app = app().await;
    let alice = app.user("alice").await;
    let cipher = make_item(&alice).await;
    let path = announced(&alice, &cipher, 4).await;
    alice.upload(&path, ENC, b"file", &[]).await.ok();
    let before = sync(&alice).await;

    let broken = "--edge\r\nContent-Disposition: form-data; name=\"data\"; filename=\"x\"\r\n\r\nother";
    assert_eq!(raw(&alice, &path, broken).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(blamed(&alice.upload(&path, ENC, &vec![7; 2 * MIB], &[]).await), "fileSize");

    assert_eq!(sync(&alice).await, before);
    let link = link(&alice, &cipher, path.rsplit('/').next().unwrap()).await;
    assert_eq!(app.anonymous().get(&link).await.bytes, "file");
}

#[tokio::test]
async fn old_clients_send_name_key_and_file_at_once() {
    let app = app().await;
    let alice = app.user("alice").await;
    let cipher = make_item(&alice).await;
    let path = format!("/api/ciphers/{cipher}/attachment");
    let answer = alice.upload(&path, OTHER, b"file", &[("key", ENC)]).await.ok();
    assert_eq!(sync(&alice).await["ciphers"][0], answer);
    let listed = &answer["attachments"][0];
    assert_eq!([&listed["fileName"], &listed["key"], &listed["size"]], [OTHER, ENC, "4"]);
    let path = link(&alice, &cipher, listed["id"].as_str().unwrap()).await;
    assert_eq!(app.anonymous().get(&path).await.bytes, "file");
}

#[tokio::test]
async fn a_file_name_that_is_a_path_is_refused() {
    let app = app().await;
    let alice = app.user("alice").await;
    let cipher = make_item(&alice).await;
    let path = format!("/api/ciphers/{cipher}/attachment");
    for name in ["../../x", "/etc/passwd", "a\0b", "..\\x", "plain.txt", ""] {
        let answer = alice.upload(&path, name, b"file", &[("key", ENC)]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{name:?}");
        assert_eq!(rows(&app).await, 0, "{name:?}");
        assert_nothing(&app, &alice, name).await;
    }
    let answer = alice.upload(&path, ENC, b"file", &[("key", "plain")]).await;
    assert_eq!(blamed(&answer), "key");
    assert_eq!(rows(&app).await, 0);
}

#[tokio::test]
async fn forms_are_taken_also_where_links_are_the_rule() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let cipher = make_item(&alice).await;
    let id = attach(&alice, &cipher, b"file").await;
    let path = format!("/api/ciphers/{cipher}/attachment/{id}");
    alice.upload(&path, ENC, b"a new one", &[]).await.ok();
    assert_eq!(app.anonymous().get(&link(&alice, &cipher, &id).await).await.bytes, "a new one");
    assert_eq!(sync(&alice).await["ciphers"][0]["attachments"][0]["size"], "9");
}
