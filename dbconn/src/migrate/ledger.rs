//! The table that says which steps have been carried out.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use diesel::{Insertable, QueryDsl, Queryable, Selectable, SelectableHelper};
use diesel_async::RunQueryDsl;

use super::{Applied, Migration, Step};
use crate::{Conn, Dialect, Error, ErrorKind, Pool, on_conn};

diesel::table! {
    dbconn_ledger (migration, step) {
        migration -> Text,
        step -> Text,
        digest -> Text,
        applied_at -> BigInt,
    }
}

const CREATE: &str = "CREATE TABLE IF NOT EXISTS dbconn_ledger (\
    migration TEXT NOT NULL, step TEXT NOT NULL, digest TEXT NOT NULL, applied_at BIGINT NOT NULL, \
    PRIMARY KEY (migration, step))";

/// One step that was carried out.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = dbconn_ledger, treat_none_as_default_value = false)]
pub(super) struct Row {
    pub(super) migration: String,
    pub(super) step: String,
    pub(super) digest: String,
    /// Microseconds since 1970.
    applied_at: i64,
}

/// Creates the table if it is not there.
///
/// Postgres looks for the table first and creates it then, also with `IF NOT EXISTS`. Of two nodes at once the loser
/// waits for the winner, and is then told in one of several ways that the table, its type or its key is there
/// already. So what counts is whether there is a table afterwards.
pub(super) async fn create(pool: &Pool) -> Result<(), Error> {
    let created = pool.write(async |conn: &mut Conn| conn.batch_execute(CREATE).await).await;
    match created {
        Err(_) if is_there(pool).await => Ok(()),
        created => created,
    }
}

async fn is_there(pool: &Pool) -> bool {
    pool.read(async |conn: &mut Conn| {
        on_conn!(conn, |c| dbconn_ledger::table.select(Row::as_select()).limit(1).load(c).await)
    })
    .await
    .is_ok()
}

/// All rows; none if there is no table.
pub(super) async fn rows(pool: &Pool) -> Result<Vec<Row>, Error> {
    let rows = pool
        .read(async |conn: &mut Conn| {
            on_conn!(conn, |c| dbconn_ledger::table
                .select(Row::as_select())
                .order((dbconn_ledger::migration, dbconn_ledger::step))
                .load(c)
                .await)
        })
        .await;
    match rows {
        Err(error) if *error.kind() == ErrorKind::Invalid => Ok(Vec::new()),
        rows => rows,
    }
}

/// Inserts the row, and says whether it was not there.
pub(super) async fn insert(conn: &mut Conn, row: &Row) -> Result<bool, Error> {
    let inserted = on_conn!(conn, |c| diesel::insert_into(dbconn_ledger::table)
        .values(row)
        .on_conflict_do_nothing()
        .execute(c)
        .await)?;
    Ok(inserted == 1)
}

impl Row {
    pub(super) fn new(migration: &Migration, step: &Step, dialect: Dialect, at: SystemTime) -> Self {
        let micros = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        Self {
            migration: migration.name.to_owned(),
            step: step.name.to_owned(),
            digest: step.digest(dialect),
            applied_at: i64::try_from(micros).unwrap_or(i64::MAX),
        }
    }
}

impl From<Row> for Applied {
    fn from(row: Row) -> Self {
        let micros = u64::try_from(row.applied_at).unwrap_or_default();
        Self { migration: row.migration, step: row.step, at: UNIX_EPOCH + Duration::from_micros(micros) }
    }
}
