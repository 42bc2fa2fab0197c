//! What an application holds.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_util::{StreamExt, TryStreamExt};

use crate::{
    Backend, ByteStream, Capabilities, Download, Error, ErrorKind, Key, Link, LinkRequest, Meta, MetaStream,
    Prefix, Prefixed, ReadOptions, Result, Swept, Upload, WriteOptions,
};

/// A file store as an application sees it. Cheap to clone; clones are the same store.
///
/// It adds to a [`Backend`] what is the same for all of them: scopes, conveniences, the check that a body has the
/// length it was announced with, and the operation and key in every error. What the methods promise is said at
/// [`Backend`].
///
/// One store for the program, a scope for each part of it:
///
/// ```
/// # use persistent_fs::{Error, ErrorKind, Files, Key, WriteOptions};
/// # async fn example(store: Files, bytes: bytes::Bytes) -> Result<(), Error> {
/// let (avatars, exports) = (store.scoped("avatars")?, store.scoped("exports")?);
/// // The same name in two scopes is two objects; no name leads out of a scope.
/// avatars.put(&Key::parse("7")?, bytes.clone(), WriteOptions::default().typed("image/png")).await?;
/// exports.put(&Key::parse("7")?, bytes, WriteOptions::default()).await?;
/// assert!(Key::parse("../avatars/7").is_err());
/// # Ok(())
/// # }
/// ```
///
/// Whatever runs in a web handler is dropped when the client goes away; none of these calls minds.
#[derive(Debug, Clone)]
pub struct Files {
    backend: Arc<dyn Backend>,
}

impl Files {
    /// The store behind this backend.
    pub fn new(backend: impl Backend) -> Self {
        Self { backend: Arc::new(backend) }
    }

    /// The part of this store below a folder, under keys without it. Scopes can be nested.
    ///
    /// A folder that is no valid [`Key`]: [`ErrorKind::InvalidKey`].
    pub fn scoped(&self, folder: &str) -> Result<Self> {
        Ok(Self::new(Prefixed::new(Arc::clone(&self.backend), Key::parse(folder)?)))
    }

