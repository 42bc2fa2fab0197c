//! Connections on loan, and where an attempt on one of them runs.

use std::{
    any::Any,
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use deadpool::managed::Object;
use tokio::sync::oneshot;

use super::{
    conn::Conn,
    manager::{Manager, Pooled},
    unit::{Attempt, Failure, Mode, Work, WorkError, attempt, roll_back},
};
use crate::{Clock, Error, ErrorKind};

/// A connection that is closed when dropped, unless it was given back.
///
/// This is what keeps a connection from being handed on in the middle of something: every way out
/// of an attempt that is not an orderly end, an early return, a panic, a dropped future, runs the
/// `drop` below. Giving back is the one exception, and it is said out loud.
pub(crate) struct Lease {
    pooled: Option<Object<Manager>>,
    clock: Clock,
}

impl Lease {
    pub(crate) fn new(pooled: Object<Manager>, clock: Clock) -> Self {
        Self { pooled: Some(pooled), clock }
    }

    fn conn(&mut self) -> &mut Conn {
        let pooled: &mut Pooled = self.pooled.as_mut().expect("a lease holds its connection until it ends");
        &mut pooled.conn
    }

    fn give_back(mut self) {
        if let Some(pooled) = &mut self.pooled {
            pooled.touch(&self.clock);
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
pub(crate) async fn in_place<T, E, F>(mut lease: Lease, mode: Mode, work: F) -> Result<T, Failure<E>>
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
///
/// The lease, and so the connection, is moved to that thread and stays there until the attempt has
/// ended. So a caller that goes away never takes a connection along with it, and the next one that
/// waits for a connection gets it only when the transaction is over.
pub(crate) async fn on_blocking_thread<T, E, F>(
    mut lease: Lease,
    mode: Mode,
    work: F,
) -> Result<T, Failure<E>>
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
