//! The time of day as an argument.

use std::{fmt, sync::Arc, time::SystemTime};

/// Says what time it is. Passed in, so that expiry can be tested without waiting. Cheap to clone.
///
/// ```
/// # use std::time::{Duration, SystemTime};
/// let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(12 * 3600);
/// let clock = persistent_fs::Clock::new(move || noon);
/// assert_eq!(clock.now(), noon);
/// ```
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// The clock of the machine. For the place that assembles a program, and for defaults.
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else is given")]
        Self::new(SystemTime::now)
    }

    /// A clock that answers with whatever `now` returns.
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The current time.
    pub fn now(&self) -> SystemTime {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
