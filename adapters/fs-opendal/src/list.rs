//! Listings: by text where `opendal` goes by folders, in byte order, and resumable.

use futures_util::{StreamExt, TryStreamExt, future, stream};
use opendal::{Entry, Lister, options::ListOptions};
use persistent_fs::{Backend, Error, ErrorKind, Key, Meta, MetaStream, Prefix, Result};

use crate::{
    Store,
    error::{Call, translating},
};

/// How many objects are described at a time, where a service lists names only.
const HEADS_IN_FLIGHT: usize = 8;

/// The objects below a prefix and behind a key, in byte order.
pub(crate) fn objects(store: &Store, prefix: &Prefix, after: Option<&Key>) -> MetaStream {
    let ordered = store.options.listed_in_order;
    let found = stream::once(begin(store.clone(), prefix.clone(), after.cloned())).try_flatten();
    let (wanted, after) = (prefix.clone(), after.cloned());
    let end = prefix.clone();
    let beyond = move |key: &Key| key.as_str() > end.as_str() && !key.starts_with(&end);
    let mine = found
        .take_while(move |found| {
            future::ready(!(ordered && found.as_ref().is_ok_and(|(key, _)| beyond(key))))
        })
        .try_filter(move |(key, _)| future::ready(key.starts_with(&wanted) && after.as_ref() < Some(key)));
    let store = store.clone();
    let described = mine
        .map(move |found| describe(store.clone(), found))
        .buffered(HEADS_IN_FLIGHT)
        .try_filter_map(|found| future::ready(Ok(found)));
    if ordered {
        return Box::pin(stream::try_unfold((described.boxed(), None), |(metas, last)| {
            in_order(metas, last)
        }));
    }
    Box::pin(stream::once(sorted(described.boxed())).try_flatten())
}

type Found = Result<(Key, Entry)>;

/// Everything with a key in the folder that the prefix lies in.
async fn begin(
    store: Store,
    prefix: Prefix,
    after: Option<Key>,
) -> Result<impl stream::Stream<Item = Found>> {
    let folder =
        prefix.as_str().rsplit_once('/').map_or_else(|| "/".to_owned(), |(folder, _)| format!("{folder}/"));
    let mut options = ListOptions { recursive: true, ..ListOptions::default() };
    if store.operator.info().capability().list_with_start_after {
        options.start_after = after.map(|after| after.to_string());
    }
    let lister: Lister =
        store.operator.lister_options(&folder, options).await.map_err(translating(Call::List))?;
    let keys = lister.map_err(translating(Call::List)).try_filter_map(|entry| {
        // Folders are listed with a slash at the end, which makes them no keys.
        future::ready(Ok(Key::parse(entry.path()).ok().map(|key| (key, entry))))
    });
    Ok(keys)
}

/// What is known of an object from its listing, or from asking for it; `None` if it is gone by then.
async fn describe(store: Store, found: Found) -> Result<Option<Meta>> {
    let (key, entry) = found?;
    let known = entry.metadata();
    if known.is_file()
        && known.last_modified().is_some()
        && (!store.capabilities.etag || known.etag().is_some())
    {
        return Ok(Some(store.meta(key, known)));
    }
    match store.head(&key).await {
        Ok(meta) => Ok(Some(meta)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

async fn sorted(metas: MetaStream) -> Result<MetaStream> {
    let mut all: Vec<Meta> = metas.try_collect().await?;
    all.sort_unstable_by(|one, other| one.key.cmp(&other.key));
    Ok(Box::pin(stream::iter(all.into_iter().map(Ok))))
}

/// The next object, or an error if it is not behind the last one: whoever resumes would miss some.
async fn in_order(
    mut metas: MetaStream,
    last: Option<Key>,
) -> Result<Option<(Meta, (MetaStream, Option<Key>))>> {
    let Some(meta) = metas.try_next().await? else { return Ok(None) };
    if last.as_ref() >= Some(&meta.key) {
        let why = "the service does not list in byte order, and was opened with `listing_in_order`";
        return Err(Error::new(ErrorKind::Config, why));
    }
    let last = Some(meta.key.clone());
    Ok(Some((meta, (metas, last))))
}
