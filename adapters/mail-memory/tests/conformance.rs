//! Enrols mail-memory, with limits set, so that the suite sees declared limits kept.

use std::sync::Arc;

use async_trait::async_trait;
use conformance_tests::{
    Absent,
    mailer::{Delivered, Harness, Observer, Setting},
};
use mail_memory::{Inbox, Memory, Options};
use mailer::Backend;

conformance_tests::mailer!(MemoryHarness);

struct MemoryHarness;

#[derive(Debug)]
struct Reader(Inbox);

#[async_trait]
impl Harness for MemoryHarness {
    async fn open(&self) -> Result<Setting, Absent> {
        let options = Options { max_recipients: Some(60), max_bytes: Some(16 << 20), ..Options::default() };
        let memory = Memory::with(options);
        let observer = Arc::new(Reader(memory.inbox()));
        Ok(Setting { backend: Arc::new(memory), observer })
    }

    async fn open_unusable(&self) -> Result<Arc<dyn Backend>, Absent> {
        let (memory, inbox) = Memory::new();
        inbox.set_unavailable(true);
        Ok(Arc::new(memory))
    }
}

#[async_trait]
impl Observer for Reader {
    async fn delivered(&self) -> Vec<Delivered> {
        let read = |sent: &mail_memory::Sent| Delivered {
            from: sent.mail().envelope().from().cloned(),
            to: sent.mail().envelope().to().to_vec(),
            raw: sent.mail().raw().clone(),
            provider_id: Some(sent.provider_id().to_owned()),
        };
        self.0.sent().iter().map(read).collect()
    }
}
