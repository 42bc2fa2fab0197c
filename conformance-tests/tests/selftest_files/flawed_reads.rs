//! How the flawed store reads and lists.

use std::sync::atomic::Ordering;

use futures_util::{StreamExt, TryStreamExt, stream};
use persistent_fs::{Backend, ByteStream, Download, Error, ErrorKind, Key, MetaStream, ReadOptions, Result};

use crate::{
    flaw::Flaw,
    flawed::{Flawed, hold},
};

pub(crate) async fn read(store: &Flawed, key: &Key, mut options: ReadOptions) -> Result<Download> {
    if store.has(Flaw::ConditionsForgottenForRanges) && options.range.is_some() {
        (options.if_match, options.if_none_match) = (None, None);
    }
    let mut download = store.memory.read(key, options.clone()).await?;
    match store.flaw {
        Flaw::RangeFollowsReplaces if options.range.is_some() => {
            let (memory, key) = (store.memory.clone(), key.clone());
            let later = async move { memory.read(&key, options).await.map(|download| download.body) };
            download.body = Box::pin(stream::once(later).try_flatten());
        }
        Flaw::ReadsOnce if !hold(&store.notes.read).insert(key.clone()) => {
            download.body = Box::pin(stream::empty());
        }
        Flaw::ReadsAhead => download.body = all_at_once(download.body).await?,
        _ => {}
    }
    Ok(download)
}

/// The same body, of which every piece is in memory already.
async fn all_at_once(body: ByteStream) -> Result<ByteStream> {
    let pieces = body.try_collect::<Vec<_>>().await?;
    let copies = pieces.iter().map(|piece| Ok(piece.to_vec().into())).collect::<Vec<_>>();
    Ok(Box::pin(stream::iter(copies)))
}

pub(crate) fn list(store: &Flawed, listing: MetaStream) -> MetaStream {
    match store.flaw {
        Flaw::ListIsEager => at_once(listing, |_| ()),
        Flaw::ListOrdersByFolder => at_once(listing, |all| {
            all.sort_by_key(|meta| {
                let meta = meta.as_ref().expect("memory lists");
                meta.key.segments().map(str::to_owned).collect::<Vec<_>>()
            });
        }),
        Flaw::ListingsRunOut if store.notes.count.fetch_add(1, Ordering::Relaxed) > 1000 => {
            let error = Error::new(ErrorKind::Unavailable, "no listing is free");
            Box::pin(stream::iter([Err(error)]))
        }
        _ => listing,
    }
}

/// The same listing, all of it looked up at the first question.
fn at_once(listing: MetaStream, change: fn(&mut Vec<Result<persistent_fs::Meta>>)) -> MetaStream {
    let all = async move {
        let mut all = listing.collect::<Vec<_>>().await;
        change(&mut all);
        stream::iter(all)
    };
    Box::pin(stream::once(all).flatten())
}
