//! The directory that holds a store, and the way from it to an object.
//!
//! Every step is taken from an open directory, and none follows a symbolic link, so nothing that others do to the tree
//! can lead out of it.

use std::{
    fs::File,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    time::{Duration, SystemTime},
};

use persistent_fs::{ETag, Error, ErrorKind, Key, Meta, RESERVED, Result};
use rustix::{
    fs::{
        AtFlags, FileType, FlockOperation, Mode, OFlags, Stat, fstat, fsync, mkdirat, openat, statat,
        unlinkat,
    },
    io::Errno,
};

use crate::error::{io, system};

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Without `NONBLOCK`, opening a named pipe would wait for somebody to write into it.
const OBJECT: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
const LOCK: OFlags = OFlags::RDWR.union(OFlags::CREATE).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Files and directories belong to the program's user alone.
pub(crate) const PRIVATE_FILE: Mode = Mode::RUSR.union(Mode::WUSR);
const PRIVATE_DIRECTORY: Mode = Mode::RWXU;

#[derive(Debug)]
pub(crate) struct Root {
    directory: OwnedFd,
    reserved: OwnedFd,
    pub(crate) staging: OwnedFd,
    pub(crate) case_sensitive: bool,
}

/// The open directories on the way to an object, without the root. The last one holds the object.
#[derive(Debug)]
pub(crate) struct Way<'a> {
    root: &'a Root,
    below: Vec<OwnedFd>,
}

impl Root {
    /// Opens a root, making it if there is none.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let config =
            |error: Error| Error::new(ErrorKind::Config, "the root cannot be used").with_source(error);
        let is_new = !path.exists();
        std::fs::create_dir_all(path).map_err(|error| config(io(&error, "make the root")))?;
        let directory = File::open(path).map_err(|error| config(io(&error, "open the root")))?;
        if is_new && let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            let synced = File::open(parent).and_then(|parent| parent.sync_all());
            synced.map_err(|error| config(io(&error, "sync the directory that holds the root")))?;
        }
        let directory = OwnedFd::from(directory);
        let enter = |parent: BorrowedFd<'_>, name| enter(parent, name, true);
        let reserved = enter(directory.as_fd(), RESERVED)
            .map_err(|e| config(system(e, "open the reserved directory")))?;
        let staging = enter(reserved.as_fd(), "staging")
            .map_err(|e| config(system(e, "open the staging directory")))?;
        let shouted = statat(&directory, RESERVED.to_uppercase(), AtFlags::SYMLINK_NOFOLLOW);
        let case_sensitive = shouted.is_err();
        Ok(Self { directory, reserved, staging, case_sensitive })
    }

    /// The way to an object, as far as it exists. [`Errno::NOENT`] or [`Errno::NOTDIR`] if it leads nowhere.
    pub(crate) fn find<'n>(&self, folders: impl Iterator<Item = &'n str>) -> Result<Way<'_>, Errno> {
        self.walk(folders, false)
    }

    /// The way to an object, making what is missing.
    pub(crate) fn make<'n>(&self, folders: impl Iterator<Item = &'n str>) -> Result<Way<'_>, Errno> {
        self.walk(folders, true)
    }

    /// Takes the lock of publication, alone or with others, until the file is dropped.
    pub(crate) fn lock(&self, alone: bool) -> Result<OwnedFd> {
        let failed = |errno| system(errno, "take the lock of publication");
        let lock = openat(&self.reserved, "lock", LOCK, PRIVATE_FILE).map_err(failed)?;
        let operation = if alone { FlockOperation::LockExclusive } else { FlockOperation::LockShared };
        rustix::io::retry_on_intr(|| rustix::fs::flock(&lock, operation)).map_err(failed)?;
        Ok(lock)
    }

    /// Opens an object, or says that there is none.
    pub(crate) fn open_object(&self, key: &Key) -> Result<(File, Meta)> {
        let missing = || match self.check() {
            Ok(()) => Error::new(ErrorKind::NotFound, "no such object").with_key(key),
            Err(error) => error,
        };
        let failed = |errno| if leads_nowhere(errno) { missing() } else { system(errno, "open the object") };
        let way = self.find(folders(key)).map_err(failed)?;
        let file = openat(way.last(), key.file_name(), OBJECT, Mode::empty()).map_err(failed)?;
        let stat = fstat(&file).map_err(|errno| system(errno, "describe the object"))?;
        if !is_object(&stat) {
            return Err(missing());
        }
        Ok((File::from(file), meta(key.clone(), &stat)))
    }

    /// Whether the root is still there. Without it nothing is found, which must not pass for an empty store.
    pub(crate) fn check(&self) -> Result<()> {
        match fstat(&self.directory) {
            Ok(stat) if stat.st_nlink > 0 => Ok(()),
            Ok(_) => Err(Error::new(ErrorKind::Unavailable, "the root of the store is gone")),
            Err(errno) => Err(system(errno, "look at the root")),
        }
    }

    fn walk<'n>(&self, folders: impl Iterator<Item = &'n str>, make: bool) -> Result<Way<'_>, Errno> {
        let mut way = Way { root: self, below: Vec::new() };
        for folder in folders {
            let next = enter(way.last(), folder, make)?;
            way.below.push(next);
        }
        Ok(way)
    }
}

