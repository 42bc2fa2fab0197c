//! What the compiler has to accept: units of work inside futures that a server spawns, and streams of rows.
#![cfg(feature = "diesel")]

use std::{
    fmt,
    future::Future,
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex},
};

use dbconn::{
    Ask, Backend, Clock, Conn, Credentials, Error, Location, Pool, PoolOptions, RowSink, Target, WorkError,
    each_row, insert_all,
    migrate::{self, Migration, Sql, Step},
    on_conn,
};
use diesel::{
    ExpressionMethods, Insertable, OptionalExtension, QueryDsl, Queryable, Selectable, SelectableHelper,
};
use diesel_async::{AsyncConnection, RunQueryDsl};
use tokio::sync::mpsc;

diesel::table! {
    folders (id) {
        id -> Text,
        name -> Nullable<Text>,
        size -> BigInt,
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = folders, treat_none_as_default_value = false)]
struct Folder {
    id: String,
    name: Option<String>,
    size: i64,
}

const SCHEMA: &[Migration] = &[Migration {
    name: "0001_folders",
    steps: &[Step {
        name: "01_folders",
        sql: Sql::Common("CREATE TABLE folders (id TEXT PRIMARY KEY, name TEXT, size BIGINT NOT NULL)"),
    }],
}];

/// The application's error, as a server would have it.
#[derive(Debug)]
enum Failure {
    Database(Error),
    NoSuchFolder,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl WorkError for Failure {
    fn database(&self) -> Option<&Error> {
        match self {
            Self::Database(error) => Some(error),
            Self::NoSuchFolder => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

#[derive(Debug)]
struct File(Target);

#[async_trait::async_trait]
impl Backend for File {
    fn target(&self) -> &Target {
        &self.0
    }

    async fn credentials(&self, _ask: &Ask<'_>) -> Result<Credentials, Error> {
        Ok(Credentials::none())
    }
}

async fn find(conn: &mut Conn, id: &str) -> Result<Option<Folder>, Error> {
    on_conn!(conn, |c| folders::table.find(id).select(Folder::as_select()).first(c).await.optional())
}

async fn upsert(conn: &mut Conn, folder: &Folder) -> Result<Folder, Error> {
    on_conn!(conn, |c| diesel::insert_into(folders::table)
        .values(folder)
        .on_conflict(folders::id)
        .do_update()
        .set(folders::name.eq(&folder.name))
        .returning(Folder::as_returning())
        .get_result(c)
        .await)
}

async fn insert(conn: &mut Conn, rows: &[Folder]) -> Result<usize, Error> {
    insert_all!(conn, folders::table, rows)
}

async fn insert_new(conn: &mut Conn, rows: &[Folder]) -> Result<usize, Error> {
    insert_all!(conn, folders::table, rows, on_conflict_do_nothing)
}

async fn each<S: RowSink<Folder> + Send>(conn: &mut Conn, sink: &mut S) -> Result<(), Error> {
    each_row!(conn, folders::table.select(Folder::as_select()).order(folders::id), Folder, sink)
}

/// A handler in the sense of a web framework: its future is sent to another thread.
async fn rename(pool: Pool, id: String, name: String) -> Result<Folder, Failure> {
    pool.write(async move |conn: &mut Conn| -> Result<Folder, Failure> {
        let mut folder = find(conn, &id).await?.ok_or(Failure::NoSuchFolder)?;
        folder.name = Some(name);
        Ok(upsert(conn, &folder).await?)
    })
    .await
}

/// A service in the sense of a server: it borrows the pool, and its caller forgets its type.
fn boxed<'a>(
    pool: &'a Pool,
    id: &'a str,
) -> Pin<Box<dyn Future<Output = Result<Folder, Failure>> + Send + 'a>> {
    Box::pin(async move {
        let owned = id.to_owned();
        pool.read(async move |conn: &mut Conn| find(conn, &owned).await).await?;
        rename(pool.clone(), id.to_owned(), "b".into()).await
    })
}

fn spawned<F: Future<Output: Send> + Send + 'static>(future: F) -> tokio::task::JoinHandle<F::Output> {
    tokio::spawn(future)
}

fn folder(number: i64) -> Folder {
    Folder { id: format!("f{number:05}"), name: None, size: number }
}

async fn migrated(file: &Path, options: PoolOptions) -> Pool {
    let backend = File(Target::sqlite(Location::File(file.to_owned())));
    let pool = Pool::open(Arc::new(backend), options).expect("a pool opens");
    migrate::up(&pool, SCHEMA, &Clock::system()).await.expect("the schema is migrated");
    pool
}

/// Sends rows on in batches of ten through a channel that holds one batch.
struct Batches {
    batch: Vec<Folder>,
    out: mpsc::Sender<Vec<Folder>>,
}

impl RowSink<Folder> for Batches {
    fn push(&mut self, row: Folder) -> Result<(), Error> {
        self.batch.push(row);
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.batch.len() == 10
    }

