//! What applications hold.

use std::{
    any::Any,
    fmt,
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use deadpool::managed::{Object, QueueMode, Timeouts};
use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{
    conn::Conn,
    manager::{Manager, Pooled, checked_out, spread},
    options::PoolOptions,
    unit::{Again, Attempt, Failure, Mode, Work, WorkError, attempt, roll_back},
};
use crate::{Backend, Dialect, Endpoint, Error, ErrorKind, Location, Target};

/// The pause before the second attempt is drawn from zero to this, and the range doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(4);

/// The range of pauses grows no further than this.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

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
#[derive(Clone)]
pub struct Pool(Arc<Inner>);

struct Inner {
    connections: deadpool::managed::Pool<Manager>,
    backend: Arc<dyn Backend>,
    options: PoolOptions,
    /// One permit where the engine has one writer at a time. Waiting here is fair; SQLite's own waiting is not.
    writer: Option<Arc<Semaphore>>,
}

/// How a pool is doing.
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
    /// The body runs again on a conflict, and once more if the connection turns out to be dead.
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
    /// for one, gets `Unavailable`. Idempotent.
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
    let lease = Lease { pooled: Some(pooled), pool: pool.clone() };
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

/// A connection that is closed when dropped, unless it was given back.
struct Lease {
    pooled: Option<Object<Manager>>,
    pool: Pool,
}

impl Lease {
    fn conn(&mut self) -> &mut Conn {
        let pooled: &mut Pooled = self.pooled.as_mut().expect("a lease holds its connection until it ends");
        &mut pooled.conn
    }

    fn give_back(mut self) {
        if let Some(pooled) = &mut self.pooled {
            pooled.touch(&self.pool.0.options.clock);
        }
        // Dropping deadpool's guard returns the connection; dropping ours would close it.
        drop(self.pooled.take());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(pooled) = self.pooled.take() {
            drop(Object::take(pooled));
        }
    }
}

/// Runs the attempt where it is. If this future is dropped, so is the lease, and the connection is closed.
async fn in_place<T, E, F>(mut lease: Lease, mode: Mode, work: F) -> Result<T, Failure<E>>
where
    for<'c> F: AsyncFnOnce(&'c mut Conn) -> Result<T, E> + Work<'c, T, E, Fut: Send>,
    E: WorkError,
{
    let Attempt { result, clean } = attempt(lease.conn(), mode, work, pending()).await;
    if clean {
        lease.give_back();
    }
    result.expect("nothing cancels this attempt but dropping it")
}

/// Runs the attempt on a thread for blocking work. If this future is dropped, the attempt is told and rolls back.
async fn on_blocking_thread<T, E, F>(mut lease: Lease, mode: Mode, work: F) -> Result<T, Failure<E>>
where
    for<'c> F: AsyncFnOnce(&'c mut Conn) -> Result<T, E> + Work<'c, T, E, Fut: Send> + Clone + Send + 'static,
    T: Send + 'static,
    E: WorkError,
{
    type Panic = Box<dyn Any + Send>;
    let (mut answer, answered) = oneshot::channel::<Result<Result<T, Failure<E>>, Panic>>();
    tokio::task::spawn_blocking(move || {
        let attempted = catch_unwind(AssertUnwindSafe(|| {
            futures_executor::block_on(attempt(lease.conn(), mode, work, answer.closed()))
        }));
        let answer_with = match attempted {
            Ok(Attempt { result, clean }) => {
                if clean {
                    lease.give_back();
                }
                result.map(Ok)
            }
            Err(panic) => {
                // The data in memory must outlive a body's panic, so the connection is put in order, not closed.
                let clean = futures_executor::block_on(roll_back(lease.conn(), mode));
                if clean {
                    lease.give_back();
                }
                Some(Err(panic))
            }
        };
        if let Some(result) = answer_with {
            // Nobody waits for it any more: it was too late to roll back.
            let _ = answer.send(result);
        }
    });
    match answered.await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => {
            Err(Failure::last(Error::new(ErrorKind::Unavailable, "wait", "the runtime is shutting down")))
        }
    }
}

/// How often to begin again, and after which pauses.
struct Patience {
    left: u32,
    until: Instant,
    range: Duration,
    reconnects: u32,
}

impl Patience {
    fn new(options: &PoolOptions) -> Self {
        Self {
            left: options.attempts.saturating_sub(1),
            until: Instant::now() + options.retry_deadline,
            range: FIRST_PAUSE,
            reconnects: 1,
        }
    }

    /// The pause before the next attempt; `None` if there is to be none.
    fn pause(&mut self, again: Again) -> Option<Duration> {
        match again {
            Again::No => None,
            Again::OnAnotherConnection => {
                self.reconnects = self.reconnects.checked_sub(1)?;
                Some(Duration::ZERO)
            }
            Again::AfterConflict => {
                self.left = self.left.checked_sub(1)?;
                // Drawn from the whole range, so that those who met once do not meet again.
                let pause = self.range.mul_f64(spread());
                self.range = (self.range * 2).min(LONGEST_PAUSE);
                (Instant::now() + pause < self.until).then_some(pause)
            }
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("backend", &self.0.backend).field("status", &self.status()).finish()
    }
}
