//! Parts that may arrive in any order, written in the order in which they were begun.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use object_store::{Error as Theirs, MultipartUpload, PutPayload, PutResult, Result, UploadPart, path::Path};
use persistent_fs::Upload;
use tokio::sync::{Mutex, Notify};

use crate::as_object_store::{put_result, theirs};

/// As much is held of parts that were waited for before their turn.
const HELD: usize = 64 << 20;

/// One of our uploads, which takes its pieces in order, behind the interface for parts.
#[derive(Debug)]
pub(crate) struct PartsInOrder {
    shared: Arc<Shared>,
    begun: usize,
}

#[derive(Debug)]
struct Shared {
    location: Path,
    line: Mutex<Line>,
    /// Told whenever a part was written.
    moved: Notify,
}

#[derive(Debug)]
struct Line {
    /// `None` once it was finished or given up.
    upload: Option<Box<dyn Upload>>,
    /// The number of the part that is to be written next.
    next: usize,
    waiting: BTreeMap<usize, PutPayload>,
    held: usize,
}

impl PartsInOrder {
    pub(crate) fn new(upload: Box<dyn Upload>, location: Path) -> Self {
        let line = Line { upload: Some(upload), next: 0, waiting: BTreeMap::new(), held: 0 };
        Self { shared: Arc::new(Shared { location, line: Mutex::new(line), moved: Notify::new() }), begun: 0 }
    }

    /// Takes the upload out, so that parts that are still under way find none.
    async fn end(&self) -> Result<(Box<dyn Upload>, usize)> {
        let mut line = self.shared.line.lock().await;
        let upload = line.upload.take().ok_or_else(ended)?;
        self.shared.moved.notify_waiters();
        Ok((upload, line.next))
    }
}

#[async_trait]
impl MultipartUpload for PartsInOrder {
    fn put_part(&mut self, payload: PutPayload) -> UploadPart {
        let (shared, number) = (Arc::clone(&self.shared), self.begun);
        self.begun += 1;
        Box::pin(async move { shared.put(number, payload).await })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let (upload, written) = self.end().await?;
        let location = &self.shared.location;
        if written < self.begun {
            drop(upload.abort().await);
            return Err(generic("a part was begun and never written"));
        }
        upload.finish().await.map(|meta| put_result(&meta)).map_err(|error| theirs(error, location))
    }

    async fn abort(&mut self) -> Result<()> {
        let (upload, _) = self.end().await?;
        upload.abort().await.map_err(|error| theirs(error, &self.shared.location))
    }
}

impl Shared {
    /// Writes a part if it is its turn, and those behind it that came before; holds it otherwise.
    async fn put(&self, number: usize, payload: PutPayload) -> Result<()> {
        loop {
            let mut line = self.line.lock().await;
            if line.upload.is_none() {
                return Err(ended());
            }
            if line.next == number {
                line.write(payload).await.map_err(|error| theirs(error, &self.location))?;
                line.catch_up().await.map_err(|error| theirs(error, &self.location))?;
                self.moved.notify_waiters();
                return Ok(());
            }
            let length = payload.content_length();
            if line.held + length <= HELD {
                line.held += length;
                line.waiting.insert(number, payload);
                return Ok(());
            }
            // Asked for while the line stands still, so that no move is missed.
            let mut moved = std::pin::pin!(self.moved.notified());
            moved.as_mut().enable();
            drop(line);
            moved.await;
        }
    }
}

impl Line {
    async fn write(&mut self, payload: PutPayload) -> persistent_fs::Result<()> {
        let upload = self.upload.as_mut().expect("whoever holds the line has looked");
        for piece in payload {
            upload.write(piece).await?;
        }
        self.next += 1;
        Ok(())
    }

    async fn catch_up(&mut self) -> persistent_fs::Result<()> {
        while let Some(payload) = self.waiting.remove(&self.next) {
            self.held -= payload.content_length();
            self.write(payload).await?;
        }
        Ok(())
    }
}

fn ended() -> Theirs {
    generic("the upload has ended")
}

fn generic(why: &'static str) -> Theirs {
    Theirs::Generic { store: "persistent-fs", source: why.into() }
}
