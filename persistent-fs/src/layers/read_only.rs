//! A store that can be looked at and not changed.

use std::{path::Path, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    Backend, Capabilities, Download, Error, Key, Link, LinkRequest, Meta, MetaStream, Prefix, PutLinks,
    ReadOptions, Result, Swept, Upload, WriteOptions,
};

/// A backend without its writes.
///
/// `put`, `writer`, `ingest`, `copy`, `delete`, `delete_prefix`, `sweep` and links to write are
/// [`Unsupported`](crate::ErrorKind::Unsupported), at once, and never reach the inner backend. Everything else does.
///
/// Capabilities about writes are taken away: `durable`, `create`, `compare_and_swap`, `put_links`. Those that say what
/// is stored stay.
///
/// ```
/// # use persistent_fs::{ErrorKind, Files, Key, layers::ReadOnly};
/// # async fn example(store: Files, key: &Key) {
/// let replica = Files::new(ReadOnly::new(store.backend()));
/// assert_eq!(replica.delete(key).await.unwrap_err().kind(), ErrorKind::Unsupported);
/// # }
/// ```
///
/// A program that needs to write learns when it starts that it cannot, if it asks for the capability it needs: a store
/// without `create` is no place for uploads.
///
/// It guards a handle and not the storage: whoever holds the inner backend may still write, and then a reader of this
/// one sees it.
#[derive(Debug, Clone)]
pub struct ReadOnly<B> {
    inner: B,
}

impl<B: Backend> ReadOnly<B> {
    /// What can be read of `inner`.
    pub fn new(inner: B) -> Self {
        Self { inner }
    }
}

fn refused<T>(what: &str) -> Result<T> {
    Err(Error::unsupported(&format!("{what} a store that is open for reading")))
}

fn refused_at<T>(what: &str, key: &Key) -> Result<T> {
    refused(what).map_err(|error: Error| error.with_key(key))
}

#[async_trait]
impl<B: Backend> Backend for ReadOnly<B> {
    /// Those of the inner backend that say something about reading, or about what is stored.
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            durable: false,
            create: false,
            compare_and_swap: false,
            put_links: PutLinks::No,
            ..self.inner.capabilities()
        }
    }

    async fn head(&self, key: &Key) -> Result<Meta> {
        self.inner.head(key).await
    }

    async fn read(&self, key: &Key, options: ReadOptions) -> Result<Download> {
        self.inner.read(key, options).await
    }

    async fn writer(&self, key: &Key, _: WriteOptions) -> Result<Box<dyn Upload>> {
        refused_at("writing into", key)
    }

    /// Refused also for an object that is not there, where it would change nothing.
    async fn delete(&self, key: &Key) -> Result<()> {
        refused_at("removing from", key)
    }

    fn list(&self, prefix: &Prefix, after: Option<&Key>) -> MetaStream {
        self.inner.list(prefix, after)
    }

    async fn put(&self, key: &Key, _: Bytes, _: WriteOptions) -> Result<Meta> {
        refused_at("writing into", key)
    }

    async fn ingest(&self, key: &Key, _: &Path, _: WriteOptions) -> Result<Meta> {
        refused_at("moving a file into", key)
    }

    /// Refused like any write, without a look at the source.
    async fn copy(&self, from: &Key, _: &Key, _: WriteOptions) -> Result<Meta> {
        refused_at("copying within", from)
    }

    async fn delete_prefix(&self, _: &Prefix) -> Result<u64> {
        refused("removing from")
    }

    /// Links to read are the inner backend's.
    async fn link(&self, key: &Key, request: LinkRequest) -> Result<Link> {
        self.capabilities().permit_link(&request).map_err(|error| error.with_key(key))?;
        self.inner.link(key, request).await
    }

    /// Refused, although no object would be touched: what was left behind may be another program's upload.
    async fn sweep(&self, _: Duration) -> Result<Swept> {
        refused("sweeping")
    }
}
