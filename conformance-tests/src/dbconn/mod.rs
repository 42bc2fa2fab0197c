//! The suite for [`dbconn`](::dbconn): what the documentation of `Backend`, `Pool`, `Rotating` and `migrate` says,
//! executable against any backend.
//!
//! Every case has a database to itself. Cases that need a network put a proxy in it.

mod credentials;
mod desk;
mod faults;
mod migrations;
mod pooling;
mod proxy;
mod transactions;
mod values;

use std::{any::Any, fmt, future::Future, pin::Pin, process::ExitCode, sync::Arc, time::Duration};

use ::dbconn::{
    Backend, Clock, Conn, Error, Pool, PoolOptions, Rotating,
    migrate::{self, Applied, Migration},
};
use async_trait::async_trait;

use crate::{Absent, Case, run_all, trials};

/// The body of a unit of work.
pub type Body = Arc<dyn for<'c> Fn(&'c mut Conn) -> Working<'c> + Send + Sync>;

/// A body at work.
pub type Working<'c> = Pin<Box<dyn Future<Output = Result<i64, Error>> + Send + 'c>>;

/// What a backend must offer to be tested, and what of the crate is tested with it.
///
/// Adapters implement `open`. The rest is there for the suite's own test, which puts something broken in its place.
#[async_trait]
pub trait Harness: Send + Sync + 'static {
    /// A database nobody else uses, empty.
    async fn open(&self) -> Result<Setting, Absent>;

    /// A pool that runs units of work.
    fn pool(&self, backend: Arc<dyn Backend>, options: PoolOptions) -> Result<Pool, Error> {
        Pool::open(backend, options)
    }

    /// Runs statements one by one.
    async fn read(&self, pool: &Pool, body: Body) -> Result<i64, Error> {
        pool.read(async move |conn: &mut Conn| body(conn).await).await
    }

    /// Runs a body that sees one moment.
    async fn snapshot(&self, pool: &Pool, body: Body) -> Result<i64, Error> {
        pool.snapshot(async move |conn: &mut Conn| body(conn).await).await
    }

    /// Runs a body in a transaction.
    async fn write(&self, pool: &Pool, body: Body) -> Result<i64, Error> {
        pool.write(async move |conn: &mut Conn| body(conn).await).await
    }

    /// Keeps what a source gives.
    fn rotating(&self, source: Arc<dyn Backend>, ahead: Duration) -> Arc<dyn Backend> {
        Arc::new(Rotating::new(source, ahead))
    }

    /// Brings a schema up to date.
    async fn migrate(&self, pool: &Pool, migrations: &[Migration]) -> Result<Vec<Applied>, Error> {
        migrate::up(pool, migrations, &Clock::system()).await
    }
}

/// A backend under test.
pub struct Setting {
    /// The backend.
    pub backend: Arc<dyn Backend>,
    /// What has to live as long as the database does, such as a temporary folder.
    pub keep: Box<dyn Any + Send + Sync>,
}

impl Setting {
    /// A backend, and what its database needs.
    pub fn new(backend: impl Backend, keep: impl Any + Send + Sync) -> Self {
        Self { backend: Arc::new(backend), keep: Box::new(keep) }
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setting").field("backend", &self.backend).finish_non_exhaustive()
    }
}

/// All cases.
pub fn cases() -> Vec<Case<dyn Harness>> {
    [
        credentials::cases(),
        credentials::user_cases(),
        pooling::cases(),
        pooling::reopening_cases(),
        transactions::cases(),
        transactions::savepoint_cases(),
        values::cases(),
        migrations::cases(),
        faults::cases(),
    ]
    .concat()
}

/// Runs the suite for a package, against each harness under its label; called by `conformance_tests::dbconn!`.
pub fn main(package: &str, harnesses: &[(&str, Arc<dyn Harness>)]) -> ExitCode {
    let all = harnesses.iter().flat_map(|(label, harness)| trials(label, harness, cases()));
    run_all(package, all.collect())
}
