//! The other direction: a backend of ours as an `ObjectStore`.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, future, stream, stream::BoxStream};
use object_store::{
    Attribute, Attributes, CopyMode, CopyOptions, Error as Theirs, Extensions, GetOptions, GetRange,
    GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, path::Path,
};
use persistent_fs::{
    Backend, ByteRange, ETag, Error, ErrorKind, Key, Meta, Prefix, ReadOptions, WriteMode, WriteOptions,
};

use crate::{
    in_order::PartsInOrder,
    names::{to_attributes, to_etag, to_key, to_path},
};

/// How many objects are removed at a time by `delete_stream`.
const DELETES_IN_FLIGHT: usize = 10;

/// Any backend as an [`ObjectStore`], for libraries that want one.
///
/// It keeps what `object_store` asks for, with whatever the backend declares: without `create` or `compare_and_swap`
/// the put modes of these names answer [`NotImplemented`](Theirs::NotImplemented), as does any attribute but the
/// content type; so do versions. Tags are ignored, as `object_store` demands of stores without tags. A path that is
/// no [`Key`], such as one with a backslash, names nothing, and writing to it is
/// [`NotSupported`](Theirs::NotSupported).
///
/// Parts of an upload are written one after the other, in the order in which they were begun. One that is waited for
/// out of turn is held in memory, up to 64 MiB in all; beyond that it waits for its turn.
///
/// ```
/// use object_store::{ObjectStoreExt, path::Path};
///
/// # async fn example(files: persistent_fs::Files) -> object_store::Result<()> {
/// let store = fs_object_store::AsObjectStore::new(files.backend());
/// store.put(&Path::from("a/b"), "hello".into()).await?;
/// assert_eq!(store.get(&Path::from("a/b")).await?.bytes().await?, "hello");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct AsObjectStore {
    backend: Arc<dyn Backend>,
}

impl AsObjectStore {
    /// The objects of this backend. An application's own come from [`Files::backend`](persistent_fs::Files::backend).
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend }
    }

    /// The backend that holds the objects.
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    fn list_behind(
        &self,
        prefix: Option<&Path>,
        after: Option<&Key>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        match folder(prefix) {
            Some(folder) => self.backend.list(&folder, after).map(described).fuse().boxed(),
            None => stream::empty().boxed(),
        }
    }

    /// Answers a request whose range holds no byte, which for `object_store` is an error only in two of three forms.
    async fn empty_range(
        &self,
        location: &Path,
        key: &Key,
        options: &GetOptions,
        refused: Error,
    ) -> Result<GetResult> {
        let found = self.backend.head(key).await.map_err(|error| theirs(error, location))?;
        let meta = object_meta(&found)?;
        options.check_preconditions(&meta)?;
        match options.range.as_ref().map(|range| range.as_range(meta.size)) {
            Some(Ok(range)) if range.is_empty() => Ok(result(&found, meta, range, stream::empty().boxed())),
            Some(Err(why)) => Err(Theirs::Generic { store: STORE, source: Box::new(why) }),
            _ => Err(theirs(refused, location)),
        }
    }
}

impl fmt::Display for AsObjectStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AsObjectStore")
    }
}

