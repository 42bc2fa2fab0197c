//! Directories on their way to the disk.
//!
//! Syncing a directory is most of what a small durable write costs, and one sync serves everybody whose change was
//! there when it began. So writers in one directory share: one of them syncs, those who come meanwhile wait, and the
//! next sync serves them all. A sync that is already running serves nobody new, since it may have begun too early.

use std::{
    collections::HashMap,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use rustix::{
    fs::{fstat, fsync},
    io::Errno,
};

/// How many directories are remembered, each of which costs a descriptor.
const REMEMBERED: usize = 64;

/// Which directory it is, as long as somebody keeps it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(crate) fn of(directory: impl AsFd) -> Result<Self, Errno> {
        let stat = fstat(directory)?;
        Ok(Self { device: stat.st_dev, inode: stat.st_ino })
    }
}

/// The directory syncs of one store in this process.
#[derive(Debug, Default)]
pub(crate) struct Syncs {
    rounds: Mutex<HashMap<Identity, Rounds>>,
    ended: Condvar,
    lasting: Mutex<HashMap<String, Lasting>>,
}

/// The syncs of one directory while anybody waits for one. They run one after the other and are counted.
#[derive(Debug, Default)]
struct Rounds {
    waiting: usize,
    begun: u64,
    ended: u64,
    /// The latest that failed. Whoever waited for it or for one before must not believe in success.
    failed: Option<(u64, Errno)>,
}

/// A directory whose own name is known to survive a crash, as do those of the directories above.
///
/// It is kept open, since the number of an inode that nobody holds may be given to the next directory of that name.
#[derive(Debug)]
struct Lasting {
    identity: Identity,
    _held: OwnedFd,
}

impl Syncs {
    /// Returns when a sync of this directory that began after this call has ended.
    ///
    /// A failed sync is everybody's failure who waited for it, and is not tried again: the system may have dropped
    /// what it could not write, and would report success.
    pub(crate) fn sync(&self, directory: BorrowedFd<'_>, identity: Identity) -> Result<(), Errno> {
        let mut table = lock(&self.rounds);
        let rounds = table.entry(identity).or_default();
        rounds.waiting += 1;
        let mine = rounds.begun + 1;
        loop {
            let rounds = table.get_mut(&identity).expect("kept while anybody waits");
            if rounds.ended >= mine {
                rounds.waiting -= 1;
                let failed = rounds.failed.filter(|(round, _)| *round >= mine);
                if rounds.waiting == 0 {
                    table.remove(&identity);
                }
                return failed.map_or(Ok(()), |(_, errno)| Err(errno));
            }
            if rounds.begun > rounds.ended {
                table = self.ended.wait(table).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            rounds.begun = mine;
            drop(table);
            let synced = fsync(directory);
            table = lock(&self.rounds);
            let rounds = table.get_mut(&identity).expect("kept while anybody waits");
            rounds.ended = mine;
            rounds.failed = synced.err().map(|errno| (mine, errno)).or(rounds.failed);
            self.ended.notify_all();
        }
    }

    /// Whether this directory was seen to last under this path.
    pub(crate) fn is_lasting(&self, path: &str, identity: Identity) -> bool {
        lock(&self.lasting).get(path).is_some_and(|lasting| lasting.identity == identity)
    }

    /// Remembers that this directory lasts under this path.
    pub(crate) fn lasts(&self, path: String, identity: Identity, held: OwnedFd) {
        let mut lasting = lock(&self.lasting);
        if lasting.len() == REMEMBERED && !lasting.contains_key(&path) {
            lasting.clear();
        }
        lasting.insert(path, Lasting { identity, _held: held });
    }
}

/// Nothing is left half done where a lock is held, so one that was poisoned is as good as new.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Barrier, thread};

    use rustix::fs::{CWD, Mode, OFlags, openat};

    use super::*;

    fn open(path: &Path, flags: OFlags) -> (OwnedFd, Identity) {
        let directory = openat(CWD, path, flags, Mode::empty()).expect("a directory");
        let identity = Identity::of(&directory).expect("described");
        (directory, identity)
    }

    /// What many at once are told, all of whom ask with this descriptor.
    fn told(directory: &OwnedFd, identity: Identity) -> Vec<Result<(), Errno>> {
        const MANY: usize = 16;
        let (syncs, together) = (Syncs::default(), Barrier::new(MANY));
        let ask = || {
            together.wait();
            syncs.sync(directory.as_fd(), identity)
        };
        let told = thread::scope(|scope| {
            let threads = (0..MANY).map(|_| scope.spawn(ask)).collect::<Vec<_>>();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert!(lock(&syncs.rounds).is_empty(), "nothing is kept");
        told
    }

    #[test]
    fn everybody_is_served() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (directory, identity) = open(folder.path(), OFlags::RDONLY);
        assert!(told(&directory, identity).iter().all(Result::is_ok));
    }

    #[test]
    fn a_failed_sync_is_the_failure_of_everybody_who_waited_for_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // What is open as a place only cannot be synced.
        let (directory, identity) = open(folder.path(), OFlags::PATH);
        assert!(told(&directory, identity).iter().all(|told| *told == Err(Errno::BADF)));
    }

    #[test]
    fn a_directory_made_anew_under_a_name_does_not_last_yet() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a");
        let syncs = Syncs::default();
        for _ in 0..20 {
            std::fs::create_dir(&path).expect("made");
            let (directory, identity) = open(&path, OFlags::RDONLY);
            assert!(!syncs.is_lasting("a", identity), "{identity:?}");
            syncs.lasts("a".to_owned(), identity, directory);
            assert!(syncs.is_lasting("a", identity));
            std::fs::remove_dir(&path).expect("removed");
        }
    }

    #[test]
    fn no_more_are_held_than_are_remembered() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let syncs = Syncs::default();
        for n in 0..3 * REMEMBERED {
            let (directory, identity) = open(folder.path(), OFlags::RDONLY);
            syncs.lasts(n.to_string(), identity, directory);
            assert!(lock(&syncs.lasting).len() <= REMEMBERED);
        }
    }
}
