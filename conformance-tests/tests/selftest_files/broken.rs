//! The memory store, wrong in exactly one way.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
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
use futures_util::{StreamExt, TryStreamExt};
use persistent_fs::{
    Backend, ByteRange, ByteStream, Capabilities, Download, ETag, Error, ErrorKind, Key, Link, LinkRequest,
    Meta, MetaStream, Method, Prefix, ReadOptions, Result, Swept, Upload, WriteMode, WriteOptions,
    links::Grant,
};
use tokio::task::yield_now;

use crate::{
    broken_links::{self, other_signer},
    broken_parts::{BrokenUpload, backwards, follow_replaces, list_by_offset, verify},
    fault::Fault,
    unreachable::Unreachable,
};

/// Gives each case a store with this fault, or without any.
pub(crate) struct BrokenHarness(pub(crate) Option<Fault>);

/// The store. Clones are the same store.
#[derive(Debug, Clone)]
pub(crate) struct Broken {
    pub(crate) memory: Memory,
    fault: Option<Fault>,
    readers: Arc<AtomicUsize>,
    /// What uploads left behind.
    pub(crate) litter: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl Harness for BrokenHarness {
    async fn open(&self) -> Result<Box<dyn Fixture>, Absent> {
        let memory = Memory::new().with_links(signer());
        Ok(Box::new(Broken { memory, fault: self.0, readers: Arc::default(), litter: Arc::default() }))
    }

    async fn open_broken(&self) -> Result<Arc<dyn Backend>, Absent> {
        if self.0 == Some(Fault::BrokenLooksEmpty) {
            return Ok(Arc::new(Memory::new()));
        }
        Ok(Arc::new(Unreachable { goes_on: false }))
    }
}

#[async_trait]
impl Fixture for Broken {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::new(self.clone())
    }

    async fn reopen(&self) -> Result<Arc<dyn Backend>, Absent> {
        if self.has(Fault::ReopenLosesAll) {
            return Ok(Arc::new(Memory::new()));
        }
        if self.has(Fault::ReopenSignsAnew) {
            return Ok(Arc::new(self.memory.clone().with_links(other_signer())));
        }
        Ok(self.backend())
    }

    async fn raw_entries(&self) -> Result<Vec<String>, Absent> {
        let objects = self.memory.list(&Prefix::all(), None).map_ok(|meta| meta.key.to_string());
        let mut found = objects.try_collect::<Vec<_>>().await.expect("memory lists");
        found.extend(self.litter.lock().expect("not poisoned").iter().cloned());
        Ok(found)
    }

    async fn descriptors(&self) -> Result<usize, Absent> {
        Ok(0)
    }

    fn verify(&self, method: Method, token: &str, now: SystemTime) -> Result<Result<Grant>, Absent> {
        Ok(verify(self.fault, method, token, now))
    }

    async fn fetch(
        &self,
        request: http::Request<ByteStream>,
        late: Duration,
    ) -> Result<http::Response<Bytes>, Absent> {
        Ok(broken_links::fetch(self, request, late).await)
    }
}

impl Broken {
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn key(&self, key: &Key) -> Result<Key> {
        match self.fault {
            Some(Fault::KeyIsDecoded) => Key::parse(&key.as_str().replace("%2F", "/").replace('?', "")),
            Some(Fault::CasePutTogether) => Key::parse(&key.as_str().to_lowercase()),
            Some(Fault::KeyIsTooLong) if key.as_str().len() > 200 => {
                Err(Error::new(ErrorKind::InvalidKey, "too long"))
            }
            _ => Ok(key.clone()),
        }
    }

    /// The body as it is stored, which is not always as it was given.
    fn spoil(&self, body: Bytes) -> Bytes {
        match self.fault {
            Some(Fault::Truncates) if body.len() > 1 << 20 => body.slice(..body.len() - 1),
            Some(Fault::TextOnly) => String::from_utf8_lossy(&body).into_owned().into(),
            Some(Fault::PutAddsANewline) => [body.as_ref(), b"\n"].concat().into(),
            _ => body,
        }
    }

