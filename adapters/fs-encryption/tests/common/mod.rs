//! What the tests have in common: a sealed store over memory, and a look beneath it.

#![expect(dead_code, reason = "each test binary uses a part of it")]

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use fs_encryption::{Context, DataKey, Encrypted, KeyRing, KeyWrapper, MasterKey, WrappedKey};
use fs_memory::Memory;
use futures_util::TryStreamExt;
use persistent_fs::{
    Backend, ByteRange, Capabilities, Download, Error, ErrorKind, Files, Key, Meta, MetaStream, Outcome,
    Prefix, ReadOptions, Result, Upload, WriteOptions,
};

/// The plaintext of one segment.
pub(crate) const SEGMENT: usize = 64 * 1024;
/// The stored bytes of a segment that is full.
pub(crate) const STORED_SEGMENT: usize = SEGMENT + 32;
pub(crate) const HEADER: usize = 512;

pub(crate) fn key(text: &str) -> Key {
    Key::parse(text).expect("a key")
}

pub(crate) fn master(id: &str, byte: u8) -> MasterKey {
    MasterKey::new(id, &[byte; 32]).expect("a good key")
}

pub(crate) fn ring() -> KeyRing {
    KeyRing::new(master("2026", 1))
}

/// The store of this name on these bytes.
pub(crate) fn sealed(raw: &Memory, store: &str, wrapper: impl KeyWrapper) -> Files {
    Files::new(Encrypted::new(raw.clone(), store, wrapper).expect("a good name"))
}

/// Bytes without a pattern. Different seeds differ.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut random = Random(seed);
    std::iter::repeat_with(|| random.next().to_le_bytes()[3]).take(length).collect()
}

/// A small generator (xorshift), so that a test can be repeated by its seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        let mut state = self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.0 = self.0.wrapping_add(1) ^ state;
        state
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("smaller than the bound")
    }
}

/// What lies in the memory.
pub(crate) async fn stored(raw: &Memory, name: &str) -> Vec<u8> {
    Files::new(raw.clone()).read_all(&key(name), u64::MAX).await.expect("it is there").to_vec()
}

pub(crate) async fn store(raw: &Memory, name: &str, bytes: Vec<u8>) {
    Files::new(raw.clone()).put(&key(name), bytes.into(), WriteOptions::default()).await.expect("written");
}

/// What came out of a read, and how it ended.
pub(crate) async fn read(files: &Files, name: &str, range: Option<ByteRange>) -> (Vec<u8>, Result<()>) {
    let options = ReadOptions { range, ..ReadOptions::default() };
    let mut read = Vec::new();
    let mut download = match files.read(&key(name), options).await {
        Ok(download) => download,
        Err(error) => return (read, Err(error)),
    };
    loop {
        match download.body.try_next().await {
            Ok(Some(piece)) => read.extend_from_slice(&piece),
            Ok(None) => return (read, Ok(())),
            Err(error) => return (read, Err(error)),
        }
    }
}

/// Demands an error of this kind that changed nothing, and returns it.
#[track_caller]
pub(crate) fn refused<T>(result: Result<T>, kind: ErrorKind) -> Error {
    let error = result.map(drop).expect_err("this should have been refused");
    assert_eq!((error.kind(), error.outcome()), (kind, Outcome::NotApplied), "{error:?}");
    error
}

/// A wrapper that counts what it is asked, and can be told to fail.
#[derive(Debug)]
pub(crate) struct Counting<W> {
    pub(crate) inner: W,
    pub(crate) wraps: AtomicU64,
    pub(crate) unwraps: AtomicU64,
    pub(crate) fails: Mutex<Option<ErrorKind>>,
}

impl<W: KeyWrapper> Counting<W> {
    pub(crate) fn new(inner: W) -> Arc<Self> {
        Arc::new(Self {
            inner,
            wraps: AtomicU64::new(0),
            unwraps: AtomicU64::new(0),
            fails: Mutex::new(None),
        })
    }

    /// How often it was asked to wrap and to unwrap since the last time.
    pub(crate) fn asked(&self) -> (u64, u64) {
        (self.wraps.swap(0, Ordering::Relaxed), self.unwraps.swap(0, Ordering::Relaxed))
    }

    pub(crate) fn fail(&self, kind: Option<ErrorKind>) {
        *self.fails.lock().expect("no panic") = kind;
    }

    fn answer(&self) -> Result<()> {
        let fails = *self.fails.lock().expect("no panic");
        fails.map_or(Ok(()), |kind| Err(Error::new(kind, "the key service says no")))
    }
}

#[async_trait]
impl<W: KeyWrapper> KeyWrapper for Counting<W> {
    fn current(&self) -> String {
        self.inner.current()
    }

    async fn wrap(&self, key: &DataKey, context: Context<'_>) -> Result<WrappedKey> {
        self.wraps.fetch_add(1, Ordering::Relaxed);
        self.answer()?;
        self.inner.wrap(key, context).await
    }

    async fn unwrap(&self, wrapped: &WrappedKey, context: Context<'_>) -> Result<DataKey> {
        self.unwraps.fetch_add(1, Ordering::Relaxed);
        self.answer()?;
        self.inner.unwrap(wrapped, context).await
    }
}

/// A memory store that notes every read, and lets somebody write between two of them.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) raw: Memory,
    pub(crate) etags: bool,
    pub(crate) reads: Mutex<Vec<(ReadOptions, u64)>>,
    /// Puts these bytes in the place of the object after the first read, and again after every one if that is said.
    pub(crate) replace: Mutex<Option<(Vec<u8>, bool)>>,
}

impl Watched {
    pub(crate) fn new(raw: &Memory) -> Self {
        let (reads, replace) = (Mutex::default(), Mutex::default());
        Self { raw: raw.clone(), etags: true, reads, replace }
    }

    /// The reads since the last time, and how many bytes each was to yield.
    pub(crate) fn seen(&self) -> Vec<(ReadOptions, u64)> {
        std::mem::take(&mut *self.reads.lock().expect("no panic"))
    }

    fn described(&self, mut meta: Meta) -> Meta {
        meta.etag = meta.etag.filter(|_| self.etags);
        meta
    }
}

#[async_trait]
impl Backend for Watched {
    fn capabilities(&self) -> Capabilities {
        let inner = self.raw.capabilities();
        let compare_and_swap = inner.compare_and_swap && self.etags;
        Capabilities { etag: self.etags, compare_and_swap, ..inner }
    }

    async fn head(&self, key: &Key) -> Result<Meta> {
        Ok(self.described(self.raw.head(key).await?))
    }

    async fn read(&self, key: &Key, options: ReadOptions) -> Result<Download> {
        self.capabilities().permit_read(&options)?;
        let mut download = self.raw.read(key, options.clone()).await?;
        let length = download.range.end - download.range.start;
        self.reads.lock().expect("no panic").push((options, length));
        let replacement = {
            let mut replace = self.replace.lock().expect("no panic");
            let again = replace.as_ref().is_some_and(|(_, again)| *again);
            if again { replace.clone() } else { replace.take() }
        };
        if let Some((bytes, _)) = replacement {
            self.raw.put(key, bytes.into(), WriteOptions::default()).await?;
        }
        download.meta = self.described(download.meta);
        Ok(download)
    }

    async fn writer(&self, key: &Key, options: WriteOptions) -> Result<Box<dyn Upload>> {
        self.raw.writer(key, options).await
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        self.raw.delete(key).await
    }

    fn list(&self, prefix: &Prefix, after: Option<&Key>) -> MetaStream {
        self.raw.list(prefix, after)
    }
}
