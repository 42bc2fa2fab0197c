//! The suite once more, through the prefix layer: a layer is a backend.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use persistent_fs::{Backend, ByteStream, Key, Method, Prefixed, links::Grant};

use super::{Fixture, Harness, Quirk, Scale, bench::key};
use crate::Absent;

const FOLDER: &str = "some/folder";

pub(super) struct ThroughPrefix(pub(super) Arc<dyn Harness>);

struct Inside(Box<dyn Fixture>);

fn inside(backend: Arc<dyn Backend>) -> Arc<dyn Backend> {
    Arc::new(Prefixed::new(backend, key(FOLDER)))
}

#[async_trait]
impl Harness for ThroughPrefix {
    async fn open(&self) -> Result<Box<dyn Fixture>, Absent> {
        Ok(Box::new(Inside(self.0.open().await?)))
    }

    /// What is passed on is passed on in small numbers too.
    fn scale(&self) -> Scale {
        Scale::Small
    }

    fn seed(&self) -> u64 {
        self.0.seed()
    }

    async fn open_broken(&self) -> Result<Arc<dyn Backend>, Absent> {
        Ok(inside(self.0.open_broken().await?))
    }
}

#[async_trait]
impl Fixture for Inside {
    fn backend(&self) -> Arc<dyn Backend> {
        inside(self.0.backend())
    }

    async fn reopen(&self) -> Result<Arc<dyn Backend>, Absent> {
        Ok(inside(self.0.reopen().await?))
    }

    fn refuses(&self, inner: &Key) -> bool {
        self.0.refuses(&key(&format!("{FOLDER}/{inner}")))
    }

    async fn raw_entries(&self) -> Result<Vec<String>, Absent> {
        self.0.raw_entries().await
    }

    async fn descriptors(&self) -> Result<usize, Absent> {
        self.0.descriptors().await
    }

    /// The layer's links carry the full key; whoever serves them asks the inner store.
    fn verify(
        &self,
        method: Method,
        token: &str,
        now: SystemTime,
    ) -> Result<persistent_fs::Result<Grant>, Absent> {
        let strip = |grant: Grant| {
            let inner = grant.key.as_str().strip_prefix(FOLDER).and_then(|rest| rest.strip_prefix('/'));
            let inner = Key::parse(inner.expect("the key is inside the folder")).expect("a key");
            let mut inside = grant;
            inside.key = inner;
            inside
        };
        Ok(self.0.verify(method, token, now)?.map(strip))
    }

    fn link_target(&self) -> Arc<dyn Backend> {
        self.0.link_target()
    }

    async fn fetch(
        &self,
        request: http::Request<ByteStream>,
        late: Duration,
    ) -> Result<http::Response<Bytes>, Absent> {
        self.0.fetch(request, late).await
    }

    fn quirks(&self) -> &[Quirk] {
        self.0.quirks()
    }
}
