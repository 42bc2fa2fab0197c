//! `/api/ciphers/{id}/attachment`: announcing a file, sending it to its link, and fetching it.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use bytes::Bytes;
use futures_util::stream;
use insta::assert_json_snapshot;
use serde_json::{Value, json};

use super::{NOBODY, assert_not_found, blamed, item, make_item, revision, rows, send, stored, sync};
use crate::support::{Answer, Client, ENC, OTHER, TestApp};

/// Announces a file of this length.
pub(super) async fn announce(client: &Client, cipher: &str, size: usize) -> Answer {
    let body = json!({ "key": ENC, "fileName": OTHER, "fileSize": size });
    client.post(&format!("/api/ciphers/{cipher}/attachment/v2"), body).await
}

/// What of a URL reaches the router.
pub(super) fn path_of(url: &Value) -> String {
    let url = url::Url::parse(url.as_str().unwrap()).unwrap();
    assert_eq!(url.origin().ascii_serialization(), "https://vault.example");
    url[url::Position::BeforePath..].to_owned()
}

/// Sends a file as the JavaScript clients do: without a session, with the headers of Azure's protocol.
pub(super) async fn put(client: &Client, path: &str, body: impl Into<Body>) -> Answer {
    let mut anonymous = client.clone();
    anonymous.access = None;
    let request = anonymous
        .request(Method::PUT, path)
        .header("x-ms-date", "Fri, 02 Jan 2026 03:04:05 GMT")
        .header("x-ms-version", "2020-10-02")
        .header("x-ms-blob-type", "BlockBlob");
    anonymous.send(request.body(body.into()).unwrap()).await
}

/// Attaches a file and answers the attachment's id.
pub(super) async fn attach(client: &Client, cipher: &str, file: &[u8]) -> String {
    let announced = announce(client, cipher, file.len()).await.ok();
    let answer = put(client, &path_of(&announced["url"]), file.to_vec()).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    announced["attachmentId"].as_str().unwrap().to_owned()
}

/// The path of a link to an attachment's file.
pub(super) async fn link(client: &Client, cipher: &str, id: &str) -> String {
    path_of(&client.get(&format!("/api/ciphers/{cipher}/attachment/{id}")).await.ok()["url"])
}

#[tokio::test]
async fn an_announcement_says_where_to_send_the_file() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let id = make_item(&alice).await;
    assert_json_snapshot!(announce(&alice, &id, 1_536).await.ok());
}

#[tokio::test]
async fn a_file_arrives_is_listed_and_comes_back() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let cipher = make_item(&alice).await;
    let before = alice.get(&format!("/api/ciphers/{cipher}")).await.ok();
    app.advance(Duration::from_mins(1));
    let announced = announce(&alice, &cipher, 12).await.ok();
    let id = announced["attachmentId"].as_str().unwrap();
    assert_not_found(&alice.get(&format!("/api/ciphers/{cipher}/attachment/{id}")).await, "before");

    assert_eq!(put(&alice, &path_of(&announced["url"]), "a small file").await.status, StatusCode::CREATED);

    let item = sync(&alice).await["ciphers"][0].take();
    assert_eq!(item["attachments"][0]["id"], id);
    assert_eq!(item, alice.get(&format!("/api/ciphers/{cipher}")).await.ok());
    assert_ne!(item["revisionDate"], before["revisionDate"]);
    assert_eq!(revision(&alice).await, app.state.clock.now().unix_millis());
    assert_json_snapshot!(alice.get(&format!("/api/ciphers/{cipher}/attachment/{id}")).await.ok());
    let answer = app.anonymous().get(&link(&alice, &cipher, id).await).await;
    assert_eq!((answer.status, &answer.bytes[..]), (StatusCode::OK, &b"a small file"[..]));
    assert_eq!(stored(&app).await, [format!("attachments/{cipher}/{id}")]);
}

#[tokio::test]
async fn a_file_may_be_empty_and_its_length_a_text() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let cipher = make_item(&alice).await;
    let body = json!({ "Key": ENC, "FileName": OTHER, "FileSize": "0" });
    let announced = alice.post(&format!("/api/ciphers/{cipher}/attachment/v2"), body).await.ok();
    assert_eq!(put(&alice, &path_of(&announced["url"]), "").await.status, StatusCode::CREATED);
    let path = link(&alice, &cipher, announced["attachmentId"].as_str().unwrap()).await;
    assert_eq!(app.anonymous().get(&path).await.bytes, "");
}

