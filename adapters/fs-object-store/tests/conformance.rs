//! Enrols the bridge, there and back: our store in memory as an `ObjectStore`, and that as a backend again.
//!
//! What the stores that come with `object_store` make of the suite is in `peers.rs`. None of them keeps all of it, and
//! so a failure there could not be told from one of the bridge.

use std::sync::Arc;

use async_trait::async_trait;
use conformance_tests::{
    Absent,
    files::{Fixture, Harness},
};
use fs_memory::Memory;
use fs_object_store::{AsObjectStore, Store};
use futures_util::TryStreamExt;
use persistent_fs::{Backend, Capabilities, Prefix};

conformance_tests::persistent_fs!(ThereAndBack);

struct ThereAndBack;

struct MemoryFixture(Memory);

#[async_trait]
impl Harness for ThereAndBack {
    async fn open(&self) -> Result<Box<dyn Fixture>, Absent> {
        Ok(Box::new(MemoryFixture(Memory::new())))
    }
}

#[async_trait]
impl Fixture for MemoryFixture {
    fn backend(&self) -> Arc<dyn Backend> {
        let capabilities = Capabilities {
            create: true,
            compare_and_swap: true,
            etag: true,
            content_type: true,
            case_sensitive: true,
            ..Capabilities::NONE
        };
        let inner = AsObjectStore::new(Arc::new(self.0.clone()));
        // Small parts, so that bodies of a test's size come in many of them.
        Arc::new(Store::new(Arc::new(inner), capabilities).with_part_size(256 * 1024))
    }

    async fn reopen(&self) -> Result<Arc<dyn Backend>, Absent> {
        Ok(self.backend())
    }

    /// Parts belong to their upload and go with it, so that the objects are all that is stored.
    async fn raw_entries(&self) -> Result<Vec<String>, Absent> {
        let names = self.0.list(&Prefix::all(), None).map_ok(|meta| meta.key.to_string());
        Ok(names.try_collect().await.expect("memory lists"))
    }
}
