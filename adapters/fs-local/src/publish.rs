//! The moment in which a body becomes an object, or an object goes.

use std::{
    fs::File,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use persistent_fs::{
    Error, ErrorKind, Key, Meta, Outcome, Prefix, RESERVED, Result, WriteMode, WriteOptions,
};
use rustix::{
    fs::{
        AtFlags, CWD, Dir, FileType, RenameFlags, Stat, fstat, linkat, renameat, renameat_with, statat,
        unlinkat,
    },
    io::Errno,
};

use crate::{
    error::system,
    root::{Root, Way, enter, folders, leads_nowhere, meta},
    stage::Staged,
};

/// How often to start over when directories vanish while we enter them. Each time, somebody else got further.
const ATTEMPTS: usize = 100;

/// A sealed body and where it lies.
#[derive(Clone, Copy)]
pub(crate) enum Body<'a> {
    Staged(&'a Staged),
    Outside(&'a File, &'a Path),
}

/// How the name is given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Naming {
    /// Whatever is there is replaced.
    Replace,
    /// Refused by the system if anything is there.
    Create,
    /// The same where the system cannot refuse: looked at first, with the lock of publication held alone.
    CreateAlone,
}

/// Gives the body its name, as the options demand, and makes it durable if they do.
///
/// An error before the name appeared says "not applied"; one after it says "unknown", because a crash may yet undo it.
pub(crate) fn publish(
    root: &Root,
    key: &Key,
    body: Body<'_>,
    options: &WriteOptions,
    durable: bool,
) -> Result<Meta> {
    let stat = fstat(body.file()).map_err(|errno| system(errno, "describe the body"))?;
    let way = match &options.mode {
        WriteMode::Replace => name_it(root, key, body, Naming::Replace, root.lock(false)?)?,
        WriteMode::Create => match name_it(root, key, body, Naming::Create, root.lock(false)?) {
            Err(Failed::CannotRefuse) => name_it(root, key, body, Naming::CreateAlone, root.lock(true)?)?,
            named => named?,
        },
        WriteMode::Match(_) => {
            let lock = root.lock(true)?;
            let present = match root.open_object(key) {
                Ok((_, meta)) => Some(meta),
                Err(error) if error.is_not_found() => None,
                Err(error) => return Err(error),
            };
            options.admits(present.as_ref())?;
            name_it(root, key, body, Naming::Replace, lock)?
        }
    };
    if durable {
        way.sync().map_err(unknown)?;
    }
    Ok(meta(key.clone(), &stat))
}

/// Removes an object, and the directories that held nothing else.
///
/// What is not there needs its sync as well: whoever removed it may not have come to that yet.
pub(crate) fn remove(root: &Root, key: &Key, durable: bool) -> Result<()> {
    let failed = |errno| system(errno, "remove the object");
    let (mut way, is_whole) = root.approach(folders(key)).map_err(failed)?;
    let mut is_removed = false;
    if is_whole {
        let _lock = root.lock(false)?;
        let is_object = match statat(way.last(), key.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile,
            Err(Errno::NOENT) => false,
            Err(errno) => return Err(failed(errno)),
        };
        if is_object {
            match unlinkat(way.last(), key.file_name(), AtFlags::empty()) {
                Ok(()) => is_removed = true,
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
        way.prune();
    }
    if !is_removed {
        root.check()?;
    }
    if durable {
        way.sync_last().map_err(unknown)?;
    }
    Ok(())
}

/// Syncs every directory that may have lost something when the objects with this prefix were removed: the one that
/// holds them, or in its place the one that held it, and all that are left below.
///
/// Also if nothing was removed: whoever did it before may not have come to the sync.
pub(crate) fn sync_what_is_left(root: &Root, prefix: &Prefix) -> Result<()> {
    let (folder, name) = prefix.as_str().rsplit_once('/').unwrap_or(("", prefix.as_str()));
    let (way, is_whole) = root.approach(folder.split_terminator('/')).map_err(unknown)?;
    if is_whole {
        sync_below(root, way.last(), name).map_err(unknown)?;
    }
    way.sync_last().map_err(unknown)
}

fn sync_below(root: &Root, directory: BorrowedFd<'_>, beginning: &str) -> Result<(), Errno> {
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let Some(name) = entry.file_name().to_str().ok().filter(|name| name.starts_with(beginning)) else {
            continue;
        };
        let may_be = matches!(entry.file_type(), FileType::Directory | FileType::Unknown);
        if !may_be || matches!(name, "." | ".." | RESERVED) {
            continue;
        }
        match enter(directory, name, false) {
            Ok(below) => {
                sync_below(root, below.as_fd(), "")?;
                root.sync(below.as_fd())?;
            }
            Err(errno) if leads_nowhere(errno) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// The name is given or gone, and nobody knows whether that lasts.
fn unknown(errno: Errno) -> Error {
    system(errno, "sync the directories").with_outcome(Outcome::Unknown)
}

/// Why a body got no name.
enum Failed {
    CannotRefuse,
    Otherwise(Error),
}

/// A rename that refuses is beyond this file system only for creates, which handle it.
impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::CannotRefuse => Error::unsupported("a create"),
            Failed::Otherwise(error) => error,
        }
    }
}

/// Holds the lock until the name is given. On an error, what was made on the way is removed again.
fn name_it<'a>(
    root: &'a Root,
    key: &'a Key,
    body: Body<'_>,
    naming: Naming,
    _lock: OwnedFd,
) -> Result<Way<'a>, Failed> {
    let mut last = Errno::NOENT;
    for _ in 0..ATTEMPTS {
        // A directory on the way may be removed, being empty, between the moment it is opened and the rename.
        let mut way = match root.make(folders(key)) {
            Ok(way) => way,
            Err(Errno::NOENT) => continue,
            Err(errno) => {
                return Err(Failed::Otherwise(system(errno, "enter the directories of the key")));
            }
        };
        let failed = match move_to(&way, key, body, naming) {
            Ok(()) => return Ok(way),
            Err(errno @ (Errno::EXIST | Errno::ISDIR | Errno::NOTEMPTY)) => {
                last = errno;
                match clear(&way, key) {
                    Ok(()) => continue,
                    Err(error) => Failed::Otherwise(error),
                }
            }
            Err(Errno::NOENT) => continue,
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if naming == Naming::Create => {
                Failed::CannotRefuse
            }
            Err(errno) => Failed::Otherwise(not_named(errno, &way, key, body)),
        };
        way.prune();
        return Err(failed);
    }
    Err(Failed::Otherwise(system(last, "the directories of the key vanish again and again")))
}

