//! The moment in which a body becomes an object, or an object goes.

use std::{os::fd::AsFd, path::Path};

use persistent_fs::{Error, ErrorKind, Key, Meta, Outcome, Result, WriteMode, WriteOptions};
use rustix::{
    fs::{AtFlags, CWD, FileType, RenameFlags, fstat, linkat, renameat, renameat_with, statat, unlinkat},
    io::Errno,
};

use crate::{
    error::system,
    root::{Root, Way, folders, leads_nowhere, meta},
    stage::Staged,
};

/// How often to start over when directories vanish while we enter them. Each time, somebody else got further.
const ATTEMPTS: usize = 100;

/// A sealed body and where it lies.
#[derive(Clone, Copy)]
pub(crate) enum Body<'a> {
    Staged(&'a Staged),
    Outside(&'a Path),
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
    let lock = root.lock(matches!(options.mode, WriteMode::Match(_)))?;
    if let WriteMode::Match(_) = &options.mode {
        let present = match root.open_object(key) {
            Ok((_, meta)) => Some(meta),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        };
        options.admits(present.as_ref())?;
    }
    let (way, meta) = name_it(root, key, body, options.mode == WriteMode::Create)?;
    drop(lock);
    if durable {
        way.sync().map_err(|errno| system(errno, "sync the directories").with_outcome(Outcome::Unknown))?;
    }
    Ok(meta)
}

/// Removes an object, and the directories that held nothing else. What is not there is left alone.
pub(crate) fn remove(root: &Root, key: &Key, durable: bool) -> Result<()> {
    let failed = |errno| system(errno, "remove the object");
    let mut way = match root.find(folders(key)) {
        Ok(way) => way,
        Err(errno) if leads_nowhere(errno) => return root.check(),
        Err(errno) => return Err(failed(errno)),
    };
    let lock = root.lock(false)?;
    match statat(way.last(), key.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {}
        Ok(_) | Err(Errno::NOENT) => return root.check(),
        Err(errno) => return Err(failed(errno)),
    }
    match unlinkat(way.last(), key.file_name(), AtFlags::empty()) {
        Ok(()) => {}
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(failed(errno)),
    }
    way.prune(key);
    drop(lock);
    if durable {
        way.sync().map_err(|errno| system(errno, "sync the directories").with_outcome(Outcome::Unknown))?;
    }
    Ok(())
}

fn name_it<'a>(root: &'a Root, key: &Key, body: Body<'_>, create: bool) -> Result<(Way<'a>, Meta)> {
    let mut last = Errno::NOENT;
    for _ in 0..ATTEMPTS {
        // A directory on the way may be removed, being empty, between the moment it is opened and the rename.
        let way = match root.make(folders(key)) {
            Ok(way) => way,
            Err(Errno::NOENT) => continue,
            Err(errno) => return Err(system(errno, "enter the directories of the key")),
        };
        let stat = describe(body)?;
        match move_to(&way, key, body, create) {
            Ok(()) => return Ok((way, meta(key.clone(), &stat))),
            Err(errno @ (Errno::EXIST | Errno::ISDIR | Errno::NOTEMPTY)) => {
                last = errno;
                clear(&way, key)?;
            }
            Err(Errno::NOENT) => last = Errno::NOENT,
            Err(Errno::XDEV) => return Err(cross_device()),
            Err(errno) => return Err(system(errno, "give the object its name")),
        }
    }
    Err(system(last, "the directories of the key vanish again and again"))
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

fn move_to(way: &Way<'_>, key: &Key, body: Body<'_>, create: bool) -> Result<(), Errno> {
    let (directory, path) = match body {
        Body::Staged(staged) => (staged.directory(), Path::new(staged.name())),
        Body::Outside(path) => (CWD, path),
    };
    let (last, name) = (way.last(), key.file_name());
    if !create {
        return renameat(directory, path, last, name);
    }
    match renameat_with(directory, path, last, name, RenameFlags::NOREPLACE) {
        // Not every file system can rename without replacing. A hard link is as exclusive.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            linkat(directory, path, last, name, AtFlags::empty())?;
            // The object is there. A second name that stays behind is swept.
            let _left_behind = unlinkat(directory, path, AtFlags::empty());
            Ok(())
        }
        renamed => renamed,
    }
}

fn describe(body: Body<'_>) -> Result<rustix::fs::Stat> {
    let stat = match body {
        Body::Staged(staged) => fstat(staged.file().as_fd()),
        Body::Outside(path) => statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW),
    };
    stat.map_err(|errno| system(errno, "describe the body"))
}

/// The body lies on another file system, and must be copied.
fn cross_device() -> Error {
    Error::new(ErrorKind::Unsupported, "a rename across file systems")
        .with_source(std::io::Error::from(Errno::XDEV))
}
