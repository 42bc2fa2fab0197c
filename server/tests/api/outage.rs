//! A database that goes away in the middle of something: the client is told the truth, nothing is half written, and
//! the server goes on by itself once the database is back.
//!
//! The database is a Postgres at the other end of a line that can be cut.

mod line;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use dbconn::PoolOptions;
use line::{Line, State, Trap};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use undercroft::app::{App, AppState};
use undercroft::jobs::{self, Jobs};

use crate::support::{Answer, Client, ENC, OTHER, TestApp, postgres};

/// Long enough for every answer on a busy machine; what takes longer hangs.
const BOUND: Duration = Duration::from_mins(1);

/// An application whose database is at the other end of a line.
struct Remote {
    line: Line,
    state: AppState,
    router: Router,
    /// Lends everything but the database.
    app: TestApp,
}

impl Remote {
    async fn new() -> Option<Self> {
        let mut url = postgres::empty_database().await?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let line = Line::to(host, url.port().unwrap_or(5432)).await;
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(line.port)).unwrap();
        let options = PoolOptions {
            max_size: 4,
            wait_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
            ..PoolOptions::default()
        };
        let db = postgres::pool(&url, options);
        let clock = dbconn::Clock::system();
        dbconn::migrate::up(&db, undercroft::migrations::ALL, &clock).await.unwrap();

        let app = TestApp::new().await;
        let lent = &app.state;
        let state = Arc::new(App {
            db,
            files: lent.files.clone(),
            links: lent.links.clone(),
            mailer: lent.mailer.clone(),
            mail_preview: None,
            mail_hook: None,
            clock: lent.clock.clone(),
            rng: lent.rng.clone(),
            tokens: lent.tokens.clone(),
            passwords: lent.passwords.clone(),
            jobs: Jobs::default(),
            settings: lent.settings.clone(),
        });
        let router = undercroft::http::router(state.clone());
        Some(Self { line, state, router, app })
    }

    /// A registered and logged-in user.
    async fn user(&self, name: &str) -> Client {
        let mut client = Client::new(self.router.clone());
        let email = format!("{name}@vault.example");
        client.register(&email).await;
        let answer = client.log_in(&email, "a device").await;
        client.adopt(&answer);
        client
    }
}

/// What must come within bounded time, whatever happens to the database.
async fn soon<T>(answer: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, answer).await.expect("the server must not wait for ever")
}

#[track_caller]
fn assert_unavailable(answer: &Answer) {
    let body = answer.json();
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
    assert_eq!(body["object"], "error");
    assert_eq!(body["message"], "The server is busy. Please try again.");
    assert_eq!(body["validationErrors"], json!({ "": [body["message"]] }));
}

fn note(text: &str) -> Value {
    json!({ "type": 2, "name": ENC, "notes": text, "secureNote": { "type": 0 } })
}

/// An import of so many notes, in one folder.
fn import(count: usize, text: &str) -> Value {
    let notes: Vec<_> = (0..count).map(|_| note(text)).collect();
    let places: Vec<_> = (0..count).map(|number| json!({ "key": number, "value": 0 })).collect();
    json!({ "ciphers": notes, "folders": [{ "name": ENC }], "folderRelationships": places })
}

async fn sync(client: &Client) -> Value {
    soon(client.get("/api/sync")).await.ok()
}

/// Folders, items, and items that lie in a folder.
fn counts(vault: &Value) -> (usize, usize, usize) {
    let list = |part: &str| vault[part].as_array().unwrap();
    let filed = list("ciphers").iter().filter(|item| !item["folderId"].is_null()).count();
    (list("folders").len(), list("ciphers").len(), filed)
}

