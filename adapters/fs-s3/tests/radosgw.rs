//! Enrols the store on the server that `TEST_S3_ENDPOINT` names: Ceph's gateway, when `./test` runs.

mod harness;
#[path = "harness/stranger.rs"]
mod stranger;

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use conformance_tests::{
    Absent,
    files::{Fixture, Harness, Quirk, Scale},
    s3_server::Account,
};
use fs_s3::{Conditional, Config, S3};
use persistent_fs::{Backend, ByteStream};

conformance_tests::persistent_fs!(Real);

struct Real;

struct RealFixture {
    config: Config,
    store: S3,
}

/// Below a prefix that nobody has used. With creates and swaps, which this server keeps in single requests alone.
fn config(account: &Account) -> Config {
    let mut config = harness::config(account);
    config.prefix = unique();
    config.conditional = Conditional::Put;
    config.part_size = 64 << 20;
    config
}

/// A name that nobody has used before.
fn unique() -> String {
    format!("test-{:016x}", RandomState::new().hash_one(0))
}

#[async_trait]
impl Harness for Real {
    async fn open(&self) -> Result<Box<dyn Fixture>, Absent> {
        let config = config(&Account::from_environment()?);
        let store = S3::open(config.clone()).await.expect("a store");
        Ok(Box::new(RealFixture { config, store }))
    }

    fn scale(&self) -> Scale {
        Scale::Small
    }

    /// The bucket does not exist.
    async fn open_broken(&self) -> Result<Arc<dyn Backend>, Absent> {
        let mut config = config(&Account::from_environment()?);
        config.bucket = unique();
        config.conditional = Conditional::Yes;
        Ok(Arc::new(S3::open(config).await.expect("nothing is asked yet")))
    }
}

#[async_trait]
impl Fixture for RealFixture {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::new(self.store.clone())
    }

    async fn reopen(&self) -> Result<Arc<dyn Backend>, Absent> {
        Ok(Arc::new(S3::open(self.config.clone()).await.expect("a store")))
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
