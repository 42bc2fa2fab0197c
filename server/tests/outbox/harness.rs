//! The table as the server fills it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use conformance_tests::Absent;
use conformance_tests::mailer::outbox::{Entry, Harness, Moment, Setting, State, Table};
use dbconn::{Pool, PoolOptions};
use diesel::prelude::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, SelectableHelper as _};
use diesel_async::RunQueryDsl as _;
use mailer::{MessageId, Outgoing};
use undercroft::clock::Clock;
use undercroft::ids::MailId;
use undercroft::mail::store::QueuedMail;
use undercroft::mail::{self, outbox};
use undercroft::rng::Rng;
use undercroft::schema;
use undercroft::time::Timestamp;

use crate::{postgres, worker};

/// A file of SQLite for each case.
pub(crate) struct Sqlite;

/// A database on the server that `TEST_POSTGRES_URL` names, for each case.
pub(crate) struct Postgres;

#[async_trait]
impl Harness for Sqlite {
    async fn open(&self) -> Result<Setting, Absent> {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let url = format!("sqlite://{}", folder.path().join("outbox.sqlite3").display());
        Ok(setting(url, Some(folder)).await)
    }
}

#[async_trait]
impl Harness for Postgres {
    async fn open(&self) -> Result<Setting, Absent> {
        match postgres::empty_database().await {
            Some(url) => Ok(setting(url.into(), None).await),
            None => Err(Absent::because("TEST_POSTGRES_URL is not set")),
        }
    }
}

/// Opens the database that the URL names.
pub(crate) async fn open(url: &str) -> Pool {
    let registry =
        dbconn::Registry::new().with("postgres", db_url::open_postgres).with("sqlite", db_url::open_sqlite);
    let backend = registry.open(url).await.expect("the URL is one of a database");
    Pool::open(backend, PoolOptions::default().with_max_size(4)).expect("a pool opens")
}

async fn setting(url: String, folder: Option<tempfile::TempDir>) -> Setting {
    let db = open(&url).await;
    let migrated = dbconn::migrate::up(&db, undercroft::migrations::ALL, &dbconn::Clock::system()).await;
    migrated.expect("the schema can be made");
    let store = outbox::Table::new(db.clone(), Clock::system());
    Setting { store: Arc::new(store), table: Arc::new(Rows { db, url, _folder: folder }) }
}

/// The table, reached beside the store.
#[derive(Debug)]
struct Rows {
    db: Pool,
    url: String,
    _folder: Option<tempfile::TempDir>,
}

impl Rows {
    fn queued(mail: &Outgoing, due: SystemTime) -> QueuedMail {
        mail::queued(mail, &Rng::from_os(), Timestamp::from_system(due)).expect("a mail can be written down")
    }

    fn id(id: &str) -> MailId {
        MailId::try_from(id.to_owned()).expect("ids are those of the table")
    }
}

#[async_trait]
impl Table for Rows {
    async fn enqueue(&self, mail: &Outgoing, due: SystemTime) -> String {
        let queued = Self::queued(mail, due);
        let id = self.db.write(async move |conn| mail::store::enqueue(conn, &queued).await).await;
        id.expect("a mail can be queued").to_string()
    }

    async fn entry(&self, id: &str) -> Option<Entry> {
        let id = Self::id(id);
        let row: Option<QueuedMail> = self
            .db
            .read(async move |conn| {
                dbconn::on_conn!(conn, |c| schema::outbox::table
                    .find(&id)
                    .select(QueuedMail::as_select())
                    .first(c)
                    .await
                    .optional())
            })
            .await
            .expect("the table can be read");
        row.map(|row| Entry {
            state: match row.state.as_str() {
                "sent" => State::Sent,
                "dead" => State::Dead,
                "unsure" => State::Unsure,
                "expired" => State::Expired,
                _ => State::Waiting,
            },
            mail: row.mail,
            reason: row.last_error,
        })
    }

    async fn enqueue_and_roll_back(&self, mail: &Outgoing, due: SystemTime) -> Result<(), Absent> {
        let queued = Self::queued(mail, due);
        let undone = self.db.write(async move |conn| {
            mail::store::enqueue(conn, &queued).await?;
            Err::<(), _>(undercroft::error::Error::NotFound)
        });
        undone.await.expect_err("the unit of work failed");
        Ok(())
    }

    async fn damage(&self, id: &str) -> Result<(), Absent> {
        let id = Self::id(id);
        let spoilt = self.db.write(async move |conn| {
            let row = diesel::update(schema::outbox::table.find(&id));
            dbconn::on_conn!(conn, |c| row.set(schema::outbox::mail.eq("{\"envelope\":")).execute(c).await)
        });
        assert_eq!(spoilt.await.expect("the table can be written to"), 1);
        Ok(())
    }

    async fn drain_and_be_killed(&self, lease: Duration, at: Moment) -> Result<Vec<MessageId>, Absent> {
        Ok(worker::killed(&self.url, lease, at))
    }
}
