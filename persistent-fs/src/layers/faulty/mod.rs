//! Fails on purpose.

mod plan;

use std::{future::poll_fn, path::Path, pin::pin, sync::Arc, task::Poll, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};

use crate::{
    Backend, ByteStream, Capabilities, Download, Error, ErrorKind, Key, Link, LinkRequest, Meta, MetaStream,
    Outcome, Prefix, ReadOptions, Result, Retry, Swept, Upload, WriteOptions, layers::Operation,
};

pub use plan::{Fault, Faults};

use plan::Course;

/// A backend whose calls fail as planned, to see what an application makes of it.
///
/// What was planned for a call happens to it whatever its arguments; everything else passes through unchanged. The same
/// plan gives the same faults in every run.
///
/// ```
/// # use persistent_fs::{Error, ErrorKind, Files, Key, Outcome, WriteOptions};
/// # use persistent_fs::layers::{Fault, Faults, Faulty, Operation};
/// # async fn example(store: Files, key: &Key) -> Result<(), Error> {
/// let plan = Faults::none().nth(Operation::Put, 1, Fault::After(ErrorKind::Timeout, Outcome::Unknown));
/// let files = Files::new(Faulty::new(store.backend(), plan));
/// let lost = files.put(key, "body".into(), WriteOptions::create()).await.unwrap_err();
/// assert_eq!(lost.outcome(), Outcome::Unknown);
/// assert!(files.exists(key).await?, "the answer was lost, and not the object");
/// # Ok(())
/// # }
/// ```
///
/// | To see what becomes of | Plan |
/// |---|---|
/// | a write that nobody answered | [`Fault::After`] with [`Outcome::Unknown`], on [`Operation::Put`] or [`Operation::Finish`] |
/// | the same, where it did not happen | [`Fault::Before`] with [`Outcome::Unknown`]: the caller cannot tell the two apart |
/// | a store that is down | [`Faults::always`] with [`ErrorKind::Unavailable`], on each operation that matters |
/// | a store that is overloaded | [`Fault::Throttled`] |
/// | a download that is cut off | [`Fault::Broken`] on [`Operation::Read`]; [`Fault::Truncated`] if even that goes unsaid |
/// | a listing that ends early | the same on [`Operation::List`] |
/// | a disk that is full in the middle of an upload | [`Fault::Before`] with [`ErrorKind::NoSpace`], on the third [`Operation::Write`] |
/// | a caller who gives up | [`Fault::Stalled`], and a timeout around the call |
/// | a process that ends in the middle of a call | [`Fault::Dropped`] |
/// | all of that, by chance | [`Faults::random`], with a seed that the test prints |
///
/// Without a plan it changes nothing. It has no place in a program that people use.
#[derive(Debug, Clone)]
pub struct Faulty<B> {
    inner: B,
    course: Arc<Course>,
}

impl<B: Backend> Faulty<B> {
    /// Fails calls of `inner` as planned. Clones share the count of calls.
    pub fn new(inner: B, plan: Faults) -> Self {
        Self { inner, course: Arc::new(Course::of(plan)) }
    }

    /// How many calls of this operation there have been, those that failed included.
    pub fn calls(&self, operation: Operation) -> u64 {
        self.course.calls(operation)
    }

    /// Counts a call that has ended when its future has, and lets it suffer.
    async fn call<T>(
        &self,
        operation: Operation,
        key: Option<&Key>,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        suffer(self.course.next(operation), call).await.map_err(|error| named(error, key))
    }
}

/// Names the key in an error that was made here; the inner backend's errors name theirs.
fn named(error: Error, key: Option<&Key>) -> Error {
    match key {
        Some(key) if error.key().is_none() => error.with_key(key),
        _ => error,
    }
}

fn fault(kind: ErrorKind, outcome: Outcome) -> Error {
    Error::new(kind, "a fault was injected").with_outcome(outcome)
}

fn throttled(pause: Duration) -> Error {
    fault(ErrorKind::Throttled, Outcome::NotApplied).with_retry(Retry::After(pause))
}

/// The call with its fault, if there is one that concerns it before it has answered.
async fn suffer<T>(suffered: Option<Fault>, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
    match suffered {
        None | Some(Fault::Truncated(_) | Fault::Broken(_)) => call.await,
        Some(Fault::Before(kind, outcome)) => Err(fault(kind, outcome)),
        Some(Fault::After(kind, outcome)) => {
            call.await?;
            Err(fault(kind, outcome))
        }
        Some(Fault::Throttled(pause)) => Err(throttled(pause)),
        Some(Fault::Delayed(pause)) => {
            tokio::time::sleep(pause).await;
            call.await
        }
        Some(Fault::Dropped(polls)) => {
            cut(call, polls).await.unwrap_or_else(|| Err(fault(ErrorKind::Unavailable, Outcome::Unknown)))
        }
        Some(Fault::Stalled) => std::future::pending().await,
    }
}

/// Polls a future so often at most, and then drops it.
async fn cut<F: Future>(future: F, mut polls: u32) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|context| {
        let Some(left) = polls.checked_sub(1) else { return Poll::Ready(None) };
        polls = left;
        match future.as_mut().poll(context) {
            Poll::Pending if polls > 0 => Poll::Pending,
            Poll::Pending => Poll::Ready(None),
            Poll::Ready(output) => Poll::Ready(Some(output)),
        }
    })
    .await
}

