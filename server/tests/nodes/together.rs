//! Two nodes, started at the same moment on an empty database and an empty folder.

use std::collections::BTreeSet;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use dbconn::{Pool, PoolOptions};
use diesel::prelude::QueryDsl as _;
use diesel_async::RunQueryDsl as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use undercroft::migrations;
use undercroft::schema::outbox;
use url::Url;

use crate::client::{ENC, Session, send};
use crate::node::Node;
use crate::postgres;

const EMAIL: &str = "ann@example.com";

/// What to wait for comes within this, or not at all.
const BOUND: Duration = Duration::from_mins(2);

/// Two nodes and what they share.
struct Pair {
    a: Node,
    b: Node,
    database: Url,
    folder: TempDir,
}

impl Pair {
    async fn start() -> Option<Self> {
        let database = postgres::empty_database().await?;
        let folder = tempfile::tempdir().unwrap();
        let shared = |name: &str, scheme: &str| format!("{scheme}://{}/{name}", folder.path().display());
        let settings = [
            ("UNDERCROFT_DATABASE", database.to_string()),
            ("UNDERCROFT_FILES", shared("files", "file")),
            ("UNDERCROFT_MAIL", shared("mail", "maildir")),
        ];
        let start = |name: &str| {
            let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
            Node::start(&folder.path().join(name), &settings)
        };
        let (a, b) = thread::scope(|scope| {
            let a = scope.spawn(|| start("a"));
            let b = start("b");
            (a.join().expect("node a starts"), b)
        });
        Some(Self { a, b, database, folder })
    }
}

#[tokio::test]
async fn both_come_up_and_the_schema_is_made_once() {
    let Some(pair) = Pair::start().await else { return };
    let db = postgres::pool(&pair.database, PoolOptions::default());
    assert!(dbconn::migrate::status(&db, migrations::ALL).await.unwrap().is_current());
    let carried_out = dbconn::migrate::up(&db, migrations::ALL, &dbconn::Clock::system()).await.unwrap();
    assert_eq!(carried_out, []);
    for node in [&pair.a, &pair.b] {
        assert_eq!(send(node.address, "GET", "/alive", "", b"").unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_session_and_what_it_writes_are_good_at_the_other_node() {
    let Some(Pair { a, b, .. }) = &Pair::start().await else { return };
    Session::register(a.address, EMAIL);
    let session = Session::log_in(a.address, EMAIL, "a device");
    let item = json!({ "type": 2, "name": ENC, "secureNote": { "type": 0 } });
    let item = session.post(a.address, "/api/ciphers", &item).unwrap().ok();
    let vault = session.sync(b.address);
    assert_eq!(vault["ciphers"][0]["id"], item["id"]);
    assert_eq!(vault, session.sync(a.address));

    // The other way round as well: neither of them is the first.
    let session = Session::log_in(b.address, EMAIL, "another device");
    assert_eq!(session.sync(a.address), vault);
}

#[tokio::test]
async fn a_ticket_of_one_node_is_honoured_by_the_other() {
    let Some(Pair { a, b, .. }) = &Pair::start().await else { return };
    Session::register(a.address, EMAIL);
    let session = Session::log_in(a.address, EMAIL, "a device");
    let item = json!({ "type": 2, "name": ENC, "secureNote": { "type": 0 } });
    let item = session.post(a.address, "/api/ciphers", &item).unwrap().ok();
    let attachments = format!("/api/ciphers/{}/attachment", item["id"].as_str().unwrap());
    let file = b"a small file";

    let announced = json!({ "key": ENC, "fileName": ENC, "fileSize": file.len() });
    let ticket = session.post(a.address, &format!("{attachments}/v2"), &announced).unwrap().ok();
    assert_eq!(send(b.address, "PUT", &path_of(&ticket["url"]), "", file).unwrap().status, 201);

    let attachment = ticket["attachmentId"].as_str().unwrap();
    let link = session.get(b.address, &format!("{attachments}/{attachment}")).unwrap().ok();
    let answer = send(a.address, "GET", &path_of(&link["url"]), "", b"").unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, &file[..]));
}

/// What of a URL reaches a node: the name in it is that of the balancer in front.
fn path_of(url: &Value) -> String {
    let url = Url::parse(url.as_str().expect("there is a URL")).expect("it is one");
    assert_eq!(url.origin().ascii_serialization(), "https://vault.example");
    url[url::Position::BeforePath..].to_owned()
}

#[tokio::test]
async fn each_mail_is_sent_by_one_of_them() {
    const DEVICES: usize = 12;
    let Some(Pair { a, b, database, folder }) = &Pair::start().await else { return };
    Session::register(a.address, EMAIL);
    // Each login queues a mail and wakes the jobs of its node, which send what they find.
    thread::scope(|scope| {
        for node in [a, b] {
            scope.spawn(move || {
                for number in 0..DEVICES / 2 {
                    Session::log_in(node.address, EMAIL, &format!("device {number} at {}", node.address));
                }
            });
        }
    });
    let db = postgres::pool(database, PoolOptions::default());
    let deadline = Instant::now() + BOUND;
    while states(&db).await != vec!["sent"; DEVICES] {
        assert!(Instant::now() < deadline, "not all mails were sent: {:?}", states(&db).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mails = delivered(&folder.path().join("mail/new"));
    assert_eq!(mails.len(), DEVICES);
    let ids: BTreeSet<&str> = mails.iter().map(|mail| message_id(mail)).collect();
    assert_eq!(ids.len(), DEVICES, "a mail was sent twice");
}

/// What became of each mail.
async fn states(db: &Pool) -> Vec<String> {
    let states = db.read(async move |conn| {
        dbconn::on_conn!(conn, |c| outbox::table.select(outbox::state).load::<String>(c).await)
    });
    states.await.unwrap()
}

/// The text of every mail in a folder.
fn delivered(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).expect("the folder is there");
    files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect()
}

fn message_id(mail: &str) -> &str {
    mail.lines().find_map(|line| line.strip_prefix("Message-ID: ")).expect("a mail has an id")
}
