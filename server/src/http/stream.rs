//! Answers that are written while they are read from the database: never whole in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::error::Error;

/// A piece is sent on when it has grown to this.
const PIECE: usize = 64 * 1024;
/// Pieces that may wait for the client.
const AHEAD: usize = 4;
/// A client that takes nothing for this long has gone; the database must not wait for it.
const PATIENCE: Duration = Duration::from_mins(1);

/// The writing end of a streamed JSON body.
///
/// Values are appended to a buffer; [`flush`](Self::flush) waits until the client has taken enough, which holds
/// back the query that feeds it. If the writer is dropped before [`finish`](Self::finish), the body breaks off
/// with an error, so that the client cannot take a part for the whole.
#[derive(Debug)]
pub struct JsonWriter {
    buffer: Vec<u8>,
    body: mpsc::Sender<Bytes>,
    finished: Arc<AtomicBool>,
}

/// A writer, and the body that carries what it writes.
pub fn json() -> (JsonWriter, Body) {
    let (sender, mut pieces) = mpsc::channel(AHEAD);
    let finished = Arc::new(AtomicBool::new(false));
    let writer =
        JsonWriter { buffer: Vec::with_capacity(PIECE * 2), body: sender, finished: finished.clone() };
    let body = stream::poll_fn(move |cx| {
        pieces.poll_recv(cx).map(|piece| match piece {
            Some(piece) => Some(Ok(piece)),
            None if finished.swap(true, Ordering::SeqCst) => None,
            None => Some(Err(std::io::Error::other("the answer could not be completed"))),
        })
    });
    (writer, Body::from_stream(body))
}

impl JsonWriter {
    /// Appends text that is JSON already.
    pub fn raw(&mut self, json: &str) {
        self.buffer.extend_from_slice(json.as_bytes());
    }

    /// Appends a value.
    pub fn value<T: Serialize>(&mut self, value: &T) -> Result<(), Error> {
        serde_json::to_writer(&mut self.buffer, value).map_err(Error::internal)
    }

    /// Whether it is time to [`flush`](Self::flush).
    pub fn is_full(&self) -> bool {
        self.buffer.len() >= PIECE
    }

    /// Hands what was written to the client, and waits for room.
    pub async fn flush(&mut self) -> Result<(), Error> {
        let piece = self.take();
        self.body.send_timeout(piece, PATIENCE).await.map_err(|_| gone())
    }

    /// The same on a thread that may block.
    pub fn flush_blocking(&mut self) -> Result<(), Error> {
        let piece = self.take();
        let sent = self.body.send_timeout(piece, PATIENCE);
        tokio::runtime::Handle::current().block_on(sent).map_err(|_| gone())
    }

    /// The body is complete.
    pub async fn finish(mut self) -> Result<(), Error> {
        self.flush().await?;
        self.finished.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn take(&mut self) -> Bytes {
        std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE * 2)).into()
    }
}

fn gone() -> Error {
    Error::internal("the client went away in the middle of an answer")
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_finished_body_is_whole() {
        let (mut writer, body) = json();
        writer.raw("{\"a\":");
        writer.value(&1).unwrap();
        writer.raw("}");
        writer.finish().await.unwrap();
        assert_eq!(&body.collect().await.unwrap().to_bytes()[..], b"{\"a\":1}");
    }

    #[tokio::test]
    async fn a_dropped_writer_breaks_the_body_off() {
        let (mut writer, body) = json();
        writer.raw("{");
        writer.flush().await.unwrap();
        drop(writer);
        assert!(body.collect().await.is_err());
    }
}
