//! The suite over a database in memory.

use async_trait::async_trait;
use conformance_tests::{
    Absent,
    dbconn::{Harness, Setting},
};
use db_memory::Memory;

struct InMemory;

#[async_trait]
impl Harness for InMemory {
    async fn open(&self) -> Result<Setting, Absent> {
        Ok(Setting::new(Memory::new(), ()))
    }
}

conformance_tests::dbconn!(InMemory);
