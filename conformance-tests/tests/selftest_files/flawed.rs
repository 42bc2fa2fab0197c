//! The memory store once more, with the flaws that need more than one step.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use conformance_tests::{
    Absent,
    files::{Fixture, Harness, signer},
};
use fs_memory::Memory;
use futures_util::TryStreamExt;
use persistent_fs::{
    Backend, Capabilities, Clock, Download, ETag, Error, ErrorKind, Key, Link, LinkRequest, Meta, MetaStream,
    Method, Prefix, ReadOptions, Result, Retry, Swept, Upload, WriteMode, WriteOptions, links::Grant,
};

use crate::{broken_parts::verify, flaw::Flaw, flawed_reads, flawed_writes, unreachable::Unreachable};

/// Gives each case a store with this flaw.
pub(crate) struct FlawedHarness(pub(crate) Flaw);

/// The store. Clones are the same store.
#[derive(Debug, Clone)]
pub(crate) struct Flawed {
    pub(crate) memory: Memory,
    pub(crate) flaw: Flaw,
    pub(crate) notes: Arc<Notes>,
}

/// What a flawed store remembers between calls, and had better not.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) busy: AtomicBool,
    pub(crate) count: AtomicU64,
    pub(crate) litter: Mutex<Vec<String>>,
    pub(crate) read: Mutex<BTreeSet<Key>>,
    pub(crate) heads: Mutex<BTreeMap<Key, Meta>>,
    /// Which upload to a key was the last to begin, of those that have finished.
    pub(crate) finished: Mutex<BTreeMap<Key, u64>>,
}

pub(crate) fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("not poisoned")
}

#[async_trait]
impl Harness for FlawedHarness {
    async fn open(&self) -> Result<Box<dyn Fixture>, Absent> {
        let notes = Arc::new(Notes::default());
        let memory = if self.0 == Flaw::TimeRunsBackwards { backwards() } else { Memory::new() };
        Ok(Box::new(Flawed { memory: memory.with_links(signer()), flaw: self.0, notes }))
    }

    async fn open_broken(&self) -> Result<Arc<dyn Backend>, Absent> {
        Ok(Arc::new(Unreachable { goes_on: self.0 == Flaw::ListGoesOnFailing }))
    }
}

fn backwards() -> Memory {
    let left = AtomicU64::new(1_000_000);
    Memory::with_clock(Clock::new(move || {
        SystemTime::UNIX_EPOCH + Duration::from_secs(left.fetch_sub(1, Ordering::Relaxed))
    }))
}

#[async_trait]
impl Fixture for Flawed {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::new(self.clone())
    }

    async fn reopen(&self) -> Result<Arc<dyn Backend>, Absent> {
        Ok(self.backend())
    }

    async fn raw_entries(&self) -> Result<Vec<String>, Absent> {
        let objects = self.memory.list(&Prefix::all(), None).map_ok(|meta| meta.key.to_string());
        let mut found = objects.try_collect::<Vec<_>>().await.expect("memory lists");
        found.extend(hold(&self.notes.litter).iter().cloned());
        Ok(found)
    }

    async fn descriptors(&self) -> Result<usize, Absent> {
        let leaked = self.has(Flaw::DescriptorsLeak).then(|| self.notes.count.load(Ordering::Relaxed));
        Ok(usize::try_from(leaked.unwrap_or_default()).expect("small"))
    }

    fn verify(&self, method: Method, token: &str, now: SystemTime) -> Result<Result<Grant>, Absent> {
        Ok(verify(None, method, token, now))
    }
}

impl Flawed {
    pub(crate) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn key(&self, key: &Key) -> Key {
        let text = key.as_str();
        let text = match self.flaw {
            Flaw::KeysLoseTheirEnd => text.trim_end_matches(['.', ' ']),
            Flaw::LongKeysAreCut if text.len() > 1000 => &text[..1000],
            _ => text,
        };
        Key::parse(text).unwrap_or_else(|_| key.clone())
    }

    pub(crate) fn describe(&self, mut meta: Meta) -> Meta {
        if self.has(Flaw::EtagIsQuoted) {
            meta.etag = meta.etag.map(|etag| ETag::new(format!("\"{}\"", etag.as_str())));
        }
        meta
    }

    /// The answer as it is given, with its error as it is told.
    pub(crate) fn answer<T>(&self, answer: Result<T>) -> Result<T> {
        answer.map_err(|error| match self.flaw {
            Flaw::ErrorNamesAStranger => error.with_key(&Key::parse("somebody/elses").expect("a key")),
            Flaw::RefusalsAreWorthARetry => error.with_retry(Retry::Backoff),
            Flaw::RefusalsAreAllOther if error.kind() == ErrorKind::Integrity => {
                Error::new(ErrorKind::Other, "something went wrong")
            }
            _ => error,
        })
    }

    /// Marks the store as busy for as long as `work` takes: for ever, if it is dropped.
    pub(crate) async fn busily<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        if self.notes.busy.swap(true, Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, "somebody is at work"));
        }
        tokio::task::yield_now().await;
        let done = work.await;
        self.notes.busy.store(false, Ordering::SeqCst);
        done
    }
}

