//! Enrols the layer over memory.

use std::{sync::Arc, time::SystemTime};

use async_trait::async_trait;
use conformance_tests::{
    Absent,
    files::{Fixture, Harness, signer},
};
use fs_encryption::{Encrypted, KeyRing, MasterKey};
use fs_local::Local;
use fs_memory::Memory;
use futures_util::TryStreamExt;
use persistent_fs::{Backend, Method, Prefix, Result, links::Grant};

conformance_tests::persistent_fs!(OverMemory);

struct OverMemory;

struct Sealed(Memory);

fn sealed(inner: impl Backend) -> Arc<dyn Backend> {
    let ring = KeyRing::new(MasterKey::new("suite", &[0x5A; 32]).expect("a good key"));
    let layer = Encrypted::new(inner, "suite", ring).expect("a good name");
    Arc::new(layer.with_links(signer()))
}

#[async_trait]
impl Harness for OverMemory {
    async fn open(&self) -> Result<Box<dyn Fixture>, Absent> {
        Ok(Box::new(Sealed(Memory::new())))
    }

    /// A layer is as broken as what it stands on: here a folder that has gone away.
    async fn open_broken(&self) -> Result<Arc<dyn Backend>, Absent> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Ok(sealed(Local::open(folder.path()).expect("a folder")))
    }
}

#[async_trait]
impl Fixture for Sealed {
    fn backend(&self) -> Arc<dyn Backend> {
        sealed(self.0.clone())
    }

    async fn reopen(&self) -> Result<Arc<dyn Backend>, Absent> {
        Ok(self.backend())
    }

    async fn raw_entries(&self) -> Result<Vec<String>, Absent> {
        let names = self.0.list(&Prefix::all(), None).map_ok(|meta| meta.key.to_string());
        Ok(names.try_collect().await.expect("memory lists"))
    }

    /// Memory is not opened.
    async fn descriptors(&self) -> Result<usize, Absent> {
        Ok(0)
    }

    fn verify(&self, method: Method, token: &str, now: SystemTime) -> Result<Result<Grant>, Absent> {
        Ok(signer().verifier().verify(method, token, now))
    }
}
