//! The operations.

use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use opendal::{
    Buffer, Metadata,
    options::{CopyOptions, ReaderOptions},
};
use persistent_fs::{
    Backend, Capabilities, Download, ETag, Error, ErrorKind, Key, Meta, MetaStream, Outcome, Prefix,
    ReadOptions, Result, Tally, Upload, WriteMode, WriteOptions, copy_through,
};

use crate::{
    Store,
    error::{Call, Condition, translate, translating},
    list,
    upload::{StoreUpload, write_options},
};

/// How often a read is begun anew because the object was replaced while it was being opened.
const ATTEMPTS: usize = 100;

#[async_trait]
impl Backend for Store {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    async fn head(&self, key: &Key) -> Result<Meta> {
        let found = self.operator.stat(path(key)?).await.map_err(translating(Call::Look))?;
        if found.is_dir() {
            return Err(missing());
        }
        Ok(self.meta(key.clone(), &found))
    }

    async fn read(&self, key: &Key, options: ReadOptions) -> Result<Download> {
        self.capabilities.permit_read(&options)?;
        for _ in 0..ATTEMPTS {
            if let Some(download) = self.try_read(key, &options).await? {
                return Ok(download);
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "the object is being replaced too often to be opened"))
    }

    async fn writer(&self, key: &Key, options: WriteOptions) -> Result<Box<dyn Upload>> {
        self.capabilities.permit(&options)?;
        path(key)?;
        Ok(Box::new(StoreUpload::new(self.clone(), key.clone(), options)))
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        // Deleting a name may also remove an empty folder of this name, which no key can mean.
        match self.operator.delete(path(key)?).await.map_err(translating(Call::Delete)) {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    fn list(&self, prefix: &Prefix, after: Option<&Key>) -> MetaStream {
        list::objects(self, prefix, after)
    }

    async fn put(&self, key: &Key, body: Bytes, mut options: WriteOptions) -> Result<Meta> {
        options.size.get_or_insert(body.len() as u64);
        self.capabilities.permit_size(body.len() as u64)?;
        self.capabilities.permit(&options)?;
        let mut tally = Tally::expecting(&options);
        tally.add(&body)?;
        let size = tally.finish()?;
        self.publish(key, body.into(), size, &options).await
    }

    async fn copy(&self, from: &Key, to: &Key, options: WriteOptions) -> Result<Meta> {
        self.capabilities.permit(&options)?;
        let can = self.operator.info().capability();
        let as_it_is = options.size.is_none() && options.sha256.is_none() && options.content_type.is_none();
        let create = options.mode == WriteMode::Create;
        let natively = match options.mode {
            WriteMode::Replace => can.copy,
            WriteMode::Create => can.copy && can.copy_with_if_not_exists,
            WriteMode::Match(_) => false,
        };
        if from == to && options.mode == WriteMode::Replace && as_it_is {
            // Services refuse this, and there is nothing to do.
            return self.head(from).await;
        }
        if !(natively && as_it_is) {
            return copy_through(self, from, to, options).await;
        }
        let copy = CopyOptions { if_not_exists: create, ..CopyOptions::default() };
        let copied = self.operator.copy_options(path(from)?, path(to)?, copy).await;
        copied.map_err(translating(Call::Copy(condition(&options))))?;
        self.head(to).await.map_err(|error| error.with_outcome(Outcome::Applied))
    }
}

impl Store {
    /// Publishes a body that was checked and found to have this size, in one request.
    pub(crate) async fn publish(
        &self,
        key: &Key,
        body: Buffer,
        size: u64,
        options: &WriteOptions,
    ) -> Result<Meta> {
        let written = self.operator.write_options(path(key)?, body, write_options(options)).await;
        let written = written.map_err(translating(Call::Publish(condition(options))))?;
        Ok(self.written(key, size, &written, options).await)
    }

    /// Describes what was just written. Services hardly say when they wrote, so this one is asked; if it will not tell,
    /// or if somebody has been faster, what is known here has to do.
    pub(crate) async fn written(
        &self,
        key: &Key,
        size: u64,
        written: &Metadata,
        options: &WriteOptions,
    ) -> Meta {
        let etag = self.etag(written);
        if let Ok(meta) = self.head(key).await
            && meta.size == size
            && (etag.is_none() || etag == meta.etag)
        {
            return meta;
        }
        let mut meta = Meta::new(key.clone(), size, self.options.clock.now());
        meta.etag = etag;
        meta.content_type.clone_from(&options.content_type);
        meta
    }

    /// What an operator says about an object, as far as it is declared. Some services do not keep the time; their
    /// objects are from the beginning of time.
    pub(crate) fn meta(&self, key: Key, found: &Metadata) -> Meta {
        let modified = found.last_modified().map_or(SystemTime::UNIX_EPOCH, Into::into);
        let mut meta = Meta::new(key, found.content_length(), modified);
        meta.etag = self.etag(found);
        meta.content_type =
            found.content_type().filter(|_| self.capabilities.content_type).map(str::to_owned);
        meta
    }

    fn etag(&self, found: &Metadata) -> Option<ETag> {
        let tag = found.etag().filter(|tag| self.capabilities.etag && !tag.starts_with("W/"))?;
        Some(ETag::new(tag.trim_matches('"')))
    }

    /// Reads what was described a moment ago, or `None` if that has been replaced meanwhile.
    async fn try_read(&self, key: &Key, options: &ReadOptions) -> Result<Option<Download>> {
        let look = translating(Call::Look);
        let meta = self.head(key).await?;
        let range = options.resolve(&meta)?;
        if range.is_empty() {
            return Ok(Some(Download::new(meta, range, stream::empty().boxed())));
        }
        let only = meta.etag.as_ref().map(quoted);
        let reader = ReaderOptions { if_match: only, ..ReaderOptions::default() };
        let reader = self.operator.reader_options(path(key)?, reader).await.map_err(&look)?;
        let mut body = reader.into_stream(range.clone()).await.map_err(&look)?;
        let mut first = None;
        let same = match body.metadata().await {
            Ok(found) => {
                found.content_length() == meta.size && (meta.etag.is_none() || self.etag(&found) == meta.etag)
            }
            // Then it is opened by reading from it, and has to be the same object after that as it was before.
            Err(error) if error.kind() == opendal::ErrorKind::Unsupported => match body.try_next().await {
                Ok(piece) => {
                    first = piece;
                    self.head(key).await? == meta
                }
                Err(error) => !was_replaced(&error)?,
            },
            Err(error) => !was_replaced(&error)?,
        };
        let buffers = stream::iter(first.map(Ok)).chain(body);
        let pieces =
            buffers.map_ok(|buffer| stream::iter(Iterator::map(buffer, Ok))).try_flatten().map_err(look);
        Ok(same.then(|| Download::new(meta, range, Box::pin(pieces))))
    }
}

/// The path with exactly this text, or [`ErrorKind::InvalidKey`]: `opendal` trims white space from both ends of a path.
pub(crate) fn path(key: &Key) -> Result<&str> {
    let text = key.as_str();
    if text.trim() == text {
        return Ok(text);
    }
    Err(Error::new(ErrorKind::InvalidKey, "opendal cannot hold a key that begins or ends with white space"))
}

/// Whether a read failed because the object is another one by now, or gone: another look tells which.
fn was_replaced(error: &opendal::Error) -> Result<bool> {
    let error = translate(error, Call::Look);
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::Precondition | ErrorKind::InvalidRange => Ok(true),
        _ => Err(error),
    }
}

pub(crate) fn condition(options: &WriteOptions) -> Condition {
    match options.mode {
        WriteMode::Replace => Condition::None,
        WriteMode::Create => Condition::Create,
        WriteMode::Match(_) => Condition::Match,
    }
}

pub(crate) fn quoted(etag: &ETag) -> String {
    format!("\"{}\"", etag.as_str())
}

fn missing() -> Error {
    Error::new(ErrorKind::NotFound, "no such object")
}
