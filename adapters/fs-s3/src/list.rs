//! Listings, and what they are good for: deleting by prefix.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, future, stream};
use http::Method;
use object_store::ObjectStore;
use percent_encoding::percent_decode_str;
use persistent_fs::{Error, ErrorKind, Key, Meta, MetaStream, Outcome, Prefix, Result};

use crate::{
    error::retell,
    publish::{Target, whole_seconds},
    wire::Call,
    xml::{self, ListedObject, ObjectPage},
};

/// S3 deletes this many objects by one request.
const BATCH: usize = 1000;

/// Where a listing goes on.
enum Next {
    Behind(String),
    Page(String),
    End,
}

pub(crate) fn list(target: Arc<Target>, prefix: &Prefix, after: Option<&Key>) -> MetaStream {
    let prefix = format!("{}{prefix}", target.prefix, prefix = prefix.as_str());
    let behind = after.map(|key| target.name(key)).unwrap_or_default();
    let found = find(Arc::clone(&target), prefix, behind);
    found.try_filter_map(move |(name, listed)| future::ok(described(&target, &name, &listed))).boxed()
}

/// What the bucket holds with this prefix, beginning behind a name, which may be empty: by the names there.
pub(crate) fn find(
    target: Arc<Target>,
    prefix: String,
    behind: String,
) -> impl Stream<Item = Result<(String, ListedObject)>> {
    let pages = stream::try_unfold(Next::Behind(behind), move |next| {
        let (target, prefix) = (Arc::clone(&target), prefix.clone());
        async move {
            let call = Call::new(Method::GET, "")
                .query("list-type", "2")
                .query("encoding-type", "url")
                .query("prefix", prefix.as_str());
            let call = match next {
                Next::End => return Ok(None),
                Next::Behind(name) if name.is_empty() => call,
                Next::Behind(name) => call.query("start-after", name),
                Next::Page(token) => call.query("continuation-token", token),
            };
            let answer = target.wire.send(call).await.map_err(whole_store)?;
            let page: ObjectPage = document(&answer.body)?;
            let next = match page.next_continuation_token {
                Some(token) if page.is_truncated => Next::Page(token),
                _ => Next::End,
            };
            let encoded = page.encoding_type.is_some();
            let found = page.contents.into_iter().filter_map(move |listed| {
                // Servers that take the prefix for less than it is may list more than was asked for.
                let name = name_of(&listed.key, encoded).filter(|name| name.starts_with(&prefix))?;
                Some(Ok((name, listed)))
            });
            Ok(Some((stream::iter(found), next)))
        }
    });
    pages.try_flatten()
}

/// Removes what the listing finds, a thousand by a request.
pub(crate) async fn delete_prefix(target: &Arc<Target>, prefix: &Prefix) -> Result<u64> {
    let mut deleted = 0;
    let mut batches = list(Arc::clone(target), prefix, None).try_chunks(BATCH);
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(|stopped| told(stopped.1, deleted))?;
        let paths = batch.iter().map(|meta| target.path(&meta.key)).collect::<Result<Vec<_>>>()?;
        let gone = target.store.delete_stream(stream::iter(paths.into_iter().map(Ok)).boxed());
        // Of the batch some may be gone, whatever became of the one that an error is about.
        let others = batch.len() as u64 - 1;
        let gone: Vec<_> =
            gone.try_collect().await.map_err(|error| told(retell(&error), deleted + others))?;
        deleted += gone.len() as u64;
    }
    Ok(deleted)
}

/// An error in the midst of deleting. Once something is gone, nobody can say that nothing changed.
fn told(error: Error, deleted: u64) -> Error {
    if deleted == 0 { error } else { error.with_outcome(Outcome::Unknown) }
}

/// What is not found by a listing is never an object.
pub(crate) fn whole_store(error: Error) -> Error {
    if error.is_not_found() {
        return Error::new(ErrorKind::Config, "the bucket does not exist");
    }
    error
}

pub(crate) fn document<T: for<'de> serde::Deserialize<'de>>(body: &Bytes) -> Result<T> {
    xml::read(body).map_err(|_| Error::new(ErrorKind::Other, "the server answered with no S3 document"))
}

/// The name as it is in the bucket. Servers encode it if they were asked to and can.
pub(crate) fn name_of(listed: &str, encoded: bool) -> Option<String> {
    if !encoded {
        return Some(listed.to_owned());
    }
    // It is encoded as a form is, where a blank is a plus.
    let listed = listed.replace('+', " ");
    Some(percent_decode_str(&listed).decode_utf8().ok()?.into_owned())
}

/// The object, unless it is none of ours: a name that is no key, such as a console's empty object for a folder.
fn described(target: &Target, name: &str, listed: &ListedObject) -> Option<Meta> {
    let key = Key::parse(name.strip_prefix(&target.prefix)?).ok()?;
    let mut meta = Meta::new(key, listed.size, whole_seconds(listed.last_modified.into()));
    meta.etag = listed.etag.as_deref().and_then(fs_object_store::to_etag);
    Some(meta)
}
