//! The objects below a root, in the order of their keys.

use std::{os::fd::OwnedFd, sync::Arc, vec};

use persistent_fs::{Key, Meta, Prefix, RESERVED, Result};
use rustix::{
    fs::{AtFlags, Dir, FileType, statat},
    io::Errno,
};

use crate::{
    blocking::Source,
    error::system,
    root::{Root, enter, is_object, leads_nowhere, meta},
};

const BATCH: usize = 256;

/// A walk through the tree, depth first. A directory sorts as its name with a slash behind it, which makes the order
/// of the walk the byte order of the keys.
#[derive(Debug)]
pub(crate) struct Walk {
    root: Arc<Root>,
    prefix: String,
    after: Option<String>,
    /// `None` until the walk begins.
    levels: Option<Vec<Level>>,
}

#[derive(Debug)]
struct Level {
    directory: OwnedFd,
    /// The path from the root with a slash at its end, or nothing.
    path: String,
    entries: vec::IntoIter<String>,
}

impl Walk {
    pub(crate) fn new(root: Arc<Root>, prefix: &Prefix, after: Option<&Key>) -> Self {
        let after = after.map(|key| key.as_str().to_owned());
        Self { root, prefix: prefix.as_str().to_owned(), after, levels: None }
    }

    /// Enters the innermost directory that all keys with the prefix share.
    fn begin(&self) -> Result<Vec<Level>> {
        self.root.check()?;
        let path = self.prefix.rfind('/').map_or("", |slash| &self.prefix[..=slash]);
        let entered = self.root.find(path.split_terminator('/')).and_then(super::root::Way::into_last);
        match entered {
            Ok(directory) => Ok(vec![self.level(directory, path.to_owned())?]),
            Err(errno) if leads_nowhere(errno) => Ok(Vec::new()),
            Err(errno) => Err(system(errno, "enter the first directory")),
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

    fn next(&mut self) -> Result<Option<Meta>> {
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
                match enter(std::os::fd::AsFd::as_fd(&level.directory), folder, false) {
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
    type Item = Meta;

    fn batch(&mut self) -> (Vec<Result<Meta>>, bool) {
        let mut found = Vec::new();
        while found.len() < BATCH {
            match self.next() {
                Ok(Some(meta)) => found.push(Ok(meta)),
                Ok(None) => return (found, false),
                Err(error) => {
                    found.push(Err(error));
                    return (found, false);
                }
            }
        }
        (found, true)
    }
}
