//! The wall clock as an argument.

use std::{fmt, sync::Arc, time::SystemTime};

/// Tells the time of day. Expiry is judged by the server's wall clock, so ours is a wall clock too.
///
/// It may be set back or forward while the program runs. Whoever measures a duration with it takes
/// the larger of what it and the monotonic clock say, and reads a step back as no time at all.
///
/// ```
/// use std::{
///     sync::{
///         Arc,
///         atomic::{AtomicU64, Ordering},
///     },
///     time::{Duration, UNIX_EPOCH},
/// };
///
/// use dbconn::Clock;
///
/// let seconds = Arc::new(AtomicU64::new(0));
/// let hands = Arc::clone(&seconds);
/// let clock = Clock::new(move || UNIX_EPOCH + Duration::from_secs(hands.load(Ordering::Relaxed)));
/// seconds.store(3600, Ordering::Relaxed);
/// assert_eq!(clock.now(), UNIX_EPOCH + Duration::from_hours(1));
/// ```
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// A clock that answers what the function says. Tests pass one that they can move.
    ///
    /// The function is called often and from any thread, so it neither blocks nor panics.
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The computer's clock. Programs make it once, where they are assembled, and pass it on.
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