    async fn flush(&mut self) -> Result<(), Error> {
        self.out.send(std::mem::take(&mut self.batch)).await.expect("somebody listens");
        Ok(())
    }

    fn flush_blocking(&mut self) -> Result<(), Error> {
        self.out.blocking_send(std::mem::take(&mut self.batch)).expect("somebody listens");
        Ok(())
    }
}

#[tokio::test]
async fn a_unit_of_work_runs_inside_a_spawned_future() {
    let dir = tempfile::tempdir().expect("a directory");
    let pool = migrated(&dir.path().join("t.db"), PoolOptions::default()).await;
    let missing = spawned(rename(pool.clone(), "f00001".into(), "a".into())).await.expect("no panic");
    assert!(matches!(missing, Err(Failure::NoSuchFolder)), "{missing:?}");

    let rows: Vec<_> = (0..1203).map(folder).collect();
    let inserted = pool.write(async move |conn: &mut Conn| insert(conn, &rows).await).await;
    assert_eq!(inserted.expect("rows are inserted"), 1203);
    let renamed = spawned(rename(pool.clone(), "f00001".into(), "a".into())).await.expect("no panic");
    assert_eq!(renamed.expect("it is there").name.as_deref(), Some("a"));
    assert_eq!(boxed(&pool, "f00001").await.expect("it is there").name.as_deref(), Some("b"));
}

#[tokio::test]
async fn many_rows_are_one_statement_for_each_500_and_none_is_none() {
    let dir = tempfile::tempdir().expect("a directory");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let options = PoolOptions::default().observed_by(move |sql| log.lock().unwrap().push(sql.to_owned()));
    let pool = migrated(&dir.path().join("t.db"), options).await;
    seen.lock().unwrap().clear();

    let rows: Vec<_> = (0..1001).map(folder).collect();
    let first = pool.write(async move |conn: &mut Conn| insert_new(conn, &rows).await).await;
    assert_eq!(first.expect("rows are inserted"), 1001);
    let statements = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!(statements.iter().filter(|sql| sql.starts_with("INSERT")).count(), 3, "{statements:?}");
    assert!(statements.iter().all(|sql| !sql.contains("f00001")), "no bound value is shown");

    let rows: Vec<_> = (999..1003).map(folder).collect();
    let second = pool.write(async move |conn: &mut Conn| insert_new(conn, &rows).await).await;
    assert_eq!(second.expect("rows are inserted"), 2, "those already there are left out");

    seen.lock().unwrap().clear();
    let none = pool.read(async |conn: &mut Conn| insert(conn, &[]).await).await;
    assert_eq!(none.expect("nothing is inserted"), 0);
    assert_eq!(*seen.lock().unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn rows_are_streamed_with_back_pressure() {
    let dir = tempfile::tempdir().expect("a directory");
    let pool = migrated(&dir.path().join("t.db"), PoolOptions::default()).await;
    let rows: Vec<_> = (0..105).map(folder).collect();
    let expected = rows.clone();
    pool.write(async move |conn: &mut Conn| insert(conn, &rows).await).await.expect("rows are inserted");

    let (out, mut batches) = mpsc::channel(1);
    let streaming = spawned(async move {
        pool.snapshot(async move |conn: &mut Conn| {
            each(conn, &mut Batches { batch: Vec::new(), out: out.clone() }).await
        })
        .await
    });
    let mut got = Vec::new();
    while let Some(batch) = batches.recv().await {
        assert!(batch.len() <= 10);
        got.extend(batch);
    }
    streaming.await.expect("no panic").expect("the query succeeds");
    assert_eq!(got, expected);
}

#[tokio::test]
async fn a_savepoint_undoes_its_part_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let pool = migrated(&dir.path().join("t.db"), PoolOptions::default()).await;
    let left = pool
        .write(async |conn: &mut Conn| -> Result<Option<Folder>, Error> {
            insert(conn, &[folder(1)]).await?;
            let part: Result<(), Error> = on_conn!(conn, |c| {
                #[expect(clippy::disallowed_methods, reason = "inside of a unit of work this is a savepoint")]
                c.transaction(async |c| {
                    diesel::insert_into(folders::table).values(&folder(2)).execute(c).await?;
                    diesel::insert_into(folders::table).values(&folder(1)).execute(c).await?;
                    Ok(())
                })
                .await
            });
            assert!(part.expect_err("it is there twice").is_unique_violation());
            find(conn, "f00002").await
        })
        .await;
    assert_eq!(left.expect("the rest is committed"), None);
    let kept = pool.read(async |conn: &mut Conn| find(conn, "f00001").await).await;
    assert_eq!(kept.expect("a read"), Some(folder(1)));
}
