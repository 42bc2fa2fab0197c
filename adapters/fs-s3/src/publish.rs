//! What makes an object visible, and what is said about it afterwards.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, header};
use object_store::{GetOptions, ObjectStore, aws::AmazonS3};
use persistent_fs::{Clock, ETag, Error, ErrorKind, Key, Meta, Result, WriteMode, WriteOptions};

use crate::{
    abilities::Abilities,
    connect::header_text,
    error::retell,
    parts::LARGEST_OBJECT,
    wire::{Answer, Call, Wire},
    xml::Published,
};

/// Everything that a store, its uploads and its copies share.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) wire: Wire,
    /// The same bucket, for reading.
    pub(crate) store: AmazonS3,
    pub(crate) bucket: String,
    /// Empty, or ending with a slash.
    pub(crate) prefix: String,
    pub(crate) part_size: u64,
    pub(crate) concurrency: usize,
    /// Storage class and encryption of new objects.
    pub(crate) new_object: HeaderMap,
    pub(crate) abilities: Abilities,
    pub(crate) clock: Clock,
    /// The uploads in parts of this process, which a sweep spares.
    pub(crate) open_uploads: Mutex<HashSet<String>>,
}

/// What the answer to a write tells of the object, as far as it tells it.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) etag: Option<ETag>,
    /// When the object was written, or else when that was answered.
    pub(crate) at: Option<SystemTime>,
}

impl Told {
    /// By the headers.
    pub(crate) fn in_headers(answer: &Answer) -> Self {
        let etag = header_text(&answer.headers, header::ETAG).and_then(fs_object_store::to_etag);
        Self { etag, at: answer.date() }
    }

    /// By the document, which of a copy tells the time as well.
    pub(crate) fn in_document(answer: &Answer, document: &Published) -> Self {
        let at = document.last_modified.map(|time| whole_seconds(time.into()));
        Self { etag: fs_object_store::to_etag(&document.etag), at: at.or_else(|| answer.date()) }
    }
}

impl Target {
    /// The name of the object in the bucket.
    pub(crate) fn name(&self, key: &Key) -> String {
        format!("{}{key}", self.prefix)
    }

    pub(crate) fn open_uploads(&self) -> MutexGuard<'_, HashSet<String>> {
        self.open_uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The largest object that can be written.
    pub(crate) fn largest(&self) -> u64 {
        if self.abilities.parts { LARGEST_OBJECT } else { self.part_size }
    }

    /// What is known about an object. Missing: [`NotFound`](persistent_fs::ErrorKind::NotFound), if the bucket is
    /// there.
    pub(crate) async fn head(&self, key: &Key) -> Result<Meta> {
        let path = self.path(key)?;
        loop {
            let head = GetOptions { head: true, ..GetOptions::default() };
            match self.store.get_opts(&path, head).await.map_err(|error| retell(&error)) {
                Ok(found) => return meta(key, &found),
                Err(error) if error.is_not_found() => self.confirm_absence(key).await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// A missing bucket answers a HEAD as a missing object does. Only an answer with a body tells them apart.
    async fn confirm_absence(&self, key: &Key) -> Result<()> {
        let call = Call::new(Method::GET, self.name(key)).header(header::RANGE, "bytes=0-0")?;
        match self.wire.send(call).await {
            Err(error) if error.kind() == persistent_fs::ErrorKind::InvalidRange => Ok(()),
            // Somebody has written it meanwhile: look again.
            answered => answered.map(drop),
        }
    }

    pub(crate) fn path(&self, key: &Key) -> Result<object_store::path::Path> {
        let name = Key::parse(&self.name(key)).map_err(|error| error.with_key(key))?;
        fs_object_store::to_path(&name)
    }

    /// Describes an object that has just been written, by the answer to the write.
    ///
    /// Where that does not name the version, it is looked up. If the look fails, the write stands all the same, and is
    /// described without it.
    pub(crate) async fn describe(
        &self,
        key: &Key,
        size: u64,
        told: Told,
        content_type: Option<&str>,
    ) -> Meta {
        if told.etag.is_none()
            && let Ok(seen) = self.head(key).await
            && seen.size == size
        {
            return seen;
        }
        let mut meta = Meta::new(key.clone(), size, told.at.unwrap_or_else(|| self.clock.now()));
        meta.etag = told.etag;
        meta.content_type = content_type.filter(|given| *given != UNTYPED).map(str::to_owned);
        meta
    }
}

/// The call, to succeed only as the mode demands.
pub(crate) fn conditioned(call: Call, mode: &WriteMode) -> Result<Call> {
    match mode {
        WriteMode::Replace => Ok(call),
        WriteMode::Create => call.header(header::IF_NONE_MATCH, "*"),
        WriteMode::Match(etag) => call.header(header::IF_MATCH, &quoted(etag)),
    }
}

/// Writes a body in one request.
pub(crate) async fn publish(target: &Target, key: &Key, options: &WriteOptions, body: Bytes) -> Result<Meta> {
    let size = body.len() as u64;
    let mut call = Call::new(Method::PUT, target.name(key)).headers(&target.new_object).body(vec![body]);
    if let Some(content_type) = &options.content_type {
        call = call.header(header::CONTENT_TYPE, content_type)?;
    }
    if let Some(sha256) = &options.sha256 {
        // The signature covers the body's hash already; this one is stored with the object.
        call = call.header(HeaderName::from_static("x-amz-checksum-sha256"), &STANDARD.encode(sha256))?;
    }
    let call = if options.mode == WriteMode::Replace { call.repeatable() } else { call };
    let answer = target.wire.send(conditioned(call, &options.mode)?).await?;
    let told = Told::in_headers(&answer);
    Ok(target.describe(key, size, told, options.content_type.as_deref()).await)
}

/// The headers of an answer tell whole seconds, and what a document tells shall not differ from that.
pub(crate) fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

/// The version as it stands in a header.
pub(crate) fn quoted(etag: &ETag) -> String {
    format!("\"{}\"", etag.as_str())
}

/// What `object_store` found, in our terms.
///
/// S3 always names the version. What does not is something else at the endpoint that answers 200, such as a gateway.
pub(crate) fn meta(key: &Key, found: &object_store::GetResult) -> Result<Meta> {
    let mut meta = fs_object_store::to_meta(key.clone(), &found.meta);
    if meta.etag.is_none() {
        return Err(Error::new(ErrorKind::Other, "the server answered without naming the object's version"));
    }
    meta.content_type = fs_object_store::to_content_type(&found.attributes).filter(|given| given != UNTYPED);
    Ok(meta)
}

/// How S3 describes an object whose type nobody has given.
const UNTYPED: &str = "binary/octet-stream";