#[async_trait]
impl ObjectStore for AsObjectStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let key = writable(location)?;
        let mut write = writing(&options.attributes)?;
        write.mode = match options.mode {
            PutMode::Overwrite => WriteMode::Replace,
            PutMode::Create => WriteMode::Create,
            PutMode::Update(version) => WriteMode::Match(expected(version.e_tag.as_deref(), location)?),
        };
        let written = self.backend.put(&key, contiguous(&payload), write).await;
        written.map(|meta| put_result(&meta)).map_err(|error| theirs(error, location))
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let key = writable(location)?;
        let upload = self.backend.writer(&key, writing(&options.attributes)?).await;
        Ok(Box::new(PartsInOrder::new(upload.map_err(|error| theirs(error, location))?, location.clone())))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if options.version.is_some() {
            return Err(unsupported("reading a version by its name"));
        }
        let key = readable(location)?;
        if options.head {
            let found = self.backend.head(&key).await.map_err(|error| theirs(error, location))?;
            let meta = object_meta(&found)?;
            options.check_preconditions(&meta)?;
            let whole = 0..meta.size;
            return Ok(result(&found, meta, whole, stream::empty().boxed()));
        }
        let read = ReadOptions { range: options.range.as_ref().map(byte_range), ..ReadOptions::default() };
        let download = match self.backend.read(&key, read).await {
            Ok(download) => download,
            Err(error) if error.kind() == ErrorKind::InvalidRange => {
                return self.empty_range(location, &key, &options, error).await;
            }
            Err(error) => return Err(theirs(error, location)),
        };
        // The body is of this version, so a condition may as well be checked now that it has been opened.
        let meta = object_meta(&download.meta)?;
        options.check_preconditions(&meta)?;
        let location = location.clone();
        // They go on asking after the end.
        let body = download.body.map_err(move |error| theirs(error, &location)).fuse().boxed();
        Ok(result(&download.meta, meta, download.range, body))
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let backend = Arc::clone(&self.backend);
        let delete = move |location: Result<Path>| {
            let backend = Arc::clone(&backend);
            async move {
                let location = location?;
                if let Some(key) = to_key(&location) {
                    backend.delete(&key).await.map_err(|error| theirs(error, &location))?;
                }
                Ok(location)
            }
        };
        locations.map(delete).buffered(DELETES_IN_FLIGHT).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_behind(prefix, None)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let after = to_key(offset);
        if after.is_some() {
            return self.list_behind(prefix, after.as_ref());
        }
        // A path may lie between keys without being one.
        let offset = offset.clone();
        self.list(prefix).try_filter(move |found| future::ready(found.location > offset)).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let root = Path::ROOT;
        let above = prefix.unwrap_or(&root);
        let (mut objects, mut common_prefixes) = (Vec::new(), Vec::new());
        let mut found = self.list(prefix);
        while let Some(object) = found.try_next().await? {
            let mut below = object.location.prefix_match(above).into_iter().flatten();
            let (first, deeper) = (below.next(), below.next().is_some());
            match first {
                Some(_) if !deeper => {
                    drop(below);
                    objects.push(object);
                }
                Some(folder) => {
                    let folder = join(above, folder.as_ref())?;
                    // The order of keys is not that of folders: `a-b` comes between `a` and `a/b`.
                    if !common_prefixes.contains(&folder) {
                        common_prefixes.push(folder);
                    }
                }
                None => {}
            }
        }
        common_prefixes.sort_unstable();
        Ok(ListResult { common_prefixes, objects, extensions: Extensions::default() })
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let (source, target) = (readable(from)?, writable(to)?);
        let write = match options.mode {
            CopyMode::Overwrite => WriteOptions::default(),
            CopyMode::Create => WriteOptions::create(),
        };
        let copied = self.backend.copy(&source, &target, write).await;
        copied.map(drop).map_err(|error| {
            let about = if error.is_not_found() { from } else { to };
            theirs(error, about)
        })
    }
}

const STORE: &str = "persistent-fs";

/// An error of ours as one of theirs, with ours as its source.
pub(crate) fn theirs(error: Error, location: &Path) -> Theirs {
    let path = location.to_string();
    match error.kind() {
        ErrorKind::NotFound => Theirs::NotFound { path, source: error.into() },
        ErrorKind::AlreadyExists => Theirs::AlreadyExists { path, source: error.into() },
        ErrorKind::Precondition => Theirs::Precondition { path, source: error.into() },
        ErrorKind::NotModified => Theirs::NotModified { path, source: error.into() },
        ErrorKind::Denied => Theirs::PermissionDenied { path, source: error.into() },
        ErrorKind::Unauthenticated => Theirs::Unauthenticated { path, source: error.into() },
        ErrorKind::Unsupported => unsupported(&error.to_string()),
        ErrorKind::InvalidKey => Theirs::NotSupported { source: error.into() },
        _ => Theirs::Generic { store: STORE, source: error.into() },
    }
}

