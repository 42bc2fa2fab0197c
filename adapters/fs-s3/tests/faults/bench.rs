//! A store whose requests go through a proxy, and what must be true of it after a fault.

use std::{error::Error as _, fmt::Write as _, future::Future, time::Duration};

use bytes::Bytes;
use conformance_tests::{
    fault_proxy::FaultProxy,
    s3_server::{Flaws, S3Server},
};
use fs_s3::{Conditional, Config, Credentials, Keys, S3};
use persistent_fs::{Backend, Error, ErrorKind, Key, WriteOptions};

/// The smallest part, so that a body of little more than it has two.
pub(crate) const PART: usize = 5 << 20;

/// So long nothing takes that ends at all.
pub(crate) const FOR_EVER: Duration = Duration::from_mins(2);

pub(crate) struct Bench {
    pub(crate) server: S3Server,
    pub(crate) proxy: FaultProxy,
    pub(crate) store: S3,
}

impl Bench {
    /// A store that sends one request at a time, waits a second for an answer, and tries everything twice.
    pub(crate) async fn open() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let server = S3Server::flawed(Flaws::default()).await.expect("a server");
        let proxy = FaultProxy::before(server.address()).await.expect("a proxy");
        let mut config = config(&server, &proxy.endpoint());
        change(&mut config);
        let store = S3::open(config).await.expect("a store");
        proxy.take_requests();
        Self { server, proxy, store }
    }

    /// The same bucket, as another process sees it that nothing stands in the way of.
    pub(crate) async fn elsewhere(&self) -> S3 {
        let mut config = config(&self.server, &self.server.account().endpoint);
        config.timeout = FOR_EVER;
        S3::open(config).await.expect("a store")
    }

    /// Puts an object into the bucket, past the proxy.
    pub(crate) async fn place(&self, name: &str, body: &Bytes) {
        let placed = self.elsewhere().await.put(&key(name), body.clone(), WriteOptions::default()).await;
        placed.expect("an object");
    }

    /// The object as the server holds it.
    pub(crate) fn raw(&self, name: &str) -> Option<Bytes> {
        self.server.object(name).map(Bytes::from)
    }

    /// What must hold of an error, whatever was asked: nothing in it is secret.
    pub(crate) fn assert_discreet(&self, error: &Error) {
        let mut text = format!("{error} {error:?}");
        let mut cause = error.source();
        while let Some(error) = cause {
            write!(text, " {error} {error:?}").expect("a string takes all");
            cause = error.source();
        }
        let account = self.server.account();
        for secret in [&account.secret_key, "Signature=", "X-Amz", "AWS4", "by a proxy", "uploadId="] {
            assert!(!text.contains(secret), "an error tells {secret}: {text}");
        }
    }

    /// Nothing stays behind of whatever failed, and the store goes on working.
    pub(crate) async fn assert_recovers(&self) {
        self.proxy.heal();
        let next = key("next");
        within(async {
            // A busy machine may be too slow for the short patience of this store.
            while let Err(error) = self.store.put(&next, "next".into(), WriteOptions::default()).await {
                assert_eq!(error.kind(), ErrorKind::Timeout, "the next write works: {error}");
            }
        })
        .await;
        assert_eq!(self.raw("next").as_deref(), Some(&b"next"[..]));
        // What was dropped is given up in the background.
        within(async {
            while !self.server.open_uploads().is_empty() {
                if let Err(error) = self.store.sweep(Duration::ZERO).await {
                    assert_eq!(error.kind(), ErrorKind::Timeout, "a sweep works: {error}");
                }
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

/// A store on a server that keeps all conditions, reached at this endpoint.
pub(crate) fn config(server: &S3Server, endpoint: &str) -> Config {
    let account = server.account();
    let keys = Keys::new(&account.access_key, &account.secret_key);
    let mut config = Config::new(&account.bucket, &account.region, Credentials::Static(keys));
    config.endpoint = Some(endpoint.parse().expect("a URL"));
    config.allow_http = true;
    config.conditional = Conditional::Yes;
    config.part_size = PART as u64;
    config.concurrency = 1;
    config.timeout = Duration::from_secs(1);
    config.retries = 1;
    config
}

/// Ends, or fails the test.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(FOR_EVER, future).await.expect("it hangs for ever")
}

pub(crate) fn key(name: &str) -> Key {
    Key::parse(name).expect("a key")
}