#[tokio::test]
async fn an_announcement_that_does_not_fit_is_refused() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let path = format!("/api/ciphers/{}/attachment/v2", make_item(&alice).await);
    let body = |name: &str, size: Value| json!({ "key": ENC, "fileName": name, "fileSize": size });
    for name in ["../../x", "/etc/passwd", "a\0b", "..\\x", "C:\\x", "plain.txt", "", "2.aXY=|../../x|bWFj"] {
        assert_eq!(blamed(&alice.post(&path, body(name, json!(1))).await), "fileName", "{name}");
    }
    for size in [json!(-1), json!("x"), json!(1.5), json!(null), json!("18446744073709551616")] {
        assert_eq!(blamed(&alice.post(&path, body(ENC, size)).await), "fileSize");
    }
    let plain_key = json!({ "key": "plain", "fileName": ENC, "fileSize": 1 });
    assert_eq!(blamed(&alice.post(&path, plain_key).await), "key");

    let most = 501 * 1024 * 1024;
    for size in [json!(most + 1), json!(u64::MAX)] {
        assert_eq!(alice.post(&path, body(ENC, size)).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    }
    assert_eq!(rows(&app).await, 0);
    alice.post(&path, body(ENC, json!(most))).await.ok();
}

#[tokio::test]
async fn a_file_of_another_length_leaves_nothing() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let cipher = make_item(&alice).await;
    let announced = announce(&alice, &cipher, 10).await.ok();
    let path = path_of(&announced["url"]);
    let chunked = |file: &'static [u8]| {
        Body::from_stream(stream::iter(
            file.chunks(4).map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece))),
        ))
    };
    let lying = |length: u64, file: &'static str| {
        let request = app.anonymous().request(Method::PUT, &path).header(header::CONTENT_LENGTH, length);
        request.body(Body::from(file)).unwrap()
    };

    for answer in [
        put(&alice, &path, "short").await,
        put(&alice, &path, "far too long").await,
        put(&alice, &path, "").await,
        put(&alice, &path, chunked(b"short")).await,
        put(&alice, &path, chunked(b"far too long, and then some")).await,
        app.anonymous().send(lying(10, "short")).await,
        app.anonymous().send(lying(10, "far too long")).await,
        app.anonymous().send(lying(9, "0123456789")).await,
    ] {
        assert_eq!(blamed(&answer), "");
        assert_eq!(stored(&app).await, [""; 0]);
        assert_eq!(sync(&alice).await["ciphers"][0]["attachments"], Value::Null);
    }

    // The ticket is still good for the right file.
    assert_eq!(put(&alice, &path, chunked(b"0123456789")).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let cipher = make_item(&alice).await;
    let announced = announce(&alice, &cipher, 10).await.ok();
    let path = path_of(&announced["url"]);
    let pieces = [Ok(Bytes::from_static(b"01234")), Err(std::io::Error::other("the cable"))];

    assert_eq!(blamed(&put(&alice, &path, Body::from_stream(stream::iter(pieces))).await), "");

    assert_eq!(stored(&app).await, [""; 0]);
    assert_eq!(sync(&alice).await["ciphers"][0]["attachments"], Value::Null);
    assert_eq!(put(&alice, &path, "0123456789").await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn an_upload_that_breaks_off_does_not_harm_the_file_that_is_there() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let cipher = make_item(&alice).await;
    let announced = announce(&alice, &cipher, 10).await.ok();
    let path = path_of(&announced["url"]);
    assert_eq!(put(&alice, &path, "0123456789").await.status, StatusCode::CREATED);

    assert_eq!(put(&alice, &path, "short").await.status, StatusCode::BAD_REQUEST);

    let path = link(&alice, &cipher, announced["attachmentId"].as_str().unwrap()).await;
    assert_eq!(app.anonymous().get(&path).await.bytes, "0123456789");
}

#[tokio::test]
async fn a_ticket_ends_and_can_be_renewed() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let cipher = make_item(&alice).await;
    let announced = announce(&alice, &cipher, 4).await.ok();
    let id = announced["attachmentId"].as_str().unwrap();
    app.advance(Duration::from_mins(16));
    assert_not_found(&put(&alice, &path_of(&announced["url"]), "file").await, "an ended ticket");

    let renewed = alice.get(&format!("/api/ciphers/{cipher}/attachment/{id}/renew")).await.ok();

    assert_eq!(renewed["attachmentId"], id);
    assert_eq!(renewed["object"], "attachment-fileUpload");
    assert_ne!(renewed["url"], announced["url"]);
    assert_eq!(put(&alice, &path_of(&renewed["url"]), "file").await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_large_file_comes_in_blocks_and_stays_whole() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let cipher = make_item(&alice).await;
    let file = b"one block is the whole file";
    let announced = announce(&alice, &cipher, file.len()).await.ok();
    let (id, path) = (announced["attachmentId"].as_str().unwrap(), path_of(&announced["url"]));
    let block = "MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw";
    let list = format!("<?xml version=\"1.0\"?><BlockList><Latest>{block}</Latest></BlockList>");

    let sent = put(&alice, &format!("{path}&comp=block&blockid={block}"), file.to_vec()).await;
    assert_eq!(sent.status, StatusCode::CREATED);
    assert_eq!(put(&alice, &format!("{path}&comp=blocklist"), list).await.status, StatusCode::CREATED);

    let answer = app.anonymous().get(&link(&alice, &cipher, id).await).await;
    assert_eq!(answer.bytes, &file[..]);
}

#[tokio::test]
async fn a_list_of_blocks_alone_makes_no_file() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let cipher = make_item(&alice).await;
    let announced = announce(&alice, &cipher, 4).await.ok();
    put(&alice, &format!("{}&comp=blocklist", path_of(&announced["url"])), "<BlockList/>").await;
    assert_eq!(stored(&app).await, [""; 0]);
    assert_eq!(sync(&alice).await["ciphers"][0]["attachments"], Value::Null);
}

