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
use futures_util::TryStreamExt;
use persistent_fs::{Backend, ByteStream, Prefix};

conformance_tests::persistent_fs!(Real);

struct Real;

struct RealFixture {
    config: Config,
    store: S3,
    quirks: Vec<Quirk>,
}

/// Below a prefix that nobody has used. With creates, which this server keeps in single requests alone.
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
        let quirks = [stranger::QUIRKS, &[Quirk::BareNotModified]].concat();
        Ok(Box::new(RealFixture { config, store, quirks }))
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

    /// Everything below the prefix, also what the store keeps for itself. Uploads in parts it never makes.
    async fn raw_entries(&self) -> Result<Vec<String>, Absent> {
        let mut config = self.config.clone();
        let below = format!("{}/", std::mem::take(&mut config.prefix));
        config.conditional = Conditional::No;
        let bucket = S3::open(config).await.expect("the bucket as a whole");
        let names = bucket.list(&Prefix::parse(&below).expect("a prefix"), None);
        let names = names.map_ok(|meta| meta.key.as_str()[below.len()..].to_owned());
        Ok(names.try_collect().await.expect("a listing"))
    }

    async fn fetch(
        &self,
        request: http::Request<ByteStream>,
        late: Duration,
    ) -> Result<http::Response<Bytes>, Absent> {
        Ok(stranger::send(request, late).await)
    }

    fn quirks(&self) -> &[Quirk] {
        &self.quirks
    }
}
