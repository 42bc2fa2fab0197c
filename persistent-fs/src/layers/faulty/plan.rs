//! Which call suffers what.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::{ErrorKind, Outcome, layers::Operation};

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It fails with this and never reaches the inner backend. [`Outcome::NotApplied`] and [`Outcome::Unknown`] are
    /// both true then: a caller who is told the latter cannot tell it from [`After`](Self::After).
    Before(ErrorKind, Outcome),
    /// It takes effect, and then fails with this. [`Outcome::Unknown`] and [`Outcome::Applied`] are both true then.
    /// What the inner backend refuses itself is passed on.
    After(ErrorKind, Outcome),
    /// It is refused without effect, with the wish to be asked again after this long.
    Throttled(Duration),
    /// The body of a read ends silently after so many bytes, a listing after so many items. Nothing else minds.
    Truncated(u64),
    /// The same, but with an error that says so.
    Broken(u64),
    /// It takes this much longer, by tokio's timer.
    Delayed(Duration),
    /// It is polled so often and then dropped; its caller is told that the outcome is unknown.
    Dropped(u32),
    /// It never ends. For callers who give up.
    Stalled,
}

/// The plan of a [`Faulty`](super::Faulty): which calls suffer what. The first that was named for a call counts.
///
/// ```
/// # use persistent_fs::{ErrorKind, Outcome, layers::{Fault, Faults, Operation}};
/// let lost_answer = Fault::After(ErrorKind::Unavailable, Outcome::Unknown);
/// let plan = Faults::none()
///     .nth(Operation::Put, 2, lost_answer)
///     .always(Operation::Sweep, Fault::Before(ErrorKind::Denied, Outcome::NotApplied))
///     .random(42, 10, Operation::Read, Fault::Broken(1000));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Faults {
    nth: BTreeMap<(Operation, u64), Fault>,
    rules: Vec<Rule>,
}

/// One call in so many suffers a fault, which ones being decided by the seed.
#[derive(Debug, Clone, Copy)]
struct Rule {
    seed: u64,
    one_in: u64,
    operation: Operation,
    fault: Fault,
}

impl Faults {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self::default()
    }

    /// The nth call of the operation, counted from 1, suffers this. Calls that fail count too.
    #[must_use]
    pub fn nth(mut self, operation: Operation, nth: u64, fault: Fault) -> Self {
        self.nth.entry((operation, nth)).or_insert(fault);
        self
    }

    /// Every call of the operation suffers this.
    #[must_use]
    pub fn always(self, operation: Operation, fault: Fault) -> Self {
        self.random(0, 1, operation, fault)
    }

    /// About one call in `one_in` suffers this. Which ones follows from the seed, the operation and the number of the
    /// call alone, so that a run can be repeated whatever else runs beside it.
    #[must_use]
    pub fn random(mut self, seed: u64, one_in: u64, operation: Operation, fault: Fault) -> Self {
        self.rules.push(Rule { seed, one_in, operation, fault });
        self
    }

    /// What this call suffers: by its number first, then by the first rule that strikes it.
    fn of(&self, operation: Operation, nth: u64) -> Option<Fault> {
        let by_number = self.nth.get(&(operation, nth)).copied();
        let strikes = |rule: &&Rule| {
            let drawn = mix(mix(rule.seed ^ ((operation as u64) << 56)) ^ nth);
            rule.operation == operation && drawn.checked_rem(rule.one_in) == Some(0)
        };
        by_number.or_else(|| self.rules.iter().find(strikes).map(|rule| rule.fault))
    }
}

/// The last step of `SplitMix64`. A fault needs to be unpredictable to nobody, so no library is asked.
fn mix(state: u64) -> u64 {
    let state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

/// A plan, and how far it has come.
#[derive(Debug)]
pub(super) struct Course {
    plan: Faults,
    calls: [AtomicU64; Operation::COUNT],
}

impl Course {
    pub(super) fn of(plan: Faults) -> Self {
        Self { plan, calls: [const { AtomicU64::new(0) }; Operation::COUNT] }
    }

    /// Counts the call, and says what it suffers.
    pub(super) fn next(&self, operation: Operation) -> Option<Fault> {
        let before = self.calls[operation as usize].fetch_add(1, Ordering::Relaxed);
        self.plan.of(operation, before + 1)
    }

    pub(super) fn calls(&self, operation: Operation) -> u64 {
        self.calls[operation as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: Fault = Fault::Before(ErrorKind::Unavailable, Outcome::NotApplied);

    fn struck(plan: &Faults, operation: Operation) -> Vec<u64> {
        (1..=1000).filter(|nth| plan.of(operation, *nth).is_some()).collect()
    }

    #[test]
    fn a_script_strikes_the_calls_it_names() {
        let plan = Faults::none().nth(Operation::Put, 2, REFUSED).nth(Operation::Put, 7, Fault::Stalled);
        assert_eq!(struck(&plan, Operation::Put), [2, 7]);
        assert_eq!(plan.of(Operation::Put, 7), Some(Fault::Stalled));
        assert!(struck(&plan, Operation::Head).is_empty());
    }

    #[test]
    fn a_seed_decides_who_is_struck() {
        let seeded = |seed| Faults::none().random(seed, 5, Operation::Put, REFUSED);
        let struck_by = |seed| struck(&seeded(seed), Operation::Put);
        assert_eq!(struck_by(1), struck_by(1));
        assert_ne!(struck_by(1), struck_by(2));
        assert!((150..250).contains(&struck_by(1).len()), "{} of 1000", struck_by(1).len());
        assert!(struck(&seeded(1), Operation::Head).is_empty());
        let both = seeded(1).random(1, 5, Operation::Head, REFUSED);
        assert_ne!(struck(&both, Operation::Head), struck(&both, Operation::Put));
    }

    #[test]
    fn one_in_one_is_always_and_one_in_none_is_never() {
        let plan = Faults::none().always(Operation::Put, REFUSED).random(0, 0, Operation::Head, REFUSED);
        assert_eq!(struck(&plan, Operation::Put).len(), 1000);
        assert!(struck(&plan, Operation::Head).is_empty());
    }
}
