//! How often a unit of work is begun again.

use std::time::{Duration, Instant};

use super::{manager::spread, options::PoolOptions, unit::Again};

/// The pause before the second attempt is drawn from zero to this, and the range doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(4);

/// The range of pauses grows no further than this.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// How often to begin again, and after which pauses.
///
/// After a conflict: while attempts and time are left, after a pause that is drawn anew each time.
/// After a lost connection: once and at once, since the second connection is a fresh one; if that
/// is lost too, the server is down, and waiting for it is the caller's decision.
pub(crate) struct Patience {
    left: u32,
    until: Instant,
    range: Duration,
    reconnects: u32,
}

impl Patience {
    pub(crate) fn new(options: &PoolOptions) -> Self {
        Self {
            left: options.attempts.saturating_sub(1),
            until: Instant::now() + options.retry_deadline,
            range: FIRST_PAUSE,
            reconnects: 1,
        }
    }

    /// The pause before the next attempt; `None` if there is to be none.
    pub(crate) fn pause(&mut self, again: Again) -> Option<Duration> {
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
