//! Closing: running calls are let finish, later ones are refused.

use std::sync::Arc;

use mailer::{Context, Error, ErrorKind, Outcome};
use tokio::sync::{OwnedRwLockReadGuard, RwLock};

/// The way into a backend, until it is closed. Clones are the same gate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate {
    /// True once closed. Each running call holds it for reading, so closing waits for them.
    closed: Arc<RwLock<bool>>,
}

/// A running call. Whoever does the work holds it, also when nobody waits for the answer any more.
pub(crate) type Pass = OwnedRwLockReadGuard<bool>;

impl Gate {
    /// Lets a call in, unless the backend is closed or the deadline has passed.
    pub(crate) async fn enter(&self, cx: &Context) -> Result<Pass, Error> {
        let pass =
            within(cx, "waiting for the backend to close", Arc::clone(&self.closed).read_owned()).await?;
        if *pass {
            return Err(Error::new(ErrorKind::Closed, ""));
        }
        cx.admit()?;
        Ok(pass)
    }

    pub(crate) async fn close(&self) {
        *self.closed.write().await = true;
    }
}

/// Waits for something that sends nothing, and no longer than the caller does.
pub(crate) async fn within<T>(
    cx: &Context,
    doing: &str,
    waiting: impl Future<Output = T>,
) -> Result<T, Error> {
    let Some(deadline) = cx.deadline else { return Ok(waiting.await) };
    tokio::time::timeout_at(deadline.into(), waiting)
        .await
        .map_err(|_elapsed| Error::new(ErrorKind::Timeout, doing).with_outcome(Outcome::NotApplied))
}
