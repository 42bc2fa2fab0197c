//! An object on its way in.

use std::fmt;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use persistent_fs::{Error, Key, Meta, Result, Tally, Upload, WriteOptions};

use crate::Memory;

pub(crate) struct MemoryUpload {
    store: Memory,
    key: Key,
    options: WriteOptions,
    /// `None` once a write has failed.
    body: Option<(BytesMut, Tally)>,
}

/// Without the body.
impl fmt::Debug for MemoryUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryUpload").field("key", &self.key).finish_non_exhaustive()
    }
}

impl MemoryUpload {
    pub(crate) fn new(store: Memory, key: Key, options: WriteOptions) -> Self {
        let body = Some((BytesMut::new(), Tally::expecting(&options)));
        Self { store, key, options, body }
    }
}

#[async_trait]
impl Upload for MemoryUpload {
    async fn write(&mut self, piece: Bytes) -> Result<()> {
        let (mut body, mut tally) = self.body.take().ok_or_else(Error::upload_lost)?;
        tally.add(&piece)?;
        body.extend_from_slice(&piece);
        self.body = Some((body, tally));
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<Meta> {
        let (body, tally) = self.body.take().ok_or_else(Error::upload_lost)?;
        tally.finish()?;
        self.store.publish(&self.key, body.freeze(), &self.options)
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