#[tokio::test]
async fn a_database_that_is_away_is_a_503_until_it_is_back() {
    let Some(remote) = Remote::new().await else { return };
    let alice = remote.user("alice").await;
    let id = alice.post("/api/ciphers", note(ENC)).await.id();
    let before = sync(&alice).await;

    remote.line.set(State::Down);
    for (method, path, body) in [
        (Method::GET, "/api/sync", Value::Null),
        (Method::GET, "/api/accounts/revision-date", Value::Null),
        (Method::POST, "/api/ciphers", note(OTHER)),
        (Method::PUT, &format!("/api/ciphers/{id}"), note(OTHER)),
        (Method::DELETE, &format!("/api/ciphers/{id}"), Value::Null),
        (Method::POST, "/api/ciphers/import", import(2, OTHER)),
        (Method::POST, "/identity/accounts/prelogin", json!({ "email": "alice@vault.example" })),
    ] {
        let answer = alice.raw(method, path, "application/json", body.to_string());
        assert_unavailable(&soon(answer).await);
    }
    assert_unavailable(&soon(alice.log_in("alice@vault.example", "another device")).await);
    assert!(soon(jobs::round(&remote.state)).await.is_err());
    remote.app.inbox.assert_none();

    remote.line.set(State::Up);
    assert_eq!(sync(&alice).await, before);
    soon(alice.put(&format!("/api/ciphers/{id}"), note(OTHER))).await.ok();
    soon(alice.log_in("alice@vault.example", "another device")).await.ok();
    soon(jobs::round(&remote.state)).await.unwrap();
    assert_eq!(remote.app.inbox.sent().len(), 2, "one mail for each device");
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_a_503_too() {
    let Some(remote) = Remote::new().await else { return };
    let alice = remote.user("alice").await;
    remote.line.set(State::Silent);
    assert_unavailable(&soon(alice.get("/api/sync")).await);
    remote.line.set(State::Up);
    assert_eq!(counts(&sync(&alice).await), (0, 0, 0));
}

#[tokio::test]
async fn an_import_that_is_cut_is_there_in_whole_or_not_at_all() {
    const MANY: usize = 40;
    let Some(remote) = Remote::new().await else { return };
    for (name, trap, is_written) in [
        ("in the middle", Trap::Before("INSERT INTO \"cipher_marks\""), false),
        ("before the commit", Trap::Before("COMMIT"), false),
        ("after the commit", Trap::After("COMMIT"), true),
    ] {
        let alice = remote.user(&name.replace(' ', "-")).await;
        let before = sync(&alice).await;

        remote.line.cut(trap, State::Down);
        assert_unavailable(&soon(alice.post("/api/ciphers/import", import(MANY, ENC))).await);
        assert!(!remote.line.is_set(), "{name}: the line was not cut");

        remote.line.set(State::Up);
        let vault = sync(&alice).await;
        if is_written {
            assert_eq!(counts(&vault), (1, MANY, MANY), "{name}");
        } else {
            assert_eq!(vault, before, "{name}");
            soon(alice.post("/api/ciphers/import", import(MANY, ENC))).await.ok();
            assert_eq!(counts(&sync(&alice).await), (1, MANY, MANY), "{name}");
        }
    }
}

#[tokio::test]
async fn a_cut_before_the_commit_that_is_over_at_once_is_not_noticed() {
    let Some(remote) = Remote::new().await else { return };
    let alice = remote.user("alice").await;
    remote.line.cut(Trap::Before("INSERT INTO \"cipher_marks\""), State::Up);
    soon(alice.post("/api/ciphers/import", import(3, ENC))).await.ok();
    assert!(!remote.line.is_set(), "the line was not cut");
    assert_eq!(counts(&sync(&alice).await), (1, 3, 3));
}

#[tokio::test]
async fn a_file_whose_arrival_could_not_be_recorded_can_be_sent_again() {
    let Some(remote) = Remote::new().await else { return };
    let alice = remote.user("alice").await;
    let id = alice.post("/api/ciphers", note(ENC)).await.id();
    let announced = json!({ "key": ENC, "fileName": ENC, "fileSize": 4 });
    let ticket = alice.post(&format!("/api/ciphers/{id}/attachment/v2"), announced).await.ok();
    let url = url::Url::parse(ticket["url"].as_str().unwrap()).unwrap();
    let path = &url[url::Position::BeforePath..];
    let send = || alice.raw(Method::PUT, path, "application/octet-stream", "file");

    remote.line.cut(Trap::Before("UPDATE \"attachments\""), State::Down);
    assert_unavailable(&soon(send()).await);
    assert!(!remote.line.is_set(), "the line was not cut");

    remote.line.set(State::Up);
    assert_eq!(sync(&alice).await["ciphers"][0]["attachments"], Value::Null);
    assert_eq!(soon(send()).await.status, StatusCode::CREATED);
    assert_eq!(sync(&alice).await["ciphers"][0]["attachments"][0]["id"], ticket["attachmentId"]);
}

#[tokio::test]
async fn a_sync_that_cannot_begin_is_a_503() {
    let Some(remote) = Remote::new().await else { return };
    let alice = remote.user("alice").await;
    // The caller has been looked up by then.
    remote.line.cut(Trap::Before("FROM \"folders\""), State::Down);
    assert_unavailable(&soon(alice.get("/api/sync")).await);
    assert!(!remote.line.is_set(), "the line was not cut");

    remote.line.set(State::Up);
    assert_eq!(counts(&sync(&alice).await), (0, 0, 0));
}

#[tokio::test]
async fn a_sync_that_breaks_off_never_looks_complete() {
    let Some(remote) = Remote::new().await else { return };
    let alice = remote.user("alice").await;
    // 2 MB, of which the first half arrives.
    let text = format!("2.aXY=|{}|bWFj", "A".repeat(8_000));
    soon(alice.post("/api/ciphers/import", import(250, &text))).await.ok();
    let address = served(remote.router.clone()).await;

    let whole = soon(over_the_wire(address, &alice)).await;
    assert!(whole.starts_with("HTTP/1.1 200 ") && is_complete(&whole));

    remote.line.cut(Trap::Bytes(1_000_000), State::Down);
    let part = soon(over_the_wire(address, &alice)).await;
    assert!(!remote.line.is_set(), "the line was not cut");
    assert!(part.starts_with("HTTP/1.1 200 "), "the answer had begun");
    assert!(!is_complete(&part), "a part looks like the whole");
    assert!(part.len() < whole.len());

    remote.line.set(State::Up);
    assert_eq!(counts(&sync(&alice).await), (1, 250, 250));
}

/// Serves on a port of its own for as long as the test runs.
async fn served(router: Router) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// The sync as it is sent, up to the end of the connection.
async fn over_the_wire(address: std::net::SocketAddr, client: &Client) -> String {
    let request = client.request(Method::GET, "/api/sync").body(Body::empty()).unwrap();
    let token = request.headers()[header::AUTHORIZATION].to_str().unwrap();
    let head = format!(
        "GET /api/sync HTTP/1.1\r\nHost: vault.example\r\nAuthorization: {token}\r\nConnection: close\r\n\r\n"
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A connection that breaks off is one way for the server to say that something is missing.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

/// Whether the answer ends as HTTP says that a body in pieces has to: by an empty piece.
fn is_complete(answer: &str) -> bool {
    answer.contains("\r\ntransfer-encoding: chunked\r\n") && answer.ends_with("\r\n0\r\n\r\n")
}
