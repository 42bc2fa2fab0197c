//! Enrols the store in memory that comes with `object_store`, through the bridge.

use std::sync::Arc;

use async_trait::async_trait;
use conformance_tests::{
    Absent,
    files::{Fixture, Harness},
};
use fs_object_store::Store;
use futures_util::TryStreamExt;
use object_store::{ObjectStore, memory::InMemory};
use persistent_fs::{Backend, Capabilities};

conformance_tests::persistent_fs!(InMemoryHarness);

struct InMemoryHarness;

struct InMemoryFixture(Arc<InMemory>);

#[async_trait]
impl Harness for InMemoryHarness {
    async fn open(&self) -> Result<Box<dyn Fixture>, Absent> {
        Ok(Box::new(InMemoryFixture(Arc::default())))
    }
}

#[async_trait]
impl Fixture for InMemoryFixture {
    fn backend(&self) -> Arc<dyn Backend> {
        let capabilities = Capabilities {
            create: true,
            compare_and_swap: true,
            etag: true,
            content_type: true,
            case_sensitive: true,
            ..Capabilities::NONE
        };
        // Small parts, so that bodies of a test's size come in many of them.
        Arc::new(Store::new(self.0.clone(), capabilities).with_part_size(256 * 1024))
    }

    async fn reopen(&self) -> Result<Arc<dyn Backend>, Absent> {
        Ok(self.backend())
    }

    /// Parts belong to their upload and go with it, so that the objects are all that is stored.
    async fn raw_entries(&self) -> Result<Vec<String>, Absent> {
        let names = self.0.list(None).map_ok(|found| found.location.to_string());
        Ok(names.try_collect().await.expect("memory lists"))
    }
}
