//! Enrols the store on the server within this process.

mod harness;
#[path = "harness/stranger.rs"]
mod stranger;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use conformance_tests::{
    Absent,
    files::{Fixture, Harness, Quirk},
    s3_server::S3Server,
};
use fs_s3::S3;
use persistent_fs::{Backend, ByteStream};

conformance_tests::persistent_fs!(InProcess);

struct InProcess;

struct InProcessFixture {
    server: S3Server,
    store: S3,
}

async fn open(server: &S3Server) -> S3 {
    let mut config = harness::config(server.account());
    config.part_size = 5 << 20;
    S3::open(config).await.expect("a store")
}

#[async_trait]
impl Harness for InProcess {
    async fn open(&self) -> Result<Box<dyn Fixture>, Absent> {
        let server = S3Server::start().await.expect("a server");
        let store = open(&server).await;
        Ok(Box::new(InProcessFixture { server, store }))
    }

    /// The keys expire while the store is open.
    async fn open_broken(&self) -> Result<Arc<dyn Backend>, Absent> {
        let server = S3Server::start().await.expect("a server");
        let store = open(&server).await;
        server.stop().await;
        Ok(Arc::new(store))
    }
}

#[async_trait]
impl Fixture for InProcessFixture {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::new(self.store.clone())
    }

    async fn reopen(&self) -> Result<Arc<dyn Backend>, Absent> {
        Ok(Arc::new(open(&self.server).await))
    }

    async fn raw_entries(&self) -> Result<Vec<String>, Absent> {
        Ok(self.server.raw_entries())
    }

    async fn fetch(
        &self,
        request: http::Request<ByteStream>,
        late: Duration,
    ) -> Result<http::Response<Bytes>, Absent> {
        Ok(stranger::send(request, late).await)
    }

    fn quirks(&self) -> &[Quirk] {
        stranger::QUIRKS
    }
}
