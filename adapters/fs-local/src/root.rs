//! The directory that holds a store, and the way from it to an object.
//!
//! Every step is taken from an open directory, and none follows a symbolic link, so nothing that others do to the tree
//! can lead out of it.

use std::{
    fs::File,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Component, Path},
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

use crate::{
    error::{io, system},
    sync::{Identity, Syncs},
};

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
    syncs: Syncs,
}

/// The open directories on the way to an object, without the root. The last one holds the object.
#[derive(Debug)]
pub(crate) struct Way<'a> {
    root: &'a Root,
    below: Vec<(&'a str, OwnedFd)>,
}

impl Root {
    /// Opens a root, making it if there is none.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let config =
            |error: Error| Error::new(ErrorKind::Config, "the root cannot be used").with_source(error);
        let directory = make_root(path).map_err(config)?;
        let enter = |parent: BorrowedFd<'_>, name| enter(parent, name, true);
        let reserved = enter(directory.as_fd(), RESERVED)
            .map_err(|e| config(system(e, "open the reserved directory")))?;
        let staging = enter(reserved.as_fd(), "staging")
            .map_err(|e| config(system(e, "open the staging directory")))?;
        let shouted = statat(&directory, RESERVED.to_uppercase(), AtFlags::SYMLINK_NOFOLLOW);
        let case_sensitive = shouted.is_err();
        Ok(Self { directory, reserved, staging, case_sensitive, syncs: Syncs::default() })
    }

    /// The way along these folders as far as it exists, and whether it exists to the end.
    pub(crate) fn approach<'a>(
        &'a self,
        folders: impl Iterator<Item = &'a str>,
    ) -> Result<(Way<'a>, bool), Errno> {
        let mut way = Way { root: self, below: Vec::new() };
        for folder in folders {
            match enter(way.last(), folder, false) {
                Ok(next) => way.below.push((folder, next)),
                Err(errno) if leads_nowhere(errno) => return Ok((way, false)),
                Err(errno) => return Err(errno),
            }
        }
        Ok((way, true))
    }

    /// The way along these folders, making what is missing. What was made for nothing is removed again.
    pub(crate) fn make<'a>(&'a self, folders: impl Iterator<Item = &'a str>) -> Result<Way<'a>, Errno> {
        let mut way = Way { root: self, below: Vec::new() };
        for folder in folders {
            match enter(way.last(), folder, true) {
                Ok(next) => way.below.push((folder, next)),
                Err(errno) => {
                    way.prune();
                    return Err(errno);
                }
            }
        }
        Ok(way)
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
        let file = self.open_file(key).map_err(failed)?;
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

    /// Sees onto the disk which names a directory of this store has.
    pub(crate) fn sync(&self, directory: BorrowedFd<'_>) -> Result<(), Errno> {
        self.syncs.sync(Identity::of(directory)?, || fsync(directory))
    }

    /// In one system call, where the system can resolve a path without leaving the root or following a link.
    fn open_file(&self, key: &Key) -> Result<OwnedFd, Errno> {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{ResolveFlags, openat2};
            let confined = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            match openat2(&self.directory, key.as_str(), OBJECT, Mode::empty(), confined) {
                // An old kernel, or a sandbox that knows only old ones.
                Err(Errno::NOSYS | Errno::PERM | Errno::INVAL | Errno::AGAIN) => {}
                opened => return opened,
            }
        }
        let (way, is_whole) = self.approach(folders(key))?;
        if !is_whole {
            return Err(Errno::NOENT);
        }
        openat(way.last(), key.file_name(), OBJECT, Mode::empty())
    }
}

