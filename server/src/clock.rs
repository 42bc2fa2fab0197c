//! The time as an argument.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::time::Timestamp;

/// Where the server reads the time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
        Self(Arc::new(SystemTime::now))
    }

    /// A clock of the caller's, for tests.
    pub fn from_fn(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Now, to the microsecond.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_system((self.0)())
    }

    /// Now, as the contract crates want it.
    pub fn system_time(&self) -> SystemTime {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
