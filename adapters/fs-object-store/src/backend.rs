//! The operations.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::{
    CopyMode, CopyOptions, GetOptions, GetRange, GetResult, ObjectStoreExt, PutMode, PutOptions, PutPayload,
    PutResult, UpdateVersion,
};
use persistent_fs::{
    Backend, ByteRange, Capabilities, Download, Error, ErrorKind, Key, Meta, MetaStream, Outcome, Prefix,
    ReadOptions, Result, Tally, Upload, WriteMode, WriteOptions, copy_through,
};

use crate::{
    Call, Store,
    error::translating,
    list,
    names::{to_attributes, to_content_type, to_etag, to_meta, to_path},
    translate,
    upload::StoreUpload,
};

#[async_trait]
impl Backend for Store {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    async fn head(&self, key: &Key) -> Result<Meta> {
        let found =
            self.get(key, GetOptions::new().with_head(true)).await.map_err(translating(Call::Look))?;
        Ok(self.meta(key, &found))
    }

    async fn read(&self, key: &Key, options: ReadOptions) -> Result<Download> {
        self.capabilities.permit_read(&options)?;
        if options.range.is_some_and(is_empty) {
            return Err(self.why_not(key, &options).await);
        }
        let found = match self.get(key, request(&options)).await {
            Ok(found) => found,
            Err(object_store::Error::NotSupported { .. } | object_store::Error::NotImplemented { .. }) => {
                self.get_by_offsets(key, &options).await?
            }
            // Which of several reasons comes first, stores do not agree on.
            Err(object_store::Error::Generic { .. }) if options.range.is_some() => {
                return Err(self.why_not(key, &options).await);
            }
            Err(error) => return Err(translate(&error, Call::Look)),
        };
        let meta = self.meta(key, &found);
        let range = options.resolve(&meta)?;
        if found.range != range {
            return Err(Error::new(ErrorKind::Integrity, "the store answered with another range"));
        }
        Ok(Download::new(meta, range, Box::pin(found.into_stream().map_err(translating(Call::Look)))))
    }

    async fn writer(&self, key: &Key, options: WriteOptions) -> Result<Box<dyn Upload>> {
        self.capabilities.permit(&options)?;
        Ok(Box::new(StoreUpload::new(self.clone(), key.clone(), options)))
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        match self.inner.delete(&to_path(key)?).await.map_err(translating(Call::Delete)) {
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
        let as_it_is = options.size.is_none() && options.sha256.is_none() && options.content_type.is_none();
        let mode = match options.mode {
            WriteMode::Replace if as_it_is => CopyMode::Overwrite,
            WriteMode::Create if as_it_is => CopyMode::Create,
            _ => return copy_through(self, from, to, options).await,
        };
        if from == to && mode == CopyMode::Overwrite {
            // Stores refuse this, and there is nothing to do.
            return self.head(from).await;
        }
        let (source, target) = (to_path(from)?, to_path(to)?);
        let copied = self.inner.copy_opts(&source, &target, CopyOptions::new().with_mode(mode)).await;
        match copied.map_err(translating(Call::Copy)) {
            Ok(()) => self.head(to).await.map_err(|error| error.with_outcome(Outcome::Applied)),
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                copy_through(self, from, to, options).await
            }
            Err(error) => Err(error),
        }
    }

