//! Enrols the memory store.

use std::{sync::Arc, time::SystemTime};

use async_trait::async_trait;
use conformance_tests::{
    Absent,
    files::{Fixture, Harness, signer},
};
use fs_memory::Memory;
use futures_util::TryStreamExt;
use persistent_fs::{Backend, Method, Prefix, Result, links::Grant};

conformance_tests::persistent_fs!(MemoryHarness);

struct MemoryHarness;

struct MemoryFixture(Memory);

#[async_trait]
impl Harness for MemoryHarness {
    async fn open(&self) -> Result<Box<dyn Fixture>, Absent> {
        Ok(Box::new(MemoryFixture(Memory::new().with_links(signer()))))
    }
}

#[async_trait]
impl Fixture for MemoryFixture {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::new(self.0.clone())
    }

    /// Nothing outlives the last clone, so another clone is the most that a restart can be.
    async fn reopen(&self) -> Result<Arc<dyn Backend>, Absent> {
        Ok(self.backend())
    }

    /// All that is stored are the objects: an upload holds its own bytes until it is finished.
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
