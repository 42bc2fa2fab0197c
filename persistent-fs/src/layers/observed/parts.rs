//! Bodies, listings and uploads, watched to their end.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use tracing::Instrument;

use super::call::Call;
use crate::{ByteStream, Meta, MetaStream, Result, Upload};

/// A body, which has ended when all its bytes are out: who knows the length does not ask for more.
pub(super) fn watch_body(mut call: Call, body: ByteStream, announced: u64) -> ByteStream {
    if announced == 0 {
        call.succeeded();
    }
    let mut left = announced;
    Box::pin(Watched {
        stream: body,
        call,
        note: move |call: &mut Call, piece: &Bytes| {
            call.count(piece.len() as u64);
            left = left.saturating_sub(piece.len() as u64);
            if left == 0 {
                call.succeeded();
            }
        },
    })
}

/// A listing, which has ended when it says so.
pub(super) fn watch_listing(call: Call, listing: MetaStream) -> MetaStream {
    Box::pin(Watched { stream: listing, call, note: |_: &mut Call, _: &Meta| {} })
}

/// A stream within a call. It is polled within the call's span, so that what is logged below belongs to it.
struct Watched<T, N> {
    stream: Pin<Box<dyn Stream<Item = Result<T>> + Send>>,
    call: Call,
    note: N,
}

impl<T, N: FnMut(&mut Call, &T) + Unpin> Stream for Watched<T, N> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        let this = &mut *self;
        let polled = {
            let _entered = this.call.span.enter();
            this.stream.as_mut().poll_next(context)
        };
        match &polled {
            Poll::Pending => {}
            Poll::Ready(None) => this.call.succeeded(),
            Poll::Ready(Some(Ok(item))) => (this.note)(&mut this.call, item),
            Poll::Ready(Some(Err(error))) => this.call.failed(error),
        }
        polled
    }
}

/// An upload, which is one call from its writer to its finish. An abort is a cancellation.
#[derive(Debug)]
pub(super) struct WatchedUpload {
    pub(super) upload: Box<dyn Upload>,
    pub(super) call: Call,
}

#[async_trait]
impl Upload for WatchedUpload {
    async fn write(&mut self, piece: Bytes) -> Result<()> {
        let length = piece.len() as u64;
        match self.upload.write(piece).instrument(self.call.span.clone()).await {
            Ok(()) => self.call.count(length),
            // The upload is lost; whatever else is said about it is part of the same failure.
            Err(error) => return self.call.end(Err(error)),
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<Meta> {
        let span = self.call.span.clone();
        let finished = self.upload.finish().instrument(span).await;
        self.call.end(finished)
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        let span = self.call.span.clone();
        self.upload.abort().instrument(span).await
    }
}