    /// The options as they are obeyed, after what is done wrong before the write.
    pub(crate) async fn prepare(&self, key: &Key, mut options: WriteOptions) -> Result<WriteOptions> {
        match self.fault {
            Some(Fault::SizeIgnored) => options.size = None,
            Some(Fault::HashIgnored) => options.sha256 = None,
            Some(Fault::RightHashRefused) if options.sha256.is_some() => options.sha256 = Some([0; 32]),
            Some(Fault::TypeForgotten) => options.content_type = None,
            Some(Fault::CreateReplaces) if options.mode == WriteMode::Create => {
                options.mode = WriteMode::Replace;
            }
            Some(Fault::CreateDeclaredButRefused) if options.mode == WriteMode::Create => {
                return Err(Error::unsupported("create"));
            }
            Some(Fault::CreateRaces) if options.mode == WriteMode::Create => {
                options.admits(self.memory.head(key).await.ok().as_ref())?;
                yield_now().await;
                options.mode = WriteMode::Replace;
            }
            Some(Fault::SwapIgnoresTheVersion) if matches!(options.mode, WriteMode::Match(_)) => {
                options.mode = WriteMode::Replace;
            }
            Some(Fault::SwapRefusesAll) if matches!(options.mode, WriteMode::Match(_)) => {
                options.mode = WriteMode::Match(ETag::new("none"));
            }
            Some(Fault::SwapRaces) if matches!(options.mode, WriteMode::Match(_)) => {
                options.admits(self.memory.head(key).await.ok().as_ref())?;
                yield_now().await;
                options.mode = WriteMode::Replace;
            }
            Some(Fault::ConflictingKeyReplaces) => {
                for meta in self.memory.list(&Prefix::all(), None).try_collect::<Vec<_>>().await? {
                    if meta.key.contains(key) || key.contains(&meta.key) {
                        self.memory.delete(&meta.key).await?;
                    }
                }
            }
            _ => {}
        }
        Ok(options)
    }

    fn describe(&self, mut meta: Meta) -> Meta {
        match self.fault {
            Some(Fault::EtagIsTheSize) => meta.etag = Some(ETag::new(meta.size.to_string())),
            Some(Fault::SwapWithoutEtag) => meta.etag = None,
            _ => {}
        }
        meta
    }
}

#[async_trait]
impl Backend for Broken {
    fn capabilities(&self) -> Capabilities {
        let mut can = self.memory.capabilities();
        match self.fault {
            Some(Fault::CapabilitiesChange) => can.durable = self.readers.fetch_add(1, Ordering::Relaxed) > 0,
            Some(Fault::CreateWorksUndeclared) => can.create = false,
            Some(Fault::SwapWithoutEtag) => can.etag = false,
            Some(Fault::MaxSizeIsIgnored) => can.max_size = Some(1000),
            _ => {}
        }
        can
    }

    async fn head(&self, key: &Key) -> Result<Meta> {
        let mut meta = match self.memory.head(&self.key(key)?).await {
            Err(_) if self.has(Fault::MissingIsUnavailable) => {
                return Err(Error::new(ErrorKind::Unavailable, "missing, or so"));
            }
            answer => answer?,
        };
        if self.has(Fault::HeadIsWrong) {
            meta.size += 1;
        }
        Ok(self.describe(meta))
    }

    async fn read(&self, key: &Key, mut options: ReadOptions) -> Result<Download> {
        let key = self.key(key)?;
        match (self.fault, options.range) {
            (Some(Fault::ConditionsIgnored), _) => (options.if_match, options.if_none_match) = (None, None),
            (Some(Fault::RangeIsOffByOne), Some(ByteRange::Span(start, end))) => {
                options.range = Some(ByteRange::Span(start, end + 1));
            }
            (Some(Fault::EmptyRangeIsFine), Some(range)) => {
                options.range = range.within(self.memory.head(&key).await?.size).is_ok().then_some(range);
            }
            (Some(Fault::RangeBeforeConditions), Some(range)) => {
                range.within(self.memory.head(&key).await?.size).map(drop)?;
            }
            (Some(Fault::ReadersRunOut), _) if self.readers.fetch_add(1, Ordering::Relaxed) > 1000 => {
                return Err(Error::new(ErrorKind::Unavailable, "no reader is free"));
            }
            _ => {}
        }
        let mut download = self.memory.read(&key, options).await?;
        if self.has(Fault::ReadFollowsReplaces) {
            download.body = follow_replaces(self.memory.clone(), key);
        }
        download.meta = self.describe(download.meta);
        Ok(download)
    }

