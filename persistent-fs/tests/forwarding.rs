//! A layer forwards every method, the provided ones too, or what the inner backend does better is lost.

use std::{
    fmt::Display,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use persistent_fs::{
    Backend, Capabilities, Download, Error, ErrorKind, Files, Key, Link, LinkRequest, Meta, MetaStream,
    Method, Outcome, Prefix, Prefixed, PutLinks, ReadOptions, Result, Swept, Upload, WriteOptions,
    layers::{Faults, Faulty, Jitter, Limited, Limits, ReadOnly, Retried, RetryPolicy},
};

/// Does nothing, and keeps a list of what it was asked to do.
#[derive(Debug, Clone, Default)]
struct Recorder {
    calls: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    fn note(&self, call: &str, subject: impl Display) {
        self.calls.lock().expect("not poisoned").push(format!("{call} {subject}"));
    }

    /// What it was asked to do. Capabilities may be asked for at any time, so they count once.
    fn take(&self) -> Vec<String> {
        let mut calls = std::mem::take(&mut *self.calls.lock().expect("not poisoned"));
        let mut asked = false;
        calls.retain(|call| call != "capabilities " || !std::mem::replace(&mut asked, true));
        calls
    }
}

fn meta(key: &Key) -> Meta {
    Meta::new(key.clone(), 0, SystemTime::UNIX_EPOCH)
}

#[async_trait]
impl Backend for Recorder {
    fn capabilities(&self) -> Capabilities {
        self.note("capabilities", "");
        Capabilities { get_links: true, put_links: PutLinks::Exact, max_size: Some(7), ..Capabilities::NONE }
    }

    async fn head(&self, key: &Key) -> Result<Meta> {
        self.note("head", key);
        Ok(meta(key))
    }

    async fn read(&self, key: &Key, _: ReadOptions) -> Result<Download> {
        self.note("read", key);
        Ok(Download::new(meta(key), 0..0, futures_util::stream::empty().boxed()))
    }

    async fn writer(&self, key: &Key, _: WriteOptions) -> Result<Box<dyn Upload>> {
        self.note("writer", key);
        Ok(Box::new(RecordedUpload { recorder: self.clone(), key: key.clone() }))
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        self.note("delete", key);
        Ok(())
    }

    fn list(&self, prefix: &Prefix, after: Option<&Key>) -> MetaStream {
        self.note("list", format!("{prefix} {}", after.map(ToString::to_string).unwrap_or_default()));
        futures_util::stream::empty().boxed()
    }

    async fn put(&self, key: &Key, _: Bytes, _: WriteOptions) -> Result<Meta> {
        self.note("put", key);
        Ok(meta(key))
    }

    async fn ingest(&self, key: &Key, file: &Path, _: WriteOptions) -> Result<Meta> {
        self.note("ingest", format!("{key} {}", file.display()));
        Ok(meta(key))
    }

    async fn copy(&self, from: &Key, to: &Key, _: WriteOptions) -> Result<Meta> {
        self.note("copy", format!("{from} {to}"));
        Ok(meta(to))
    }

    async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64> {
        self.note("delete_prefix", prefix);
        Ok(3)
    }

    async fn link(&self, key: &Key, _: LinkRequest) -> Result<Link> {
        self.note("link", key);
        let url = "https://host/".parse().expect("a URL");
        Ok(Link::new(Method::Get, url, SystemTime::UNIX_EPOCH))
    }

    async fn sweep(&self, older_than: Duration) -> Result<Swept> {
        self.note("sweep", older_than.as_secs());
        Ok(Swept { uploads: 1, bytes: 2 })
    }
}

#[derive(Debug)]
struct RecordedUpload {
    recorder: Recorder,
    key: Key,
}

#[async_trait]
impl Upload for RecordedUpload {
    async fn write(&mut self, piece: Bytes) -> Result<()> {
        self.recorder.note("write", piece.len());
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<Meta> {
        self.recorder.note("finish", "");
        Ok(meta(&self.key))
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        self.recorder.note("abort", "");
        Err(Error::new(ErrorKind::Other, "to be passed on").with_key(&self.key))
    }
}

fn key(text: &str) -> Key {
    Key::parse(text).expect("a key")
}

/// Calls each method of the trait once, under keys that come back as they went in.
async fn call_everything(backend: &dyn Backend) {
    let options = WriteOptions::default;
    assert_eq!(backend.capabilities().max_size, Some(7));
    assert_eq!(backend.head(&key("a")).await.expect("head").key, key("a"));
    assert_eq!(backend.read(&key("a"), ReadOptions::default()).await.expect("read").meta.key, key("a"));
    write_twice(backend.writer(&key("a"), options()).await.expect("writer")).await;
    backend.writer(&key("a"), options()).await.expect("writer").abort().await.expect_err("passed on");
    backend.delete(&key("a")).await.expect("delete");
    assert!(backend.list(&Prefix::parse("p").expect("a prefix"), Some(&key("p/a"))).next().await.is_none());
    assert_eq!(backend.put(&key("a"), Bytes::new(), options()).await.expect("put").key, key("a"));
    backend.ingest(&key("a"), Path::new("file"), options()).await.expect("ingest");
    assert_eq!(backend.copy(&key("a"), &key("b"), options()).await.expect("copy").key, key("b"));
    assert_eq!(backend.delete_prefix(&Prefix::all()).await.expect("delete_prefix"), 3);
    backend.link(&key("a"), LinkRequest::get(Duration::from_mins(1))).await.expect("link");
    assert_eq!(backend.sweep(Duration::from_secs(5)).await.expect("sweep"), Swept { uploads: 1, bytes: 2 });
}

async fn write_twice(mut upload: Box<dyn Upload>) {
    upload.write("one".into()).await.expect("write");
    upload.write("three".into()).await.expect("write");
    upload.finish().await.expect("finish");
}

/// What [`call_everything`] arrives as, with this in front of each key.
fn everything(folder: &str) -> Vec<String> {
    [
        "capabilities ".to_owned(),
        format!("head {folder}a"),
        format!("read {folder}a"),
        format!("writer {folder}a"),
        "write 3".to_owned(),
        "write 5".to_owned(),
        "finish ".to_owned(),
        format!("writer {folder}a"),
        "abort ".to_owned(),
        format!("delete {folder}a"),
        format!("list {folder}p {folder}p/a"),
        format!("put {folder}a"),
        format!("ingest {folder}a file"),
        format!("copy {folder}a {folder}b"),
        format!("delete_prefix {folder}"),
        format!("link {folder}a"),
        "sweep 5".to_owned(),
    ]
    .to_vec()
}

#[tokio::test]
async fn a_shared_pointer_forwards_every_method() {
    let recorder = Recorder::default();
    let shared: Arc<dyn Backend> = Arc::new(recorder.clone());
    // Called as the `Arc` itself, not as what it points to.
    call_everything(&shared).await;
    assert_eq!(recorder.take(), everything(""));
}

#[tokio::test]
async fn a_prefix_forwards_every_method() {
    let recorder = Recorder::default();
    call_everything(&Prefixed::new(recorder.clone(), key("f"))).await;
    assert_eq!(recorder.take(), everything("f/"));
    call_everything(&Prefixed::new(Prefixed::new(recorder.clone(), key("f")), key("g/h"))).await;
    assert_eq!(recorder.take(), everything("f/g/h/"));
}

fn retried(inner: impl Backend) -> impl Backend {
    Retried::new(inner, RetryPolicy::default(), Jitter::new(|| 0.0))
}

async fn limited(inner: impl Backend) -> impl Backend {
    let limits = Limits { max_concurrent: Some(2), ..Limits::default() };
    Limited::open(inner, limits).await.expect("nothing is counted")
}

#[tokio::test]
async fn every_layer_forwards_every_method() {
    let recorder = Recorder::default();
    call_everything(&retried(recorder.clone())).await;
    assert_eq!(recorder.take(), everything(""), "retried");
    call_everything(&limited(recorder.clone()).await).await;
    assert_eq!(recorder.take(), everything(""), "limited");
    call_everything(&Faulty::new(recorder.clone(), Faults::none())).await;
    assert_eq!(recorder.take(), everything(""), "faulty");
    let stack = retried(limited(Prefixed::new(recorder.clone(), key("f"))).await);
    call_everything(&stack).await;
    assert_eq!(recorder.take(), everything("f/"), "three of them");
}

#[cfg(feature = "observe")]
#[tokio::test]
async fn the_observing_layer_forwards_every_method() {
    let recorder = Recorder::default();
    call_everything(&persistent_fs::layers::Observed::new(recorder.clone(), "recorder")).await;
    assert_eq!(recorder.take(), everything(""));
}

/// What reads is forwarded, what writes never arrives.
#[tokio::test]
async fn a_read_only_store_forwards_what_reads_and_nothing_else() {
    let recorder = Recorder::default();
    let store = ReadOnly::new(recorder.clone());
    refuse_every_write(&store).await;
    assert_eq!(recorder.take(), ["capabilities "]);
    store.head(&key("a")).await.expect("head");
    store.read(&key("a"), ReadOptions::default()).await.expect("read");
    assert!(store.list(&Prefix::all(), None).next().await.is_none());
    store.link(&key("a"), LinkRequest::get(Duration::from_mins(1))).await.expect("link");
    assert_eq!(recorder.take(), ["head a", "read a", "list  ", "capabilities ", "link a"]);
}

async fn refuse_every_write(store: &dyn Backend) {
    let (a, options) = (key("a"), WriteOptions::default);
    let refusals = [
        store.put(&a, Bytes::new(), options()).await.expect_err("put"),
        store.writer(&a, options()).await.expect_err("writer"),
        store.ingest(&a, Path::new("file"), options()).await.expect_err("ingest"),
        store.copy(&a, &key("b"), options()).await.expect_err("copy"),
        store.delete(&a).await.expect_err("delete"),
        store.delete_prefix(&Prefix::all()).await.expect_err("delete_prefix"),
        store.sweep(Duration::ZERO).await.expect_err("sweep"),
        store.link(&a, LinkRequest::put(Duration::from_mins(1))).await.expect_err("link"),
    ];
    for error in refusals {
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unsupported, Outcome::NotApplied), "{error}");
    }
}

