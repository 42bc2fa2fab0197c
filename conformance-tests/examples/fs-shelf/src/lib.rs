//! An example: the smallest useful backend of `persistent-fs`, a sorted map under a lock.
//!
//! It promises what is easy to keep, which is that creates have one winner and that names differ in case. Everything
//! else it leaves undeclared, and the suite then demands that it says so.

#![deny(missing_docs)]

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use persistent_fs::{
    Backend, Capabilities, Download, Error, ErrorKind, Key, Meta, MetaStream, Prefix, ReadOptions, Result,
    Tally, Upload, WriteOptions,
};

type Objects = BTreeMap<Key, (Meta, Bytes)>;

/// A file store in memory. Clones are the same store.
#[derive(Clone, Default)]
pub struct Shelf(Arc<Mutex<Objects>>);

struct ShelfUpload {
    shelf: Shelf,
    key: Key,
    options: WriteOptions,
    tally: Tally,
    body: Vec<u8>,
}

/// Bodies have no place in a log.
impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").field("objects", &self.objects().len()).finish()
    }
}

impl fmt::Debug for ShelfUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShelfUpload").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Shelf {
    /// A panic elsewhere has not harmed the map: each change to it is a single step.
    fn objects(&self) -> MutexGuard<'_, Objects> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, key: &Key) -> Result<(Meta, Bytes)> {
        let found = self.objects().get(key).cloned();
        found.ok_or_else(|| Error::new(ErrorKind::NotFound, "no such object").with_key(key))
    }
}

#[async_trait]
impl Backend for Shelf {
    fn capabilities(&self) -> Capabilities {
        Capabilities { create: true, case_sensitive: true, ..Capabilities::NONE }
    }

    async fn head(&self, key: &Key) -> Result<Meta> {
        Ok(self.find(key)?.0)
    }

    async fn read(&self, key: &Key, options: ReadOptions) -> Result<Download> {
        self.capabilities().permit_read(&options)?;
        let (meta, body) = self.find(key)?;
        let range = options.resolve(&meta).map_err(|error| error.with_key(key))?;
        let offset = |at: u64| usize::try_from(at).expect("what is in memory has a size that fits");
        let part = body.slice(offset(range.start)..offset(range.end));
        Ok(Download::new(meta, range, Box::pin(stream::iter([Ok(part)]))))
    }

    async fn writer(&self, key: &Key, options: WriteOptions) -> Result<Box<dyn Upload>> {
        // Before any effect; the tally then refuses a body that is not what was declared.
        self.capabilities().permit(&options)?;
        let tally = Tally::expecting(&options);
        Ok(Box::new(ShelfUpload { shelf: self.clone(), key: key.clone(), options, tally, body: Vec::new() }))
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        self.objects().remove(key);
        Ok(())
    }

    fn list(&self, prefix: &Prefix, after: Option<&Key>) -> MetaStream {
        let objects = self.objects();
        let wanted = objects.iter().filter(|(key, _)| key.starts_with(prefix) && after < Some(*key));
        let found = wanted.map(|(_, (meta, _))| Ok(meta.clone())).collect::<Vec<_>>();
        Box::pin(stream::iter(found))
    }
}

#[async_trait]
impl Upload for ShelfUpload {
    async fn write(&mut self, piece: Bytes) -> Result<()> {
        self.tally.add(&piece)?;
        self.body.extend_from_slice(&piece);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<Meta> {
        let Self { shelf, key, options, tally, body } = *self;
        let meta = Meta::new(key.clone(), tally.finish()?, SystemTime::UNIX_EPOCH);
        // Comparing and publishing is one step under one lock: this is what makes a race have one winner.
        let mut objects = shelf.objects();
        options.admits(objects.get(&key).map(|(meta, _)| meta))?;
        objects.insert(key, (meta.clone(), body.into()));
        Ok(meta)
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
