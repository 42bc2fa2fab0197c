//! SQLite for asynchronous query code, without a thread hop per statement.

use std::{
    future::{Ready, ready},
    path::Path,
    time::Duration,
    vec,
};

use diesel::{
    ConnectionError, ConnectionResult, QueryResult,
    connection::{
        CacheSize, Connection, DefaultLoadingMode, Instrumentation, LoadConnection, SimpleConnection,
    },
    query_builder::{AsQuery, AstPass, Query, QueryBuilder, QueryFragment, QueryId},
    row::IntoOwnedRow,
    sql_types::Untyped,
    sqlite::{Sqlite, SqliteConnection, SqliteQueryBuilder},
};
use diesel_async::{AsyncConnection, AsyncConnectionCore, SimpleAsyncConnection};
use futures_util::stream::{self, Iter};

use super::{
    nesting::{Control, Nesting, refuse_control},
    watch::{Failed, Observer, Watch},
};
use crate::Location;

/// A row that no longer borrows from the statement.
type OwnedRow =
    <<SqliteConnection as LoadConnection>::Row<'static, 'static> as IntoOwnedRow<'static, Sqlite>>::OwnedRow;

/// How long SQLite itself waits for another process's lock before it answers `SQLITE_BUSY`, which is a
/// conflict to the pool and so begins the unit of work again.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A SQLite connection whose futures are ready at once: each statement runs on the thread that asks for it.
///
/// That blocks the thread, so a unit of work on SQLite runs on a blocking thread as a whole; see [`Pool`](super::Pool).
///
/// Every connection is set up alike:
///
/// | Setting | Value | Why |
/// |---|---|---|
/// | `busy_timeout` | 5 s | another process may hold the lock; within one pool writers wait elsewhere |
/// | `journal_mode` | `WAL` | readers and the writer do not wait for each other |
/// | `synchronous` | `FULL` | with `NORMAL` the last commits are lost when the power fails |
/// | `foreign_keys` | `ON` | SQLite's own default is that they do not hold |
///
/// A database in memory takes the first and the last: it has no log, and nothing to lose. Writers
/// begin with `BEGIN IMMEDIATE`, so that two of them meet at the beginning and not in the middle. In
/// a snapshot the connection refuses changes (`query_only`).
pub struct SqliteConn {
    inner: SqliteConnection,
    nesting: Nesting,
}

impl SqliteConn {
    /// Opens the database and sets what has to hold for every connection. Blocks.
    ///
    /// The observer is set last: what the set-up itself sends is nobody's statement.
    pub(crate) fn open(
        location: &Location,
        savepoints: bool,
        observe: Option<Observer>,
    ) -> ConnectionResult<Self> {
        let mut inner = match location {
            Location::Memory => SqliteConnection::establish(":memory:")?,
            Location::File(path) => SqliteConnection::establish(file_name(path)?)?,
        };
        inner.batch_execute(&settings(location)).map_err(ConnectionError::CouldntSetupConfiguration)?;
        let failed = Failed::default();
        inner.set_instrumentation(Watch { observe, failed: failed.clone() });
        Ok(Self { inner, nesting: Nesting::new(savepoints, failed) })
    }

    /// The synchronous connection, for the forms of a query that exist only there.
    #[doc(hidden)]
    pub fn sync(&mut self) -> &mut SqliteConnection {
        &mut self.inner
    }

    pub(crate) fn nesting(&mut self) -> &mut Nesting {
        &mut self.nesting
    }
}

/// `path` as SQLite takes it: as a name, never as a URI with parameters of its own.
fn file_name(path: &Path) -> ConnectionResult<&str> {
    let name = path.to_str().ok_or_else(|| {
        ConnectionError::InvalidConnectionUrl("the path of a SQLite file must be UTF-8".to_owned())
    })?;
    if name.is_empty() || name.starts_with("file:") || name.starts_with(':') {
        return Err(ConnectionError::InvalidConnectionUrl(
            "the path of a SQLite file must not look like a URI".to_owned(),
        ));
    }
    Ok(name)
}