/// A layer as somebody might write it who has not heard of the provided methods.
#[derive(Debug)]
struct ForgetsPut(Recorder);

#[async_trait]
impl Backend for ForgetsPut {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn head(&self, key: &Key) -> Result<Meta> {
        self.0.head(key).await
    }

    async fn read(&self, key: &Key, options: ReadOptions) -> Result<Download> {
        self.0.read(key, options).await
    }

    async fn writer(&self, key: &Key, options: WriteOptions) -> Result<Box<dyn Upload>> {
        self.0.writer(key, options).await
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        self.0.delete(key).await
    }

    fn list(&self, prefix: &Prefix, after: Option<&Key>) -> MetaStream {
        self.0.list(prefix, after)
    }
}

#[tokio::test]
async fn a_layer_that_forgets_a_method_is_found() {
    let recorder = Recorder::default();
    let put = ForgetsPut(recorder.clone()).put(&key("a"), Bytes::new(), WriteOptions::default()).await;
    put.expect("it works all the same");
    assert_eq!(recorder.take(), ["writer a", "write 0", "finish "], "and not as the inner backend does it");
}

#[tokio::test]
async fn the_handle_of_applications_forwards_every_method() {
    let recorder = Recorder::default();
    let files = Files::new(recorder.clone());
    for (files, folder) in [(files.clone(), ""), (files.scoped("f").expect("a folder"), "f/")] {
        call_everything_of(&files).await;
        assert_eq!(recorder.take(), everything(folder));
    }
}

