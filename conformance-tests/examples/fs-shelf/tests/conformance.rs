//! All that an adapter's author writes to be tested: a harness, and one line.

use std::sync::Arc;

use async_trait::async_trait;
use conformance_tests::{
    Absent,
    files::{Fixture, Harness},
};
use fs_shelf::Shelf;
use persistent_fs::Backend;

conformance_tests::persistent_fs!(ShelfHarness);

struct ShelfHarness;

struct ShelfFixture(Shelf);

#[async_trait]
impl Harness for ShelfHarness {
    async fn open(&self) -> Result<Box<dyn Fixture>, Absent> {
        Ok(Box::new(ShelfFixture(Shelf::default())))
    }
}

#[async_trait]
impl Fixture for ShelfFixture {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::new(self.0.clone())
    }
}