impl Way<'_> {
    /// The directory that holds the object.
    pub(crate) fn last(&self) -> BorrowedFd<'_> {
        self.directory(self.below.len())
    }

    /// Sees what was changed in the last directory onto the disk, and the names of all directories on the way.
    ///
    /// A directory that was there before is no exception: whoever made it may not have come to sync it yet, or never
    /// will. Spared are those that this process has already seen onto the disk under the same path.
    pub(crate) fn sync(self) -> Result<(), Errno> {
        let syncs = &self.root.syncs;
        let paths = self.paths();
        let identities =
            self.below.iter().map(|(_, directory)| Identity::of(directory)).collect::<Result<Vec<_>, _>>()?;
        let lasting =
            paths.iter().zip(&identities).take_while(|(path, id)| syncs.is_lasting(path, **id)).count();
        for depth in (lasting..=self.below.len()).rev() {
            let directory = self.directory(depth);
            let identity =
                depth.checked_sub(1).map_or_else(|| Identity::of(directory), |at| Ok(identities[at]));
            syncs.sync(identity?, || fsync(directory))?;
        }
        let below = self.below.into_iter().map(|(_, directory)| directory);
        for ((path, identity), directory) in paths.into_iter().zip(identities).zip(below).skip(lasting) {
            syncs.lasts(path, identity, directory);
        }
        Ok(())
    }

    /// Sees what was removed from the last directory onto the disk. If a directory above is lost in a crash, so is
    /// what was removed.
    pub(crate) fn sync_last(&self) -> Result<(), Errno> {
        self.root.sync(self.last())
    }

    /// Removes the directories that are empty, innermost first, and forgets them.
    pub(crate) fn prune(&mut self) {
        while let Some((name, emptied)) = self.below.pop() {
            // The system refuses to remove a directory in use, which is all the check there need be.
            if unlinkat(self.last(), name, AtFlags::REMOVEDIR).is_err() {
                self.below.push((name, emptied));
                return;
            }
        }
    }

    /// The root is at depth 0.
    fn directory(&self, depth: usize) -> BorrowedFd<'_> {
        depth.checked_sub(1).map_or(self.root.directory.as_fd(), |at| self.below[at].1.as_fd())
    }

    fn paths(&self) -> Vec<String> {
        let longer = |path: &mut String, (name, _): &(&str, OwnedFd)| {
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(name);
            Some(path.clone())
        };
        self.below.iter().scan(String::new(), longer).collect()
    }

    pub(crate) fn into_last(mut self) -> Result<OwnedFd, Errno> {
        let last = self.below.pop();
        last.map_or_else(|| openat(&self.root.directory, ".", DIRECTORY, Mode::empty()), |(_, last)| Ok(last))
    }
}

/// Opens the root, making what is missing of it.
///
/// Its name, too, must survive a crash. So that a name found here is known to be in a directory that lasts, each
/// directory is made only when the one above is on the disk.
fn make_root(path: &Path) -> Result<OwnedFd> {
    let above = match path.parent() {
        Some(above) if above.as_os_str().is_empty() => Some(Path::new(".")),
        above if path.components().next_back().is_some_and(|last| matches!(last, Component::Normal(_))) => {
            above
        }
        _ => None,
    };
    let is_new = !path.exists();
    if is_new {
        if let Some(above) = above {
            make_root(above)?;
        }
        match std::fs::create_dir(path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(io(&error, "make the root"));
            }
            _ => {}
        }
    }
    let directory = File::open(path).map_err(|error| io(&error, "open the root"))?;
    let synced = above.map_or(Ok(()), |above| File::open(above).and_then(|above| above.sync_all()));
    match synced {
        // Who may not open the directory above did not make the root either.
        Err(error) if is_new => Err(io(&error, "sync the directory that holds the root")),
        _ => Ok(directory.into()),
    }
}

/// Opens a directory inside another, making it first if asked to.
pub(crate) fn enter(parent: BorrowedFd<'_>, name: &str, make: bool) -> Result<OwnedFd, Errno> {
    match openat(parent, name, DIRECTORY, Mode::empty()) {
        Err(Errno::NOENT) if make => {
            let is_new = match mkdirat(parent, name, PRIVATE_DIRECTORY) {
                Ok(()) => true,
                Err(Errno::EXIST) => false,
                Err(errno) => return Err(errno),
            };
            openat(parent, name, DIRECTORY, Mode::empty()).inspect_err(|_| {
                if is_new {
                    let _left_behind = unlinkat(parent, name, AtFlags::REMOVEDIR);
                }
            })
        }
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
