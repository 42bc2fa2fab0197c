//! Both kinds of folder as what the page of [`mailer::preview`] shows.
//!
//! Names begin with the time, so the newest sorts last.

use std::fs;
use std::io;
use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use mailer::preview::{Held, Source};
use mailer::{Context, Error};

use crate::error::from_io;
use crate::{Eml, EnvelopeFile, Maildir, Trace};

#[async_trait]
impl Source for Maildir {
    async fn list(&self, limit: usize) -> Result<Vec<Held>, Error> {
        self.drop_box.run(&Context::new(), move |root| newest(&root.join("new"), "", limit, in_maildir)).await
    }

    async fn get(&self, id: &str) -> Result<Option<Held>, Error> {
        let id = id.to_owned();
        let read = move |root: &Path| Ok(is_plain(&id).then(|| in_maildir(&root.join("new"), &id)).flatten());
        self.drop_box.run(&Context::new(), read).await
    }

    /// Removes what is in `new/`; what a mail program has moved to `cur/` is no longer ours.
    async fn clear(&self) -> Result<(), Error> {
        self.drop_box.run(&Context::new(), |root| remove(&root.join("new"), &[""])).await
    }
}

#[async_trait]
impl Source for Eml {
    async fn list(&self, limit: usize) -> Result<Vec<Held>, Error> {
        self.drop_box.run(&Context::new(), move |root| newest(root, ".eml", limit, in_folder)).await
    }

    async fn get(&self, id: &str) -> Result<Option<Held>, Error> {
        let id = id.to_owned();
        let read = move |root: &Path| Ok(is_plain(&id).then(|| in_folder(root, &id)).flatten());
        self.drop_box.run(&Context::new(), read).await
    }

    async fn clear(&self) -> Result<(), Error> {
        // A mail is there for as long as its `.eml` is.
        self.drop_box.run(&Context::new(), |root| remove(root, &[".eml", ".json"])).await
    }
}

/// True for the name of a file in the folder itself that is not hidden.
fn is_plain(id: &str) -> bool {
    !id.is_empty() && !id.starts_with('.') && !id.contains(['/', '\\', '\0'])
}

fn in_maildir(folder: &Path, id: &str) -> Option<Held> {
    let trace = Trace::read(&fs::read(folder.join(id)).ok()?)?;
    Some(Held { id: id.to_owned(), envelope: trace.envelope, kind: None, raw: trace.raw })
}

fn in_folder(folder: &Path, id: &str) -> Option<Held> {
    let beside: EnvelopeFile =
        serde_json::from_slice(&fs::read(folder.join(format!("{id}.json"))).ok()?).ok()?;
    let raw = fs::read(folder.join(format!("{id}.eml"))).ok()?;
    let kind = beside.meta.kind.map(std::borrow::Cow::into_owned);
    Some(Held { id: id.to_owned(), envelope: beside.envelope, kind, raw: Bytes::from(raw) })
}

/// The newest mails whose files end like this. A folder that is not there yet holds none.
fn newest(
    folder: &Path,
    ending: &str,
    limit: usize,
    read: fn(&Path, &str) -> Option<Held>,
) -> Result<Vec<Held>, Error> {
    let mut names = names(folder)?;
    names.sort_unstable_by(|a, b| b.cmp(a));
    let ids = names.iter().filter_map(|name| name.strip_suffix(ending));
    Ok(ids.filter_map(|id| read(folder, id)).take(limit).collect())
}

/// Removes the files that end like this, in the order of the endings.
fn remove(folder: &Path, endings: &[&str]) -> Result<(), Error> {
    let names = names(folder)?;
    for ending in endings {
        for name in names.iter().filter(|name| name.ends_with(ending)) {
            match fs::remove_file(folder.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(from_io("removing a mail", error));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// The names of the files in a folder that are not hidden.
fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| from_io("reading the folder", error))?,
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter(|name| is_plain(name)).collect())
}
