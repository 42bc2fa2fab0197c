//! The suite on the stores that come with `object_store`, as they are: what they say of themselves is declared, and what
//! they do not keep is in `expected_failures.toml`.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use async_trait::async_trait;
use conformance_tests::{
    Absent,
    files::{Fixture, Harness, cases},
    peers::{self, Peer},
};
use fs_object_store::Store;
use futures_util::TryStreamExt;
use object_store::{ObjectStore, local::LocalFileSystem, memory::InMemory};
use persistent_fs::{Backend, Capabilities};
use tempfile::TempDir;

fn main() -> ExitCode {
    let peers: Vec<Peer<dyn Harness>> = vec![
        Peer { configuration: "InMemory", harness: Arc::new(Memory) },
        Peer { configuration: "LocalFileSystem", harness: Arc::new(Local { fsync: false }) },
        Peer { configuration: "LocalFileSystem with_fsync", harness: Arc::new(Local { fsync: true }) },
    ];
    peers::main(env!("CARGO_MANIFEST_DIR"), "object_store", &cases(), peers)
}

struct Memory;

struct MemoryFixture(Arc<InMemory>);

struct Local {
    fsync: bool,
}

struct LocalFixture {
    folder: TempDir,
    fsync: bool,
}

#[async_trait]
impl Harness for Memory {
    async fn open(&self) -> Result<Box<dyn Fixture>, Absent> {
        Ok(Box::new(MemoryFixture(Arc::default())))
    }
}

#[async_trait]
impl Fixture for MemoryFixture {
    fn backend(&self) -> Arc<dyn Backend> {
        let says = Capabilities {
            create: true,
            compare_and_swap: true,
            etag: true,
            content_type: true,
            case_sensitive: true,
            ..Capabilities::NONE
        };
        Arc::new(Store::new(self.0.clone(), says))
    }

    async fn reopen(&self) -> Result<Arc<dyn Backend>, Absent> {
        Ok(self.backend())
    }

    async fn raw_entries(&self) -> Result<Vec<String>, Absent> {
        let names = self.0.list(None).map_ok(|found| found.location.to_string());
        Ok(names.try_collect().await.expect("memory lists"))
    }
}

#[async_trait]
impl Harness for Local {
    async fn open(&self) -> Result<Box<dyn Fixture>, Absent> {
        Ok(Box::new(LocalFixture { folder: TempDir::new().expect("a folder"), fsync: self.fsync }))
    }

    /// A root that has gone away since.
    async fn open_broken(&self) -> Result<Arc<dyn Backend>, Absent> {
        let gone = TempDir::new().expect("a folder");
        Ok(store(gone.path().to_owned(), self.fsync))
    }
}

#[async_trait]
impl Fixture for LocalFixture {
    fn backend(&self) -> Arc<dyn Backend> {
        store(self.folder.path().to_owned(), self.fsync)
    }

    async fn reopen(&self) -> Result<Arc<dyn Backend>, Absent> {
        Ok(self.backend())
    }

    async fn raw_entries(&self) -> Result<Vec<String>, Absent> {
        Ok(peers::entries(self.folder.path()))
    }
}

fn store(root: PathBuf, fsync: bool) -> Arc<dyn Backend> {
    let local = LocalFileSystem::new_with_prefix(root).expect("a folder").with_fsync(fsync);
    let says =
        Capabilities { durable: fsync, create: true, etag: true, case_sensitive: true, ..Capabilities::NONE };
    Arc::new(Store::new(Arc::new(local), says).sorting_listings())
}
