//! Bodies on their way in: one request if they are small, parts otherwise.

use std::{fmt, mem, sync::Arc};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use persistent_fs::{Error, ErrorKind, Key, Meta, Result, Tally, Upload, WriteOptions};

use crate::{
    multipart::Multipart,
    parts::Plan,
    publish::{Target, publish},
};

/// A buffer begins no larger than this, so that a small body does not cost a whole part.
const FIRST_BUFFER: usize = 64 * 1024;

/// An upload of one object.
pub(crate) struct S3Upload {
    target: Arc<Target>,
    key: Key,
    options: WriteOptions,
    /// `None` while a write is under way, and for good if it failed or was dropped.
    begun: Option<Begun>,
}

struct Begun {
    tally: Tally,
    plan: Plan,
    /// What is not yet in a part.
    collected: BytesMut,
    /// The parts, once the body has turned out to need them.
    parts: Option<Multipart>,
}

impl S3Upload {
    pub(crate) fn new(target: Arc<Target>, key: Key, options: WriteOptions) -> Self {
        let plan = Plan::new(target.part_size, options.size);
        let begun =
            Begun { tally: Tally::expecting(&options), plan, collected: BytesMut::new(), parts: None };
        Self { target, key, options, begun: Some(begun) }
    }
}

impl Begun {
    /// Takes a piece in, sending every part that is full and not the last.
    async fn take_in(
        &mut self,
        target: &Arc<Target>,
        key: &Key,
        options: &WriteOptions,
        mut piece: Bytes,
    ) -> Result<()> {
        self.tally.add(&piece)?;
        if self.tally.counted() > target.largest() {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("the body exceeds the limit of {}", target.largest()),
            ));
        }
        while !piece.is_empty() {
            let full = self.part_size();
            if self.collected.is_empty() && piece.len() > full {
                // It fills a part by itself, and goes without being copied.
                self.send(target, key, options, piece.split_to(full)).await?;
                continue;
            }
            if self.collected.len() == full {
                let part = mem::take(&mut self.collected).freeze();
                self.send(target, key, options, part).await?;
                continue;
            }
            let room = full - self.collected.len();
            let taken = piece.split_to(room.min(piece.len()));
            self.make_room(taken.len(), full);
            self.collected.extend_from_slice(&taken);
        }
        Ok(())
    }

    /// Pieces are copied together, since they may be slices of something larger that they would keep in memory.
    fn make_room(&mut self, more: usize, full: usize) {
        let needed = self.collected.len() + more;
        if needed > self.collected.capacity() {
            let capacity = needed.next_power_of_two().max(FIRST_BUFFER).min(full);
            // `reserve` would double the capacity, beyond what a part can hold.
            let mut larger = BytesMut::with_capacity(capacity);
            larger.extend_from_slice(&self.collected);
            self.collected = larger;
        }
    }

    fn part_size(&self) -> usize {
        let sent = self.parts.as_ref().map_or(0, Multipart::sent);
        usize::try_from(self.plan.next(sent)).unwrap_or(usize::MAX)
    }

    async fn send(
        &mut self,
        target: &Arc<Target>,
        key: &Key,
        options: &WriteOptions,
        part: Bytes,
    ) -> Result<()> {
        let at_once = self.plan.at_once(target.concurrency, part.len() as u64);
        let parts = match &mut self.parts {
            Some(parts) => parts,
            None => self.parts.insert(Multipart::begin(Arc::clone(target), key, options).await?),
        };
        parts.send(part, at_once).await
    }

    async fn finish(mut self, target: &Arc<Target>, key: &Key, options: &WriteOptions) -> Result<Meta> {
        self.tally.clone().finish()?;
        let size = self.tally.counted();
        let rest = mem::take(&mut self.collected).freeze();
        let Some(mut parts) = self.parts.take() else {
            return publish(target, key, options, rest).await;
        };
        parts.send(rest, target.concurrency).await?;
        let told = parts.complete(options).await?;
        Ok(target.describe(key, size, told, options.content_type.as_deref()).await)
    }
}

#[async_trait]
impl Upload for S3Upload {
    async fn write(&mut self, piece: Bytes) -> Result<()> {
        let mut begun = self.begun.take().ok_or_else(Error::upload_lost)?;
        begun
            .take_in(&self.target, &self.key, &self.options, piece)
            .await
            .map_err(|error| error.with_key(&self.key))?;
        self.begun = Some(begun);
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<Meta> {
        let begun = self.begun.take().ok_or_else(Error::upload_lost)?;
        begun.finish(&self.target, &self.key, &self.options).await.map_err(|error| error.with_key(&self.key))
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        match self.begun.take().and_then(|begun| begun.parts) {
            Some(parts) => parts.abort().await,
            None => Ok(()),
        }
    }
}

impl fmt::Debug for S3Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Upload").field("key", &self.key).finish_non_exhaustive()
    }
}
