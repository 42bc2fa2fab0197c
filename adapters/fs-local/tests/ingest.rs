//! Ingesting a file from another file system, where a rename cannot do.

#![cfg(unix)]

use std::{fs, io::Write as _, os::unix::fs::MetadataExt as _, path::Path};

use bytes::Bytes;
use fs_local::Local;
use futures_util::TryStreamExt;
use persistent_fs::{Backend, ErrorKind, Key, Meta, Outcome, Prefix, ReadOptions, Result, WriteOptions};
use tempfile::TempDir;

/// More than one piece, so that the copy is made in several.
const LENGTH: usize = 600 * 1024 + 1;

/// A store, and a folder on another file system.
struct Scene {
    root: TempDir,
    elsewhere: TempDir,
    store: Local,
}

impl Scene {
    /// `None`, said on standard error, if this machine has no second file system to write to.
    fn new() -> Option<Self> {
        let root = tempfile::tempdir().expect("a temporary folder");
        let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev()).ok();
        let elsewhere = ["/dev/shm", "/run/shm", env!("CARGO_TARGET_TMPDIR")]
            .map(Path::new)
            .into_iter()
            .find_map(|path| {
                let folder = tempfile::tempdir_in(path).ok()?;
                (device(folder.path()) != device(root.path())).then_some(folder)
            });
        let Some(elsewhere) = elsewhere else {
            // Written around the test's capture, so that it is seen although the test passes.
            writeln!(std::io::stderr(), "SKIPPED: there is no second file system here")
                .expect("standard error");
            return None;
        };
        let store = Local::open(root.path()).expect("a store");
        Some(Self { root, elsewhere, store })
    }

    async fn ingest(&self, body: &[u8], options: WriteOptions) -> Result<Meta> {
        fs::write(self.file(), body).expect("written");
        self.store.ingest(&Key::parse("a/b").expect("a key"), &self.file(), options).await
    }

    fn file(&self) -> std::path::PathBuf {
        self.elsewhere.path().join("file")
    }

    async fn body(&self) -> Vec<u8> {
        let download = self.store.read(&Key::parse("a/b").expect("a key"), ReadOptions::default()).await;
        let pieces = download.expect("there").body.try_collect::<Vec<Bytes>>().await.expect("read");
        pieces.concat()
    }

    fn assert_nothing_is_left_behind(&self) {
        let staging = self.root.path().join(persistent_fs::RESERVED).join("staging");
        assert_eq!(fs::read_dir(staging).expect("the staging directory").count(), 0);
    }
}

fn body(fill: u8) -> Vec<u8> {
    (0..LENGTH).map(|place| fill.wrapping_add(u8::try_from(place % 251).expect("under 256"))).collect()
}

#[tokio::test]
async fn the_file_is_copied_and_then_gone() {
    let Some(scene) = Scene::new() else { return };
    for (options, fill) in [(WriteOptions::create(), 1), (WriteOptions::default(), 2)] {
        let meta = scene.ingest(&body(fill), options).await.expect("ingested");
        assert_eq!(meta.size, LENGTH as u64);
        assert_eq!(scene.body().await, body(fill));
        assert!(!scene.file().exists());
        scene.assert_nothing_is_left_behind();
    }
    let path = scene.root.path().join("a/b");
    assert_eq!(fs::metadata(path).expect("there").mode() & 0o777, 0o600, "permissions follow the store");
}

#[tokio::test]
async fn a_refused_file_is_still_where_it_was() {
    let Some(scene) = Scene::new() else { return };
    let first = scene.ingest(b"first", WriteOptions::default()).await.expect("ingested");
    let stale = persistent_fs::ETag::new("stale");
    for (options, kind) in [
        (WriteOptions::create(), ErrorKind::AlreadyExists),
        (WriteOptions::matching(stale), ErrorKind::Precondition),
        (WriteOptions::default().sized(3), ErrorKind::Integrity),
        (WriteOptions::default().hashed([7; 32]), ErrorKind::Integrity),
    ] {
        let error = scene.ingest(&body(3), options).await.expect_err("refused");
        assert_eq!((error.kind(), error.outcome()), (kind, Outcome::NotApplied), "{error:?}");
        assert_eq!(fs::read(scene.file()).expect("still there"), body(3));
        assert_eq!(scene.body().await, b"first");
        scene.assert_nothing_is_left_behind();
    }
    let etag = first.etag.expect("a version");
    scene.ingest(&body(4), WriteOptions::matching(etag)).await.expect("ingested");
    assert_eq!(scene.body().await, body(4));
    let all = scene.store.list(&Prefix::all(), None).try_collect::<Vec<_>>().await.expect("a listing");
    assert_eq!(all.len(), 1);
}
