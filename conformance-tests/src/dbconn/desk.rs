//! What the cases share: a pool with a table, backends that watch or twist another, a clock that can be moved.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ::dbconn::{
    Ask, Backend, Clock, Conn, Credentials, Dialect, Endpoint, Error, Pool, PoolOptions, Refusal, Target,
    Verdict, on_conn,
};
use async_trait::async_trait;
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;

use super::{Body, Harness, Setting, Working};
use crate::{Absent, Need};

diesel::table! {
    counters (id) {
        id -> BigInt,
        n -> BigInt,
    }
}

/// A database with one table of counters, of which number 1 is there and stands at 0.
pub(super) struct Desk<'h> {
    pub(super) harness: &'h dyn Harness,
    pub(super) setting: Setting,
    pub(super) pool: Pool,
}

impl<'h> Desk<'h> {
    /// With the options that a case does not care about.
    pub(super) async fn new(harness: &'h dyn Harness) -> Result<Self, Absent> {
        Self::with(harness, PoolOptions::default()).await
    }

    /// With these options.
    pub(super) async fn with(harness: &'h dyn Harness, options: PoolOptions) -> Result<Self, Absent> {
        let setting = harness.open().await?;
        let backend = Arc::clone(&setting.backend);
        let pool = harness.pool(backend, options).expect("a pool opens");
        let desk = Self { harness, setting, pool };
        desk.run_sql("CREATE TABLE counters (id BIGINT PRIMARY KEY, n BIGINT NOT NULL, CONSTRAINT positive CHECK (n >= 0))")
            .await;
        desk.run_sql("INSERT INTO counters VALUES (1, 0)").await;
        Ok(desk)
    }

    /// Runs SQL that has to succeed.
    pub(super) async fn run_sql(&self, sql: &str) {
        let sql = sql.to_owned();
        let run = async move |conn: &mut Conn| -> Result<(), Error> { conn.batch_execute(&sql).await };
        self.pool.write(run).await.expect("the statement succeeds");
    }

    pub(super) async fn read(&self, body: Body) -> Result<i64, Error> {
        self.harness.read(&self.pool, body).await
    }

    pub(super) async fn snapshot(&self, body: Body) -> Result<i64, Error> {
        self.harness.snapshot(&self.pool, body).await
    }

    pub(super) async fn write(&self, body: Body) -> Result<i64, Error> {
        self.harness.write(&self.pool, body).await
    }

    /// Where a counter stands; `None` if there is none of this number.
    pub(super) async fn counter(&self, id: i64) -> Option<i64> {
        counter_of(&self.pool, id).await
    }
}

pub(super) async fn counter_of(pool: &Pool, id: i64) -> Option<i64> {
    pool.read(async move |conn: &mut Conn| n_of(conn, id).await).await.expect("a counter can be read")
}

/// Gives a closure the type of a body.
pub(super) fn body(work: impl for<'c> Fn(&'c mut Conn) -> Working<'c> + Send + Sync + 'static) -> Body {
    Arc::new(work)
}

pub(super) async fn n_of(conn: &mut Conn, id: i64) -> Result<Option<i64>, Error> {
    on_conn!(conn, |c| counters::table.find(id).select(counters::n).first(c).await.optional())
}

pub(super) async fn set_n(conn: &mut Conn, id: i64, n: i64) -> Result<usize, Error> {
    on_conn!(conn, |c| diesel::update(counters::table.find(id)).set(counters::n.eq(n)).execute(c).await)
}

pub(super) async fn add(conn: &mut Conn, id: i64, n: i64) -> Result<usize, Error> {
    on_conn!(conn, |c| diesel::insert_into(counters::table)
        .values((counters::id.eq(id), counters::n.eq(n)))
        .execute(c)
        .await)
}

/// A body that reads counter 1 and writes one more: lost updates show in the total.
pub(super) fn increment() -> Body {
    body(|conn| {
        Box::pin(async move {
            let n = n_of(conn, 1).await?.expect("counter 1 is there") + 1;
            set_n(conn, 1, n).await?;
            Ok(n)
        })
    })
}

/// What was counted. Diesel gives every type a `load` of its own, hence not a method.
pub(super) fn count(of: &AtomicU32) -> u32 {
    AtomicU32::load(of, Ordering::SeqCst)
}

/// A wall clock that tests move.
#[derive(Debug, Clone)]
pub(super) struct Hands(Arc<AtomicU64>);

impl Hands {
    /// At some time in 2026.
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1_790_000_000)))
    }

    pub(super) fn clock(&self) -> Clock {
        let hands = self.clone();
        Clock::new(move || hands.now())
    }

    pub(super) fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(AtomicU64::load(&self.0, Ordering::SeqCst))
    }

    pub(super) fn forward(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }
}

/// A backend that does as told when asked for credentials, and counts.
pub(super) struct Twisted {
    inner: Arc<dyn Backend>,
    target: Target,
    credentials: Twist,
    pub(super) asked: AtomicU32,
    pub(super) refused: AtomicU32,
    pub(super) verdict: Verdict,
}

/// What to make of the credentials of the backend under test, given how often it was asked before.
type Twist = Box<dyn Fn(u32, Credentials) -> Result<Credentials, Error> + Send + Sync>;

impl Twisted {
    pub(super) fn new(
        inner: &Arc<dyn Backend>,
        credentials: impl Fn(u32, Credentials) -> Result<Credentials, Error> + Send + Sync + 'static,
    ) -> Self {
        Self {
            inner: Arc::clone(inner),
            target: inner.target().clone(),
            credentials: Box::new(credentials),
            asked: AtomicU32::new(0),
            refused: AtomicU32::new(0),
            verdict: Verdict::GiveUp,
        }
    }

    /// Counts, and changes nothing.
    pub(super) fn counting(inner: &Arc<dyn Backend>) -> Self {
        Self::new(inner, |_, credentials| Ok(credentials))
    }

    /// The same at another address.
    pub(super) fn at(mut self, host: &str, port: u16) -> Self {
        if let Endpoint::Postgres(server) = &mut self.target.endpoint {
            host.clone_into(&mut server.host);
            server.port = port;
        }
        self
    }

    pub(super) fn asked(&self) -> u32 {
        count(&self.asked)
    }
}

#[async_trait]
impl Backend for Twisted {
    fn target(&self) -> &Target {
        &self.target
    }

    async fn credentials(&self, ask: &Ask<'_>) -> Result<Credentials, Error> {
        let before = self.asked.fetch_add(1, Ordering::SeqCst);
        // Lets others come in, so that two callers at once are two.
        tokio::task::yield_now().await;
        (self.credentials)(before, self.inner.credentials(ask).await?)
    }

    async fn refused(&self, _: &Credentials, _: &Refusal) -> Verdict {
        self.refused.fetch_add(1, Ordering::SeqCst);
        self.verdict
    }
}

impl std::fmt::Debug for Twisted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Twisted").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// Cases that need a server with users, behind a network. Without, credentials are asked for and ignored.
pub(super) const SERVER: Need<dyn Harness> = Need {
    declared: |harness| {
        Box::pin(async move { Ok(harness.open().await?.backend.target().dialect() == Dialect::Postgres) })
    },
    undeclared: |harness| {
        Box::pin(async move {
            let setting = harness.open().await?;
            let twisted = Twisted::new(&setting.backend, |_, mut credentials| {
                "nobody".clone_into(&mut credentials.user);
                Ok(credentials)
            });
            let pool = harness.pool(Arc::new(twisted), PoolOptions::default()).expect("a pool opens");
            pool.check().await.expect("an engine without users ignores who asks");
            Ok(())
        })
    },
};
