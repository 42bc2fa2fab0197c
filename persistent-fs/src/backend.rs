//! What a kind of storage must implement.

use std::{fmt::Debug, path::Path, pin::Pin, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use futures_util::{StreamExt, TryStreamExt};
use tokio::io::AsyncReadExt;

use crate::{
    Capabilities, Download, Error, ErrorKind, Key, Link, LinkRequest, Meta, Prefix, ReadOptions, Result,
    Swept, WriteOptions,
};

/// The bytes of an object, in pieces of any size. It ends after the first error.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// Objects in the order of their keys. It ends after the first error.
pub type MetaStream = Pin<Box<dyn Stream<Item = Result<Meta>> + Send>>;

/// How much of a file is read at once on its way into a store.
const PIECE: usize = 256 * 1024;

/// A kind of storage. Adapters and layers implement this; applications use [`Files`](crate::Files).
///
/// The promises at the [top of this crate](crate) hold for every method. Any method may also answer
/// [`Denied`](ErrorKind::Denied), [`Unauthenticated`](ErrorKind::Unauthenticated), [`Throttled`](ErrorKind::Throttled),
/// [`Unavailable`](ErrorKind::Unavailable), [`Timeout`](ErrorKind::Timeout) or [`Other`](ErrorKind::Other).
///
/// What `Debug` says of a backend or an upload ends up in logs: it shows no secret and no part of a body.
///
/// A layer forwards *every* method, the provided ones too, or what the inner backend does better is lost.
#[async_trait]
pub trait Backend: Debug + Send + Sync + 'static {
    /// What this backend promises beyond the common ground. Constant, immediate, without effect.
    fn capabilities(&self) -> Capabilities;

    /// Describes an object without reading it.
    ///
    /// The answer is one that was true at some moment during the call, and equals what [`read`](Self::read) and
    /// [`list`](Self::list) say about the same version.
    /// No such object: [`ErrorKind::NotFound`]. Dropping the future has no effect.
    async fn head(&self, key: &Key) -> Result<Meta>;

    /// Begins to read an object or a range of it.
    ///
    /// Body and description are of one version, and stay so while others replace or delete the object. The body yields
    /// exactly [`Download::range`] or ends in an error; it is read no faster than it is taken.
    /// No such object: [`ErrorKind::NotFound`]. Then [`Precondition`](ErrorKind::Precondition),
    /// [`NotModified`](ErrorKind::NotModified) and [`InvalidRange`](ErrorKind::InvalidRange), in this order.
    /// Dropping the future or the body frees what it held and has no other effect.
    async fn read(&self, key: &Key, options: ReadOptions) -> Result<Download>;

    /// Begins to write an object whose body arrives in pieces.
    ///
    /// Nothing is visible, to anybody, until [`Upload::finish`] returns `Ok` or an error whose outcome is not
    /// [`NotApplied`](crate::Outcome::NotApplied). Options that are not declared as a capability:
    /// [`ErrorKind::Unsupported`]. A key that cannot be held beside those that are there:
    /// [`ErrorKind::InvalidKey`], here or at the finish. Dropping the future changes nothing visible.
    async fn writer(&self, key: &Key, options: WriteOptions) -> Result<Box<dyn Upload>>;

    /// Removes an object.
    ///
    /// When it returns, no later call sees the object, and on a durable backend a crash does not bring it back. Readers
    /// that began before go on reading. Removing what is not there succeeds, so it may be repeated.
    /// If the future is dropped, the object is there in full or gone.
    async fn delete(&self, key: &Key) -> Result<()>;

    /// Lists the objects whose keys begin with `prefix`, in byte order of the keys, beginning behind `after`.
    ///
    /// `after` need not exist, so any listing can be resumed from the last key seen. Every object that is there from
    /// the beginning to the end appears exactly once; one that comes or goes meanwhile may appear or not. Nothing but
    /// finished objects appears. No object: an empty stream.
    /// Errors come as the last item. The work is done as the stream is polled, at most a few pages ahead of what was
    /// asked for; dropping it ends it.
    fn list(&self, prefix: &Prefix, after: Option<&Key>) -> MetaStream;

    /// Writes an object whose body is at hand.
    ///
    /// Means the same as [`writer`](Self::writer), one write and a finish, in fewer steps. The body's length counts as
    /// its declared size. [`AlreadyExists`](ErrorKind::AlreadyExists), [`Precondition`](ErrorKind::Precondition),
    /// [`Integrity`](ErrorKind::Integrity), [`TooLarge`](ErrorKind::TooLarge), [`NoSpace`](ErrorKind::NoSpace) as for
    /// [`Upload::finish`]. If the future is dropped, the old object stands or the new one, in full.
    async fn put(&self, key: &Key, body: Bytes, mut options: WriteOptions) -> Result<Meta> {
        options.size.get_or_insert(body.len() as u64);
        let mut upload = self.writer(key, options).await?;
        upload.write(body).await?;
        upload.finish().await
    }

    /// Moves a local file into the store.
    ///
    /// On success the file is gone, renamed or copied and removed; on an error whose outcome is not applied it is still
    /// where it was. Permissions follow the store, not the file. Nobody else may change the file meanwhile.
    /// No such file, or not a regular one: [`ErrorKind::InvalidOption`]. Otherwise as [`put`](Self::put).
    /// If the future is dropped, the file is gone only if the new object stands.
    async fn ingest(&self, key: &Key, file: &Path, mut options: WriteOptions) -> Result<Meta> {
        let (mut source, size) = open_regular(file).await?;
        options.size.get_or_insert(size);
        let mut upload = self.writer(key, options).await?;
        loop {
            let mut piece = Vec::with_capacity(PIECE);
            let read = (&mut source).take(PIECE as u64).read_to_end(&mut piece).await;
            if read.map_err(|error| source_error(error, "the file to ingest cannot be read"))? == 0 {
                break;
            }
            upload.write(piece.into()).await?;
        }
        let meta = upload.finish().await?;
        // The object is there: a file that cannot be removed is the caller's litter, not a failed write.
        drop(tokio::fs::remove_file(file).await);
        Ok(meta)
    }

    /// Copies an object within the store.
    ///
    /// The copy is of one version of the source and independent of it afterwards. It keeps the content type unless the
    /// options name one. Copying onto itself succeeds and keeps the content.
    /// No source: [`ErrorKind::NotFound`]. Otherwise as [`put`](Self::put).
    async fn copy(&self, from: &Key, to: &Key, options: WriteOptions) -> Result<Meta> {
        copy_through(self, from, to, options).await
    }

    /// Removes every object whose key begins with `prefix`, and says how many.
    ///
    /// Not atomic: objects go one by one. Those written meanwhile may survive. One that somebody else removes meanwhile
    /// is no error, and may be counted. Nothing to remove: `0`.
    /// On an error, and if the future is dropped, some are gone; it may be repeated.
    async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64> {
        let mut objects = self.list(prefix, None);
        let mut deleted = 0;
        while let Some(meta) = objects.next().await {
            self.delete(&meta?.key).await?;
            deleted += 1;
        }
        Ok(deleted)
    }

    /// Mints a link that lets its holder read or write one object without further credentials.
    ///
    /// The link dies at [`Link::expires_at`] at the latest, which is never later than asked for. It does for its
    /// method, key and conditions and for nothing else. The object need not exist.
    /// Not declared as a capability: [`ErrorKind::Unsupported`]. A duration of zero or beyond what the backend can
    /// sign: [`ErrorKind::InvalidOption`].
    async fn link(&self, key: &Key, request: LinkRequest) -> Result<Link> {
        self.capabilities().permit_link(&request)?;
        Err(Error::unsupported("a link").with_key(key))
    }

    /// Removes what uploads left behind that were begun longer than `older_than` ago and never ended.
    ///
    /// Objects are never touched. An upload that is still running in any process is spared where the backend can tell,
    /// so choose a time that no upload takes. May be repeated, and dropped at any moment.
    /// A backend that leaves nothing behind answers with zeroes. One that cannot find what it left, as on a server that
    /// does not list it: [`ErrorKind::Unsupported`].
    async fn sweep(&self, older_than: Duration) -> Result<Swept> {
        let _nothing_is_left_behind = older_than;
        Ok(Swept::default())
    }
}

