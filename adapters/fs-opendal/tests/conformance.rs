//! Enrols the service in memory that comes with `opendal`, through the bridge.

use std::sync::Arc;

use async_trait::async_trait;
use conformance_tests::{
    Absent,
    files::{Fixture, Harness},
};
use fs_opendal::Store;
use futures_util::TryStreamExt;
use opendal::{Operator, services::Memory};
use persistent_fs::{Backend, Capabilities, Key};

conformance_tests::persistent_fs!(MemoryHarness);

struct MemoryHarness;

struct MemoryFixture(Operator);

#[async_trait]
impl Harness for MemoryHarness {
    async fn open(&self) -> Result<Box<dyn Fixture>, Absent> {
        Ok(Box::new(MemoryFixture(Operator::new(Memory::default()).expect("memory opens"))))
    }
}

#[async_trait]
impl Fixture for MemoryFixture {
    fn backend(&self) -> Arc<dyn Backend> {
        // A map lists in order, and has to take the bodies of the suite whole.
        let store = Store::new(self.0.clone()).listing_in_order().with_whole_max(256 << 20);
        let known = Capabilities { case_sensitive: true, ..store.capabilities() };
        Arc::new(store.with_capabilities(known))
    }

    async fn reopen(&self) -> Result<Arc<dyn Backend>, Absent> {
        Ok(self.backend())
    }

    /// An upload holds its own bytes until it is finished, so that the objects are all that is stored.
    async fn raw_entries(&self) -> Result<Vec<String>, Absent> {
        let lister = self.0.lister_with("/").recursive(true).await.expect("memory lists");
        let entries: Vec<_> = lister.try_collect().await.expect("memory lists");
        let names = entries.into_iter().map(|entry| entry.path().to_owned());
        Ok(names.filter(|name| !name.ends_with('/')).collect())
    }

    /// `opendal` trims paths.
    fn refuses(&self, key: &Key) -> bool {
        key.as_str().trim() != key.as_str()
    }
}
