//! An object on its way in: one request if it is small, parts if it is not.

use std::fmt;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use opendal::{Buffer, Writer};
use persistent_fs::{Error, ErrorKind, Key, Meta, Outcome, Result, Tally, Upload, WriteMode, WriteOptions};

use crate::{
    Store,
    backend::{condition, path, quoted},
    error::{Call, translating},
};

/// As many as S3 takes, and the others that have a limit.
const MAX_PARTS: u64 = 10_000;

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
    /// What waits for the first part to be full, or for the end. A copy, so that nobody's pieces are held.
    waiting: BytesMut,
    parts: Option<Parts>,
}

/// Parts under way. Dropping it gives them up, in a task of its own.
struct Parts(Option<Writer>);

impl StoreUpload {
    pub(crate) fn new(store: Store, key: Key, options: WriteOptions) -> Self {
        let state = State { tally: Tally::expecting(&options), waiting: BytesMut::new(), parts: None };
        Self { target: Target { store, key, options }, state: Some(state) }
    }
}

#[async_trait]
impl Upload for StoreUpload {
    async fn write(&mut self, piece: Bytes) -> Result<()> {
        let mut state = self.state.take().ok_or_else(Error::upload_lost)?;
        if let Err(error) = state.take_in(&self.target, piece).await {
            // The error is what the caller must learn; what could not be given up is left to the service.
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
    async fn take_in(&mut self, target: &Target, piece: Bytes) -> Result<()> {
        self.tally.add(&piece)?;
        let counted = self.tally.counted();
        target.store.capabilities.permit_size(counted)?;
        if let Some(parts) = &mut self.parts {
            return parts.send(piece.into()).await;
        }
        if !target.store.operator.info().capability().write_can_multi {
            let max = target.store.options.whole_max;
            if counted > max as u64 {
                return Err(Error::new(
                    ErrorKind::TooLarge,
                    format!("a body of more than {max} bytes in one request"),
                ));
            }
        } else if counted > target.store.options.part_size as u64 {
            let parts = self.parts.insert(target.begin().await?);
            parts.send(self.waiting.split().freeze().into()).await?;
            return parts.send(piece.into()).await;
        }
        self.waiting.extend_from_slice(&piece);
        Ok(())
    }

    async fn publish(self, target: &Target) -> Result<Meta> {
        let (size, parts) = match (self.tally.finish(), self.parts) {
            (Ok(size), parts) => (size, parts),
            (Err(error), None) => return Err(error),
            (Err(error), Some(parts)) => {
                drop(parts.abort().await);
                return Err(error);
            }
        };
        let Target { store, key, options } = target;
        let Some(parts) = parts else {
            return store.publish(key, self.waiting.freeze().into(), size, options).await;
        };
        let written = parts.close(options).await?;
        Ok(store.written(key, size, &written, options).await)
    }
}

impl Target {
    async fn begin(&self) -> Result<Parts> {
        let can = self.store.operator.info().capability();
        let wanted = self.options.size.map_or(0, |size| size.div_ceil(MAX_PARTS));
        let part = usize::try_from(wanted).unwrap_or(usize::MAX).max(self.store.options.part_size);
        let part =
            part.max(can.write_multi_min_size.unwrap_or(0)).min(can.write_multi_max_size.unwrap_or(part));
        let options = opendal::options::WriteOptions {
            chunk: Some(part),
            concurrent: self.store.options.parts_in_flight,
            ..write_options(&self.options)
        };
        let writer = self.store.operator.writer_options(path(&self.key)?, options).await;
        Ok(Parts(Some(writer.map_err(translating(Call::Stage))?)))
    }
}

impl Parts {
    async fn send(&mut self, piece: Buffer) -> Result<()> {
        let writer = self.0.as_mut().expect("only `close` and `abort` take it, and consume this");
        writer.write(piece).await.map_err(translating(Call::Stage))
    }

    async fn close(mut self, options: &WriteOptions) -> Result<opendal::Metadata> {
        let writer = self.0.as_mut().expect("only this and `abort` take it");
        let closed = writer.close().await.map_err(translating(Call::Publish(condition(options))));
        match closed {
            Ok(written) => {
                self.0 = None;
                Ok(written)
            }
            Err(error) if error.outcome() == Outcome::NotApplied => {
                drop(self.abort().await);
                Err(error)
            }
            Err(error) => {
                // It may still be under way; giving it up now could only confuse the two.
                self.0 = None;
                Err(error)
            }
        }
    }

    async fn abort(mut self) -> Result<()> {
        let Some(mut writer) = self.0.take() else { return Ok(()) };
        writer.abort().await.map_err(translating(Call::Stage))
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        let Some(mut writer) = self.0.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { writer.abort().await });
        }
    }
}

/// The options of one write in `opendal`'s terms.
pub(crate) fn write_options(options: &WriteOptions) -> opendal::options::WriteOptions {
    opendal::options::WriteOptions {
        content_type: options.content_type.clone(),
        if_not_exists: options.mode == WriteMode::Create,
        if_match: match &options.mode {
            WriteMode::Match(etag) => Some(quoted(etag)),
            _ => None,
        },
        ..opendal::options::WriteOptions::default()
    }
}
