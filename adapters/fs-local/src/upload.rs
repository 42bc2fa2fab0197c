//! Bodies on their way in.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use persistent_fs::{Error, Key, Meta, Result, Tally, Upload, WriteOptions};

use crate::{
    blocking,
    publish::{Body, publish},
    read::PIECE,
    root::Root,
    stage::{Staged, Stamps, seal},
};

/// What an upload needs of its store.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) root: Arc<Root>,
    pub(crate) stamps: Arc<Stamps>,
    pub(crate) durable: bool,
}

pub(crate) struct LocalUpload {
    target: Target,
    key: Key,
    options: WriteOptions,
    /// `None` while a write is under way, and for good if it failed or was dropped.
    begun: Option<Begun>,
    /// Small pieces are collected, so that each visit to the blocking pool is worth it.
    collected: BytesMut,
}

#[derive(Debug)]
struct Begun {
    staged: Staged,
    tally: Tally,
}

/// Without what has been collected.
impl fmt::Debug for LocalUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalUpload").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Begun {
    fn append(&mut self, piece: &[u8]) -> Result<()> {
        self.tally.add(piece)?;
        self.staged.write(piece)
    }

    fn finish(self, target: &Target, key: &Key, options: &WriteOptions) -> Result<Meta> {
        self.tally.finish()?;
        seal(self.staged.file(), &target.stamps, target.durable)?;
        let meta = publish(&target.root, key, Body::Staged(&self.staged), options, target.durable)?;
        self.staged.published();
        Ok(meta)
    }
}

impl LocalUpload {
    /// Blocks.
    pub(crate) fn new(target: Target, key: Key, options: WriteOptions) -> Result<Self> {
        let tally = Tally::expecting(&options);
        let begun = Some(Begun { staged: Staged::new(&target.root, &target.stamps)?, tally });
        Ok(Self { target, key, options, begun, collected: BytesMut::new() })
    }

    /// Appends what must not be collected first. Blocks.
    pub(crate) fn append(&mut self, piece: &[u8]) -> Result<()> {
        self.begun.as_mut().ok_or_else(Error::upload_lost)?.append(piece)
    }

    /// All of it in one go, for a body at hand. Blocks.
    pub(crate) fn put(mut self, body: &[u8]) -> Result<Meta> {
        let mut begun = self.begun.take().ok_or_else(Error::upload_lost)?;
        begun.append(body)?;
        begun.finish(&self.target, &self.key, &self.options)
    }
}

#[async_trait]
impl Upload for LocalUpload {
    async fn write(&mut self, piece: Bytes) -> Result<()> {
        let mut begun = self.begun.take().ok_or_else(Error::upload_lost)?;
        if self.collected.len() + piece.len() < PIECE {
            self.collected.extend_from_slice(&piece);
            self.begun = Some(begun);
            return Ok(());
        }
        let collected = std::mem::take(&mut self.collected);
        let begun = blocking::run(move || {
            begun.append(&collected)?;
            begun.append(&piece)?;
            Ok(begun)
        });
        self.begun = Some(begun.await?);
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<Meta> {
        let mut begun = self.begun.take().ok_or_else(Error::upload_lost)?;
        blocking::run(move || {
            begun.append(&self.collected)?;
            begun.finish(&self.target, &self.key, &self.options)
        })
        .await
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        let begun = self.begun.take();
        blocking::run(move || {
            drop(begun);
            Ok(())
        })
        .await
    }
}
