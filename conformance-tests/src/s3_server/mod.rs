//! An S3 server within the process of a test.
//!
//! The protocol is [`s3s`]'s, and with it all that a store may not get away with: signatures in headers and in URLs,
//! expiry, clocks that are too far apart, hashes of bodies. What the calls mean is in [`calls`], and is what Amazon S3
//! says they mean. Nothing is taken without a valid signature.
//!
//! It is one of two peers: the other is Ceph, which `./test` starts, and which knows nothing of this code.

mod account;
mod body;
mod bucket;
mod calls;
mod keys;
mod pages;

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, RandomState},
    io,
    net::SocketAddr,
    sync::Arc,
};

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::{net::TcpListener, task::JoinSet};

pub use account::Account;
use bucket::Bucket;
use calls::Calls;
use keys::Keys;

/// A server on a free port of loopback, with one empty bucket and keys that nobody else has. It needs a runtime of
/// tokio; dropping it ends it and cuts its connections.
#[derive(Debug)]
pub struct S3Server {
    address: SocketAddr,
    account: Account,
    keys: Arc<Keys>,
    bucket: Arc<Bucket>,
    serving: JoinSet<()>,
}

/// What the server does worse than Amazon S3, as some do in the field. By default nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Flaws {
    /// `If-None-Match: *` on a write is taken, and has no effect.
    pub overwrites_on_create: bool,
    /// `If-Match` on a write is taken, and has no effect.
    pub overwrites_on_match: bool,
    /// Multipart uploads are made, but cannot be listed.
    pub hides_uploads: bool,
}

impl S3Server {
    /// A server without flaws.
    pub async fn start() -> io::Result<Self> {
        Self::flawed(Flaws::default()).await
    }

    /// A server with these flaws.
    pub async fn flawed(flaws: Flaws) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let account = Account {
            endpoint: format!("http://{address}"),
            region: "us-east-1".to_owned(),
            bucket: format!("test-{}", token()),
            access_key: token(),
            secret_key: token() + &token(),
        };
        let keys = Arc::new(Keys::new(account.access_key.clone(), account.secret_key.clone()));
        let bucket = Arc::new(Bucket::named(account.bucket.clone()));
        let mut service = S3ServiceBuilder::new(Calls::new(Arc::clone(&bucket), flaws));
        service.set_auth(Arc::clone(&keys).provider());
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, service.build()));
        Ok(Self { address, account, keys, bucket, serving })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a client needs to use it.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Lets the keys expire or makes them valid again.
    pub fn expire_keys(&self, expired: bool) {
        self.keys.expire(expired);
    }

    /// The body of an object, past all requests.
    pub fn object(&self, key: &str) -> Option<Vec<u8>> {
        self.bucket.body(key)
    }

    /// All that is stored: the objects by their keys, then `key?uploadId=id` for each upload that was never completed.
    pub fn raw_entries(&self) -> Vec<String> {
        let mut entries = self.bucket.keys();
        entries.extend(self.open_uploads().into_iter().map(|(id, key)| format!("{key}?uploadId={id}")));
        entries
    }

    /// The uploads that were begun and neither completed nor aborted: the keys they are for, by their ids.
    pub fn open_uploads(&self) -> BTreeMap<String, String> {
        self.bucket.uploads()
    }

    /// Leaves an upload of one small part behind, as a client does that is killed.
    pub fn abandon_upload(&self, key: &str) {
        let id = self.bucket.begin(key, bucket::Facts::default());
        self.bucket.add_part(key, &id, 1, "part".into()).expect("the upload has just begun");
    }

    /// Stops listening and cuts all connections.
    pub async fn stop(mut self) {
        self.serving.shutdown().await;
    }
}

async fn serve(listener: TcpListener, service: S3Service) {
    // Dropped with this task, and every connection with it.
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let answering = http1::Builder::new().serve_connection(TokioIo::new(socket), service.clone());
        // A connection ends as its client likes; there is nobody to tell.
        connections.spawn(async move { drop(answering.await) });
        while connections.try_join_next().is_some() {}
    }
}

/// Letters that nobody guesses: the standard library seeds its hashers from the system.
fn token() -> String {
    format!("{:016x}", RandomState::new().hash_one(0))
}
