//! How many bytes are stored, exactly, whoever races.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, MutexGuard},
};

use tokio::sync::{Mutex as Turns, MutexGuard as Turn};

use crate::{Error, ErrorKind, Key, Meta, Outcome, Result};

/// Keys share this many turns. Two keys that share one wait for each other without need, and no more than that.
const TURNS: usize = 64;

/// A limit of bytes, and how many are used.
///
/// What a write adds depends on what it replaces, so looking, writing and settling are one turn, and each key has at
/// most one of them at a time.
#[derive(Debug)]
pub(super) struct Quota {
    limit: u64,
    used: Mutex<Used>,
    turns: [Turns<()>; TURNS],
}

#[derive(Debug, Default)]
struct Used {
    bytes: u64,
    /// Nobody knows what became of some write; it is counted as the worse of the two.
    doubtful: bool,
}

impl Quota {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, used: Mutex::default(), turns: [const { Turns::const_new(()) }; TURNS] }
    }

    pub(super) fn used(&self) -> u64 {
        self.lock().bytes
    }

    /// Whether a body of so many bytes cannot be stored in place of one of `old` bytes, as things are.
    ///
    /// An early answer for a body that still arrives; what holds is decided at its end. In doubt it may still fit.
    pub(super) fn is_beyond(&self, bytes: u64, old: u64) -> bool {
        let used = self.lock();
        !used.doubtful && bytes > self.limit.saturating_sub(used.bytes).saturating_add(old)
    }

    /// Whether counting anew might find that less is used.
    pub(super) fn is_doubtful(&self) -> bool {
        self.lock().doubtful
    }

    /// What was counted while every turn was held.
    pub(super) fn set(&self, bytes: u64) {
        *self.lock() = Used { bytes, doubtful: false };
    }

    /// Waits until nobody else writes to these keys.
    pub(super) async fn turn(&self, keys: &[&Key]) -> Vec<Turn<'_, ()>> {
        let mut places = keys.iter().map(|key| place(key)).collect::<Vec<_>>();
        // Always in the same order, so that no two wait for each other.
        places.sort_unstable();
        places.dedup();
        let mut turns = Vec::with_capacity(places.len());
        for place in places {
            turns.push(self.turns[place].lock().await);
        }
        turns
    }

    /// Waits until nobody else writes at all.
    pub(super) async fn every_turn(&self) -> Vec<Turn<'_, ()>> {
        let mut turns = Vec::with_capacity(TURNS);
        for turn in &self.turns {
            turns.push(turn.lock().await);
        }
        turns
    }

    /// Takes the turn along, so that nobody looks at these keys before the change is settled.
    ///
    /// Reserves what a write of `new` bytes in place of `old` adds, or says that there is no room for it.
    pub(super) fn reserve<'a>(&'a self, turn: Vec<Turn<'a, ()>>, old: u64, new: u64) -> Result<Charge<'a>> {
        let reserved = new.saturating_sub(old);
        let mut used = self.lock();
        if reserved > 0 && used.bytes.saturating_add(reserved) > self.limit {
            return Err(full(self.limit));
        }
        used.bytes += reserved;
        Ok(Charge { quota: self, old, reserved, settled: false, _turn: turn })
    }

    fn lock(&self) -> MutexGuard<'_, Used> {
        self.used.lock().expect("nothing panics while it counts")
    }
}

pub(super) fn full(limit: u64) -> Error {
    Error::new(ErrorKind::NoSpace, format!("the quota of {limit} bytes has no room for this"))
}

/// The turn of a key. It need not be the same in another process.
fn place(key: &Key) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    usize::try_from(hasher.finish() % TURNS as u64).expect("less than the number of turns")
}

/// A change that is under way, and its turn. Dropped before it is settled, it stays counted and is in doubt.
#[derive(Debug)]
pub(super) struct Charge<'a> {
    quota: &'a Quota,
    old: u64,
    reserved: u64,
    settled: bool,
    _turn: Vec<Turn<'a, ()>>,
}

impl Charge<'_> {
    /// Counts what a write has really left there.
    pub(super) fn written(self, written: Result<Meta>) -> Result<Meta> {
        self.settle(written, |meta| meta.size)
    }

    /// Counts that what was there is gone.
    pub(super) fn removed<T>(self, removed: Result<T>) -> Result<T> {
        self.settle(removed, |_| 0)
    }

    /// Replaces the reservation by what the call has left behind, if it is known.
    fn settle<T>(mut self, result: Result<T>, left: impl FnOnce(&T) -> u64) -> Result<T> {
        let left = match &result {
            Ok(answer) => left(answer),
            Err(error) if error.outcome() == Outcome::NotApplied => self.old,
            // In doubt, and so dropped unsettled.
            Err(_) => return result,
        };
        let mut used = self.quota.lock();
        used.bytes = used.bytes.saturating_sub(self.reserved).saturating_add(left).saturating_sub(self.old);
        self.settled = true;
        drop(used);
        result
    }
}

impl Drop for Charge<'_> {
    fn drop(&mut self) {
        if !self.settled {
            self.quota.lock().doubtful = true;
        }
    }
}
