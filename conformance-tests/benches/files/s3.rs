//! S3 on loopback: ours, and the library that ours stands on.

use std::sync::Arc;

use bytes::Bytes;
use conformance_tests::s3_server::S3Server;
use fs_s3::{Conditional, Config, Credentials, Keys, S3};
use futures_util::{FutureExt, StreamExt, stream};
use object_store::{
    ObjectStoreExt, PutPayload,
    aws::{AmazonS3, AmazonS3Builder},
    buffered::BufWriter,
    path::Path,
};
use persistent_fs::{Files, Key, WriteOptions};
use tokio::io::AsyncWriteExt;

use crate::{
    Make,
    measure::{Benchmark, Contender, Goal},
};

const TIMES: usize = 64;
const SMALL: usize = 4 << 10;
const LARGE: usize = 64 << 20;
const PIECE: usize = 256 << 10;

pub(crate) fn catalogue() -> Vec<(&'static str, Make)> {
    vec![
        ("S3 put 4 KiB", |name| put(name).boxed_local()),
        ("S3 get 4 KiB", |name| get(name).boxed_local()),
        ("S3 upload 64 MiB", |name| upload(name).boxed_local()),
    ]
}

/// One bucket as both see it.
#[derive(Clone)]
struct Ground {
    _server: Arc<S3Server>,
    files: Files,
    theirs: Arc<AmazonS3>,
}

impl Ground {
    async fn new() -> Self {
        let server = S3Server::start().await.expect("a server");
        let account = server.account();
        let keys = Keys::new(account.access_key.clone(), account.secret_key.clone());
        let mut config = Config::new(account.bucket.clone(), "us-east-1", Credentials::Static(keys));
        config.endpoint = Some(account.endpoint.clone().parse().expect("a URL"));
        config.allow_http = true;
        config.conditional = Conditional::Yes;
        let files = Files::new(S3::open(config).await.expect("a store"));
        let theirs = AmazonS3Builder::new()
            .with_endpoint(account.endpoint.clone())
            .with_allow_http(true)
            .with_region("us-east-1")
            .with_bucket_name(account.bucket.clone())
            .with_access_key_id(account.access_key.clone())
            .with_secret_access_key(account.secret_key.clone())
            .build()
            .expect("a store");
        Self { files, theirs: Arc::new(theirs), _server: Arc::new(server) }
    }
}

/// Makes a contender that does something on the ground this many times.
macro_rules! times {
    ($times:expr, $ground:expr, $name:literal, |$at:ident| $work:expr) => {{
        let ground = $ground.clone();
        Contender::new($name, move || {
            let $at = ground.clone();
            async move {
                for _ in 0..$times {
                    $work;
                }
            }
        })
    }};
}

fn body(length: usize) -> Bytes {
    vec![7; length].into()
}

fn key(name: &str) -> Key {
    Key::parse(name).expect("a key")
}

async fn put(name: &'static str) -> Benchmark {
    let ground = Ground::new().await;
    Benchmark {
        name,
        ours: times!(TIMES, ground, "ours", |at| {
            at.files.put(&key("ours"), body(SMALL), WriteOptions::default()).await.expect("put")
        }),
        against: vec![(
            times!(TIMES, ground, "object_store", |at| {
                at.theirs.put(&Path::from("theirs"), PutPayload::from(body(SMALL))).await.expect("put")
            }),
            Goal::Speed(1.0 / 1.05),
        )],
    }
}

async fn get(name: &'static str) -> Benchmark {
    let ground = Ground::new().await;
    ground.files.put(&key("small"), body(SMALL), WriteOptions::default()).await.expect("put");
    Benchmark {
        name,
        ours: times!(TIMES, ground, "ours", |at| {
            assert_eq!(at.files.read_all(&key("small"), 1 << 20).await.expect("there").len(), SMALL);
        }),
        against: vec![(
            times!(TIMES, ground, "object_store", |at| {
                let found = at.theirs.get(&Path::from("small")).await.expect("there");
                assert_eq!(found.bytes().await.expect("read").len(), SMALL);
            }),
            Goal::Speed(1.0 / 1.05),
        )],
    }
}

/// At equal parts and equal concurrency.
async fn upload(name: &'static str) -> Benchmark {
    let ground = Ground::new().await;
    Benchmark {
        name,
        ours: times!(1, ground, "ours", |at| {
            let pieces = stream::iter(vec![body(PIECE); LARGE / PIECE]).map(Ok::<_, persistent_fs::Error>);
            at.files.put_stream(&key("ours"), pieces, WriteOptions::default()).await.expect("put")
        }),
        against: vec![(
            times!(1, ground, "object_store's BufWriter", |at| {
                let store: Arc<AmazonS3> = Arc::clone(&at.theirs);
                let mut writer =
                    BufWriter::with_capacity(store, Path::from("theirs"), 8 << 20).with_max_concurrency(4);
                for piece in vec![body(PIECE); LARGE / PIECE] {
                    writer.write_all(&piece).await.expect("written");
                }
                writer.shutdown().await.expect("complete");
            }),
            Goal::Speed(1.0 / 1.05),
        )],
    }
}
