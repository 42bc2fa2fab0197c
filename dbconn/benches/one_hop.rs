//! A unit of work on SQLite in one hop, against one hop per statement.
//!
//! `cargo bench -p undercroft-dbconn --features diesel --bench one_hop`
//!
//! Both sides run on the same file, by turns within one run, so that the machine's moods hit them alike. Only the
//! ratios mean anything.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use dbconn::{Ask, Backend, Conn, Credentials, Error, Location, Pool, PoolOptions, Target, on_conn};
use diesel::{OptionalExtension, QueryDsl, SqliteConnection};
use diesel_async::{
    AsyncConnection, RunQueryDsl, SimpleAsyncConnection, sync_connection_wrapper::SyncConnectionWrapper,
};

diesel::table! {
    folders (id) {
        id -> Text,
        n -> BigInt,
    }
}

const ROUNDS: usize = 400;

#[derive(Debug)]
struct File(Target);

#[async_trait]
impl Backend for File {
    fn target(&self) -> &Target {
        &self.0
    }

    async fn credentials(&self, _: &Ask<'_>) -> Result<Credentials, Error> {
        Ok(Credentials::none())
    }
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bench.db");
    let backend = File(Target::sqlite(Location::File(path.clone())));
    let pool = Pool::open(Arc::new(backend), PoolOptions::default()).expect("a pool");
    let fill = "CREATE TABLE folders (id TEXT PRIMARY KEY, n BIGINT NOT NULL); \
                INSERT INTO folders WITH RECURSIVE k(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM k WHERE i < 999) \
                SELECT 'f' || i, i FROM k";
    pool.write(async |conn: &mut Conn| conn.batch_execute(fill).await).await.expect("rows");
    let url = path.to_str().expect("a path in UTF-8");
    let mut wrapped = SyncConnectionWrapper::<SqliteConnection>::establish(url).await.expect("a connection");

    println!("look-ups in a write | one hop, µs | one hop each, µs | ratio");
    for lookups in [1, 10, 50] {
        let (mut one_hop, mut hop_each) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let start = Instant::now();
            in_one_hop(&pool, lookups).await;
            one_hop.push(start.elapsed().as_secs_f64() * 1e6);
            let start = Instant::now();
            hop_by_hop(&mut wrapped, lookups).await;
            hop_each.push(start.elapsed().as_secs_f64() * 1e6);
        }
        let (one_hop, hop_each) = (median(one_hop), median(hop_each));
        println!("{lookups:19} | {one_hop:11.0} | {hop_each:16.0} | {:5.2}", hop_each / one_hop);
    }
}

async fn in_one_hop(pool: &Pool, lookups: usize) {
    let work = async move |conn: &mut Conn| -> Result<(), Error> {
        for i in 0..lookups {
            let id = format!("f{i}");
            let found: Option<i64> =
                on_conn!(conn, |c| folders::table.find(&id).select(folders::n).first(c).await.optional())?;
            assert!(found.is_some());
        }
        Ok(())
    };
    pool.write(work).await.expect("the look-ups succeed");
}

async fn hop_by_hop(conn: &mut SyncConnectionWrapper<SqliteConnection>, lookups: usize) {
    conn.batch_execute("BEGIN IMMEDIATE").await.expect("it begins");
    for i in 0..lookups {
        let id = format!("f{i}");
        let found: Option<i64> =
            folders::table.find(id).select(folders::n).first(conn).await.optional().expect("a look-up");
        assert!(found.is_some());
    }
    conn.batch_execute("COMMIT").await.expect("it commits");
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
