//! Enrols the local store.

use std::{fs, path::Path, sync::Arc, time::SystemTime};

use async_trait::async_trait;
use conformance_tests::{
    Absent,
    files::{Fixture, Harness, signer},
};
use fs_local::Local;
use persistent_fs::{Backend, Method, Result, links::Grant};
use tempfile::TempDir;

conformance_tests::persistent_fs!(LocalHarness);

struct LocalHarness;

struct LocalFixture {
    folder: TempDir,
    store: Local,
}

fn open(root: &Path) -> Local {
    Local::open(root).expect("a folder that can be written to").with_links(signer())
}

#[async_trait]
impl Harness for LocalHarness {
    async fn open(&self) -> Result<Box<dyn Fixture>, Absent> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = open(folder.path());
        Ok(Box::new(LocalFixture { folder, store }))
    }

    /// The root goes away while the store is open, as a disk does that is pulled.
    async fn open_broken(&self) -> Result<Arc<dyn Backend>, Absent> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Ok(Arc::new(open(folder.path())))
    }
}

#[async_trait]
impl Fixture for LocalFixture {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::new(self.store.clone())
    }

    async fn reopen(&self) -> Result<Arc<dyn Backend>, Absent> {
        Ok(Arc::new(open(self.folder.path())))
    }

    /// Every file and every empty folder, but what the store keeps for itself and always has.
    async fn raw_entries(&self) -> Result<Vec<String>, Absent> {
        let mut found = Vec::new();
        collect(self.folder.path(), self.folder.path(), &mut found);
        found.retain(|path| path != ".persistent-fs/lock" && path != ".persistent-fs/staging");
        Ok(found)
    }

    /// Those of this process that lead into the folder, unnamed files included.
    async fn descriptors(&self) -> Result<usize, Absent> {
        let Ok(all) = fs::read_dir("/proc/self/fd") else {
            return Err(Absent::because("this system does not show the descriptors of a process"));
        };
        let targets = all.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        Ok(targets.filter(|target| target.starts_with(self.folder.path())).count())
    }

    fn verify(&self, method: Method, token: &str, now: SystemTime) -> Result<Result<Grant>, Absent> {
        Ok(signer().verifier().verify(method, token, now))
    }
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<String>) {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let entries = entries.collect::<Vec<_>>();
    if entries.is_empty() && folder != root {
        found.push(name(root, folder));
    }
    for path in entries {
        if path.is_dir() {
            collect(root, &path, found);
        } else {
            found.push(name(root, &path));
        }
    }
}

fn name(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned()
}
