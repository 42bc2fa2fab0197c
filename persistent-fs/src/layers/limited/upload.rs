//! An upload that is counted while it grows and charged when it is published.

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::{Limited, Size, quota::full, too_large};
use crate::{Backend, Error, Key, Meta, Result, Upload, WriteOptions};

/// Holds a place among those at once until it ends or is dropped.
///
/// Its bytes count from the finish on: until then there is no object, and another upload of the same key may overtake
/// this one.
#[derive(Debug)]
pub(super) struct LimitedUpload<B> {
    pub(super) layer: Limited<B>,
    pub(super) key: Key,
    pub(super) options: WriteOptions,
    /// The size of the object that was there at the beginning.
    pub(super) replaces: u64,
    pub(super) counted: u64,
    /// `None` once a write has failed.
    pub(super) upload: Option<Box<dyn Upload>>,
    pub(super) _permit: Option<OwnedSemaphorePermit>,
}

impl<B: Backend> LimitedUpload<B> {
    /// Whether the body is already too long, so that its rest need not come.
    fn check(&self) -> Result<()> {
        let limits = &self.layer.0.limits;
        if limits.max_size.is_some_and(|max| self.counted > max) {
            return Err(too_large(self.counted, limits.max_size));
        }
        match &self.layer.0.quota {
            Some(quota) if quota.is_beyond(self.counted, self.replaces) => {
                Err(full(limits.quota.unwrap_or_default()))
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl<B: Backend> Upload for LimitedUpload<B> {
    async fn write(&mut self, piece: Bytes) -> Result<()> {
        let mut upload = self.upload.take().ok_or_else(Error::upload_lost)?;
        self.counted += piece.len() as u64;
        if let Err(error) = self.check() {
            // What the caller must learn is the limit; a sweep collects what is left.
            drop(upload.abort().await);
            return Err(error.with_key(&self.key));
        }
        upload.write(piece).await?;
        self.upload = Some(upload);
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<Meta> {
        let upload = self.upload.take().ok_or_else(Error::upload_lost)?;
        match self.layer.charge(&[&self.key], Size::Known(self.counted), &self.options).await {
            Ok(Some(charge)) => charge.written(upload.finish().await),
            Ok(None) => upload.finish().await,
            Err(error) => {
                drop(upload.abort().await);
                Err(error)
            }
        }
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        match self.upload.take() {
            Some(upload) => upload.abort().await,
            None => Ok(()),
        }
    }
}