#[tokio::test]
async fn an_edit_keeps_the_files() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let cipher = make_item(&alice).await;
    let id = attach(&alice, &cipher, b"file").await;
    let edited = alice.put(&format!("/api/ciphers/{cipher}"), item(1)).await.ok();
    assert_eq!(edited["attachments"][0]["id"], id);
}

#[tokio::test]
async fn someone_elses_file_is_not_found_by_any_route() {
    let app = TestApp::new().await;
    let (alice, bob) = (app.user("alice").await, app.user("bob").await);
    let (cipher, own) = (make_item(&alice).await, make_item(&bob).await);
    let id = attach(&alice, &cipher, b"file").await;
    let before = sync(&alice).await;
    let body = json!({ "key": ENC, "fileName": ENC, "fileSize": 4 });

    let someones = format!("/api/ciphers/{cipher}/attachment/{id}");
    // Also not when the file is looked for at an item of one's own.
    let at_own = format!("/api/ciphers/{own}/attachment/{id}");
    for path in [someones, at_own, format!("/api/ciphers/{own}/attachment/{NOBODY}")] {
        for (method, rest) in [
            (Method::GET, ""),
            (Method::DELETE, ""),
            (Method::POST, "/delete"),
            (Method::DELETE, "/admin"),
            (Method::GET, "/renew"),
        ] {
            let answer = send(&bob, &method, &format!("{path}{rest}"), &body).await;
            assert_not_found(&answer, &format!("{method} {path}{rest}"));
        }
        assert_not_found(&bob.upload(&path, ENC, b"mine", &[]).await, &path);
    }
    for cipher in [cipher.as_str(), NOBODY] {
        assert_not_found(&announce(&bob, cipher, 4).await, "announce");
        let answer =
            bob.upload(&format!("/api/ciphers/{cipher}/attachment"), ENC, b"mine", &[("key", ENC)]).await;
        assert_not_found(&answer, "upload");
    }

    app.run_jobs().await;
    assert_eq!(sync(&alice).await, before);
    assert_eq!(stored(&app).await, [format!("attachments/{cipher}/{id}")]);
}
