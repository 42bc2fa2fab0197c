//! Bodies that are not objects yet.

use std::{
    fs::{File, FileTimes},
    io::Write,
    os::fd::{AsFd, BorrowedFd},
    process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use persistent_fs::{Clock, Result, Swept};
use rustix::{
    fs::{AtFlags, Dir, FlockOperation, OFlags, flock, fstat, openat, unlinkat},
    io::Errno,
};

use crate::{
    error::{io, system},
    root::{PRIVATE_FILE, Root, is_object},
};

const NEW: OFlags = OFlags::RDWR.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::CLOEXEC);
/// For writing, since a file system that locks over the network locks alone only what may be written to.
const OLD: OFlags = OFlags::RDWR.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// Gives each published body a time of writing of its own.
#[derive(Debug)]
pub(crate) struct Stamps {
    clock: Clock,
    last: AtomicU64,
}

impl Stamps {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, last: AtomicU64::new(0) }
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// The present time, or just after the last stamp if that is later.
    fn next(&self) -> SystemTime {
        let since = self.clock.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX - 1);
        let after = |last: u64| now.max(last + 1);
        let last = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(after(last)));
        SystemTime::UNIX_EPOCH + Duration::from_nanos(after(last.unwrap_or_default()))
    }
}

/// A file in the staging directory. It is locked while it lives, which keeps sweeps away, and removed when dropped.
#[derive(Debug)]
pub(crate) struct Staged {
    root: Arc<Root>,
    file: File,
    name: String,
    published: bool,
}

impl Staged {
    pub(crate) fn new(root: &Arc<Root>, stamps: &Stamps) -> Result<Self> {
        loop {
            let stamp = stamps.next().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let name = format!("{}-{:x}", process::id(), stamp.as_nanos());
            let file = match openat(&root.staging, &name, NEW, PRIVATE_FILE) {
                Ok(file) => File::from(file),
                // Another process, or another machine on a shared disk, had the same thought.
                Err(Errno::EXIST) => continue,
                Err(errno) => return Err(system(errno, "make a staging file")),
            };
            let staged = Self { root: Arc::clone(root), file, name, published: false };
            let locked = flock(&staged.file, FlockOperation::NonBlockingLockExclusive)
                .and_then(|()| fstat(&staged.file));
            match locked {
                Ok(stat) if stat.st_nlink > 0 => return Ok(staged),
                // A sweep that spares nobody came between.
                Ok(_) | Err(Errno::WOULDBLOCK) => {}
                Err(errno) => return Err(system(errno, "lock the staging file")),
            }
        }
    }

    pub(crate) fn write(&mut self, piece: &[u8]) -> Result<()> {
        self.file.write_all(piece).map_err(|error| io(&error, "write the body"))
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The directory that its name is in.
    pub(crate) fn directory(&self) -> BorrowedFd<'_> {
        self.root.staging.as_fd()
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The name is gone from the staging directory, so there is nothing to remove.
    pub(crate) fn published(mut self) {
        self.published = true;
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.published {
            // Whatever prevents this will have a sweep to answer to.
            let _left_behind = unlinkat(&self.root.staging, &self.name, AtFlags::empty());
        }
    }
}

/// Gives the body its time of writing and, if it is to be durable, sees it onto the disk.
pub(crate) fn seal(file: &File, stamps: &Stamps, durable: bool) -> Result<()> {
    let times = FileTimes::new().set_modified(stamps.next());
    file.set_times(times).map_err(|error| io(&error, "date the body"))?;
    if durable {
        file.sync_all().map_err(|error| io(&error, "sync the body"))?;
    }
    Ok(())
}

/// Removes staging files that are older than this and belong to nobody alive.
pub(crate) fn sweep(root: &Root, stamps: &Stamps, older_than: Duration) -> Result<Swept> {
    let failed = |errno| system(errno, "read the staging directory");
    let mut swept = Swept::default();
    for entry in Dir::read_from(&root.staging).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(file) = openat(&root.staging, entry.file_name(), OLD, PRIVATE_FILE).map(File::from) else {
            continue;
        };
        let stat = fstat(&file).map_err(failed)?;
        let age =
            file.metadata().and_then(|meta| meta.modified()).map(|then| stamps.now().duration_since(then));
        let old = age.is_ok_and(|age| age.is_ok_and(|age| age >= older_than));
        if !is_object(&stat) || !old || flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            continue;
        }
        if unlinkat(&root.staging, entry.file_name(), AtFlags::empty()).is_ok() {
            swept.uploads += 1;
            swept.bytes += u64::try_from(stat.st_size).unwrap_or_default();
        }
    }
    Ok(swept)
}
