//! The suite once more, through the layer with a chain of keys, over a local folder.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use conformance_tests::{
    Absent,
    files::{Fixture, Harness},
};
use fs_encryption::{Encrypted, KeyChain, KeyRing, MasterKey};
use fs_local::Local;
use persistent_fs::{Backend, Files, Result};
use tempfile::TempDir;

conformance_tests::persistent_fs!(OverLocal);

struct OverLocal;

struct Sealed {
    folder: TempDir,
    keys: TempDir,
    store: Arc<dyn Backend>,
}

async fn open(folder: &Path, keys: &Path) -> Arc<dyn Backend> {
    let ring = KeyRing::new(MasterKey::new("suite", &[0x5A; 32]).expect("a good key"));
    let keys = Files::new(Local::open(keys).expect("a folder"));
    let chain = KeyChain::open(keys, "suite", ring).await.expect("a chain");
    let store = Local::open(folder).expect("a folder");
    Arc::new(Encrypted::new(store, "suite", chain).expect("a good name"))
}

#[async_trait]
impl Harness for OverLocal {
    async fn open(&self) -> Result<Box<dyn Fixture>, Absent> {
        let [folder, keys] = [(); 2].map(|()| tempfile::tempdir().expect("a temporary folder"));
        let store = open(folder.path(), keys.path()).await;
        Ok(Box::new(Sealed { folder, keys, store }))
    }

    /// The root goes away while the store is open, as a disk does that is pulled.
    async fn open_broken(&self) -> Result<Arc<dyn Backend>, Absent> {
        let [folder, keys] = [(); 2].map(|()| tempfile::tempdir().expect("a temporary folder"));
        Ok(open(folder.path(), keys.path()).await)
    }
}

#[async_trait]
impl Fixture for Sealed {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.store)
    }

    async fn reopen(&self) -> Result<Arc<dyn Backend>, Absent> {
        Ok(open(self.folder.path(), self.keys.path()).await)
    }

    /// Every file and every empty folder, but what the store keeps for itself and always has.
    async fn raw_entries(&self) -> Result<Vec<String>, Absent> {
        let mut found = Vec::new();
        collect(self.folder.path(), "", &mut found);
        found.retain(|path| path != ".persistent-fs/lock" && path != ".persistent-fs/staging");
        Ok(found)
    }

    /// Those of this process that lead into the folder, unnamed files included.
    async fn descriptors(&self) -> Result<usize, Absent> {
        let Ok(all) = std::fs::read_dir("/proc/self/fd") else {
            return Err(Absent::because("this system does not show the descriptors of a process"));
        };
        let targets = all.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        Ok(targets.filter(|target| target.starts_with(self.folder.path())).count())
    }
}

fn collect(folder: &Path, name: &str, found: &mut Vec<String>) {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    let entries = entries.collect::<Vec<_>>();
    if entries.is_empty() && !name.is_empty() {
        found.push(name.to_owned());
    }
    for entry in entries {
        let file = entry.file_name().to_string_lossy().into_owned();
        let below = if name.is_empty() { file } else { format!("{name}/{file}") };
        if entry.path().is_dir() {
            collect(&entry.path(), &below, found);
        } else {
            found.push(below);
        }
    }
}
