//! The objects below a root, in the order of their keys.

use std::{
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    vec,
};

use futures_util::{Stream, TryStreamExt, stream};
use persistent_fs::{Error, Key, Meta, Prefix, RESERVED, Result};
use rustix::{
    fs::{AtFlags, Dir, FileType, statat},
    io::Errno,
};

use crate::{
    blocking::{Ahead, Source},
    error::system,
    root::{Root, enter, is_object, leads_nowhere, meta},
};

/// How many objects are described in one go. Two batches are made ahead of the consumer.
const BATCH: usize = 256;

/// The objects with this prefix, behind this key.
pub(crate) fn list(
    root: Arc<Root>,
    prefix: &Prefix,
    after: Option<&Key>,
) -> impl Stream<Item = Result<Meta>> + use<> {
    let after = after.map(|key| key.as_str().to_owned());
    let walk = Walk { root, prefix: prefix.as_str().to_owned(), after, levels: None, failed: None };
    Ahead::new(walk, 2).map_ok(|batch| stream::iter(batch.into_iter().map(Ok))).try_flatten()
}

/// A walk through the tree, depth first. A directory sorts as its name with a slash behind it, which makes the order
/// of the walk the byte order of the keys.
#[derive(Debug)]
struct Walk {
    root: Arc<Root>,
    prefix: String,
    after: Option<String>,
    /// `None` until the walk begins.
    levels: Option<Vec<Level>>,
    /// What ended the walk, while the objects before it are on their way.
    failed: Option<Error>,
}

#[derive(Debug)]
struct Level {
    directory: OwnedFd,
    /// The path from the root with a slash at its end, or nothing.
    path: String,
    entries: vec::IntoIter<String>,
}

impl Walk {
    /// Enters the innermost directory that all keys with the prefix share.
    fn begin(&self) -> Result<Vec<Level>> {
        self.root.check()?;
        let path = self.prefix.rfind('/').map_or("", |slash| &self.prefix[..=slash]);
        let entered = self
            .root
            .approach(path.split_terminator('/'))
            .and_then(|(way, is_whole)| if is_whole { way.into_last().map(Some) } else { Ok(None) });
        match entered.map_err(|errno| system(errno, "enter the first directory"))? {
            Some(directory) => Ok(vec![self.level(directory, path.to_owned())?]),
            None => Ok(Vec::new()),
        }
    }

    fn level(&self, directory: OwnedFd, path: String) -> Result<Level> {
        let failed = |errno| system(errno, "read a directory");
        let mut entries = Vec::new();
        for entry in Dir::read_from(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // A name that is not UTF-8 is no key's, and so not ours.
            let Ok(name) = entry.file_name().to_str() else { continue };
            if name == "." || name == ".." || (path.is_empty() && name == RESERVED) {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => match statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    Err(Errno::NOENT) => continue,
                    Err(errno) => return Err(failed(errno)),
                },
                known => known,
            };
            let name = match kind {
                FileType::RegularFile => name.to_owned(),
                FileType::Directory => format!("{name}/"),
                _ => continue,
            };
            if self.wanted(&format!("{path}{name}")) {
                entries.push(name);
            }
        }
        entries.sort_unstable();
        Ok(Level { directory, path, entries: entries.into_iter() })
    }

    /// Whether an object, or anything in a directory, can be part of the answer.
    fn wanted(&self, path: &str) -> bool {
        let is_directory = path.ends_with('/');
        let begins = path.starts_with(&self.prefix) || (is_directory && self.prefix.starts_with(path));
        let is_behind = self.after.as_deref().is_none_or(|after| {
            // A directory lies partly behind a key that is in it.
            path > after || (is_directory && after.starts_with(path))
        });
        begins && is_behind
    }

    fn step(&mut self) -> Result<Option<Meta>> {
        if self.levels.is_none() {
            self.levels = Some(self.begin()?);
        }
        loop {
            let levels = self.levels.as_mut().expect("the walk has begun");
            let Some(level) = levels.last_mut() else { return Ok(None) };
            let Some(name) = level.entries.next() else {
                levels.pop();
                continue;
            };
            let path = format!("{}{name}", level.path);
            if let Some(folder) = name.strip_suffix('/') {
                match enter(level.directory.as_fd(), folder, false) {
                    Ok(directory) => {
                        let inner = self.level(directory, path)?;
                        self.levels.as_mut().expect("the walk has begun").push(inner);
                    }
                    // It went while we were on our way.
                    Err(errno) if leads_nowhere(errno) => {}
                    Err(errno) => return Err(system(errno, "enter a directory")),
                }
                continue;
            }
            let Ok(key) = Key::parse(&path) else { continue };
            match statat(&level.directory, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if is_object(&stat) => return Ok(Some(meta(key, &stat))),
                Ok(_) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(system(errno, "describe an object")),
            }
        }
    }
}

impl Source for Walk {
    type Item = Vec<Meta>;

    fn next(&mut self) -> Option<Result<Vec<Meta>>> {
        if let Some(error) = self.failed.take() {
            return Some(Err(error));
        }
        let mut batch = Vec::new();
        while batch.len() < BATCH {
            match self.step() {
                Ok(Some(meta)) => batch.push(meta),
                Ok(None) => break,
                Err(error) if batch.is_empty() => return Some(Err(error)),
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
        }
        (!batch.is_empty()).then_some(Ok(batch))
    }
}
