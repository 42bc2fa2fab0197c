//! The time of day and randomness as arguments.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::SystemTime;

/// Tells the time of day. Passed in, so that dates and expiry can be tested without waiting. Deadlines are not its
/// business: they are [`Instant`](std::time::Instant)s, which no clock change moves.
///
/// ```
/// # use std::time::{Duration, SystemTime};
/// let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(12 * 3600);
/// let clock = mailer::Clock::new(move || noon);
/// assert_eq!(clock.now(), noon);
/// ```
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

/// Yields bytes that do not repeat. They make message ids and boundaries unique and spread out the pauses of an
/// [`Outbox`](crate::Outbox); nothing secret rests on them. A test gives it a counter.
#[derive(Clone)]
pub struct Entropy(Arc<dyn Fn() -> [u8; 16] + Send + Sync>);

impl Clock {
    /// A clock that answers what the function says.
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The computer's clock.
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the clock that others take as an argument")]
        Self::new(SystemTime::now)
    }

    /// The time now.
    pub fn now(&self) -> SystemTime {
        (self.0)()
    }
}

impl Entropy {
    /// Randomness from this function.
    pub fn new(next: impl Fn() -> [u8; 16] + Send + Sync + 'static) -> Self {
        Self(Arc::new(next))
    }

    /// Randomness from the standard library's hash seeds, which come from the operating system.
    pub fn system() -> Self {
        Self::new(|| {
            let half = || RandomState::new().build_hasher().finish();
            ((u128::from(half()) << 64) | u128::from(half())).to_be_bytes()
        })
    }

    /// The next bytes.
    pub fn next(&self) -> [u8; 16] {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_randomness_does_not_repeat() {
        let entropy = Entropy::system();
        let seen: std::collections::HashSet<_> = (0..10_000).map(|_| entropy.next()).collect();
        assert_eq!(seen.len(), 10_000);
    }
}
