//! How many mails a second go into the outbox and out of it again, into memory, on SQLite.
//!
//! One line of JSON for each database and number of mails in one transaction. `ratio` is how many times as long a mail
//! takes as a bare insert of as many bytes, by transactions of the same size: what the outbox adds to what any table
//! costs.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dbconn::{Backend, Pool, PoolOptions};
use diesel::prelude::ExpressionMethods as _;
use diesel_async::RunQueryDsl as _;
use mailer::{Address, Email, Mailer, Outbox, Policy, Renderer};
use serde_json::json;
use undercroft::clock::Clock;
use undercroft::mail;
use undercroft::rng::Rng;

/// Mails in one round.
const MAILS: u32 = 2000;
/// Rounds; the median counts.
const ROUNDS: usize = 5;
/// Mails a second that are aimed at.
const GOAL: f64 = 2000.0;

diesel::table! {
    plain (id) {
        id -> Text,
        body -> Text,
    }
}

#[tokio::main]
async fn main() {
    // `cargo test --benches` only asks whether it starts.
    let mails = if std::env::args().any(|argument| argument == "--bench") { MAILS } else { 20 };
    for (name, folder) in
        [("memory", None), ("file", Some(std::env::temp_dir())), ("file without waiting for a disk", shm())]
    {
        for group in [1, 50] {
            if let Some(round) = median(name, folder.as_deref(), group, mails).await {
                println!("{round}");
            }
        }
    }
}

/// A folder in memory, where there is one.
fn shm() -> Option<std::path::PathBuf> {
    Some(Path::new("/dev/shm").to_owned()).filter(|folder| folder.is_dir())
}

async fn median(name: &str, folder: Option<&Path>, group: usize, mails: u32) -> Option<serde_json::Value> {
    if name != "memory" && folder.is_none() {
        return None;
    }
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let home = folder.map(|folder| tempfile::tempdir_in(folder).expect("a folder can be made"));
        let bench = Bench::open(home.as_ref().map(tempfile::TempDir::path)).await;
        let count = mails as usize;
        let plain = bench.insert_plainly(count, group).await;
        let enqueue = bench.enqueue(count, group).await;
        let drain = bench.drain(count).await;
        rounds.push((enqueue + drain, enqueue, drain, plain));
    }
    rounds.sort();
    let (both, enqueue, drain, plain) = rounds[ROUNDS / 2];
    let rate = |time: Duration| (f64::from(mails) / time.as_secs_f64()).round();
    Some(json!({
        "bench": "outbox",
        "database": name,
        "mails": mails,
        "per_transaction": group,
        "enqueued_per_s": rate(enqueue),
        "drained_per_s": rate(drain),
        "both_per_s": rate(both),
        "plain_inserts_per_s": rate(plain),
        "ratio": (both.as_secs_f64() / plain.as_secs_f64() * 100.0).round() / 100.0,
        "goal": GOAL,
        "reached": rate(both) >= GOAL,
    }))
}

struct Bench {
    db: Pool,
    mailer: Mailer,
    rng: Rng,
    clock: Clock,
}

impl Bench {
    async fn open(folder: Option<&Path>) -> Self {
        let backend: Arc<dyn Backend> = match folder {
            None => Arc::new(db_memory::Memory::new()),
            Some(folder) => {
                let url = format!("sqlite://{}", folder.join("bench.sqlite3").display());
                dbconn::Registry::new()
                    .with("sqlite", db_url::open_sqlite)
                    .open(&url)
                    .await
                    .expect("a database opens")
            }
        };
        let db = Pool::open(backend, PoolOptions::default()).expect("a pool opens");
        let migrated = dbconn::migrate::up(&db, undercroft::migrations::ALL, &dbconn::Clock::system()).await;
        migrated.expect("the schema can be made");
        let create = "CREATE TABLE plain (id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL)";
        let made = db.write(async move |conn| conn.batch_execute(create).await).await;
        made.expect("a table can be made");
        let options = mail_memory::Options { capacity: 10, ..mail_memory::Options::default() };
        let mailer = Mailer::new(mail_memory::Memory::with(options), Renderer::system());
        Self { db, mailer, rng: Rng::from_os(), clock: Clock::system() }
    }

    fn queued(&self) -> mail::store::QueuedMail {
        let address: Address = "ann@example.com".parse().expect("it is an address");
        let email = Email::new(address.clone(), address)
            .subject("New login to your vault")
            .text("A device that was not known has logged in.\n".repeat(20))
            .html("<p>A device that was not known has logged in.</p>\n".repeat(20))
            .kind("new_device");
        mail::queue(&self.mailer, &email, &self.rng, self.clock.now()).expect("a mail can be queued")
    }

    /// Rows of the same size, and nothing else. They are made beforehand.
    async fn insert_plainly(&self, mails: usize, group: usize) -> Duration {
        let rows = (0..mails).map(|_| {
            let mail = self.queued();
            (plain::id.eq(mail.id.to_string()), plain::body.eq(mail.mail))
        });
        let rows: Vec<_> = rows.collect();
        let begun = Instant::now();
        for rows in rows.chunks(group) {
            let rows = rows.to_vec();
            let written = self.db.write(async move |conn| {
                for row in &rows {
                    dbconn::on_conn!(conn, |c| diesel::insert_into(plain::table)
                        .values(row)
                        .execute(c)
                        .await)?;
                }
                Ok::<_, dbconn::Error>(())
            });
            written.await.expect("rows can be written");
        }
        begun.elapsed()
    }

    /// Rendered, written down and queued, as a request does it.
    async fn enqueue(&self, mails: usize, group: usize) -> Duration {
        let begun = Instant::now();
        for first in (0..mails).step_by(group) {
            let rows: Vec<_> = (first..mails.min(first + group)).map(|_| self.queued()).collect();
            let written = self.db.write(async move |conn| {
                for row in &rows {
                    mail::store::enqueue(conn, row).await?;
                }
                Ok::<_, dbconn::Error>(())
            });
            written.await.expect("mails can be queued");
        }
        begun.elapsed()
    }

    async fn drain(&self, mails: usize) -> Duration {
        let table = mail::outbox::Table::new(self.db.clone(), self.clock.clone());
        let outbox = Outbox::new(table, self.mailer.clone()).with_policy(Policy::default());
        let begun = Instant::now();
        let drained = outbox.drain(mails, None).await.expect("the outbox can be drained");
        let taken = begun.elapsed();
        assert_eq!(drained.sent, mails, "speed must not hide a loss: {drained:?}");
        taken
    }
}