fn unsupported(what: &str) -> Theirs {
    Theirs::NotImplemented { operation: what.to_owned(), implementer: "AsObjectStore".to_owned() }
}

/// The key to read. What is no key names no object.
fn readable(location: &Path) -> Result<Key> {
    Key::parse(location.as_ref())
        .map_err(|error| Theirs::NotFound { path: location.to_string(), source: error.into() })
}

fn writable(location: &Path) -> Result<Key> {
    Key::parse(location.as_ref()).map_err(|error| Theirs::NotSupported { source: error.into() })
}

/// The keys below a folder, or `None` if there can be none.
fn folder(prefix: Option<&Path>) -> Option<Prefix> {
    match prefix {
        Some(folder) if !folder.is_root() => Prefix::parse(&format!("{folder}/")).ok(),
        _ => Some(Prefix::all()),
    }
}

/// The path of a folder whose name is written as it is, where `Path::join` would encode it.
fn join(above: &Path, name: &str) -> Result<Path> {
    let text = if above.is_root() { name.to_owned() } else { format!("{above}/{name}") };
    Ok(Path::parse(text)?)
}

fn writing(attributes: &Attributes) -> Result<WriteOptions> {
    let mut options = WriteOptions::default();
    for (attribute, value) in attributes {
        match attribute {
            Attribute::ContentType => options.content_type = Some(value.to_string()),
            other => return Err(unsupported(&format!("the attribute {other:?}"))),
        }
    }
    Ok(options)
}

fn expected(etag: Option<&str>, location: &Path) -> Result<ETag> {
    etag.and_then(to_etag).ok_or_else(|| Theirs::Precondition {
        path: location.to_string(),
        source: "an update has to name the version that it replaces".into(),
    })
}

fn byte_range(range: &GetRange) -> ByteRange {
    match range {
        GetRange::Bounded(range) => ByteRange::Span(range.start, range.end),
        GetRange::Offset(start) => ByteRange::From(*start),
        GetRange::Suffix(count) => ByteRange::Last(*count),
    }
}

/// The payload in one piece, without a copy if it is one already.
fn contiguous(payload: &PutPayload) -> Bytes {
    match payload.as_ref() {
        [] => Bytes::new(),
        [whole] => whole.clone(),
        pieces => {
            let mut whole = BytesMut::with_capacity(payload.content_length());
            for piece in pieces {
                whole.extend_from_slice(piece);
            }
            whole.freeze()
        }
    }
}

fn described(found: persistent_fs::Result<Meta>) -> Result<ObjectMeta> {
    found.map_err(|error| theirs(error, &Path::ROOT)).and_then(|meta| object_meta(&meta))
}

fn object_meta(meta: &Meta) -> Result<ObjectMeta> {
    Ok(ObjectMeta {
        location: to_path(&meta.key).map_err(|error| theirs(error, &Path::ROOT))?,
        last_modified: meta.modified.into(),
        size: meta.size,
        e_tag: meta.etag.as_ref().map(quoted),
        version: None,
    })
}

pub(crate) fn put_result(meta: &Meta) -> PutResult {
    PutResult { e_tag: meta.etag.as_ref().map(quoted), version: None, extensions: Extensions::default() }
}

fn quoted(etag: &ETag) -> String {
    format!("\"{}\"", etag.as_str())
}

fn result(
    found: &Meta,
    meta: ObjectMeta,
    range: std::ops::Range<u64>,
    body: BoxStream<'static, Result<Bytes>>,
) -> GetResult {
    GetResult {
        payload: GetResultPayload::Stream(body),
        meta,
        range,
        attributes: to_attributes(found.content_type.as_deref()),
        extensions: Extensions::default(),
    }
}
