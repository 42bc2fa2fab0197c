//! Attachments in a bucket: uploads go through the server, which answers as clients want it; downloads go straight to
//! the bucket.

use axum::http::StatusCode;
use conformance_tests::s3_server::S3Server;
use fs_s3::{Config, Credentials, Keys, S3};
use persistent_fs::Files;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::attachments::{announce, attach, path_of, put};
use super::{make_item, stored};
use crate::support::{Choice, TestApp};

const FILE: &[u8] = b"a file of mine";

/// A server that checks signatures, and an application whose files are there.
async fn app() -> (S3Server, TestApp) {
    let server = S3Server::start().await.unwrap();
    let account = server.account();
    let keys = Keys::new(&account.access_key, &account.secret_key);
    let mut config = Config::new(&account.bucket, &account.region, Credentials::Static(keys));
    config.endpoint = Some(account.endpoint.parse().unwrap());
    config.allow_http = true;
    "vault".clone_into(&mut config.prefix);
    let files = Files::new(S3::open(config).await.unwrap());
    let app = TestApp::with(Choice { files, ..Choice::default() }).await;
    (server, app)
}

/// What stands behind a URL, for somebody who has nothing but it.
async fn fetch(url: &str) -> (String, Vec<u8>) {
    let url = url::Url::parse(url).unwrap();
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let path = &url[url::Position::BeforePath..];
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    (head.lines().next().unwrap().to_owned(), answer[end + 4..].to_vec())
}

#[tokio::test]
async fn a_file_is_uploaded_through_the_server_and_fetched_from_the_bucket() {
    let (server, app) = app().await;
    let alice = app.user("alice").await;
    let cipher = make_item(&alice).await;
    let id = attach(&alice, &cipher, FILE).await;
    let key = format!("vault/attachments/{cipher}/{id}");
    assert_eq!(server.object(&key).unwrap(), FILE);

    let answer = alice.get(&format!("/api/ciphers/{cipher}/attachment/{id}")).await.ok();
    let url = answer["url"].as_str().unwrap();
    assert!(url.starts_with(&server.account().endpoint), "{url}");
    assert_eq!(fetch(url).await, ("HTTP/1.1 200 OK".to_owned(), FILE.to_vec()));
    let tampered = url.replace(&id, "00000000-0000-4000-8000-000000000000");
    assert!(fetch(&tampered).await.0.contains("403"), "a link for one file fetches another");
}

#[tokio::test]
async fn an_upload_of_another_length_never_reaches_the_bucket() {
    let (server, app) = app().await;
    let alice = app.user("alice").await;
    let cipher = make_item(&alice).await;
    let path = path_of(&announce(&alice, &cipher, FILE.len()).await.ok()["url"]);
    assert_eq!(put(&alice, &path, "short").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(put(&alice, &path, [FILE, b"!"].concat()).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(stored(&app).await, [""; 0]);
    assert_eq!(server.open_uploads().len(), 0);
}
