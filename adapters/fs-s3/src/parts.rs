//! How large the parts of an upload are.

/// S3 takes this many parts, and none larger than this.
const MOST_PARTS: u64 = 10_000;
const LARGEST_PART: u64 = 5 << 30;
/// The largest object: what S3 promised for most of its life, and what servers like it take.
pub(crate) const LARGEST_OBJECT: u64 = 5 << 40;

const MIB: u64 = 1 << 20;

/// The sizes of the parts of one upload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    smallest: u64,
    declared: Option<u64>,
}

impl Plan {
    pub(crate) fn new(smallest: u64, declared: Option<u64>) -> Self {
        Self { smallest, declared }
    }

    /// How large the next part is, when this many bytes are in parts already.
    ///
    /// A declared size is cut into parts of one size, as some servers demand. Otherwise parts begin small, and from a
    /// thousand of them on each is a thousandth of what came before it: that way ten thousand hold any object, while
    /// what is in memory stays a small share of what was sent.
    pub(crate) fn next(self, sent: u64) -> u64 {
        let needed = self.declared.map_or(sent / 1000, |size| size.div_ceil(MOST_PARTS));
        // The end of a body that turns out longer than declared is refused elsewhere.
        needed.next_multiple_of(MIB).clamp(self.smallest, LARGEST_PART)
    }

    /// How many parts may be on their way at once: as many as asked for while they are small, and always one.
    pub(crate) fn at_once(self, concurrency: usize, next: u64) -> usize {
        let budget = self.smallest.saturating_mul(concurrency as u64);
        usize::try_from((budget / next).max(1)).unwrap_or(concurrency).min(concurrency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts_for(plan: Plan, size: u64) -> u64 {
        let (mut sent, mut parts) = (0, 0);
        while sent < size {
            sent += plan.next(sent);
            parts += 1;
        }
        parts
    }

    #[test]
    fn ten_thousand_parts_hold_the_largest_object_declared_or_not() {
        for smallest in [5 * MIB, 8 * MIB, 100 * MIB] {
            for declared in [None, Some(LARGEST_OBJECT)] {
                let parts = parts_for(Plan::new(smallest, declared), LARGEST_OBJECT);
                assert!(parts <= MOST_PARTS, "{parts} parts of {smallest} or more, declared {declared:?}");
            }
        }
    }

    #[test]
    fn parts_of_a_declared_size_are_all_alike() {
        for size in [9 * MIB, 80_000 * MIB, 1 << 40, LARGEST_OBJECT] {
            let plan = Plan::new(8 * MIB, Some(size));
            assert!((0..size).step_by(1 << 36).all(|sent| plan.next(sent) == plan.next(0)), "{size}");
        }
    }

    #[test]
    fn parts_begin_at_the_smallest_size_and_never_shrink() {
        let plan = Plan::new(8 * MIB, None);
        assert_eq!(plan.next(0), 8 * MIB);
        assert_eq!(plan.next(7_000 * MIB), 8 * MIB);
        let (mut sent, mut last) = (0, 0);
        while sent < LARGEST_OBJECT {
            let next = plan.next(sent);
            assert!(next >= last && next <= LARGEST_PART);
            (sent, last) = (sent + next, next);
        }
    }

    #[test]
    fn what_is_on_its_way_at_once_stays_within_a_budget_or_is_a_single_part() {
        let plan = Plan::new(8 * MIB, None);
        assert_eq!(plan.at_once(4, 8 * MIB), 4);
        assert_eq!(plan.at_once(4, 12 * MIB), 2);
        assert_eq!(plan.at_once(4, 1 << 30), 1);
    }
}
