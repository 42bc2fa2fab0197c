//! Listings, a page at a time.

use s3s::{
    S3Result,
    dto::{
        CommonPrefix, EncodingType, ListMultipartUploadsInput, ListMultipartUploadsOutput,
        ListObjectsV2Input, ListObjectsV2Output, MultipartUpload, ObjectStorageClass,
    },
    s3_error,
};
use url::form_urlencoded::byte_serialize;

use super::{
    bucket::{Bucket, Object, strong},
    calls::signed,
};

/// As many entries as one answer holds, and one request names.
pub(super) const LARGEST: usize = 1000;

/// A page of objects, those behind a delimiter folded into one entry.
pub(super) fn of_objects(bucket: &Bucket, input: ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
    let names = Names(input.encoding_type.clone());
    let prefix = input.prefix.as_deref().unwrap_or_default();
    let after = input.continuation_token.as_deref().or(input.start_after.as_deref()).unwrap_or_default();
    let size = page(input.max_keys)?;
    let (mut contents, mut folded) = (Vec::new(), Vec::<String>::new());
    let (mut last, mut more) = (None, false);
    for (key, object) in bucket.list(prefix, after) {
        let fold = input.delimiter.as_deref().and_then(|delimiter| {
            let (head, _) = key.strip_prefix(prefix)?.split_once(delimiter)?;
            Some(format!("{prefix}{head}{delimiter}"))
        });
        // A page may end, and the next begin, in the midst of what is folded.
        if fold.as_ref().is_some_and(|fold| folded.last() == Some(fold) || after.starts_with(fold)) {
            continue;
        }
        more = contents.len() + folded.len() == size;
        if more {
            break;
        }
        last = Some(fold.clone().unwrap_or_else(|| key.clone()));
        match fold {
            Some(fold) => folded.push(fold),
            None => contents.push(entry(names.written(key), object)),
        }
    }
    Ok(ListObjectsV2Output {
        name: Some(input.bucket),
        key_count: i32::try_from(contents.len() + folded.len()).ok(),
        max_keys: i32::try_from(size).ok(),
        is_truncated: Some(more),
        next_continuation_token: last.filter(|_| more),
        contents: Some(contents),
        common_prefixes: Some(
            folded.into_iter().map(|prefix| CommonPrefix { prefix: Some(names.written(prefix)) }).collect(),
        ),
        continuation_token: input.continuation_token,
        delimiter: input.delimiter.map(|name| names.written(name)),
        prefix: input.prefix.map(|name| names.written(name)),
        start_after: input.start_after.map(|name| names.written(name)),
        encoding_type: names.0,
        ..ListObjectsV2Output::default()
    })
}

/// A page of uploads that were begun and neither completed nor aborted.
pub(super) fn of_uploads(
    bucket: &Bucket,
    input: ListMultipartUploadsInput,
) -> S3Result<ListMultipartUploadsOutput> {
    let names = Names(input.encoding_type.clone());
    if input.delimiter.is_some() {
        return Err(s3_error!(NotImplemented));
    }
    let size = page(input.max_uploads)?;
    let marker = (input.key_marker.clone().unwrap_or_default(), input.upload_id_marker.clone());
    // Without an id, the marker stands behind all uploads of its key.
    let behind = |key: &String, id: &String| match &marker.1 {
        Some(after) => (key, id) > (&marker.0, after),
        None => *key > marker.0,
    };
    let open = bucket.open_uploads(input.prefix.as_deref().unwrap_or_default());
    let mut open = open.into_iter().filter(|((key, id), _)| behind(key, id));
    let uploads: Vec<_> = open
        .by_ref()
        .take(size)
        .map(|((key, id), begun)| MultipartUpload {
            key: Some(names.written(key)),
            upload_id: Some(id),
            initiated: Some(begun.into()),
            ..MultipartUpload::default()
        })
        .collect();
    let more = open.next().is_some();
    let last = uploads.last().filter(|_| more).cloned();
    Ok(ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        is_truncated: Some(more),
        max_uploads: i32::try_from(size).ok(),
        next_key_marker: last.as_ref().and_then(|upload| upload.key.clone()),
        next_upload_id_marker: last.and_then(|upload| upload.upload_id),
        key_marker: input.key_marker.map(|name| names.written(name)),
        upload_id_marker: input.upload_id_marker,
        prefix: input.prefix.map(|name| names.written(name)),
        encoding_type: names.0,
        uploads: Some(uploads),
        ..ListMultipartUploadsOutput::default()
    })
}

fn entry(key: String, object: Object) -> s3s::dto::Object {
    s3s::dto::Object {
        key: Some(key),
        size: Some(signed(object.size)),
        e_tag: Some(strong(&object.etag)),
        last_modified: Some(object.modified.into()),
        storage_class: object
            .facts
            .storage_class
            .map(|class| ObjectStorageClass::from(class.as_str().to_owned())),
        ..s3s::dto::Object::default()
    }
}

fn page(asked: Option<i32>) -> S3Result<usize> {
    let asked = asked.map_or(Ok(LARGEST), usize::try_from);
    Ok(asked.map_err(|_| s3_error!(InvalidArgument))?.min(LARGEST))
}

/// How names are written in an answer.
struct Names(Option<EncodingType>);

impl Names {
    /// As a form encodes them, but with their slashes, if that was asked for.
    fn written(&self, name: String) -> String {
        match self.0 {
            Some(_) => byte_serialize(name.as_bytes()).collect::<String>().replace("%2F", "/"),
            None => name,
        }
    }
}