impl Way<'_> {
    /// The directory that holds the object.
    pub(crate) fn last(&self) -> BorrowedFd<'_> {
        self.below.last().map_or(self.root.directory.as_fd(), AsFd::as_fd)
    }

    /// Makes the entries of every directory on the way durable, innermost first.
    ///
    /// Also of those that were there before: whoever made one may not have come to sync it yet.
    pub(crate) fn sync(&self) -> Result<(), Errno> {
        self.below.iter().rev().map(AsFd::as_fd).chain([self.root.directory.as_fd()]).try_for_each(fsync)
    }

    /// Removes the directories that have become empty, innermost first, and forgets them.
    pub(crate) fn prune(&mut self, key: &Key) {
        let mut names = folders(key).collect::<Vec<_>>();
        while let (Some(name), Some(emptied)) = (names.pop(), self.below.pop()) {
            // The system refuses to remove a directory in use, which is all the check there need be.
            if unlinkat(self.last(), name, AtFlags::REMOVEDIR).is_err() {
                self.below.push(emptied);
                return;
            }
        }
    }

    pub(crate) fn into_last(mut self) -> Result<OwnedFd, Errno> {
        self.below.pop().map_or_else(|| openat(&self.root.directory, ".", DIRECTORY, Mode::empty()), Ok)
    }
}

/// Opens a directory inside another, making it first if asked to.
pub(crate) fn enter(parent: BorrowedFd<'_>, name: &str, make: bool) -> Result<OwnedFd, Errno> {
    match openat(parent, name, DIRECTORY, Mode::empty()) {
        Err(Errno::NOENT) if make => match mkdirat(parent, name, PRIVATE_DIRECTORY) {
            Ok(()) | Err(Errno::EXIST) => openat(parent, name, DIRECTORY, Mode::empty()),
            Err(errno) => Err(errno),
        },
        opened => opened,
    }
}

/// The folders of a key: its segments without the last.
pub(crate) fn folders(key: &Key) -> impl Iterator<Item = &str> {
    key.segments().rev().skip(1).collect::<Vec<_>>().into_iter().rev()
}

/// Whether the errno says that there is no object at this place: nothing, or something that is no object.
pub(crate) fn leads_nowhere(errno: Errno) -> bool {
    matches!(errno, Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO)
}

pub(crate) fn is_object(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

/// What the system knows about an object, in the contract's words.
///
/// The version is made of the inode, which two versions in a row never share, and the time of writing in nanoseconds,
/// which tells those apart that come to share one later.
pub(crate) fn meta(key: Key, stat: &Stat) -> Meta {
    let seconds = stat.st_mtime;
    let nanos = u32::try_from(stat.st_mtime_nsec).unwrap_or_default();
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let second = if seconds < 0 { SystemTime::UNIX_EPOCH - whole } else { SystemTime::UNIX_EPOCH + whole };
    let size = u64::try_from(stat.st_size).unwrap_or_default();
    let mut meta = Meta::new(key, size, second + Duration::from_nanos(nanos.into()));
    meta.etag = Some(ETag::new(format!("{:x}-{seconds:x}-{nanos:x}-{size:x}", stat.st_ino)));
    meta
}