/// A rename onto an empty directory's name fails: nobody sees one, so it is removed. Anything else there stands.
fn clear(way: &Way<'_>, key: &Key) -> Result<()> {
    match unlinkat(way.last(), key.file_name(), AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::NOTDIR) => {
            Err(Error::new(ErrorKind::AlreadyExists, "an object is already there").with_key(key))
        }
        Err(_) => {
            let why = "a key cannot lie above another, as a file cannot hold files";
            Err(Error::new(ErrorKind::InvalidKey, why).with_key(key))
        }
    }
}

fn move_to(way: &Way<'_>, key: &Key, body: Body<'_>, naming: Naming) -> Result<(), Errno> {
    let (directory, path) = body.place();
    let (last, name) = (way.last(), key.file_name());
    match naming {
        Naming::Replace => renameat(directory, path, last, name),
        Naming::Create => match renameat_with(directory, path, last, name, RenameFlags::NOREPLACE) {
            // Not every file system can rename without replacing. A hard link is as exclusive.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                match linkat(directory, path, last, name, AtFlags::empty()) {
                    // Nor can every one have a file in two places, and they say so in many ways.
                    Err(Errno::PERM | Errno::MLINK | Errno::ACCESS) => return Err(Errno::OPNOTSUPP),
                    linked => linked?,
                }
                // The object is there. A second name that stays behind is swept.
                let _left_behind = unlinkat(directory, path, AtFlags::empty());
                Ok(())
            }
            renamed => renamed,
        },
        Naming::CreateAlone => match statat(last, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Err(Errno::EXIST),
            Err(Errno::NOENT) => renameat(directory, path, last, name),
            Err(errno) => Err(errno),
        },
    }
}

/// The error for a rename that failed. On a file system elsewhere it may have been carried out all the same.
fn not_named(errno: Errno, way: &Way<'_>, key: &Key, body: Body<'_>) -> Error {
    if errno == Errno::XDEV {
        return Error::new(ErrorKind::Unsupported, "a rename across file systems")
            .with_source(std::io::Error::from(errno));
    }
    let error = system(errno, "give the object its name");
    let is_ours = |there: Stat| fstat(body.file()).is_ok_and(|ours| ours.st_ino == there.st_ino);
    match statat(way.last(), key.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(there) if is_ours(there) => error.with_outcome(Outcome::Unknown),
        Err(looking) if !leads_nowhere(looking) => error.with_outcome(Outcome::Unknown),
        _ => error,
    }
}

impl<'a> Body<'a> {
    fn file(self) -> BorrowedFd<'a> {
        match self {
            Body::Staged(staged) => staged.file().as_fd(),
            Body::Outside(file, _) => file.as_fd(),
        }
    }

    /// A directory, and the path of the body from there.
    fn place(self) -> (BorrowedFd<'a>, &'a Path) {
        match self {
            Body::Staged(staged) => (staged.directory(), Path::new(staged.name())),
            Body::Outside(_, path) => (CWD, path),
        }
    }
}