    async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64> {
        let found = list::paths(self, prefix);
        let mut deleted = 0;
        let mut failed = None;
        let mut answers = self.inner.delete_stream(found);
        while let Some(answer) = answers.next().await {
            match answer.map_err(translating(Call::Delete)) {
                Ok(_) => deleted += 1,
                Err(error) if error.is_not_found() => {}
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        match failed {
            Some(error) if deleted > 0 => Err(error.with_outcome(Outcome::Unknown)),
            Some(error) => Err(error),
            None => Ok(deleted),
        }
    }
}

impl Store {
    /// Publishes a body that was checked and found to have this size, in one request.
    pub(crate) async fn publish(
        &self,
        key: &Key,
        body: PutPayload,
        size: u64,
        options: &WriteOptions,
    ) -> Result<Meta> {
        let put = PutOptions {
            mode: mode(options),
            attributes: to_attributes(options.content_type.as_deref()),
            ..PutOptions::default()
        };
        let put = self.inner.put_opts(&to_path(key)?, body, put).await.map_err(translating(Call::Publish))?;
        Ok(self.written(key, size, &put, options).await)
    }

    /// Describes what was just written, dated by the clock, since a store does not say when it wrote. One that did not
    /// name the version either, though it is declared, is asked; if it will not tell, what is known here has to do.
    pub(crate) async fn written(
        &self,
        key: &Key,
        size: u64,
        put: &PutResult,
        options: &WriteOptions,
    ) -> Meta {
        let etag = put.e_tag.as_deref().filter(|_| self.capabilities.etag).and_then(to_etag);
        if self.capabilities.etag
            && etag.is_none()
            && let Ok(meta) = self.head(key).await
            && meta.size == size
        {
            return meta;
        }
        let mut meta = Meta::new(key.clone(), size, self.options.clock.now());
        meta.etag = etag;
        meta.content_type = self.typed(options.content_type.clone());
        meta
    }

    async fn get(&self, key: &Key, options: GetOptions) -> object_store::Result<GetResult> {
        match to_path(key) {
            Ok(path) => self.inner.get_opts(&path, options).await,
            Err(error) => Err(object_store::Error::NotSupported { source: error.into() }),
        }
    }

    fn meta(&self, key: &Key, found: &GetResult) -> Meta {
        let mut meta = self.listed(key.clone(), &found.meta);
        if self.capabilities.content_type {
            meta.content_type = self.typed(to_content_type(&found.attributes));
        }
        meta
    }

    /// The media type, unless it is the one that stands for none.
    fn typed(&self, content_type: Option<String>) -> Option<String> {
        content_type.filter(|given| self.options.untyped.as_ref() != Some(given))
    }

    /// What a listing says about an object, as far as it is declared.
    pub(crate) fn listed(&self, key: Key, found: &object_store::ObjectMeta) -> Meta {
        let mut meta = to_meta(key, found);
        meta.etag = meta.etag.filter(|_| self.capabilities.etag);
        meta
    }

    /// The first reason, in the order of the contract, why this read cannot be.
    async fn why_not(&self, key: &Key, options: &ReadOptions) -> Error {
        match self.head(key).await {
            Err(error) => error,
            Ok(meta) => match options.resolve(&meta) {
                Err(error) => error,
                Ok(_) => Error::new(ErrorKind::Unavailable, "the store failed to read what is there"),
            },
        }
    }

    /// Reads from a store that does not know open ranges: their ends are looked up first, for exactly one version.
    async fn get_by_offsets(&self, key: &Key, options: &ReadOptions) -> Result<GetResult> {
        let look = translating(Call::Look);
        let found = self.get(key, GetOptions::new().with_head(true)).await.map_err(&look)?;
        let range = options.resolve(&self.meta(key, &found))?;
        let exactly =
            GetOptions::new().with_if_match(found.meta.e_tag).with_range(Some(GetRange::Bounded(range)));
        self.get(key, exactly).await.map_err(&look)
    }
}

/// The request for a read. A condition goes along where it saves the body; all are checked again on the answer, in the
/// order of the contract and whether or not the store knows conditions.
fn request(options: &ReadOptions) -> GetOptions {
    let unless = options.if_none_match.as_ref().filter(|_| options.if_match.is_none());
    let range = options.range.map(|range| match range {
        ByteRange::Span(start, end) if i64::try_from(end).is_ok() => GetRange::Bounded(start..end),
        ByteRange::Span(start, _) | ByteRange::From(start) => GetRange::Offset(start),
        ByteRange::Last(count) => GetRange::Suffix(count),
    });
    GetOptions::new().with_range(range).with_if_none_match(unless.map(|etag| quoted(etag.as_str())))
}

/// Whether no object has a byte in this range.
fn is_empty(range: ByteRange) -> bool {
    match range {
        ByteRange::Span(start, end) => start >= end,
        ByteRange::From(_) => false,
        ByteRange::Last(count) => count == 0,
    }
}

fn mode(options: &WriteOptions) -> PutMode {
    match &options.mode {
        WriteMode::Replace => PutMode::Overwrite,
        WriteMode::Create => PutMode::Create,
        WriteMode::Match(etag) => {
            PutMode::Update(UpdateVersion { e_tag: Some(quoted(etag.as_str())), version: None })
        }
    }
}

fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}
