//! Counts and traces.

mod call;
mod parts;

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use tracing::Instrument;

use crate::{
    Backend, Capabilities, Download, Key, Link, LinkRequest, Meta, MetaStream, Prefix, ReadOptions, Result,
    Swept, Upload, WriteOptions, layers::Operation,
};

use call::{Call, Meters};
use parts::{WatchedUpload, watch_body, watch_listing};

/// A backend whose calls can be seen, by the facades `tracing` and `metrics`. Needs the feature `observe`.
///
/// | Metric | Labels | Says |
/// |---|---|---|
/// | `persistent_fs_calls_total` | `store`, `operation` | calls that have ended, one way or another |
/// | `persistent_fs_errors_total` | `store`, `operation`, `kind` | those of them that ended in an error |
/// | `persistent_fs_cancelled_total` | `store`, `operation` | those of them that their caller gave up |
/// | `persistent_fs_bytes_in_total` | `store` | bytes that the store took: of puts, ingested files, and pieces of uploads |
/// | `persistent_fs_bytes_out_total` | `store` | bytes that the store gave |
/// | `persistent_fs_duration_seconds` | `store`, `operation` | a histogram of how long they took |
///
/// | Field of the span `persistent_fs` | Holds |
/// |---|---|
/// | `store`, `operation` | as above |
/// | `key` | the first 16 hex digits of the SHA-256 of the key or prefix; with [`showing_keys`](Self::showing_keys), the text |
/// | `bytes` | how many were taken or given |
/// | `result` | `ok`, `cancelled`, or the kind of the error as in [`ErrorKind::as_str`](crate::ErrorKind::as_str) |
/// | `outcome` | of an error: `not_applied`, `applied` or `unknown` |
///
/// The operation is the name of the method. Every call ends once: a read with the last byte of its body, a listing with
/// its end, an upload (as `writer`) with its finish; where a future, a body, a listing or an upload is dropped before
/// that, or an upload aborted, the call was cancelled. Spans have the level *debug*.
///
/// | Question | Answer, for a server that is asked for sums |
/// |---|---|
/// | what share of calls fails | errors by calls, of the same operation; without kinds that are answers, such as `not_found` |
/// | do clients give up | cancelled by calls, of `read` and `writer`: who closes a download has seen enough, or waited too long |
/// | is the store slow | the histogram of `head`, which depends on no client; that of `read` waits for whoever takes the body |
/// | how much is stored anew | the rate of `bytes_in` |
///
/// A body that breaks off counts as an error of its `read`; [`Retried`](super::Retried) below this layer goes on with
/// it unseen, above it each part is a call of its own.
///
/// The meters are found when the layer is made, so install the recorder first. A call that is not traced costs a few
/// atomic additions and one box.
///
/// ```
/// # use persistent_fs::{Files, layers::Observed};
/// # fn example(store: Files) -> Files {
/// Files::new(Observed::new(store.backend(), "attachments"))
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Observed<B> {
    inner: B,
    meters: Arc<Meters>,
}

impl<B: Backend> Observed<B> {
    /// Watches the calls of `inner`, under this name.
    pub fn new(inner: B, store: impl Into<Arc<str>>) -> Self {
        Self { inner, meters: Arc::new(Meters::new(store.into().into())) }
    }

    /// The same, with keys in spans as they are. They may say more about people than a log should.
    #[must_use]
    pub fn showing_keys(mut self) -> Self {
        self.meters = Arc::new(self.meters.showing_keys());
        self
    }

    /// Begins a call that ends when it is dropped, if not before.
    fn begin(&self, operation: Operation, subject: &str) -> Call {
        Call::begin(&self.meters, operation, subject)
    }

    /// Watches a call that has ended when its future has.
    async fn watch<T>(
        &self,
        operation: Operation,
        subject: &str,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let mut watched = self.begin(operation, subject);
        let result = call.instrument(watched.span.clone()).await;
        watched.end(result)
    }

    /// The same for a write, which takes as many bytes as the object then has.
    async fn watch_write(
        &self,
        operation: Operation,
        key: &Key,
        call: impl Future<Output = Result<Meta>> + Send,
    ) -> Result<Meta> {
        let mut watched = self.begin(operation, key.as_str());
        let result = call.instrument(watched.span.clone()).await;
        if let Ok(meta) = &result {
            watched.count(meta.size);
        }
        watched.end(result)
    }
}

#[async_trait]
impl<B: Backend> Backend for Observed<B> {
    /// Those of the inner backend. Asking for them is not counted.
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn head(&self, key: &Key) -> Result<Meta> {
        self.watch(Operation::Head, key.as_str(), self.inner.head(key)).await
    }

    /// One call until the last byte of its body; its bytes are counted as they go out.
    async fn read(&self, key: &Key, options: ReadOptions) -> Result<Download> {
        let mut call = self.begin(Operation::Read, key.as_str());
        match self.inner.read(key, options).instrument(call.span.clone()).await {
            Ok(mut download) => {
                let announced = download.range.end - download.range.start;
                download.body = watch_body(call, download.body, announced);
                Ok(download)
            }
            failed => call.end(failed),
        }
    }

    /// One call until the upload ends; its bytes are counted as they are taken, also if it fails afterwards.
    async fn writer(&self, key: &Key, options: WriteOptions) -> Result<Box<dyn Upload>> {
        let mut call = self.begin(Operation::Writer, key.as_str());
        match self.inner.writer(key, options).instrument(call.span.clone()).await {
            Ok(upload) => Ok(Box::new(WatchedUpload { upload, call })),
            failed => call.end(failed),
        }
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        self.watch(Operation::Delete, key.as_str(), self.inner.delete(key)).await
    }

    /// One call until the end of the listing. Who stops early has cancelled it.
    fn list(&self, prefix: &Prefix, after: Option<&Key>) -> MetaStream {
        let call = self.begin(Operation::List, prefix.as_str());
        let listing = call.span.in_scope(|| self.inner.list(prefix, after));
        watch_listing(call, listing)
    }

    /// Its bytes are counted if it succeeds.
    async fn put(&self, key: &Key, body: Bytes, options: WriteOptions) -> Result<Meta> {
        self.watch_write(Operation::Put, key, self.inner.put(key, body, options)).await
    }

    /// Its bytes are counted if it succeeds.
    async fn ingest(&self, key: &Key, file: &Path, options: WriteOptions) -> Result<Meta> {
        self.watch_write(Operation::Ingest, key, self.inner.ingest(key, file, options)).await
    }

    /// No bytes are counted: they stay within the store.
    async fn copy(&self, from: &Key, to: &Key, options: WriteOptions) -> Result<Meta> {
        // Its bytes stay within the store.
        self.watch(Operation::Copy, from.as_str(), self.inner.copy(from, to, options)).await
    }

    async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64> {
        self.watch(Operation::DeletePrefix, prefix.as_str(), self.inner.delete_prefix(prefix)).await
    }

    async fn link(&self, key: &Key, request: LinkRequest) -> Result<Link> {
        self.watch(Operation::Link, key.as_str(), self.inner.link(key, request)).await
    }

    async fn sweep(&self, older_than: Duration) -> Result<Swept> {
        self.watch(Operation::Sweep, "", self.inner.sweep(older_than)).await
    }
}