    async fn writer(&self, key: &Key, options: WriteOptions) -> Result<Box<dyn Upload>> {
        let upload = BrokenUpload::begin(self.clone(), self.key(key)?, options).await?;
        Ok(Box::new(upload))
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        let key = self.key(key)?;
        match self.fault {
            Some(Fault::DeleteDoesNothing) => return Ok(()),
            Some(Fault::DeleteMissingFails) => drop(self.memory.head(&key).await?),
            Some(Fault::DeleteInTwoSteps) if self.memory.head(&key).await.is_ok() => {
                self.memory.put(&key, Bytes::new(), WriteOptions::default()).await?;
                yield_now().await;
            }
            Some(Fault::DeleteTakesTheNeighbours) => {
                self.memory.delete_prefix(&Prefix::parse(key.as_str())?).await?;
            }
            _ => {}
        }
        self.memory.delete(&key).await
    }

    fn list(&self, prefix: &Prefix, after: Option<&Key>) -> MetaStream {
        let list = |prefix: &Prefix, after: Option<&Key>| self.memory.list(prefix, after);
        let all = match self.fault {
            Some(Fault::AfterIsInclusive) => {
                let first = after.filter(|after| after.starts_with(prefix)).cloned();
                let found = futures_util::stream::iter(first).filter_map({
                    let memory = self.memory.clone();
                    move |key| {
                        let memory = memory.clone();
                        async move { memory.head(&key).await.ok().map(Ok) }
                    }
                });
                Box::pin(found.chain(list(prefix, after)))
            }
            Some(Fault::AfterMustExist) => {
                let exists = after.is_some_and(|after| {
                    futures_util::FutureExt::now_or_never(self.memory.head(after))
                        .is_some_and(|head| head.is_ok())
                });
                list(prefix, after.filter(|_| exists))
            }
            Some(Fault::PrefixIsAPath) if !prefix.is_all() => {
                let folder = format!("{}/", prefix.as_str().trim_end_matches('/'));
                list(&Prefix::parse(&folder).expect("a prefix"), after)
            }
            Some(Fault::ListForgetsTheLastPage) => Box::pin(list(prefix, after).take(1000)),
            Some(Fault::ListByOffset) => list_by_offset(self.memory.clone(), prefix, after),
            Some(Fault::ListIsUnordered) => backwards(list(prefix, after)),
            Some(Fault::ListHasPhantoms) => {
                let phantom = Meta::new(Key::parse("~").expect("a key"), 0, SystemTime::UNIX_EPOCH);
                Box::pin(list(prefix, after).chain(futures_util::stream::iter([Ok(phantom)])))
            }
            _ => list(prefix, after),
        };
        let this = self.clone();
        Box::pin(all.map_ok(move |meta| this.describe(meta)))
    }

    async fn put(&self, key: &Key, body: Bytes, mut options: WriteOptions) -> Result<Meta> {
        let key = self.key(key)?;
        self.capabilities().permit(&options).or_else(|error| {
            let forgiven = self.has(Fault::CreateWorksUndeclared) || self.has(Fault::MaxSizeIsIgnored);
            if forgiven { Ok(()) } else { Err(error) }
        })?;
        if !self.has(Fault::SizeIgnored) && options.size.is_some_and(|size| size != body.len() as u64) {
            return Err(Error::new(ErrorKind::Integrity, "another size than declared"));
        }
        options.size = None;
        let options = self.prepare(&key, options).await?;
        if self.has(Fault::TornReplace) {
            let half = body.slice(..body.len() / 2);
            self.memory.put(&key, half, WriteOptions::default()).await?;
            // Long enough for somebody to look.
            for _ in 0..100 {
                yield_now().await;
            }
        }
        Ok(self.describe(self.memory.put(&key, self.spoil(body), options).await?))
    }