/// - A write-ahead log, so that readers and the writer do not wait for each other.
/// - A commit is on the disk when it is answered. In this mode `NORMAL` would lose the last ones when the power fails.
/// - Foreign keys hold; SQLite's own default is that they do not.
fn settings(location: &Location) -> String {
    let busy = BUSY_TIMEOUT.as_millis();
    let log = match location {
        Location::Memory => "",
        Location::File(_) => "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;",
    };
    format!("PRAGMA busy_timeout = {busy}; {log} PRAGMA foreign_keys = ON;")
}

impl Control for SqliteConn {
    async fn control(&mut self, sql: &str) -> QueryResult<()> {
        self.inner.batch_execute(sql)
    }
}

impl SimpleAsyncConnection for SqliteConn {
    async fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
        refuse_control(query)?;
        self.inner.batch_execute(query)
    }
}

impl AsyncConnectionCore for SqliteConn {
    type ExecuteFuture<'conn, 'query> = Ready<QueryResult<usize>>;
    type LoadFuture<'conn, 'query> = Ready<QueryResult<Self::Stream<'conn, 'query>>>;
    type Stream<'conn, 'query> = Iter<vec::IntoIter<QueryResult<OwnedRow>>>;
    type Row<'conn, 'query> = OwnedRow;
    type Backend = Sqlite;

    fn load<'conn, 'query, T>(&'conn mut self, source: T) -> Self::LoadFuture<'conn, 'query>
    where
        T: AsQuery + 'query,
        T::Query: QueryFragment<Sqlite> + QueryId + 'query,
    {
        ready(load_owned(&mut self.inner, Untold(source.as_query())).map(stream::iter))
    }

    fn execute_returning_count<'conn, 'query, T>(
        &'conn mut self,
        source: T,
    ) -> Self::ExecuteFuture<'conn, 'query>
    where
        T: QueryFragment<Sqlite> + QueryId + 'query,
    {
        ready(refuse_dynamic_control(&source).and_then(|()| self.inner.execute_returning_count(&source)))
    }
}

impl AsyncConnection for SqliteConn {
    type TransactionManager = Nesting;

    async fn establish(_url: &str) -> ConnectionResult<Self> {
        Err(ConnectionError::BadConnection("connections come from the pool".to_owned()))
    }

    fn transaction_state(&mut self) -> &mut Nesting {
        &mut self.nesting
    }

    fn instrumentation(&mut self) -> &mut dyn Instrumentation {
        self.inner.instrumentation()
    }

    fn set_instrumentation(&mut self, instrumentation: impl Instrumentation) {
        self.inner.set_instrumentation(instrumentation);
    }

    fn set_prepared_statement_cache_size(&mut self, size: CacheSize) {
        self.inner.set_prepared_statement_cache_size(size);
    }
}

/// A query whose column types are left to the reader of its rows, as asynchronous loading has it.
struct Untold<Q>(Q);

impl<Q: QueryId> QueryId for Untold<Q> {
    type QueryId = Q::QueryId;
    const HAS_STATIC_QUERY_ID: bool = Q::HAS_STATIC_QUERY_ID;
}

impl<Q: QueryFragment<Sqlite>> QueryFragment<Sqlite> for Untold<Q> {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.0.walk_ast(pass)
    }
}

impl<Q> Query for Untold<Q> {
    type SqlType = Untyped;
}

fn load_owned<Q>(conn: &mut SqliteConnection, query: Untold<Q>) -> QueryResult<Vec<QueryResult<OwnedRow>>>
where
    Q: QueryFragment<Sqlite> + QueryId,
{
    refuse_dynamic_control(&query)?;
    let cursor = LoadConnection::<DefaultLoadingMode>::load(conn, query)?;
    let mut columns = None;
    Ok(cursor.map(|row| row.map(|row| row.into_owned(&mut columns))).collect())
}

/// Only queries without an identity of their own can contain raw SQL, so only they are looked at.
fn refuse_dynamic_control<Q: QueryFragment<Sqlite> + QueryId>(query: &Q) -> QueryResult<()> {
    if Q::HAS_STATIC_QUERY_ID {
        return Ok(());
    }
    let mut text = SqliteQueryBuilder::new();
    query.to_sql(&mut text, &Sqlite)?;
    refuse_control(&text.finish())
}

impl std::fmt::Debug for SqliteConn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteConn").field("nesting", &self.nesting).finish_non_exhaustive()
    }
}
