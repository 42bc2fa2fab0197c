//! The suite on services that come with `opendal`, as they are: what their operators say of themselves is declared, and
//! what they do not keep is in `expected_failures.toml`.

use std::{path::Path, process::ExitCode, sync::Arc};

use async_trait::async_trait;
use conformance_tests::{
    Absent,
    files::{Fixture, Harness, cases},
    peers::{self, Peer},
};
use fs_opendal::Store;
use futures_util::TryStreamExt;
use opendal::{
    Operator,
    services::{Fs, Memory},
};
use persistent_fs::{Backend, Capabilities};
use tempfile::TempDir;

fn main() -> ExitCode {
    let peers: Vec<Peer<dyn Harness>> = vec![
        Peer { configuration: "memory", harness: Arc::new(InMemory) },
        Peer { configuration: "fs", harness: Arc::new(OnDisk { atomic: false }) },
        Peer { configuration: "fs with atomic_write_dir", harness: Arc::new(OnDisk { atomic: true }) },
    ];
    peers::main(env!("CARGO_MANIFEST_DIR"), "opendal", &cases(), peers)
}

struct InMemory;

struct MemoryFixture(Operator);

struct OnDisk {
    atomic: bool,
}

struct DiskFixture {
    folder: TempDir,
    atomic: bool,
}

#[async_trait]
impl Harness for InMemory {
    async fn open(&self) -> Result<Box<dyn Fixture>, Absent> {
        Ok(Box::new(MemoryFixture(Operator::new(Memory::default()).expect("memory opens"))))
    }
}

#[async_trait]
impl Fixture for MemoryFixture {
    fn backend(&self) -> Arc<dyn Backend> {
        // A map lists in order, and has to take the bodies of the suite whole.
        says(Store::new(self.0.clone()).listing_in_order().with_whole_max(256 << 20))
    }

    async fn reopen(&self) -> Result<Arc<dyn Backend>, Absent> {
        Ok(self.backend())
    }

    async fn raw_entries(&self) -> Result<Vec<String>, Absent> {
        let lister = self.0.lister_with("/").recursive(true).await.expect("memory lists");
        let entries: Vec<_> = lister.try_collect().await.expect("memory lists");
        let names = entries.into_iter().map(|entry| entry.path().to_owned());
        Ok(names.filter(|name| !name.ends_with('/')).collect())
    }
}

#[async_trait]
impl Harness for OnDisk {
    async fn open(&self) -> Result<Box<dyn Fixture>, Absent> {
        Ok(Box::new(DiskFixture { folder: TempDir::new().expect("a folder"), atomic: self.atomic }))
    }

    /// A root that has gone away since.
    async fn open_broken(&self) -> Result<Arc<dyn Backend>, Absent> {
        let gone = TempDir::new().expect("a folder");
        Ok(says(Store::new(on_disk(gone.path(), self.atomic))))
    }
}

#[async_trait]
impl Fixture for DiskFixture {
    fn backend(&self) -> Arc<dyn Backend> {
        says(Store::new(on_disk(self.folder.path(), self.atomic)))
    }

    async fn reopen(&self) -> Result<Arc<dyn Backend>, Absent> {
        Ok(self.backend())
    }

    async fn raw_entries(&self) -> Result<Vec<String>, Absent> {
        let mut found = peers::entries(self.folder.path());
        // Of the two folders that were set up here, an empty one is nothing that was left behind.
        found.retain(|name| name != "root" && name != "atomic");
        Ok(found)
    }
}

fn on_disk(folder: &Path, atomic: bool) -> Operator {
    let below =
        |name: &str| folder.join(name).to_str().expect("temporary folders have plain names").to_owned();
    let mut service = Fs::default().root(&below("root"));
    if atomic {
        service = service.atomic_write_dir(&below("atomic"));
    }
    Operator::new(service).expect("a folder opens")
}

fn says(store: Store) -> Arc<dyn Backend> {
    let says = Capabilities { case_sensitive: true, ..store.capabilities() };
    Arc::new(store.with_capabilities(says))
}