    async fn ingest(&self, key: &Key, file: &Path, mut options: WriteOptions) -> Result<Meta> {
        let key = self.key(key)?;
        if self.has(Fault::CopyForgetsOptions) {
            options = WriteOptions::default();
        }
        let is_file = std::fs::symlink_metadata(file).is_ok_and(|meta| meta.is_file());
        let body = match std::fs::read(file) {
            Ok(_) if !is_file => return Err(Error::new(ErrorKind::InvalidOption, "no regular file")),
            Err(_) if self.has(Fault::IngestTakesAnything) => Vec::new(),
            Err(error) => return Err(Error::new(ErrorKind::InvalidOption, "no file").with_source(error)),
            Ok(body) => body,
        };
        let remove = || drop(std::fs::remove_file(file));
        if self.has(Fault::IngestRemovesFirst) {
            remove();
        }
        let meta = self.put(&key, body.into(), options).await?;
        if !self.has(Fault::IngestKeepsTheFile) {
            remove();
        }
        Ok(meta)
    }

    async fn copy(&self, from: &Key, to: &Key, mut options: WriteOptions) -> Result<Meta> {
        let (from, to) = (self.key(from)?, self.key(to)?);
        match self.fault {
            Some(Fault::CopyBeginsWithTheTarget) => {
                self.memory.put(&to, Bytes::new(), WriteOptions::default()).await?;
            }
            Some(Fault::CopyForgetsOptions) => options = WriteOptions::default(),
            Some(Fault::CopyIsEmpty) => {
                self.memory.head(&from).await?;
                return self.memory.put(&to, Bytes::new(), options).await;
            }
            _ => {}
        }
        let options = self.prepare(&to, options).await?;
        Ok(self.describe(self.memory.copy(&from, &to, options).await?))
    }

    async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64> {
        if self.has(Fault::DeleteDoesNothing) {
            return Ok(self.memory.list(prefix, None).count().await as u64);
        }
        let deleted = self.memory.delete_prefix(prefix).await?;
        Ok(if self.has(Fault::PrefixDeleteMiscounts) { deleted.min(100) } else { deleted })
    }

    async fn link(&self, key: &Key, request: LinkRequest) -> Result<Link> {
        let (mut key, mut request) = (self.key(key)?, request);
        match (self.fault, &mut request) {
            (Some(Fault::LinkIsSignedWithAnotherKey), _) => return other_signer().mint(&key, &request),
            (Some(Fault::LinkNeedsTheObject), _) => drop(self.memory.head(&key).await?),
            (Some(Fault::LinkIsForAnotherKey), _) => key = Key::parse("another")?,
            (Some(Fault::LinkForgetsConditions), LinkRequest::Put { expires_in, .. }) => {
                request = LinkRequest::put(*expires_in);
            }
            (
                Some(Fault::LinkLivesLonger),
                LinkRequest::Get { expires_in, .. } | LinkRequest::Put { expires_in, .. },
            ) => {
                *expires_in *= 2;
            }
            (
                Some(Fault::LinkHasDefaultDuration),
                LinkRequest::Get { expires_in, .. } | LinkRequest::Put { expires_in, .. },
            ) => {
                *expires_in = (*expires_in).clamp(Duration::from_secs(1), Duration::from_hours(1));
            }
            _ => {}
        }
        self.memory.link(&key, request).await
    }

    async fn sweep(&self, older_than: Duration) -> Result<Swept> {
        if self.has(Fault::SweepTakesObjects) {
            let uploads = self.memory.delete_prefix(&Prefix::all()).await?;
            return Ok(Swept { uploads, bytes: 0 });
        }
        self.memory.sweep(older_than).await
    }
}
