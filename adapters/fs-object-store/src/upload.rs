//! An object on its way in: one request if it is small, parts if it is not.

use std::{fmt, mem};

use async_trait::async_trait;
use bytes::Bytes;
use object_store::{MultipartUpload, PutMultipartOptions, PutPayload};
use persistent_fs::{Error, ErrorKind, Key, Meta, Outcome, Result, Tally, Upload, WriteMode, WriteOptions};
use tokio::task::JoinSet;

use crate::{
    Call, Store,
    error::translating,
    names::{to_attributes, to_path},
    translate,
};

/// As many as S3 takes, and the others that have a limit.
const MAX_PARTS: u64 = 10_000;

/// Parts keep their size for so many, then double it: 1000 parts each of 8, 16, ... 4096 MiB are 8 TiB.
const PARTS_OF_A_SIZE: usize = 1000;

pub(crate) struct StoreUpload {
    target: Target,
    /// `None` once a write has failed or was dropped.
    state: Option<State>,
}

/// Without what waits to be sent.
impl fmt::Debug for StoreUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreUpload").field("key", &self.target.key).finish_non_exhaustive()
    }
}

/// Where the object goes, and how.
struct Target {
    store: Store,
    key: Key,
    options: WriteOptions,
}

struct State {
    tally: Tally,
    buffer: Buffer,
    parts: Option<Parts>,
}

/// Pieces that wait to become a part, as they came.
#[derive(Default)]
struct Buffer {
    pieces: Vec<Bytes>,
    length: usize,
}

/// Parts under way. Dropping it gives the upload up, in a task of its own.
struct Parts {
    upload: Option<Box<dyn MultipartUpload>>,
    begun: usize,
    running: JoinSet<object_store::Result<()>>,
}

impl StoreUpload {
    pub(crate) fn new(store: Store, key: Key, options: WriteOptions) -> Self {
        let state = State { tally: Tally::expecting(&options), buffer: Buffer::default(), parts: None };
        Self { target: Target { store, key, options }, state: Some(state) }
    }
}

#[async_trait]
impl Upload for StoreUpload {
    async fn write(&mut self, piece: Bytes) -> Result<()> {
        let mut state = self.state.take().ok_or_else(Error::upload_lost)?;
        if let Err(error) = state.take_in(&self.target, piece).await {
            // The error is what the caller must learn; what could not be given up is left to the store.
            if let Some(parts) = state.parts {
                drop(parts.abort().await);
            }
            return Err(error);
        }
        self.state = Some(state);
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<Meta> {
        let state = self.state.take().ok_or_else(Error::upload_lost)?;
        state.publish(&self.target).await
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        match self.state.take().and_then(|state| state.parts) {
            Some(parts) => parts.abort().await,
            None => Ok(()),
        }
    }
}

impl State {
    async fn take_in(&mut self, target: &Target, mut piece: Bytes) -> Result<()> {
        self.tally.add(&piece)?;
        target.store.capabilities.permit_size(self.tally.counted())?;
        if target.options.mode != WriteMode::Replace {
            let max = target.store.options.conditional_max;
            if self.tally.counted() > max as u64 {
                return Err(Error::new(
                    ErrorKind::TooLarge,
                    format!("a conditional write of more than {max} bytes"),
                ));
            }
            self.buffer.push(piece);
            return Ok(());
        }
        loop {
            let size = target.part_size(self.parts.as_ref().map_or(0, |parts| parts.begun));
            let room = size - self.buffer.length;
            // A body that just fills the first part is still one request.
            if piece.len() < room || (piece.len() == room && self.parts.is_none()) {
                self.buffer.push(piece);
                return Ok(());
            }
            self.buffer.push(piece.split_to(room));
            self.send(target).await?;
        }
    }

