//! Directories on their way to the disk.
//!
//! Syncing a directory is most of what a small durable write costs, and one sync serves everybody whose change was
//! there when it began. So writers in one directory share: one of them syncs, those who come meanwhile wait, and the
//! next sync serves them all. A sync that is already running serves nobody new, since it may have begun too early.

use std::{
    collections::HashMap,
    os::fd::{AsFd, OwnedFd},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use rustix::{fs::fstat, io::Errno};

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
    /// Returns when a sync of this directory that began after this call has ended, done by `sync` or by that of another
    /// caller.
    ///
    /// A failed sync is everybody's failure who waited for it, and is not tried again: the system may have dropped
    /// what it could not write, and would report success.
    pub(crate) fn sync(&self, identity: Identity, sync: impl Fn() -> Result<(), Errno>) -> Result<(), Errno> {
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
            let synced = sync();
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
    use std::{
        path::Path,
        sync::{
            Barrier,
            atomic::{AtomicUsize, Ordering},
        },
        thread,
    };

    use rustix::fs::{CWD, Mode, OFlags, openat};

    use super::*;

    fn open(path: &Path, flags: OFlags) -> (OwnedFd, Identity) {
        let directory = openat(CWD, path, flags, Mode::empty()).expect("a directory");
        let identity = Identity::of(&directory).expect("described");
        (directory, identity)
    }

    /// What those are told who come while a sync is running, and how many syncs that takes beside it. All of those
    /// end as `later` says.
    fn told_during_a_sync(later: Result<(), Errno>) -> (Vec<Result<(), Errno>>, usize) {
        const MANY: usize = 8;
        let (syncs, begun) = (Syncs::default(), Barrier::new(2));
        let count = AtomicUsize::new(0);
        let directory = Identity { device: 0, inode: 0 };
        let all_wait = || lock(&syncs.rounds)[&directory].waiting == MANY + 1;
        let told = thread::scope(|scope| {
            let running = scope.spawn(|| {
                syncs.sync(directory, || {
                    begun.wait();
                    while !all_wait() {
                        thread::yield_now();
                    }
                    Ok(())
                })
            });
            begun.wait();
            let ask = || {
                syncs.sync(directory, || {
                    count.fetch_add(1, Ordering::Relaxed);
                    later
                })
            };
            let threads = (0..MANY).map(|_| scope.spawn(ask)).collect::<Vec<_>>();
            assert_eq!(running.join().expect("no panic"), Ok(()));
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert!(lock(&syncs.rounds).is_empty(), "nothing is kept");
        (told, count.into_inner())
    }

    #[test]
    fn a_running_sync_serves_nobody_new_and_the_next_serves_all() {
        let (told, syncs) = told_during_a_sync(Ok(()));
        assert!(told.iter().all(Result::is_ok));
        assert_eq!(syncs, 1);
    }

    #[test]
    fn a_failed_sync_is_the_failure_of_everybody_who_waited_for_it() {
        let (told, syncs) = told_during_a_sync(Err(Errno::IO));
        assert!(told.iter().all(|told| *told == Err(Errno::IO)));
        assert_eq!(syncs, 1);
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