#[async_trait]
impl<B: Backend> Backend for Faulty<B> {
    /// Those of the inner backend, which is what makes its failures faults.
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn head(&self, key: &Key) -> Result<Meta> {
        self.call(Operation::Head, Some(key), self.inner.head(key)).await
    }

    /// Its fault may be in the call or in the body.
    async fn read(&self, key: &Key, options: ReadOptions) -> Result<Download> {
        let suffered = self.course.next(Operation::Read);
        let mut download =
            suffer(suffered, self.inner.read(key, options)).await.map_err(|error| named(error, Some(key)))?;
        match suffered {
            Some(Fault::Truncated(bytes)) => download.body = first_bytes(download.body, bytes),
            Some(Fault::Broken(bytes)) => {
                let broken = named(fault(ErrorKind::Unavailable, Outcome::NotApplied), Some(key));
                let end = stream::iter([Err(broken)]);
                download.body = Box::pin(first_bytes(download.body, bytes).chain(end));
            }
            _ => {}
        }
        Ok(download)
    }

    /// Its fault is in the call; those of the upload have operations of their own.
    async fn writer(&self, key: &Key, options: WriteOptions) -> Result<Box<dyn Upload>> {
        let upload = self.call(Operation::Writer, Some(key), self.inner.writer(key, options)).await?;
        Ok(Box::new(FaultyUpload { course: Arc::clone(&self.course), upload: Some(upload) }))
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        self.call(Operation::Delete, Some(key), self.inner.delete(key)).await
    }

    /// Its fault is decided when the listing is made, and shows when it is polled. [`Fault::Dropped`] does not concern
    /// it.
    fn list(&self, prefix: &Prefix, after: Option<&Key>) -> MetaStream {
        let listing = self.inner.list(prefix, after);
        let end = |error| stream::iter([Err(error)]);
        let items = |count| usize::try_from(count).unwrap_or(usize::MAX);
        match self.course.next(Operation::List) {
            None | Some(Fault::Dropped(_)) => listing,
            Some(Fault::Before(kind, outcome)) => Box::pin(end(fault(kind, outcome))),
            Some(Fault::After(kind, outcome)) => Box::pin(listing.chain(end(fault(kind, outcome)))),
            Some(Fault::Throttled(pause)) => Box::pin(end(throttled(pause))),
            Some(Fault::Truncated(count)) => Box::pin(listing.take(items(count))),
            Some(Fault::Broken(count)) => {
                let broken = fault(ErrorKind::Unavailable, Outcome::NotApplied);
                Box::pin(listing.take(items(count)).chain(end(broken)))
            }
            Some(Fault::Delayed(pause)) => {
                let after = async move { tokio::time::sleep(pause).await };
                Box::pin(after.map(|()| listing).flatten_stream())
            }
            Some(Fault::Stalled) => Box::pin(stream::pending()),
        }
    }

    async fn put(&self, key: &Key, body: Bytes, options: WriteOptions) -> Result<Meta> {
        self.call(Operation::Put, Some(key), self.inner.put(key, body, options)).await
    }

    async fn ingest(&self, key: &Key, file: &Path, options: WriteOptions) -> Result<Meta> {
        self.call(Operation::Ingest, Some(key), self.inner.ingest(key, file, options)).await
    }

    /// An error that is made here names the source.
    async fn copy(&self, from: &Key, to: &Key, options: WriteOptions) -> Result<Meta> {
        self.call(Operation::Copy, Some(from), self.inner.copy(from, to, options)).await
    }

    async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64> {
        self.call(Operation::DeletePrefix, None, self.inner.delete_prefix(prefix)).await
    }

    async fn link(&self, key: &Key, request: LinkRequest) -> Result<Link> {
        self.call(Operation::Link, Some(key), self.inner.link(key, request)).await
    }

    async fn sweep(&self, older_than: Duration) -> Result<Swept> {
        self.call(Operation::Sweep, None, self.inner.sweep(older_than)).await
    }
}

/// The beginning of a body.
fn first_bytes(body: ByteStream, bytes: u64) -> ByteStream {
    Box::pin(stream::try_unfold((body, bytes), |(mut body, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let Some(mut piece) = body.try_next().await? else { return Ok(None) };
        piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        let left = left - piece.len() as u64;
        Ok(Some((piece, (body, left))))
    }))
}

/// An upload whose writes, finish and abort are counted with those of all others.
#[derive(Debug)]
struct FaultyUpload {
    course: Arc<Course>,
    /// `None` once a write has failed.
    upload: Option<Box<dyn Upload>>,
}

#[async_trait]
impl Upload for FaultyUpload {
    async fn write(&mut self, piece: Bytes) -> Result<()> {
        let mut upload = self.upload.take().ok_or_else(Error::upload_lost)?;
        suffer(self.course.next(Operation::Write), upload.write(piece)).await?;
        self.upload = Some(upload);
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<Meta> {
        let upload = self.upload.take().ok_or_else(Error::upload_lost)?;
        suffer(self.course.next(Operation::Finish), upload.finish()).await
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        let Some(upload) = self.upload.take() else { return Ok(()) };
        suffer(self.course.next(Operation::Abort), upload.abort()).await
    }
}
