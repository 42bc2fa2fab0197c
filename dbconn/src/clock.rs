//! The wall clock as an argument.

use std::{fmt, sync::Arc, time::SystemTime};

/// Tells the time of day. Expiry is judged by the server's wall clock, so ours is a wall clock too.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// A clock that answers what the function says. Tests pass one that they can move.
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The computer's clock.
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the clock that others take as an argument")]
        Self::new(SystemTime::now)
    }

    /// The present time.
    pub fn now(&self) -> SystemTime {
        (self.0)()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
