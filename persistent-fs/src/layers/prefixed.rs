//! A part of a store, as a store of its own.

use std::{path::Path, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;

use crate::{
    Backend, Capabilities, Download, Error, Key, Link, LinkRequest, Meta, MetaStream, Prefix, ReadOptions,
    Result, Swept, Upload, WriteOptions,
};

/// The objects of a backend below one folder, under keys without that folder.
///
/// Nothing outside of the folder can be named through it. Links carry the full key, so whoever serves them asks the
/// inner backend. [`Backend::sweep`] concerns the whole inner backend, because what is left behind has no key.
///
/// ```
/// # use persistent_fs::{Backend, Error, Files, Key, Prefixed};
/// # async fn example(backend: impl Backend + Clone) -> Result<(), Error> {
/// let part = Files::new(Prefixed::new(backend.clone(), Key::parse("tenants/7")?));
/// part.put(&Key::parse("logo")?, "png".into(), Default::default()).await?;
/// // The same object, by its full name.
/// Files::new(backend).head(&Key::parse("tenants/7/logo")?).await?;
/// # Ok(())
/// # }
/// ```
///
/// Keys in answers and errors are without the folder. Folder and key together obey the limits of one key, else
/// [`InvalidKey`](crate::ErrorKind::InvalidKey). A folder says where things lie, not who may have them: whoever holds
/// the inner backend sees everything.
#[derive(Debug, Clone)]
pub struct Prefixed<B> {
    inner: B,
    folder: Key,
}

impl<B: Backend> Prefixed<B> {
    /// The part of `inner` below `folder`.
    pub fn new(inner: B, folder: Key) -> Self {
        Self { inner, folder }
    }

    /// [`InvalidKey`](crate::ErrorKind::InvalidKey) if folder and key together are too long.
    fn outer(&self, key: &Key) -> Result<Key> {
        Key::parse(&format!("{}/{key}", self.folder)).map_err(|error| error.with_key(key))
    }

    fn outer_prefix(&self, prefix: &Prefix) -> Result<Prefix> {
        Prefix::parse(&format!("{}/{prefix}", self.folder))
    }

    fn scope(&self) -> Scope {
        Scope(self.folder.clone())
    }
}

/// Translates what the inner backend says into the words of the folder.
#[derive(Debug, Clone)]
struct Scope(Key);

impl Scope {
    /// The key as it is known inside, or `None` if it lies outside.
    fn strip(&self, key: &Key) -> Option<Key> {
        let inner = key.as_str().strip_prefix(self.0.as_str())?.strip_prefix('/')?;
        Key::parse(inner).ok()
    }

    /// What is said about an object inside. A backend that answers for another one has lost its way, and is not
    /// believed.
    fn meta(&self, meta: Meta) -> Result<Meta> {
        let stray = || Error::new(crate::ErrorKind::Integrity, "the backend answered for an object outside");
        Ok(Meta { key: self.strip(&meta.key).ok_or_else(stray)?, ..meta })
    }

    /// The error with the key as the caller knows it. An error about no key, or about another, stays as it is.
    fn error(&self, error: Error) -> Error {
        match error.key().and_then(|key| self.strip(key)) {
            Some(key) => error.with_key(&key),
            None => error,
        }
    }

    fn answer(&self, answer: Result<Meta>) -> Result<Meta> {
        answer.map_err(|error| self.error(error)).and_then(|meta| self.meta(meta))
    }
}

#[async_trait]
impl<B: Backend> Backend for Prefixed<B> {
    /// Those of the inner backend: a folder takes nothing away.
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn head(&self, key: &Key) -> Result<Meta> {
        self.scope().answer(self.inner.head(&self.outer(key)?).await)
    }

    async fn read(&self, key: &Key, options: ReadOptions) -> Result<Download> {
        let scope = self.scope();
        let download =
            self.inner.read(&self.outer(key)?, options).await.map_err(|error| scope.error(error))?;
        let meta = scope.meta(download.meta)?;
        let body = download.body.map(move |piece| piece.map_err(|error| scope.error(error)));
        Ok(Download::new(meta, download.range, Box::pin(body)))
    }

    async fn writer(&self, key: &Key, options: WriteOptions) -> Result<Box<dyn Upload>> {
        let scope = self.scope();
        let upload =
            self.inner.writer(&self.outer(key)?, options).await.map_err(|error| scope.error(error))?;
        Ok(Box::new(ScopedUpload { upload, scope }))
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        self.inner.delete(&self.outer(key)?).await.map_err(|error| self.scope().error(error))
    }

    /// The prefix and the key to begin behind are taken to lie inside; a prefix that is too long with its folder is an
    /// error, as the first and last item.
    fn list(&self, prefix: &Prefix, after: Option<&Key>) -> MetaStream {
        let scope = self.scope();
        let arguments = self.outer_prefix(prefix).and_then(|prefix| {
            let after = after.map(|key| self.outer(key)).transpose()?;
            Ok((prefix, after))
        });
        match arguments {
            Ok((prefix, after)) => {
                Box::pin(self.inner.list(&prefix, after.as_ref()).map(move |item| scope.answer(item)))
            }
            Err(error) => Box::pin(futures_util::stream::iter([Err(error)])),
        }
    }

    async fn put(&self, key: &Key, body: Bytes, options: WriteOptions) -> Result<Meta> {
        self.scope().answer(self.inner.put(&self.outer(key)?, body, options).await)
    }

    async fn ingest(&self, key: &Key, file: &Path, options: WriteOptions) -> Result<Meta> {
        self.scope().answer(self.inner.ingest(&self.outer(key)?, file, options).await)
    }

    async fn copy(&self, from: &Key, to: &Key, options: WriteOptions) -> Result<Meta> {
        self.scope().answer(self.inner.copy(&self.outer(from)?, &self.outer(to)?, options).await)
    }

    /// With the prefix of everything it empties the folder, and nothing else.
    async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64> {
        let prefix = self.outer_prefix(prefix)?;
        self.inner.delete_prefix(&prefix).await.map_err(|error| self.scope().error(error))
    }

    /// The link is for the full key, as whoever serves it knows it.
    async fn link(&self, key: &Key, request: LinkRequest) -> Result<Link> {
        self.inner.link(&self.outer(key)?, request).await.map_err(|error| self.scope().error(error))
    }

    /// Concerns the whole inner backend.
    async fn sweep(&self, older_than: Duration) -> Result<Swept> {
        self.inner.sweep(older_than).await
    }
}

/// An upload whose answers are in the words of the folder.
#[derive(Debug)]
struct ScopedUpload {
    upload: Box<dyn Upload>,
    scope: Scope,
}

#[async_trait]
impl Upload for ScopedUpload {
    async fn write(&mut self, piece: Bytes) -> Result<()> {
        self.upload.write(piece).await.map_err(|error| self.scope.error(error))
    }

    async fn finish(self: Box<Self>) -> Result<Meta> {
        self.scope.answer(self.upload.finish().await)
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        self.upload.abort().await.map_err(|error| self.scope.error(error))
    }
}
