//! How often, how long, and how much in all.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use crate::Retry;

/// How often and how fast [`Retried`](super::Retried) tries again.
///
/// The default suits a store over a network and a caller who waits. For a job at night that may take its time, and for
/// a request that must answer within a second:
///
/// ```
/// # use std::time::Duration;
/// # use persistent_fs::layers::RetryPolicy;
/// let patient = RetryPolicy {
///     attempts: 10,
///     longest_pause: Duration::from_mins(1),
///     ..RetryPolicy::default()
/// };
/// let hasty = RetryPolicy {
///     attempts: 2,
///     first_pause: Duration::from_millis(50),
///     ..RetryPolicy::default()
/// };
/// ```
///
/// | Attempt | Pause before it, by the default | In the worst case so far |
/// |---|---|---|
/// | 2 | up to 0.1 s | 0.1 s |
/// | 3 | up to 0.2 s | 0.3 s |
/// | 4, the last | up to 0.4 s | 0.7 s |
///
/// The attempts' own time comes on top: nothing here sets a deadline for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How many attempts a call has, the first included. A listing or a body that gets on has them anew.
    pub attempts: u32,
    /// The first pause is at most this long, and each further one at most twice as long as the one before.
    pub first_pause: Duration,
    /// No pause is longer. Who asks for a longer one by [`Retry::After`] has its error passed on at once.
    pub longest_pause: Duration,
    /// How many retries all calls together may make in a burst. Ten calls that succeed earn one back, so a backend that
    /// is down for long gets little more than the calls that are made anyway.
    pub budget: u32,
    /// Whether a create or a swap that got no answer may be settled by looking for its bytes. Switch it off where
    /// racing writers may write the same bytes, such as a lock that says no more than that it is one: each would take
    /// the winner's object for its own. Put something into it that nobody else writes, and it can stay on.
    pub read_back: bool,
}

impl Default for RetryPolicy {
    /// Four attempts within about a second, fifty retries in a burst, and reading back.
    fn default() -> Self {
        Self {
            attempts: 4,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(10),
            budget: 50,
            read_back: true,
        }
    }
}

impl RetryPolicy {
    /// How long to wait after this many attempts, or `None` for no further one.
    ///
    /// Libraries for this draw their own randomness and add it to a full pause; here any part of the pause will do,
    /// which spreads callers best, and the draw is an argument. That leaves a doubling and a product.
    pub(super) fn pause(&self, made: u32, retry: Retry, jitter: &Jitter) -> Option<Duration> {
        if made >= self.attempts {
            return None;
        }
        match retry {
            Retry::Never => None,
            Retry::Backoff => {
                let doubled = self.first_pause.saturating_mul(1 << (made - 1).min(20));
                Some(doubled.min(self.longest_pause).mul_f64(jitter.draw()))
            }
            Retry::After(least) if least > self.longest_pause => None,
            // Everybody was told the same moment, so it is spread a little behind it.
            Retry::After(least) => Some(least.saturating_add(self.first_pause.mul_f64(jitter.draw()))),
        }
    }
}

/// Draws the part of a pause that is really waited, from 0 to 1. Passed in, so that tests need not wait. Cheap to
/// clone.
///
/// Callers that failed together would come back together; evenly drawn parts spread them over the whole pause.
///
/// ```
/// # use persistent_fs::layers::Jitter;
/// // Always the whole pause.
/// let none = Jitter::new(|| 1.0);
/// ```
#[derive(Clone)]
pub struct Jitter(Arc<dyn Fn() -> f64 + Send + Sync>);

impl Jitter {
    /// Drawn by this. What is not between 0 and 1 counts as 1.
    pub fn new(draw: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(draw))
    }

    /// Evenly spread, from the randomness that hash maps are keyed with. For the place that assembles a program.
    pub fn system() -> Self {
        Self::new(|| {
            let [high, low, ..] = RandomState::new().hash_one(()).to_be_bytes();
            f64::from(u16::from_be_bytes([high, low])) / f64::from(u16::MAX)
        })
    }

    fn draw(&self) -> f64 {
        let drawn = (self.0)();
        if (0.0..=1.0).contains(&drawn) { drawn } else { 1.0 }
    }
}

impl fmt::Debug for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jitter")
    }
}

/// The retries that are left to all calls together, in tenths.
///
/// Attempts bound what one call may cost, and this what a thousand may: when a backend goes down under load, four
/// attempts each would give it four times the load.
#[derive(Debug)]
pub(super) struct Budget {
    left: AtomicU32,
    full: u32,
}

impl Budget {
    const RETRY: u32 = 10;

    pub(super) fn of(policy: &RetryPolicy) -> Self {
        let full = policy.budget.saturating_mul(Self::RETRY);
        Self { left: AtomicU32::new(full), full }
    }

    /// Takes one retry, if there is one.
    pub(super) fn spend(&self) -> bool {
        let spent = |left: u32| left.checked_sub(Self::RETRY);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spent).is_ok()
    }

    /// Gives back a tenth of one.
    pub(super) fn earn(&self) {
        let earned = |left: u32| (left < self.full).then(|| left + 1);
        let _full_already = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, earned);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn policy() -> RetryPolicy {
        RetryPolicy { attempts: 9, first_pause: SECOND, longest_pause: SECOND * 10, ..RetryPolicy::default() }
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let whole = Jitter::new(|| 1.0);
        let pauses = (1..=9).map(|made| policy().pause(made, Retry::Backoff, &whole)).collect::<Vec<_>>();
        let seconds = [1, 2, 4, 8, 10, 10, 10, 10].map(|n| Some(SECOND * n));
        assert_eq!(pauses, [seconds.as_slice(), &[None]].concat());
    }

    #[test]
    fn any_part_of_a_pause_may_be_drawn() {
        for (drawn, expected) in [(0.0, 0), (0.25, 1), (1.0, 4), (7.0, 4), (-1.0, 4), (f64::NAN, 4)] {
            let pause = policy().pause(3, Retry::Backoff, &Jitter::new(move || drawn));
            assert_eq!(pause, Some(SECOND * expected), "{drawn}");
        }
        let system = Jitter::system();
        let draws = (0..100).map(|_| system.draw().to_bits()).collect::<std::collections::BTreeSet<_>>();
        assert!(draws.len() > 50, "only {} different draws", draws.len());
    }

    #[test]
    fn a_backend_is_never_asked_sooner_than_it_said() {
        let none = Jitter::new(|| 0.0);
        assert_eq!(policy().pause(1, Retry::After(SECOND * 7), &none), Some(SECOND * 7));
        assert_eq!(policy().pause(1, Retry::After(SECOND * 7), &Jitter::new(|| 1.0)), Some(SECOND * 8));
        assert_eq!(policy().pause(1, Retry::After(SECOND * 11), &none), None);
        assert_eq!(policy().pause(1, Retry::Never, &none), None);
    }

    #[test]
    fn a_budget_is_spent_in_whole_and_earned_in_tenths() {
        let budget = Budget::of(&RetryPolicy { budget: 2, ..RetryPolicy::default() });
        assert!(budget.spend() && budget.spend() && !budget.spend());
        (0..9).for_each(|_| budget.earn());
        assert!(!budget.spend());
        budget.earn();
        assert!(budget.spend() && !budget.spend());
        (0..1000).for_each(|_| budget.earn());
        assert!(budget.spend() && budget.spend() && !budget.spend(), "more was earned than there was");
        let endless = Budget::of(&RetryPolicy { budget: u32::MAX, ..RetryPolicy::default() });
        endless.earn();
        assert!(endless.spend());
    }
}
