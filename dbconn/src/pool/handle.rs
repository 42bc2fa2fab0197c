//! What applications hold.

use std::{fmt, sync::Arc};

use deadpool::managed::{QueueMode, Timeouts};
use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    conn::Conn,
    lease::{Lease, in_place, on_blocking_thread},
    manager::{Manager, checked_out},
    options::PoolOptions,
    patience::Patience,
    unit::{Again, Failure, Mode, Work, WorkError},
};
use crate::{Backend, Dialect, Endpoint, Error, ErrorKind, Location, Target};

/// A pool of connections to one database, cheap to clone.
///
/// Work comes as a closure that is handed a connection, so that the pool can run it again when others got in its way,
/// and so that no connection is ever handed on in the middle of something.
///
/// - [`read`](Pool::read): statements one by one.
/// - [`snapshot`](Pool::snapshot): one consistent, read-only view.
/// - [`write`](Pool::write): a transaction, run again on a conflict.
///
/// **The body may run several times.** Each attempt consumes a clone of the closure, so the body may use up what it
/// took along (in an `Arc`, if it is large), and has no effects but on the database. Between two attempts nothing of
/// the earlier one is left.
///
/// **A connection goes back only after an orderly end.** If the future is dropped, or the body panics, the transaction
/// is rolled back; a Postgres connection is closed as well, since an answer may still be under way to it.
///
/// **On SQLite a unit of work runs on one blocking thread as a whole**; see the decision record
/// `docs/decisions/0001-one-hop-per-unit-of-work.md`. Writers of one pool wait for each other in order of arrival.
///
/// **The body owns what it uses**, for the same reason: the closure is `'static`, and so are its
/// result and its error. Its error is any type that implements [`WorkError`].
///
/// **A connection is found dead when it is used**, not before: there is no test query ahead of each
/// unit of work. When one turns out to be dead, the idle ones are closed with it, and the body runs
/// again on a new one.
///
/// Which error comes back when there is no connection to work on: `Timeout` when none became free or
/// could be opened in time, `Unavailable` when the server is away or the pool is closed, `Denied`
/// when it refused the login, `Config` when it is not the server that was configured. All of these
/// are `NotApplied`, and the body has not run.
///
/// Must be used from within a Tokio runtime with its timer enabled.
#[derive(Clone)]
pub struct Pool(Arc<Inner>);

struct Inner {
    connections: deadpool::managed::Pool<Manager>,
    backend: Arc<dyn Backend>,
    options: PoolOptions,
    /// One permit where the engine has one writer at a time. Waiting here is fair; SQLite's own waiting is not.
    writer: Option<Arc<Semaphore>>,
}

/// How a pool is doing. The numbers are taken one after the other, so under load they may not add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The most connections there can be.
    pub max_size: usize,
    /// Connections that are open.
    pub open: usize,
    /// Of these, connections that nobody uses.
    pub idle: usize,
    /// Callers that wait for one.
    pub waiting: usize,
}

impl Pool {
    /// A pool over the backend. Opens no connection yet, so the database need not be there.
    ///
    /// `Config` if the options or the target make no sense, such as root certificates that are none.
    ///
    /// Two pools over one SQLite file work, and so do two processes; only, their writers wait for each
    /// other inside of SQLite, which is not fair.
    pub fn open(backend: Arc<dyn Backend>, options: PoolOptions) -> Result<Self, Error> {
        let refused = |why: &str| Error::new(ErrorKind::Config, "open", why);
        let target = backend.target();
        let max_size = match target.endpoint {
            Endpoint::Sqlite(Location::Memory) => 1,
            _ if options.max_size == 0 => return Err(refused("a pool needs at least one connection")),
            _ => options.max_size,
        };
        let writer = (!target.profile.concurrent_writers).then(|| Arc::new(Semaphore::new(1)));
        let connections =
            deadpool::managed::Pool::builder(Manager::new(Arc::clone(&backend), options.clone())?)
                .max_size(max_size)
                // The one used last is used first, so that those not needed grow idle.
                .queue_mode(QueueMode::Lifo)
                .runtime(deadpool::Runtime::Tokio1)
                .timeouts(Timeouts {
                    wait: Some(options.wait_timeout),
                    create: Some(options.connect_timeout),
                    recycle: None,
                })
                .build()
                .map_err(|_| refused("the pool could not be built"))?;
        Ok(Self(Arc::new(Inner { connections, backend, options, writer })))
    }

    /// Where the connections lead.
    pub fn target(&self) -> &Target {
        self.0.backend.target()
    }

    /// The dialect spoken there.
    pub fn dialect(&self) -> Dialect {
        self.target().dialect()
    }