/// The same as [`call_everything`], through the handle.
async fn call_everything_of(files: &Files) {
    let options = WriteOptions::default;
    assert_eq!(files.capabilities().max_size, Some(7));
    files.head(&key("a")).await.expect("head");
    files.read(&key("a"), ReadOptions::default()).await.expect("read");
    write_twice(files.writer(&key("a"), options()).await.expect("writer")).await;
    files.writer(&key("a"), options()).await.expect("writer").abort().await.expect_err("passed on");
    files.delete(&key("a")).await.expect("delete");
    assert!(files.list(&Prefix::parse("p").expect("a prefix"), Some(&key("p/a"))).next().await.is_none());
    files.put(&key("a"), Bytes::new(), options()).await.expect("put");
    files.ingest(&key("a"), Path::new("file"), options()).await.expect("ingest");
    files.copy(&key("a"), &key("b"), options()).await.expect("copy");
    assert_eq!(files.delete_prefix(&Prefix::all()).await.expect("delete_prefix"), 3);
    files.link(&key("a"), LinkRequest::get(Duration::from_mins(1))).await.expect("link");
    files.sweep(Duration::from_secs(5)).await.expect("sweep");
}

/// Reads the traits, so that a method added to them is missed here.
#[test]
fn every_method_there_is_is_called_above() {
    let source = include_str!("../src/backend.rs");
    let called = everything("")
        .iter()
        .filter_map(|call| call.split(' ').next())
        .map(str::to_owned)
        .collect::<Vec<_>>();
    let declared = source.lines().filter_map(|line| {
        let line = line.strip_prefix("    async fn ").or_else(|| line.strip_prefix("    fn "))?;
        line.split('(').next().map(str::to_owned)
    });
    let declared = declared.collect::<Vec<_>>();
    assert!(declared.len() >= 15, "the traits are not where they were: {declared:?}");
    for method in declared {
        assert!(called.contains(&method), "{method} is not called here");
    }
}
