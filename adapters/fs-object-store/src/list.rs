//! Listings: by text where `object_store` goes by folders, in byte order, and resumable.

use futures_util::{StreamExt, TryStreamExt, future, stream, stream::BoxStream};
use object_store::{ObjectMeta, path::Path};
use persistent_fs::{Error, ErrorKind, Key, Meta, MetaStream, Prefix, Result};

use crate::{
    Call, Store,
    error::translating,
    names::{to_key, to_path},
};

/// The objects below a prefix and behind a key, in byte order.
pub(crate) fn objects(store: &Store, prefix: &Prefix, after: Option<&Key>) -> MetaStream {
    let behind = match after.map(to_path).transpose() {
        Ok(after) => after.max(before(prefix)),
        Err(error) => return Box::pin(stream::iter([Err(error)])),
    };
    let (mine, wanted, after) = (store.clone(), prefix.clone(), after.cloned());
    let found = find(store, prefix, behind.as_ref()).map_err(translating(Call::List));
    let metas = found.try_filter_map(move |found| {
        // What is no key was put there by somebody else, and cannot be named here.
        let key =
            to_key(&found.location).filter(|key| key.starts_with(&wanted) && after.as_ref() < Some(key));
        future::ready(Ok(key.map(|key| mine.listed(key, &found))))
    });
    if store.options.sorted_here {
        return Box::pin(stream::once(sorted(metas.boxed())).try_flatten());
    }
    Box::pin(stream::try_unfold((metas.boxed(), None), |(metas, last)| in_order(metas, last)))
}

/// The paths of all objects below a prefix, for a bulk delete.
pub(crate) fn paths(store: &Store, prefix: &Prefix) -> BoxStream<'static, object_store::Result<Path>> {
    let wanted = prefix.clone();
    find(store, prefix, before(prefix).as_ref())
        .try_filter_map(move |found| {
            let mine = to_key(&found.location).is_some_and(|key| key.starts_with(&wanted));
            future::ready(Ok(mine.then_some(found.location)))
        })
        .boxed()
}

/// What the store lists of the folder that the prefix lies in, from behind a path up to the end of the prefix.
fn find(
    store: &Store,
    prefix: &Prefix,
    behind: Option<&Path>,
) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
    let folder = prefix.as_str().rsplit_once('/').and_then(|(folder, _)| Path::parse(folder).ok());
    let found = match behind {
        Some(behind) => store.inner.list_with_offset(folder.as_ref(), behind),
        None => store.inner.list(folder.as_ref()),
    };
    if store.options.sorted_here {
        return found;
    }
    let prefix = prefix.clone();
    let beyond = move |text: &str| text > prefix.as_str() && !text.starts_with(prefix.as_str());
    found
        .take_while(move |found| {
            future::ready(!found.as_ref().is_ok_and(|found| beyond(found.location.as_ref())))
        })
        .boxed()
}

/// A path that comes before all keys with this prefix, and behind most that come before them.
fn before(prefix: &Prefix) -> Option<Path> {
    let mut text = prefix.as_str().to_owned();
    let last = text.pop()?;
    let previous = char::from_u32(u32::from(last).checked_sub(1)?)?;
    text.extend([previous, char::MAX]);
    // What is no path, such as one with an empty segment, is no help, and is not needed either.
    Path::parse(&text).ok().filter(|path| path.as_ref() == text)
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
        let why = "the store does not list in byte order, and was not opened with `sorting_listings`";
        return Err(Error::new(ErrorKind::Config, why));
    }
    let last = Some(meta.key.clone());
    Ok(Some((meta, (metas, last))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_begins_just_before_its_prefix() {
        for (prefix, behind) in [("b", "a\u{10ffff}"), ("a/b", "a/a\u{10ffff}"), ("a0/", "a0.\u{10ffff}")] {
            let prefix = Prefix::parse(prefix).expect("a prefix");
            assert_eq!(before(&prefix).expect("a path").as_ref(), behind);
        }
        // The character before `0` is a slash, and the one before a space is no character of a path.
        for prefix in ["a/0", "a ", "\u{e000}"] {
            assert_eq!(before(&Prefix::parse(prefix).expect("a prefix")), None, "{prefix:?}");
        }
    }
}
