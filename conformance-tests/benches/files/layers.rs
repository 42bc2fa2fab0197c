//! What stands around a store: links, layers, encryption.

use std::{
    future::ready,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use fs_encryption::{Encrypted, KeyRing, MasterKey};
use fs_local::Local;
use fs_memory::Memory;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use hmac::{Hmac, KeyInit, Mac};
use persistent_fs::{
    Backend, Clock, Files, Key, LinkRequest, Method, ReadOptions, WriteOptions,
    layers::{Jitter, Prefixed, Retried, RetryPolicy},
    links::{self, LinkKey, LinkSigner},
};
use sha2::Sha256;
use tempfile::TempDir;

use crate::{
    Make,
    measure::{Benchmark, Contender, Goal},
};

const TIMES: usize = 10_000;
const LARGE: usize = 256 << 20;
const PIECE: usize = 256 << 10;
const SECRET: [u8; 32] = [7; 32];
/// A piece of work that takes this long is as fast as a link should be.
const LINK: Duration = Duration::from_micros(5);

pub(crate) fn catalogue() -> Vec<(&'static str, Make)> {
    vec![
        ("mint a link", |name| ready(mint(name)).boxed_local()),
        ("verify a link", |name| ready(verify(name)).boxed_local()),
        ("head through a layer", |name| layers(name).boxed_local()),
        ("encrypted read of 256 MiB", |name| encrypted_read(name).boxed_local()),
        ("encrypted write of 256 MiB", |name| ready(encrypted_write(name)).boxed_local()),
    ]
}

/// Work without an await, many times over.
fn blocking(name: &'static str, work: impl Fn() + Clone + 'static) -> Contender {
    Contender::new(name, move || {
        let work = work.clone();
        async move {
            for _ in 0..TIMES {
                work();
            }
        }
    })
}

/// As many times five microseconds as a benchmark has links.
fn five_microseconds() -> Contender {
    Contender::new("5 µs each", || async {
        let until = std::time::Instant::now() + LINK * u32::try_from(TIMES).expect("a handful");
        while std::time::Instant::now() < until {
            std::hint::spin_loop();
        }
    })
}

fn hmac_alone() -> Contender {
    blocking("HMAC-SHA256 alone", || {
        let mut mac = Hmac::<Sha256>::new_from_slice(&SECRET).expect("any length will do");
        mac.update(&[b'x'; 160]);
        std::hint::black_box(mac.finalize().into_bytes());
    })
}

fn signer() -> LinkSigner {
    let ring = links::KeyRing::new(LinkKey::new("1", &SECRET).expect("a key"));
    let base = "https://vault.example/blob".parse().expect("a URL");
    LinkSigner::new("bench", base, ring, Clock::system()).expect("a signer")
}

fn key(name: &str) -> Key {
    Key::parse(name).expect("a key")
}

fn mint(name: &'static str) -> Benchmark {
    let (signer, request) = (signer(), LinkRequest::get(Duration::from_mins(5)));
    let ours = blocking("ours", move || {
        std::hint::black_box(signer.mint(&key("attachments/1/2"), &request).expect("a link"));
    });
    Benchmark {
        name,
        ours,
        against: vec![(five_microseconds(), Goal::Speed(1.0)), (hmac_alone(), Goal::None)],
    }
}

fn verify(name: &'static str) -> Benchmark {
    let signer = signer();
    let link =
        signer.mint(&key("attachments/1/2"), &LinkRequest::get(Duration::from_mins(5))).expect("a link");
    let token = link.url.path_segments().expect("a path").nth(1).expect("a token").to_owned();
    let (verifier, now) = (signer.verifier(), SystemTime::UNIX_EPOCH);
    let ours = blocking("ours", move || {
        std::hint::black_box(verifier.verify(Method::Get, &token, now).expect("a good token"));
    });
    Benchmark {
        name,
        ours,
        against: vec![(five_microseconds(), Goal::Speed(1.0)), (hmac_alone(), Goal::None)],
    }
}

/// The other side calls the inner backend itself; the rest of the ratio is the layer.
async fn layers(name: &'static str) -> Benchmark {
    let memory = Memory::new();
    for name in ["a", "folder/a"] {
        memory.put(&key(name), Bytes::from_static(b"a"), WriteOptions::default()).await.expect("put");
    }
    let layered: Arc<dyn Backend> = Arc::new(Retried::new(
        Prefixed::new(memory.clone(), key("folder")),
        RetryPolicy::default(),
        Jitter::system(),
    ));
    let heads = |name, store: Arc<dyn Backend>| {
        Contender::new(name, move || {
            let store = Arc::clone(&store);
            async move {
                let key = key("a");
                for _ in 0..TIMES {
                    store.head(&key).await.expect("there");
                }
            }
        })
    };
    Benchmark {
        name,
        ours: heads("prefix and retry", layered),
        against: vec![(heads("the inner store", Arc::new(memory)), Goal::None)],
    }
}

/// A folder with a plain store and an encrypted one.
#[derive(Clone)]
struct Ground {
    _folder: Arc<TempDir>,
    plain: Files,
    sealed: Files,
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let open = |name: &str| Local::open(folder.path().join(name)).expect("a store");
        let keys = KeyRing::new(MasterKey::new("1", &SECRET).expect("a key"));
        let sealed = Encrypted::new(open("sealed"), "bench", keys).expect("a store");
        Self { plain: Files::new(open("plain")), sealed: Files::new(sealed), _folder: Arc::new(folder) }
    }

    fn both(
        &self,
        run: fn(Files) -> futures_util::future::LocalBoxFuture<'static, ()>,
    ) -> (Contender, Contender) {
        let (plain, sealed, ground) = (self.plain.clone(), self.sealed.clone(), self.clone());
        let sealed = Contender::new("encrypted", move || {
            let _kept = &ground;
            run(sealed.clone())
        });
        (sealed, Contender::new("plain", move || run(plain.clone())))
    }
}

async fn write(files: Files) {
    let pieces =
        stream::iter(vec![Bytes::from(vec![7; PIECE]); LARGE / PIECE]).map(Ok::<_, persistent_fs::Error>);
    files.put_stream(&key("large"), pieces, WriteOptions::default().atomic()).await.expect("put");
}

async fn read(files: Files) {
    let mut body = files.read(&key("large"), ReadOptions::default()).await.expect("there").body;
    let mut length = 0;
    while let Some(piece) = body.try_next().await.expect("read") {
        length += piece.len();
    }
    assert_eq!(length, LARGE);
}

fn encrypted_write(name: &'static str) -> Benchmark {
    let (ours, plain) = Ground::new().both(|files| write(files).boxed_local());
    Benchmark { name, ours, against: vec![(plain, Goal::Speed(0.7))] }
}

async fn encrypted_read(name: &'static str) -> Benchmark {
    let ground = Ground::new();
    write(ground.plain.clone()).await;
    write(ground.sealed.clone()).await;
    let (ours, plain) = ground.both(|files| read(files).boxed_local());
    Benchmark { name, ours, against: vec![(plain, Goal::Speed(0.7))] }
}
