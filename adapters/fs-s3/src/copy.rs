//! Copies within the bucket.

use std::sync::Arc;

use futures_util::TryStreamExt;
use http::{HeaderName, Method, header};
use percent_encoding::utf8_percent_encode;
use persistent_fs::{
    Error, ErrorKind, Key, Meta, Outcome, ReadOptions, Result, Upload, WriteMode, WriteOptions,
};

use crate::{
    list::document,
    publish::{Target, Told, quoted},
    read::read,
    upload::S3Upload,
    wire::{Call, PATH},
    xml::Published,
};

/// S3 copies no larger object by one request.
const LARGEST_COPY: u64 = 5 << 30;

/// A source that is replaced more often than this while it is copied is read here, in one version.
const ROUNDS: usize = 3;

/// Copies by the server where that is exact, and through this process otherwise: the server's copy knows neither
/// conditions on the target nor hashes.
pub(crate) async fn copy(target: &Arc<Target>, from: &Key, to: &Key, options: WriteOptions) -> Result<Meta> {
    for _ in 0..ROUNDS {
        let source = target.head(from).await.map_err(|error| error.with_key(from))?;
        let by_server =
            options.mode == WriteMode::Replace && options.sha256.is_none() && source.size <= LARGEST_COPY;
        if !by_server {
            break;
        }
        if options.size.is_some_and(|size| size != source.size) {
            let why = "the source has another size than declared";
            return Err(Error::new(ErrorKind::Integrity, why).with_key(to));
        }
        let retyped = options.content_type.is_some() && options.content_type != source.content_type;
        if from == to && !retyped {
            // S3 refuses a copy that would change nothing.
            return Ok(source);
        }
        match by_the_server(target, &source, to, &options, retyped).await {
            // The source went, or was replaced, between the look and the copy.
            Err(error) if error.kind() == ErrorKind::Precondition => {}
            copied => return copied.map_err(|error| error.with_key(to)),
        }
    }
    through_here(target, from, to, options).await
}

async fn by_the_server(
    target: &Target,
    source: &Meta,
    to: &Key,
    options: &WriteOptions,
    retyped: bool,
) -> Result<Meta> {
    let bucket = target.bucket.as_str();
    let from = format!("/{bucket}/{}", utf8_percent_encode(&target.name(&source.key), PATH));
    let mut call = Call::new(Method::PUT, target.name(to))
        .headers(&target.new_object)
        .header(HeaderName::from_static("x-amz-copy-source"), &from)?
        .repeatable();
    if let Some(etag) = &source.etag {
        // What was looked at is what is copied.
        call = call.header(HeaderName::from_static("x-amz-copy-source-if-match"), &quoted(etag))?;
    }
    let content_type = options.content_type.as_ref().or(source.content_type.as_ref());
    if let (true, Some(content_type)) = (retyped, content_type) {
        call = call
            .header(HeaderName::from_static("x-amz-metadata-directive"), "REPLACE")?
            .header(header::CONTENT_TYPE, content_type)?;
    }
    let answer = target.wire.send(call).await?;
    let published: Published =
        document(&answer.body).map_err(|error| error.with_outcome(Outcome::Unknown))?;
    let told = Told::in_document(&answer, &published);
    // Ceph compares the source's version first and then copies, perhaps a newer one. What has the version that was asked
    // for has its size, too; of anything else a look tells it.
    if told.etag != source.etag
        && let Ok(seen) = target.head(to).await
        && seen.etag == told.etag
    {
        return Ok(seen);
    }
    Ok(target.describe(to, source.size, told, content_type.map(String::as_str)).await)
}

async fn through_here(target: &Arc<Target>, from: &Key, to: &Key, mut options: WriteOptions) -> Result<Meta> {
    let mut source = read(target, from, ReadOptions::default()).await?;
    options.size.get_or_insert(source.meta.size);
    options.content_type = options.content_type.or(source.meta.content_type);
    let mut upload = Box::new(S3Upload::new(Arc::clone(target), to.clone(), options));
    while let Some(piece) = source.body.try_next().await? {
        upload.write(piece).await?;
    }
    upload.finish().await
}