    /// The backend, to wrap it in a layer: `Files::new(Layer::new(files.backend()))`.
    pub fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.backend)
    }

    /// What this store promises beyond the common ground.
    pub fn capabilities(&self) -> Capabilities {
        self.backend.capabilities()
    }

    /// Describes an object. See [`Backend::head`].
    pub async fn head(&self, key: &Key) -> Result<Meta> {
        self.backend.head(key).await.map_err(naming("head", key))
    }

    /// Whether there is such an object. An answer for now: to write only if there is none, use
    /// [`WriteOptions::create`], which cannot be overtaken.
    pub async fn exists(&self, key: &Key) -> Result<bool> {
        match self.head(key).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Begins to read an object. See [`Backend::read`].
    ///
    /// A body that is shorter or longer than announced ends in [`ErrorKind::Integrity`], so one that ends without an
    /// error is complete.
    ///
    /// ```
    /// # use futures_util::TryStreamExt;
    /// # use persistent_fs::{ByteRange, Error, Files, Key, ReadOptions};
    /// # async fn example(files: &Files, key: &Key) -> Result<(), Error> {
    /// let mut download = files.read(key, ReadOptions::range(ByteRange::Last(1024))).await?;
    /// println!("bytes {:?} of {}", download.range, download.meta.size);
    /// while let Some(piece) = download.body.try_next().await? {
    ///     println!("{} more", piece.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn read(&self, key: &Key, options: ReadOptions) -> Result<Download> {
        let download = self.backend.read(key, options).await.map_err(naming("read", key))?;
        let announced = download.range.end - download.range.start;
        let body = exactly(announced, download.body).map_err(naming("read", key));
        Ok(Download::new(download.meta, download.range, Box::pin(body)))
    }

    /// Reads a whole object into memory. One larger than `max` bytes is refused with [`ErrorKind::TooLarge`], unread.
    /// Otherwise as [`read`](Self::read).
    pub async fn read_all(&self, key: &Key, max: u64) -> Result<Bytes> {
        let mut download = self.read(key, ReadOptions::default()).await?;
        let size = download.meta.size;
        let Some(capacity) = usize::try_from(size).ok().filter(|_| size <= max) else {
            let error = Error::new(ErrorKind::TooLarge, format!("{size} bytes exceed the {max} asked for"));
            return Err(naming("read", key)(error));
        };
        let mut whole = BytesMut::new();
        while let Some(piece) = download.body.try_next().await? {
            if piece.len() == capacity {
                return Ok(piece);
            }
            whole.reserve(capacity - whole.len());
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    /// Begins to write an object in pieces. See [`Backend::writer`].
    pub async fn writer(&self, key: &Key, options: WriteOptions) -> Result<Box<dyn Upload>> {
        self.backend.writer(key, options).await.map_err(naming("write", key))
    }

    /// Writes an object whose body is at hand. See [`Backend::put`].
    pub async fn put(&self, key: &Key, body: Bytes, options: WriteOptions) -> Result<Meta> {
        self.backend.put(key, body, options).await.map_err(naming("put", key))
    }

    /// Writes an object whose body arrives as a stream, such as a request's.
    ///
    /// The stream is polled no faster than the backend takes its pieces. If it yields an error, the upload is aborted,
    /// the old object stands, and that error is returned; a stream that just stops too early is only found out if
    /// [`WriteOptions::size`] was declared. If the future is dropped, the old object stands or the new one, in full.
    ///
    /// ```
    /// # use futures_util::stream;
    /// # use persistent_fs::{Files, Key, WriteOptions};
    /// # async fn example(files: &Files, key: &Key) -> std::io::Result<()> {
    /// // Any error that can hold ours will do, so a request's body needs no adapter.
    /// let body = stream::iter([std::io::Result::Ok("hello".into())]);
    /// let meta = files.put_stream(key, body, WriteOptions::default().sized(5)).await?;
    /// assert_eq!(meta.size, 5);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn put_stream<S, E>(&self, key: &Key, body: S, options: WriteOptions) -> Result<Meta, E>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: From<Error>,
    {
        let mut body = std::pin::pin!(body);
        let mut upload = self.writer(key, options).await?;
        while let Some(piece) = body.next().await {
            match piece {
                Ok(piece) => upload.write(piece).await.map_err(naming("put", key))?,
                Err(error) => {
                    // What the caller must learn is why the body ended; a sweep collects what is left.
                    drop(upload.abort().await);
                    return Err(error);
                }
            }
        }
        Ok(upload.finish().await.map_err(naming("put", key))?)
    }

    /// Moves a local file into the store. See [`Backend::ingest`].
    pub async fn ingest(&self, key: &Key, file: &Path, options: WriteOptions) -> Result<Meta> {
        self.backend.ingest(key, file, options).await.map_err(naming("ingest", key))
    }

    /// Copies an object within the store. See [`Backend::copy`].
    pub async fn copy(&self, from: &Key, to: &Key, options: WriteOptions) -> Result<Meta> {
        self.backend.copy(from, to, options).await.map_err(naming("copy", from))
    }

    /// Removes an object, if it is there. See [`Backend::delete`].
    pub async fn delete(&self, key: &Key) -> Result<()> {
        self.backend.delete(key).await.map_err(naming("delete", key))
    }

    /// Removes every object whose key begins with `prefix`, and says how many. See [`Backend::delete_prefix`].
    pub async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64> {
        self.backend.delete_prefix(prefix).await.map_err(|error| error.with_operation("delete_prefix"))
    }

    /// Lists objects in byte order of their keys. See [`Backend::list`].
    pub fn list(&self, prefix: &Prefix, after: Option<&Key>) -> MetaStream {
        Box::pin(self.backend.list(prefix, after).map_err(|error| error.with_operation("list")))
    }

    /// Mints a link to read or write one object. See [`Backend::link`].
    pub async fn link(&self, key: &Key, request: LinkRequest) -> Result<Link> {
        self.backend.link(key, request).await.map_err(naming("link", key))
    }

    /// Removes what abandoned uploads left behind. See [`Backend::sweep`]. Meant for a daily job; a scope sweeps the
    /// whole store.
    pub async fn sweep(&self, older_than: Duration) -> Result<Swept> {
        self.backend.sweep(older_than).await.map_err(|error| error.with_operation("sweep"))
    }
}

/// Adds operation and key, which the application knows in its own words, to an error from below.
fn naming(operation: &'static str, key: &Key) -> impl Fn(Error) -> Error + use<> {
    let key = key.clone();
    move |error| error.with_operation(operation).with_key(&key)
}

/// The same stream, ending in an error if it does not carry exactly this many bytes.
pub(crate) fn exactly(announced: u64, body: ByteStream) -> ByteStream {
    let wrong = |how: &str| Error::new(ErrorKind::Integrity, format!("the body is {how} than announced"));
    Box::pin(futures_util::stream::try_unfold((announced, body), move |(left, mut body)| async move {
        match body.try_next().await? {
            Some(piece) => match left.checked_sub(piece.len() as u64) {
                Some(left) => Ok(Some((piece, (left, body)))),
                None => Err(wrong("longer")),
            },
            None if left > 0 => Err(wrong("shorter")),
            None => Ok(None),
        }
    }))
}
