//! Which of the open connections carries the next mail, and how many there are.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use deadpool::managed::{self, Metrics, PoolError, QueueMode, RecycleError, RecycleResult, WeakPool};
use futures_util::future::join_all;
use mailer::{Error, ErrorKind, Outcome};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::{
    config::{Limits, Options},
    session::Session,
};

/// The right to hold one connection open, and that connection, unless it is in use or there is none yet.
///
/// Whoever uses the connection takes it out and puts it back when both sides know where they are. So one whose user was
/// interrupted is closed, and never seen again.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    pub(crate) session: Option<Session>,
}

/// deadpool's view of connections.
#[derive(Debug)]
pub(crate) struct Manager {
    options: Arc<Options>,
}

/// As many slots as there may be connections.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    slots: managed::Pool<Manager>,
    options: Arc<Options>,
    /// True while a task waits for idle connections to grow too old.
    sweeping: Arc<AtomicBool>,
}

impl Pool {
    pub(crate) fn new(options: Arc<Options>) -> Result<Self, Error> {
        let manager = Manager { options: Arc::clone(&options) };
        let slots = managed::Pool::builder(manager)
            .max_size(options.pool)
            // The connection used last is the likeliest to work, and the others can grow old.
            .queue_mode(QueueMode::Lifo)
            .build()
            .map_err(|error| Error::new(ErrorKind::Other, "the pool was not made").with_source(error))?;
        Ok(Self { slots, options, sweeping: Arc::default() })
    }

    /// Waits for a slot, with a connection that works if there is one.
    pub(crate) async fn slot(&self, limits: &Limits) -> Result<managed::Object<Manager>, Error> {
        let slot = match limits.deadline {
            Some(deadline) => timeout_at(deadline, self.slots.get()).await,
            None => Ok(self.slots.get().await),
        };
        let error = match slot {
            Ok(Ok(slot)) => return Ok(slot),
            Ok(Err(PoolError::Closed)) => Error::new(ErrorKind::Closed, ""),
            Ok(Err(_)) => Error::new(ErrorKind::Other, "the pool gave no connection"),
            Err(_) => Error::new(ErrorKind::Timeout, "no connection became free in time"),
        };
        Err(error.with_outcome(Outcome::NotApplied))
    }

    /// Puts a connection back, or leaves it if it is worn.
    pub(crate) fn put_back(&self, mut slot: managed::Object<Manager>, session: Session) {
        if session.is_worn(&self.options) || !session.wire.is_settled() {
            session.leave();
            return;
        }
        slot.session = Some(session);
        drop(slot);
        if !self.sweeping.swap(true, Ordering::AcqRel) {
            let sweep = Sweep {
                slots: self.slots.weak(),
                options: Arc::clone(&self.options),
                sweeping: Arc::clone(&self.sweeping),
                is_on_duty: true,
            };
            tokio::spawn(sweep.run());
        }
    }

    /// Leaves all connections that are not in use, and gives no more slots.
    pub(crate) async fn close(&self) {
        let idle = self.slots.retain(|_, _| false).removed;
        self.slots.close();
        join_all(idle.into_iter().filter_map(|slot| slot.session).map(Session::quit)).await;
    }
}

impl managed::Manager for Manager {
    type Type = Slot;
    type Error = Error;

    /// Opening the connection is left to the user of the slot, who knows for how long to try.
    async fn create(&self) -> Result<Slot, Error> {
        Ok(Slot::default())
    }

    /// Lets a slot pass whose connection works. Others are dropped, connection included.
    async fn recycle(&self, slot: &mut Slot, _: &Metrics) -> RecycleResult<Error> {
        let Some(session) = &mut slot.session else {
            return Err(RecycleError::message("there is no connection"));
        };
        if session.is_usable(&self.options).await {
            return Ok(());
        }
        Err(RecycleError::message("the connection does not work any more"))
    }
}

/// Closes connections that have lain unused for too long. Nothing depends on it: an old connection is not used again
/// either way, it would only stay open.
struct Sweep {
    slots: WeakPool<Manager>,
    options: Arc<Options>,
    sweeping: Arc<AtomicBool>,
    /// Whether `sweeping` is true because of this one.
    is_on_duty: bool,
}

impl Sweep {
    async fn run(mut self) {
        let mut next = Instant::now().checked_add(self.options.idle);
        while let Some(when) = next {
            sleep_until(when).await;
            let Some(slots) = self.slots.upgrade() else { return };
            // First, so that whoever puts a connection back from here on sends somebody who will look at it.
            self.retire();
            next = self.sweep(&slots);
            if next.is_some() {
                if self.sweeping.swap(true, Ordering::AcqRel) {
                    return;
                }
                self.is_on_duty = true;
            }
        }
    }

    /// Answers when the oldest of the other connections will be too old.
    fn sweep(&self, slots: &managed::Pool<Manager>) -> Option<Instant> {
        let now = Instant::now();
        let mut next: Option<Instant> = None;
        let old = slots.retain(|slot, _| {
            let expires = slot.session.as_ref().and_then(|session| session.expires(&self.options));
            next = next.into_iter().chain(expires.filter(|&expires| expires > now)).min();
            expires.is_some_and(|expires| expires > now)
        });
        old.removed.into_iter().filter_map(|slot| slot.session).for_each(Session::leave);
        next
    }

    fn retire(&mut self) {
        if std::mem::take(&mut self.is_on_duty) {
            self.sweeping.store(false, Ordering::Release);
        }
    }
}

impl Drop for Sweep {
    /// Also if the runtime that it waits in ends.
    fn drop(&mut self) {
        self.retire();
    }
}