#[async_trait]
impl Backend for Flawed {
    fn capabilities(&self) -> Capabilities {
        self.memory.capabilities()
    }

    async fn head(&self, key: &Key) -> Result<Meta> {
        let key = self.key(key);
        match self.flaw {
            Flaw::BlocksInPlace => tokio::task::block_in_place(|| ()),
            Flaw::HeadMixesVersions => {
                let old = self.memory.head(&key).await?;
                tokio::task::yield_now().await;
                let mut mixed = self.memory.head(&key).await?;
                mixed.size = old.size;
                return Ok(mixed);
            }
            Flaw::HeadIsCached => {
                // Asked for the second time, it asks the store again.
                let cached = hold(&self.notes.heads).remove(&key);
                if let Some(cached) = cached {
                    return Ok(cached);
                }
                let meta = self.memory.head(&key).await?;
                hold(&self.notes.heads).insert(key, meta.clone());
                return Ok(meta);
            }
            _ => {}
        }
        self.answer(self.memory.head(&key).await.map(|meta| self.describe(meta)))
    }

    async fn read(&self, key: &Key, options: ReadOptions) -> Result<Download> {
        let key = self.key(key);
        let download = match self.flaw {
            Flaw::DroppedReadLocks => self.busily(self.memory.read(&key, options)).await,
            _ => flawed_reads::read(self, &key, options).await,
        };
        self.answer(download.map(|mut download| {
            download.meta = self.describe(download.meta);
            download
        }))
    }

    async fn writer(&self, key: &Key, options: WriteOptions) -> Result<Box<dyn Upload>> {
        self.answer(flawed_writes::writer(self, &self.key(key), options).await)
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        self.memory.delete(&self.key(key)).await
    }

    fn list(&self, prefix: &Prefix, after: Option<&Key>) -> MetaStream {
        let listing = flawed_reads::list(self, self.memory.list(prefix, after));
        let this = self.clone();
        Box::pin(listing.map_ok(move |meta| this.describe(meta)))
    }

    async fn put(&self, key: &Key, body: Bytes, options: WriteOptions) -> Result<Meta> {
        if self.flaw == Flaw::DebugShowsTheBody {
            hold(&self.notes.litter).push(String::from_utf8_lossy(&body).into_owned());
        }
        let written = flawed_writes::put(self, &self.key(key), body.clone(), options).await;
        let written = written.map_err(|error| match self.flaw {
            Flaw::ErrorHoldsTheBody => {
                let detail = format!("cannot write {}", String::from_utf8_lossy(&body));
                Error::new(error.kind(), detail)
            }
            _ => error,
        });
        self.answer(written.map(|meta| self.describe(meta)))
    }

    async fn ingest(&self, key: &Key, file: &Path, options: WriteOptions) -> Result<Meta> {
        let (key, may_go_wrong) = (self.key(key), file.symlink_metadata().is_ok_and(|meta| meta.is_file()));
        let body = || Bytes::from(std::fs::read(file).expect("a file"));
        let written = match self.flaw {
            Flaw::IngestReadsOnePiece if may_go_wrong => {
                let body = body();
                let written = self.memory.put(&key, body.slice(..body.len().min(256 << 10)), options).await;
                std::fs::remove_file(file).expect("removed");
                written
            }
            Flaw::IngestRemovesBeforeItWrites if may_go_wrong => {
                let body = body();
                std::fs::remove_file(file).expect("removed");
                tokio::task::yield_now().await;
                self.memory.put(&key, body, options).await
            }
            Flaw::LosersLeak if may_go_wrong => {
                let written = self.memory.ingest(&key, file, options).await;
                self.leak_if_lost(written)
            }
            _ => self.memory.ingest(&key, file, options).await,
        };
        self.answer(written.map(|meta| self.describe(meta)))
    }

    async fn copy(&self, from: &Key, to: &Key, options: WriteOptions) -> Result<Meta> {
        let copied = flawed_writes::copy(self, &self.key(from), &self.key(to), options).await;
        self.answer(copied.map(|meta| self.describe(meta)))
    }

    async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64> {
        self.answer(flawed_writes::delete_prefix(self, prefix).await)
    }

    async fn link(&self, key: &Key, request: LinkRequest) -> Result<Link> {
        self.memory.link(&self.key(key), request).await
    }

    async fn sweep(&self, older_than: Duration) -> Result<Swept> {
        self.memory.sweep(older_than).await
    }
}

impl Flawed {
    /// Leaves the body of a creator that has lost.
    pub(crate) fn leak_if_lost(&self, written: Result<Meta>) -> Result<Meta> {
        written.inspect_err(|error| {
            if error.kind() == ErrorKind::AlreadyExists {
                hold(&self.notes.litter).push("loser".to_owned());
            }
        })
    }

    /// Looks at what is there before anything else, if that is its flaw.
    pub(crate) async fn look_first(&self, key: &Key, options: &WriteOptions) -> Result<()> {
        if self.has(Flaw::PresenceBeforeSums) && options.mode == WriteMode::Create {
            options.admits(self.memory.head(key).await.ok().as_ref())?;
        }
        Ok(())
    }
}