    /// Runs statements one by one, each seeing what is committed at its time.
    ///
    /// For reading. A change made here is committed at once, statement by statement, and may be made twice: the body
    /// runs again on a conflict, and once more if the connection turns out to be dead.
    ///
    /// Dropping the future ends the body at its next `await`. On Postgres a statement under way may
    /// still be carried out by the server.
    pub fn read<T, E, F>(&self, work: F) -> BoxFuture<'static, Result<T, E>>
    where
        for<'c> F:
            AsyncFnOnce(&'c mut Conn) -> Result<T, E> + Work<'c, T, E, Fut: Send> + Clone + Send + 'static,
        T: Send + 'static,
        E: WorkError,
    {
        Box::pin(run(self.clone(), Mode::Read, work))
    }

    /// Runs statements that all see the database as it was at one moment. Changes are refused as `Invalid`.
    ///
    /// The moment is that of the first statement. On SQLite a snapshot that stays open for long keeps the
    /// write-ahead log from being folded back into the file, and on Postgres dead rows from being
    /// removed; it holds up nobody.
    ///
    /// The body runs again on a conflict, and once more if the connection turns out to be dead. `Ok` or
    /// `Err`, nothing is committed. Dropping the future ends the body at its next `await`.
    pub fn snapshot<T, E, F>(&self, work: F) -> BoxFuture<'static, Result<T, E>>
    where
        for<'c> F:
            AsyncFnOnce(&'c mut Conn) -> Result<T, E> + Work<'c, T, E, Fut: Send> + Clone + Send + 'static,
        T: Send + 'static,
        E: WorkError,
    {
        Box::pin(run(self.clone(), Mode::Snapshot, work))
    }

    /// Runs the body in a transaction: all of it takes effect, durably, or nothing does.
    ///
    /// - `Ok` from the body commits, `Err` rolls back and is returned as it is.
    /// - **Isolation** is that of a snapshot: the body sees the database as of its beginning plus its own changes, and
    ///   a row that somebody else has changed since cannot be changed by it: that is a conflict. Two bodies that read
    ///   what the other changes do not conflict on every engine; where that matters, change a row in common.
    /// - **On a conflict** the body runs again from its start, after a random pause, until
    ///   [`attempts`](PoolOptions::attempts) or [`retry_deadline`](PoolOptions::retry_deadline) is used up; then the
    ///   error is `Conflict`. So it does, once, if the connection is lost before the commit was sent.
    /// - **If the connection is lost while committing**, the error's outcome is `Unknown` and nothing is repeated.
    /// - **If a statement failed** and the body returned `Ok` all the same, nothing is committed: `Invalid`. Undo the
    ///   statement by a savepoint where that is wanted.
    /// - **Dropping the future** rolls back, unless the commit was already under way.
    /// - **A deferred rule** is checked by the commit, and comes back as `Constraint` from there.
    ///
    /// Calling `write` from inside the body waits for a second connection: on SQLite in vain, until it times out.
    pub fn write<T, E, F>(&self, work: F) -> BoxFuture<'static, Result<T, E>>
    where
        for<'c> F:
            AsyncFnOnce(&'c mut Conn) -> Result<T, E> + Work<'c, T, E, Fut: Send> + Clone + Send + 'static,
        T: Send + 'static,
        E: WorkError,
    {
        Box::pin(run(self.clone(), Mode::Write, work))
    }

    /// Asks the database for an answer, whatever it is: for health checks.
    ///
    /// Takes a connection like any other work, so a pool that is all in use answers `Timeout`: from
    /// outside the two are the same.
    pub async fn check(&self) -> Result<(), Error> {
        self.read(async |conn: &mut Conn| conn.batch_execute("SELECT 1").await).await
    }

    /// How the pool is doing. Does not wait.
    pub fn status(&self) -> Status {
        let status = self.0.connections.status();
        Status {
            max_size: status.max_size,
            open: status.size,
            idle: status.available,
            waiting: status.waiting,
        }
    }

    /// Closes idle connections now and those in use when their work ends. Whoever asks for one from now on, or waits
    /// for one, gets `Unavailable`, with `Retry::Never`. Idempotent, for all clones of this pool, and for
    /// good. Does not wait: the work under way has ended when [`status`](Pool::status) says that none is open.
    pub fn close(&self) {
        self.0.connections.close();
        if let Some(writer) = &self.0.writer {
            writer.close();
        }
    }
}

impl Inner {
    /// Waits until it is this writer's turn, where there can be one only.
    async fn turn(&self, mode: Mode) -> Result<Option<OwnedSemaphorePermit>, Error> {
        let (Mode::Write, Some(writer)) = (mode, &self.writer) else { return Ok(None) };
        match tokio::time::timeout(self.options.wait_timeout, Arc::clone(writer).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Some(permit)),
            Ok(Err(_closed)) => Err(checked_out(deadpool::managed::PoolError::Closed)),
            Err(_elapsed) => {
                Err(Error::new(ErrorKind::Timeout, "wait", "other writers did not finish in time"))
            }
        }
    }
}

/// Runs the work until it has ended well, or there is no use in beginning it again.
async fn run<T, E, F>(pool: Pool, mode: Mode, work: F) -> Result<T, E>
where
    for<'c> F: AsyncFnOnce(&'c mut Conn) -> Result<T, E> + Work<'c, T, E, Fut: Send> + Clone + Send + 'static,
    T: Send + 'static,
    E: WorkError,
{
    let mut patience = Patience::new(&pool.0.options);
    loop {
        let failure = match once(pool.clone(), mode, work.clone()).await {
            Ok(value) => return Ok(value),
            Err(failure) => failure,
        };
        match patience.pause(failure.again) {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return Err(failure.error),
        }
    }
}

async fn once<T, E, F>(pool: Pool, mode: Mode, work: F) -> Result<T, Failure<E>>
where
    for<'c> F: AsyncFnOnce(&'c mut Conn) -> Result<T, E> + Work<'c, T, E, Fut: Send> + Clone + Send + 'static,
    T: Send + 'static,
    E: WorkError,
{
    let _turn = pool.0.turn(mode).await.map_err(Failure::last)?;
    let pooled = pool.0.connections.get().await.map_err(|error| Failure::last(checked_out(error)))?;
    let lease = Lease::new(pooled, pool.0.options.clock.clone());
    let result = match pool.dialect() {
        Dialect::Sqlite => on_blocking_thread(lease, mode, work).await,
        Dialect::Postgres => in_place(lease, mode, work).await,
    };
    if let Err(Failure { again: Again::OnAnotherConnection, .. }) = &result {
        // What cut this one has most likely cut the idle ones too.
        pool.0.connections.retain(|_, _| false);
    }
    result
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("backend", &self.0.backend).field("status", &self.status()).finish()
    }
}