    /// Sends what is buffered as a part, once there is room among those under way.
    async fn send(&mut self, target: &Target) -> Result<()> {
        let parts = match &mut self.parts {
            Some(parts) => parts,
            none => none.insert(target.begin().await?),
        };
        parts.make_room(target.store.options.parts_in_flight).await?;
        parts.send(self.buffer.take());
        Ok(())
    }

    async fn publish(mut self, target: &Target) -> Result<Meta> {
        let Some(mut parts) = self.parts.take() else {
            let size = self.tally.finish()?;
            return target.store.publish(&target.key, self.buffer.take(), size, &target.options).await;
        };
        if self.buffer.length > 0 {
            parts.send(self.buffer.take());
        }
        let size = match (parts.make_room(1).await, self.tally.finish()) {
            (Ok(()), Ok(size)) => size,
            (Err(error), _) | (_, Err(error)) => {
                drop(parts.abort().await);
                return Err(error);
            }
        };
        let put = parts.complete().await?;
        Ok(target.store.written(&target.key, size, &put, &target.options).await)
    }
}

impl Target {
    async fn begin(&self) -> Result<Parts> {
        let attributes = to_attributes(self.options.content_type.as_deref());
        let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
        let begun = self.store.inner.put_multipart_opts(&to_path(&self.key)?, options).await;
        let upload = begun.map_err(translating(Call::Stage))?;
        Ok(Parts { upload: Some(upload), begun: 0, running: JoinSet::new() })
    }

    /// The size of the next part, after so many.
    fn part_size(&self, begun: usize) -> usize {
        let least = self.store.options.part_size;
        if let Some(size) = self.options.size {
            return least.max(usize::try_from(size.div_ceil(MAX_PARTS)).unwrap_or(usize::MAX));
        }
        let doublings = u32::try_from(begun / PARTS_OF_A_SIZE).unwrap_or(u32::MAX);
        least.saturating_mul(2_usize.saturating_pow(doublings))
    }
}

impl Buffer {
    fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.length += piece.len();
            self.pieces.push(piece);
        }
    }

    fn take(&mut self) -> PutPayload {
        mem::take(self).pieces.into_iter().collect()
    }
}

impl Parts {
    fn send(&mut self, payload: PutPayload) {
        let upload = self.upload.as_mut().expect("only `complete` and `abort` take it, and consume this");
        self.begun += 1;
        self.running.spawn(upload.put_part(payload));
    }

    /// Waits until fewer than `limit` parts are under way.
    async fn make_room(&mut self, limit: usize) -> Result<()> {
        while self.running.len() >= limit {
            let Some(ended) = self.running.join_next().await else { break };
            ended
                .map_err(|error| {
                    Error::new(ErrorKind::Other, "a part was not sent to its end").with_source(error)
                })?
                .map_err(translating(Call::Stage))?;
        }
        Ok(())
    }

    async fn complete(mut self) -> Result<object_store::PutResult> {
        let upload = self.upload.as_mut().expect("only this and `abort` take it");
        match upload.complete().await {
            Ok(put) => {
                self.upload = None;
                Ok(put)
            }
            Err(error) => {
                // What the store did not find is the upload: an earlier attempt may have completed it.
                let gone = matches!(error, object_store::Error::NotFound { .. });
                let error = translate(&error, Call::Publish);
                if gone || error.outcome() != Outcome::NotApplied {
                    // Completing it may still be under way; giving it up now could only confuse the two.
                    self.upload = None;
                    return Err(error.with_outcome(Outcome::Unknown));
                }
                drop(self.abort().await);
                Err(error)
            }
        }
    }

    async fn abort(mut self) -> Result<()> {
        self.running.shutdown().await;
        let Some(mut upload) = self.upload.take() else { return Ok(()) };
        match upload.abort().await {
            // It is gone already, which is all that was wanted.
            Err(object_store::Error::NotFound { .. }) | Ok(()) => Ok(()),
            Err(error) => Err(translate(&error, Call::Stage)),
        }
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.running.abort_all();
        let Some(mut upload) = self.upload.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { upload.abort().await });
        }
    }
}
