//! The local disk: ours, what others offer, and the system itself.

use std::{
    fs::File,
    future::ready,
    io::{Read, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use fs_local::Local;
use futures_util::{FutureExt, StreamExt, TryStreamExt, future::join_all, stream};
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, local::LocalFileSystem};
use persistent_fs::{ByteRange, Files, Key, Prefix, ReadOptions, WriteOptions};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tempfile::TempDir;

use crate::{
    Make,
    measure::{Benchmark, Contender, Goal},
};

const MIB: usize = 1 << 20;
const PIECE: usize = 256 << 10;
const SMALL: usize = 4 << 10;
const LARGE: usize = 256 * MIB;

pub(crate) fn catalogue() -> Vec<(&'static str, Make)> {
    vec![
        ("stream 256 MiB", |name| ready(stream_read(name)).boxed_local()),
        ("read 4 KiB", |name| ready(read_small(name, 1)).boxed_local()),
        ("read 4 KiB, 64 tasks", |name| ready(read_small(name, 64)).boxed_local()),
        ("put 4 KiB, durable", |name| ready(put_durable(name, 1)).boxed_local()),
        ("put 4 KiB, durable, 16 tasks", |name| ready(put_durable(name, 16)).boxed_local()),
        ("put 4 KiB, atomic", |name| ready(put_atomic(name)).boxed_local()),
        ("write 256 MiB, durable", |name| ready(stream_write(name)).boxed_local()),
        ("1000 ranges of 64 KiB", |name| ready(ranges(name)).boxed_local()),
        ("list 10 000", |name| ready(list(name)).boxed_local()),
        ("ingest 100 MiB", |name| ready(ingest(name)).boxed_local()),
    ]
}

/// One folder as every contender sees it. The last clone removes it.
#[derive(Clone)]
struct Ground {
    folder: Arc<TempDir>,
    files: Files,
    theirs: Arc<LocalFileSystem>,
    synced: Arc<LocalFileSystem>,
    opendal: opendal::Operator,
}

impl Ground {
    fn new() -> Self {
        // Below the build output and not in /tmp, which may be memory.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let files = Files::new(Local::open(folder.path()).expect("a store"));
        let store = || LocalFileSystem::new_with_prefix(folder.path()).expect("a store");
        let (theirs, synced) = (Arc::new(store()), Arc::new(store().with_fsync(true)));
        let root = folder.path().to_str().expect("a path in UTF-8");
        let opendal = opendal::Operator::new(opendal::services::Fs::default().root(root)).expect("a store");
        Self { folder: Arc::new(folder), files, theirs, synced, opendal }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// With one large file of noise in it.
    fn with_large_file() -> Self {
        let ground = Self::new();
        std::fs::write(ground.path("large"), noise(LARGE)).expect("written");
        ground
    }
}

fn noise(length: usize) -> Vec<u8> {
    let mut body = vec![0; length];
    StdRng::seed_from_u64(7).fill(body.as_mut_slice());
    body
}

fn key(name: &str) -> Key {
    Key::parse(name).expect("a key")
}

fn location(name: &str) -> object_store::path::Path {
    object_store::path::Path::from(name)
}

/// Makes a contender out of a ground and what is done on it.
macro_rules! on {
    ($ground:expr, $name:literal, |$at:ident| $work:expr) => {{
        let ground = $ground.clone();
        Contender::new($name, move || {
            let $at = ground.clone();
            $work
        })
    }};
}

fn stream_read(name: &'static str) -> Benchmark {
    let ground = Ground::with_large_file();
    Benchmark {
        name,
        ours: on!(ground, "ours", |at| async move {
            let mut body = at.files.read(&key("large"), ReadOptions::default()).await.expect("there").body;
            let mut length = 0;
            while let Some(piece) = body.try_next().await.expect("read") {
                length += piece.len();
            }
            assert_eq!(length, LARGE);
        }),
        against: vec![
            (
                on!(ground, "object_store", |at| async move {
                    let mut body = at.theirs.get(&location("large")).await.expect("there").into_stream();
                    let mut length = 0;
                    while let Some(piece) = body.try_next().await.expect("read") {
                        length += piece.len();
                    }
                    assert_eq!(length, LARGE);
                }),
                Goal::Speed(10.0),
            ),
            (
                on!(ground, "opendal", |at| async move {
                    let reader = at.opendal.reader("large").await.expect("there");
                    let mut body = reader.into_bytes_stream(..).await.expect("there");
                    let mut length = 0;
                    while let Some(piece) = body.try_next().await.expect("read") {
                        length += piece.len();
                    }
                    assert_eq!(length, LARGE);
                }),
                Goal::Speed(1.3),
            ),
            (
                on!(ground, "a blocking reader", |at| async move {
                    assert_eq!(blocking_reader(at.path("large")).await, LARGE);
                }),
                Goal::Speed(0.95),
            ),
        ],
    }
}

/// One thread that reads into buffers which the other side hands back: about the best that a stream can be.
async fn blocking_reader(path: PathBuf) -> usize {
    let (full, mut filled) = tokio::sync::mpsc::channel::<Bytes>(4);
    let reader = tokio::task::spawn_blocking(move || {
        let mut file = File::open(path).expect("there");
        loop {
            let mut piece = Vec::with_capacity(PIECE);
            let read = (&mut file).take(PIECE as u64).read_to_end(&mut piece).expect("read");
            if read == 0 || full.blocking_send(piece.into()).is_err() {
                return;
            }
        }
    });
    let mut length = 0;
    while let Some(piece) = filled.recv().await {
        length += piece.len();
    }
    reader.await.expect("read");
    length
}

/// Reads in all 1024 times, from this many tasks.
fn read_small(name: &'static str, tasks: usize) -> Benchmark {
    let ground = Ground::new();
    std::fs::write(ground.path("small"), noise(SMALL)).expect("written");
    let each = 1024 / tasks;
    macro_rules! reads {
        ($name:literal, |$at:ident| $work:expr) => {
            on!(ground, $name, |at| in_parallel(tasks, move |_| {
                let $at = at.clone();
                async move {
                    for _ in 0..each {
                        assert_eq!($work, SMALL);
                    }
                }
            }))
        };
    }
    let serial = tasks == 1;
    Benchmark {
        name,
        ours: reads!("ours", |at| at.files.read_all(&key("small"), 1 << 20).await.expect("there").len()),
        against: vec![
            (
                reads!("tokio::fs::read", |at| tokio::fs::read(at.path("small")).await.expect("there").len()),
                Goal::Speed(if serial { 1.0 / 1.1 } else { 1.0 }),
            ),
            (
                reads!("object_store", |at| {
                    let found = at.theirs.get(&location("small")).await.expect("there");
                    found.bytes().await.expect("read").len()
                }),
                if serial { Goal::Speed(2.0) } else { Goal::None },
            ),
            (
                reads!("opendal", |at| at.opendal.read("small").await.expect("there").len()),
                if serial { Goal::Speed(6.0) } else { Goal::None },
            ),
        ],
    }
}

async fn in_parallel<F, R>(tasks: usize, work: F)
where
    F: Fn(usize) -> R,
    R: Future<Output = ()> + Send + 'static,
{
    for done in join_all((0..tasks).map(|task| tokio::spawn(work(task)))).await {
        done.expect("a task does not panic");
    }
}

/// Puts in all 64 objects, from this many tasks.
fn put_durable(name: &'static str, tasks: usize) -> Benchmark {
    let ground = Ground::new();
    let body = Bytes::from(noise(SMALL));
    let each = 64 / tasks;
    let (for_ours, for_theirs) = (body.clone(), body);
    let ours = on!(ground, "ours", |at| {
        let body = for_ours.clone();
        in_parallel(tasks, move |task| {
            let (at, body) = (at.clone(), body.clone());
            async move {
                for number in 0..each {
                    let key = key(&format!("ours/{task}-{number}"));
                    at.files.put(&key, body.clone(), WriteOptions::default()).await.expect("put");
                }
            }
        })
    });
    let theirs = on!(ground, "object_store, synced", |at| {
        let body = for_theirs.clone();
        in_parallel(tasks, move |task| {
            let (at, body) = (at.clone(), body.clone());
            async move {
                for number in 0..each {
                    let location = location(&format!("theirs/{task}-{number}"));
                    at.synced.put(&location, PutPayload::from(body.clone())).await.expect("put");
                }
            }
        })
    });
    Benchmark { name, ours, against: vec![(theirs, Goal::Speed(if tasks == 1 { 1.0 } else { 2.0 }))] }
}

fn put_atomic(name: &'static str) -> Benchmark {
    const TIMES: usize = 256;
    let ground = Ground::new();
    let body = Bytes::from(noise(SMALL));
    macro_rules! puts {
        ($name:literal, |$at:ident, $body:ident| $work:expr) => {{
            let body = body.clone();
            on!(ground, $name, |$at| {
                let $body = body.clone();
                async move {
                    for _ in 0..TIMES {
                        $work;
                    }
                }
            })
        }};
    }
    Benchmark {
        name,
        ours: puts!("ours", |at, body| {
            let options = WriteOptions::default().atomic();
            at.files.put(&key("ours"), body.clone(), options).await.expect("put")
        }),
        against: vec![
            (
                puts!("object_store", |at, body| {
                    at.theirs.put(&location("theirs"), PutPayload::from(body.clone())).await.expect("put")
                }),
                Goal::Speed(1.0 / 1.05),
            ),
            (
                puts!("tokio::fs::write, in place", |at, body| {
                    tokio::fs::write(at.path("system"), &body).await.expect("written");
                }),
                Goal::Speed(1.0 / 1.3),
            ),
        ],
    }
}

fn stream_write(name: &'static str) -> Benchmark {
    let ground = Ground::new();
    let piece = Bytes::from(noise(PIECE));
    let ours = {
        let piece = piece.clone();
        on!(ground, "ours", |at| {
            let pieces = stream::iter(vec![piece.clone(); LARGE / PIECE]).map(Ok::<_, persistent_fs::Error>);
            async move {
                at.files.put_stream(&key("ours"), pieces, WriteOptions::default()).await.expect("put");
            }
        })
    };
    let system = on!(ground, "std, synced", |at| {
        let piece = piece.clone();
        async move {
            let written = tokio::task::spawn_blocking(move || {
                let mut file = File::create(at.path("system")).expect("made");
                for _ in 0..LARGE / PIECE {
                    file.write_all(&piece).expect("written");
                }
                file.sync_all().expect("synced");
            });
            written.await.expect("written");
        }
    });
    Benchmark { name, ours, against: vec![(system, Goal::Speed(0.95))] }
}

fn ranges(name: &'static str) -> Benchmark {
    const LENGTH: u64 = 64 << 10;
    let ground = Ground::with_large_file();
    let mut rng = StdRng::seed_from_u64(3);
    let offsets: Arc<[u64]> = (0..1000).map(|_| rng.random_range(0..LARGE as u64 - LENGTH)).collect();
    let (for_ours, for_system) = (Arc::clone(&offsets), offsets);
    Benchmark {
        name,
        ours: on!(ground, "ours", |at| {
            let offsets = Arc::clone(&for_ours);
            async move {
                for offset in offsets.iter() {
                    let range = ReadOptions::range(ByteRange::Span(*offset, offset + LENGTH));
                    let mut body = at.files.read(&key("large"), range).await.expect("there").body;
                    while body.try_next().await.expect("read").is_some() {}
                }
            }
        }),
        against: vec![(
            on!(ground, "pread in one task", |at| {
                let offsets = Arc::clone(&for_system);
                async move {
                    let read = tokio::task::spawn_blocking(move || {
                        let file = File::open(at.path("large")).expect("there");
                        let mut buffer = vec![0; 64 << 10];
                        for offset in offsets.iter() {
                            file.read_exact_at(&mut buffer, *offset).expect("read");
                        }
                    });
                    read.await.expect("read");
                }
            }),
            Goal::Speed(1.0 / 1.1),
        )],
    }
}

fn list(name: &'static str) -> Benchmark {
    const OBJECTS: usize = 10_000;
    let ground = Ground::new();
    for number in 0..OBJECTS {
        let path = ground.path(&format!("{:02}/{number}", number % 100));
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, "x").expect("written");
    }
    Benchmark {
        name,
        ours: on!(ground, "ours", |at| async move {
            let count =
                at.files.list(&Prefix::all(), None).try_fold(0, |count, _| async move { Ok(count + 1) });
            assert_eq!(count.await.expect("listed"), OBJECTS);
        }),
        against: vec![
            (
                on!(ground, "walk and sort", |at| async move {
                    let walked = tokio::task::spawn_blocking(move || walk_and_sort(at.folder.path()));
                    assert_eq!(walked.await.expect("walked"), OBJECTS);
                }),
                Goal::Speed(1.0 / 1.1),
            ),
            (
                on!(ground, "object_store, unordered", |at| async move {
                    let count = at.theirs.list(None).try_fold(0, |count, _| async move { Ok(count + 1) });
                    assert_eq!(count.await.expect("listed"), OBJECTS);
                }),
                Goal::None,
            ),
            (
                on!(ground, "opendal, unordered", |at| async move {
                    let lister = at.opendal.lister_with("/").recursive(true).await.expect("listed");
                    let files = lister.try_filter(|entry| std::future::ready(entry.metadata().is_file()));
                    assert_eq!(files.count().await, OBJECTS);
                }),
                Goal::None,
            ),
        ],
    }
}

/// Names, sizes and times of all files, as a listing has them.
fn walk_and_sort(root: &Path) -> usize {
    let entries =
        walkdir::WalkDir::new(root).into_iter().filter_entry(|entry| entry.file_name() != ".persistent-fs");
    let entries = entries.map(|entry| entry.expect("an entry")).filter(|entry| entry.file_type().is_file());
    let described = entries.map(|entry| {
        let meta = entry.metadata().expect("described");
        (entry.into_path(), meta.len(), meta.modified().expect("dated"))
    });
    let mut described = described.collect::<Vec<_>>();
    described.sort();
    described.len()
}

/// The file is made anew for each run, which costs both sides the same little: it is sparse.
fn ingest(name: &'static str) -> Benchmark {
    let ground = Ground::new();
    let fresh = |at: &Ground| {
        let path = at.path("incoming");
        File::create(&path).and_then(|file| file.set_len(100 << 20)).expect("a sparse file");
        path
    };
    Benchmark {
        name,
        ours: on!(ground, "ours", |at| async move {
            let path = fresh(&at);
            at.files.ingest(&key("ours"), &path, WriteOptions::default()).await.expect("ingested");
        }),
        against: vec![
            (
                on!(ground, "object_store, synced", |at| async move {
                    let path = fresh(&at);
                    let mut upload = at.synced.put_multipart(&location("theirs")).await.expect("begun");
                    let mut file = File::open(&path).expect("there");
                    loop {
                        let mut part = Vec::with_capacity(8 * MIB);
                        if (&mut file).take(8 << 20).read_to_end(&mut part).expect("read") == 0 {
                            break;
                        }
                        upload.put_part(part.into()).await.expect("written");
                    }
                    upload.complete().await.expect("complete");
                    std::fs::remove_file(path).expect("removed");
                }),
                Goal::Speed(50.0),
            ),
            (
                on!(ground, "a copy, synced", |at| async move {
                    let path = fresh(&at);
                    tokio::fs::copy(&path, at.path("copied")).await.expect("copied");
                    tokio::fs::File::open(at.path("copied"))
                        .await
                        .expect("there")
                        .sync_all()
                        .await
                        .expect("synced");
                    std::fs::remove_file(path).expect("removed");
                }),
                Goal::None,
            ),
        ],
    }
}
