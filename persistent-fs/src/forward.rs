//! Shared pointers to a backend are backends, forwarding every method.

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    Backend, Capabilities, Download, Key, Link, LinkRequest, Meta, MetaStream, Prefix, ReadOptions, Result,
    Swept, Upload, WriteOptions,
};

#[async_trait]
impl<B: Backend + ?Sized> Backend for Arc<B> {
    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }

    async fn head(&self, key: &Key) -> Result<Meta> {
        (**self).head(key).await
    }

    async fn read(&self, key: &Key, options: ReadOptions) -> Result<Download> {
        (**self).read(key, options).await
    }

    async fn writer(&self, key: &Key, options: WriteOptions) -> Result<Box<dyn Upload>> {
        (**self).writer(key, options).await
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        (**self).delete(key).await
    }

    fn list(&self, prefix: &Prefix, after: Option<&Key>) -> MetaStream {
        (**self).list(prefix, after)
    }

    async fn put(&self, key: &Key, body: Bytes, options: WriteOptions) -> Result<Meta> {
        (**self).put(key, body, options).await
    }

    async fn ingest(&self, key: &Key, file: &Path, options: WriteOptions) -> Result<Meta> {
        (**self).ingest(key, file, options).await
    }

    async fn copy(&self, from: &Key, to: &Key, options: WriteOptions) -> Result<Meta> {
        (**self).copy(from, to, options).await
    }

    async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64> {
        (**self).delete_prefix(prefix).await
    }

    async fn link(&self, key: &Key, request: LinkRequest) -> Result<Link> {
        (**self).link(key, request).await
    }

    async fn sweep(&self, older_than: Duration) -> Result<Swept> {
        (**self).sweep(older_than).await
    }
}
