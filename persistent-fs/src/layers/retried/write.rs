//! Writes whose answer was lost: nothing is sent twice, it is looked for.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};

use super::Retried;
use crate::{
    Backend, Error, Key, Meta, Outcome, ReadOptions, Result, Retry, Upload, WriteMode, WriteOptions,
};

/// What a write meant to leave behind.
///
/// The entity tag would not do: who got no answer does not know it.
#[derive(Debug)]
pub(super) struct Expected {
    size: u64,
    sha256: [u8; 32],
    content_type: Option<String>,
}

impl Expected {
    pub(super) fn body(body: &Bytes, options: &WriteOptions) -> Self {
        Self {
            size: body.len() as u64,
            sha256: Sha256::digest(body).into(),
            content_type: options.content_type.clone(),
        }
    }
}

impl<B: Backend> Retried<B> {
    /// Turns the lost answer of a create or a swap into success if the object is there; else it is the error it was.
    ///
    /// An error that forbids a retry is no lost answer: what failed may be the sync behind a write that can be seen.
    pub(super) async fn settle(
        &self,
        key: &Key,
        error: Error,
        mode: &WriteMode,
        expected: impl FnOnce() -> Expected,
    ) -> Result<Meta> {
        let lost = error.outcome() == Outcome::Unknown && error.retry() != Retry::Never;
        if !lost || *mode == WriteMode::Replace || !self.0.policy.read_back {
            return Err(error);
        }
        match self.find(key, &expected()).await {
            Ok(Some(meta)) => Ok(meta),
            // A failed look says nothing new about the write.
            Ok(None) | Err(_) => Err(error),
        }
    }

    /// The object, if it is the expected one. Reads it whole, because no backend tells the SHA-256 of what it stores.
    async fn find(&self, key: &Key, expected: &Expected) -> Result<Option<Meta>> {
        let mut download = self.read(key, ReadOptions::default()).await?;
        let meta = download.meta;
        // Two may well have written nothing, and only one of them created the object.
        if meta.size == 0 || meta.size != expected.size || meta.content_type != expected.content_type {
            return Ok(None);
        }
        let mut hasher = Sha256::new();
        while let Some(piece) = download.body.try_next().await? {
            hasher.update(&piece);
        }
        Ok((<[u8; 32]>::from(hasher.finalize()) == expected.sha256).then_some(meta))
    }
}

/// An upload that can be looked for, if its hash was declared.
#[derive(Debug)]
pub(super) struct RetriedUpload<B> {
    layer: Retried<B>,
    key: Key,
    mode: WriteMode,
    /// What to look for, its size being counted on the way.
    expected: Option<Expected>,
    upload: Box<dyn Upload>,
}

impl<B: Backend> RetriedUpload<B> {
    pub(super) fn new(layer: Retried<B>, key: &Key, options: &WriteOptions, upload: Box<dyn Upload>) -> Self {
        let content_type = options.content_type.clone();
        let expected = options.sha256.map(|sha256| Expected { size: 0, sha256, content_type });
        Self { layer, key: key.clone(), mode: options.mode.clone(), expected, upload }
    }
}

#[async_trait]
impl<B: Backend> Upload for RetriedUpload<B> {
    async fn write(&mut self, piece: Bytes) -> Result<()> {
        let length = piece.len() as u64;
        self.upload.write(piece).await?;
        if let Some(expected) = &mut self.expected {
            expected.size += length;
        }
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<Meta> {
        let Self { layer, key, mode, expected, upload } = *self;
        match (upload.finish().await, expected) {
            (Err(error), Some(expected)) => layer.settle(&key, error, &mode, || expected).await,
            (finished, _) => finished,
        }
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        self.upload.abort().await
    }
}