/// An object being written. Nothing of it is visible until [`finish`](Self::finish).
///
/// Dropping it aborts, as far as that is possible without waiting; [`Backend::sweep`] collects the rest.
#[async_trait]
pub trait Upload: Debug + Send {
    /// Appends a piece of any size, waiting until the backend can take it.
    ///
    /// A backend that sends bodies elsewhere keeps no more of one in memory than is on its way, however long it is.
    ///
    /// After an error, or if the future is dropped, the upload is lost: further calls answer an error and the object
    /// is never published. [`ErrorKind::Integrity`] if the body exceeds its declared size, [`ErrorKind::TooLarge`] if
    /// it exceeds the backend's limit, [`ErrorKind::NoSpace`]; each of them here or at the finish, since a backend may
    /// collect small pieces.
    async fn write(&mut self, piece: Bytes) -> Result<()>;

    /// Publishes the object: in full, at once, for everybody, and durably unless asked otherwise.
    ///
    /// The body is checked first against the declared size and SHA-256 ([`ErrorKind::Integrity`]), then the key
    /// against what is there ([`ErrorKind::AlreadyExists`], [`ErrorKind::Precondition`], [`ErrorKind::InvalidKey`]).
    /// The answer describes the object as [`head`](Backend::head) does, but for [`Meta::modified`], which may differ by
    /// seconds.
    /// With [`WriteMode::Create`](crate::WriteMode::Create) exactly one of any number of racing uploads succeeds.
    /// After an error the outcome tells whether the object was published; where it was not, nothing is left behind.
    /// If the future is dropped, the old object stands or the new one, in full.
    async fn finish(self: Box<Self>) -> Result<Meta>;

    /// Gives up, leaving nothing behind. The old object stands.
    async fn abort(self: Box<Self>) -> Result<()>;
}

/// Copies by reading and writing: what [`Backend::copy`] does unless it is overridden, for those who override it and
/// still need it where their product cannot copy by itself.
pub async fn copy_through<B>(backend: &B, from: &Key, to: &Key, mut options: WriteOptions) -> Result<Meta>
where
    B: Backend + ?Sized,
{
    backend.capabilities().permit(&options)?;
    let mut source = backend.read(from, ReadOptions::default()).await?;
    options.size.get_or_insert(source.meta.size);
    options.content_type = options.content_type.or(source.meta.content_type);
    let mut upload = backend.writer(to, options).await?;
    while let Some(piece) = source.body.try_next().await? {
        upload.write(piece).await?;
    }
    upload.finish().await
}

async fn open_regular(file: &Path) -> Result<(tokio::fs::File, u64)> {
    let unusable = |error| source_error(error, "the file to ingest cannot be opened");
    let meta = tokio::fs::symlink_metadata(file).await.map_err(unusable)?;
    if !meta.is_file() {
        return Err(Error::new(ErrorKind::InvalidOption, "what is to be ingested is no regular file"));
    }
    Ok((tokio::fs::File::open(file).await.map_err(unusable)?, meta.len()))
}

fn source_error(error: std::io::Error, detail: &str) -> Error {
    Error::new(ErrorKind::InvalidOption, detail).with_source(error)
}
