//! What both kinds of folder share: unique names, atomic files, work off the async threads.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use mailer::{Capabilities, Clock, Context, Entropy, Error, ErrorKind, Outcome, Stage, Support};

use crate::error::from_io;
use crate::gate::Gate;

/// A folder that mails are put into.
#[derive(Clone, Debug)]
pub(crate) struct DropBox {
    pub(crate) root: PathBuf,
    clock: Clock,
    entropy: Entropy,
    gate: Gate,
}

impl DropBox {
    pub(crate) fn new(root: PathBuf, clock: Clock, entropy: Entropy) -> Self {
        Self { root, clock, entropy, gate: Gate::default() }
    }

    pub(crate) fn capabilities() -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.utf8_local = Support::Yes;
        capabilities.envelope_from = Support::Yes;
        capabilities.provider_id = true;
        capabilities.keeps_message_id = true;
        capabilities.durable = true;
        capabilities
    }

    /// A file name nobody else uses: the time, so that names sort by age, and 128 random bits.
    pub(crate) fn unique_name(&self) -> String {
        let since = self.clock.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut name = format!("{}.M{:06}R", since.as_secs(), since.subsec_micros());
        for byte in self.entropy.next() {
            write!(name, "{byte:02x}").expect("writing to a string cannot fail");
        }
        name + ".undercroft"
    }

    /// Runs blocking work to its end, also if the caller stops waiting.
    pub(crate) async fn run<F, T>(&self, cx: &Context, work: F) -> Result<T, Error>
    where
        F: FnOnce(&Path) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        let pass = self.gate.enter(cx).await?;
        let root = self.root.clone();
        let running = tokio::task::spawn_blocking(move || {
            let result = work(&root);
            drop(pass);
            result
        });
        let joined = match cx.deadline {
            Some(deadline) => tokio::time::timeout_at(deadline.into(), running).await,
            None => Ok(running.await),
        };
        match joined {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => Err(Error::new(ErrorKind::Other, "the writer stopped").with_source(error)),
            Err(_elapsed) => {
                Err(Error::new(ErrorKind::Timeout, "the file may still be written").at(Stage::Verdict))
            }
        }
    }

    pub(crate) async fn close(&self) {
        self.gate.close().await;
    }
}

/// Makes a folder and those above it.
pub(crate) fn make_folder(path: &Path) -> Result<(), Error> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| from_io("making the folder", error))
}

/// A file that is not visible yet; dropping it removes it.
pub(crate) struct Draft {
    /// None once it has its final name.
    path: Option<PathBuf>,
}

impl Draft {
    /// Writes the pieces and waits until they are on the disk.
    pub(crate) fn write(path: PathBuf, pieces: &[&[u8]]) -> Result<Self, Error> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path).map_err(|error| from_io("making the file", error))?;
        let draft = Self { path: Some(path) };
        let written = pieces.iter().try_for_each(|piece| file.write_all(piece));
        written.and_then(|()| file.sync_all()).map_err(|error| from_io("writing the file", error))?;
        Ok(draft)
    }

    /// Gives it its final name, by which it becomes visible whole. Surely not visible on an error.
    pub(crate) fn publish(mut self, name: &Path) -> Result<(), Error> {
        if let Some(path) = &self.path {
            fs::rename(path, name).map_err(|error| from_io("naming the file", error))?;
        }
        self.path = None;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // What cannot be removed stays hidden; the error that led here is the one worth telling.
            drop(fs::remove_file(path));
        }
    }
}

/// Makes new names in a folder durable. The mail is visible by now, so whether it stays so is unknown on an error.
pub(crate) fn sync_folder(path: &Path) -> Result<(), Error> {
    let sync = || -> io::Result<()> { File::open(path)?.sync_all() };
    sync().map_err(|error| {
        from_io("syncing the folder", error).with_outcome(Outcome::Unknown).at(Stage::Verdict)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_however_many_ask() {
        let drop_box = DropBox::new(PathBuf::new(), Clock::new(|| UNIX_EPOCH), Entropy::system());
        let ask = || (0..2_500).map(|_| drop_box.unique_name()).collect::<Vec<_>>();
        let names: std::collections::BTreeSet<_> = std::thread::scope(|scope| {
            let asking = [(); 4].map(|()| scope.spawn(ask));
            asking.into_iter().flat_map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(names.len(), 10_000);
    }
}
