//! A Postgres connection that leaves transactions to the pool.

use std::future::ready;

use diesel::{
    ConnectionError, ConnectionResult, QueryResult,
    connection::{CacheSize, Instrumentation},
    pg::{Pg, PgQueryBuilder},
    query_builder::{AsQuery, QueryBuilder, QueryFragment, QueryId},
};
use diesel_async::{
    AsyncConnection, AsyncConnectionCore, AsyncPgConnection, SimpleAsyncConnection,
    pooled_connection::PoolableConnection,
};

use super::{
    nesting::{Control, Nesting, refuse_control},
    watch::{Failed, Observer, Watch},
};

/// Diesel's asynchronous Postgres connection, except that transactions are begun and ended by the pool alone.
///
/// Queries use the protocol's prepared statements, which Diesel keeps for each connection. A pooler
/// between us and the server therefore has to keep a session together, or know of them.
///
/// Nothing is set on the session. Transactions say their isolation level when they begin:
/// `REPEATABLE READ`, which in Postgres is a snapshot, and `READ ONLY` besides for `Pool::snapshot`.
pub struct PgConn {
    inner: Box<AsyncPgConnection>,
    nesting: Nesting,
}

impl PgConn {
    pub(crate) fn new(mut inner: AsyncPgConnection, savepoints: bool, observe: Option<Observer>) -> Self {
        let failed = Failed::default();
        inner.set_instrumentation(Watch { observe, failed: failed.clone() });
        Self { inner: Box::new(inner), nesting: Nesting::new(savepoints, failed) }
    }

    /// Whether the server or the network has ended the session, as far as is known without asking.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.inner.is_broken()
    }

    pub(crate) fn nesting(&mut self) -> &mut Nesting {
        &mut self.nesting
    }
}

impl Control for PgConn {
    async fn control(&mut self, sql: &str) -> QueryResult<()> {
        self.inner.batch_execute(sql).await
    }
}

impl SimpleAsyncConnection for PgConn {
    async fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
        refuse_control(query)?;
        self.inner.batch_execute(query).await
    }
}

impl AsyncConnectionCore for PgConn {
    type ExecuteFuture<'conn, 'query> =
        <AsyncPgConnection as AsyncConnectionCore>::ExecuteFuture<'conn, 'query>;
    type LoadFuture<'conn, 'query> = <AsyncPgConnection as AsyncConnectionCore>::LoadFuture<'conn, 'query>;
    type Stream<'conn, 'query> = <AsyncPgConnection as AsyncConnectionCore>::Stream<'conn, 'query>;
    type Row<'conn, 'query> = <AsyncPgConnection as AsyncConnectionCore>::Row<'conn, 'query>;
    type Backend = Pg;

    fn load<'conn, 'query, T>(&'conn mut self, source: T) -> Self::LoadFuture<'conn, 'query>
    where
        T: AsQuery + 'query,
        T::Query: QueryFragment<Pg> + QueryId + 'query,
    {
        let query = source.as_query();
        match refuse_dynamic_control(&query) {
            Ok(()) => self.inner.load(query),
            Err(refused) => Box::pin(ready(Err(refused))),
        }
    }

    fn execute_returning_count<'conn, 'query, T>(
        &'conn mut self,
        source: T,
    ) -> Self::ExecuteFuture<'conn, 'query>
    where
        T: QueryFragment<Pg> + QueryId + 'query,
    {
        match refuse_dynamic_control(&source) {
            Ok(()) => self.inner.execute_returning_count(source),
            Err(refused) => Box::pin(ready(Err(refused))),
        }
    }
}

impl AsyncConnection for PgConn {
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

/// Only queries without an identity of their own can contain raw SQL, so only they are looked at.
fn refuse_dynamic_control<Q: QueryFragment<Pg> + QueryId>(query: &Q) -> QueryResult<()> {
    if Q::HAS_STATIC_QUERY_ID {
        return Ok(());
    }
    let mut text = PgQueryBuilder::default();
    query.to_sql(&mut text, &Pg)?;
    refuse_control(&text.finish())
}

impl std::fmt::Debug for PgConn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgConn").field("nesting", &self.nesting).finish_non_exhaustive()
    }
}
