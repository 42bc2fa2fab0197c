//! Closing: who is in may finish, nobody comes in any more.

use std::sync::atomic::{AtomicBool, Ordering};

use mailer::{Error, ErrorKind};
use tokio::sync::{RwLock, RwLockReadGuard};

/// Calls pass it until it is closed.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    closed: AtomicBool,
    /// Each running call holds it for reading.
    running: RwLock<()>,
}

impl Gate {
    /// Lets a call in, or answers [`Closed`](ErrorKind::Closed). It never waits: a call that queued behind whoever closes
    /// would hold up one that has begun, if both were awaited in turn.
    pub(crate) fn enter(&self) -> Result<RwLockReadGuard<'_, ()>, Error> {
        let closed = || Error::new(ErrorKind::Closed, "");
        let pass = self.running.try_read().map_err(|_| closed())?;
        if self.closed.load(Ordering::Acquire) { Err(closed()) } else { Ok(pass) }
    }

    /// Lets nobody in any more, and waits for those who are.
    pub(crate) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        drop(self.running.write().await);
    }
}
