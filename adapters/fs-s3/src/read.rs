//! Reading, through `object_store`, which goes on where a body breaks off.

use futures_util::{StreamExt, TryStreamExt};
use object_store::{GetOptions, GetRange, ObjectStore};
use persistent_fs::{ByteRange, Download, Error, ErrorKind, Key, ReadOptions, Result};

use crate::{
    error::retell,
    publish::{Target, meta, quoted},
};

/// No object is this large; servers that count in signed numbers do not take more.
const BEYOND: u64 = 1 << 60;

pub(crate) async fn read(target: &Target, key: &Key, options: ReadOptions) -> Result<Download> {
    let range = match options.range.map(asked) {
        Some(Range::Nothing) => return Err(unreadable(target, key, &options).await),
        Some(Range::Some(range)) => Some(range),
        None => None,
    };
    let asked = GetOptions {
        range,
        if_match: options.if_match.as_ref().map(quoted),
        if_none_match: options.if_none_match.as_ref().map(quoted),
        ..GetOptions::default()
    };
    let found = target.store.get_opts(&target.path(key)?, asked).await.map_err(|error| retell(&error));
    let found = match found {
        Ok(found) => found,
        // Conditions come before the range, but not on every server.
        Err(error) if error.kind() == ErrorKind::InvalidRange => {
            return Err(unreadable(target, key, &options).await);
        }
        Err(error) => return Err(error),
    };
    let meta = meta(key, &found)?;
    // Some servers do not know every condition, and send the object.
    options.resolve(&meta)?;
    let (range, owner) = (found.range.clone(), key.clone());
    let body = found.into_stream().map_err(move |error| {
        let told = retell(&error);
        // There was an answer, so whatever ends the body is the connection's fault.
        let kind = if told.kind() == ErrorKind::Other { ErrorKind::Unavailable } else { told.kind() };
        Error::new(kind, "the body broke off").with_operation("read").with_key(&owner)
    });
    Ok(Download::checked(meta, range, body.boxed()))
}

/// A range as HTTP can say it.
enum Range {
    Some(GetRange),
    /// No object has a byte in it.
    Nothing,
}

fn asked(range: ByteRange) -> Range {
    match range {
        ByteRange::Span(start, end) if start >= end || start >= BEYOND => Range::Nothing,
        ByteRange::Span(start, end) if end < BEYOND => Range::Some(GetRange::Bounded(start..end)),
        ByteRange::From(start) if start >= BEYOND => Range::Nothing,
        ByteRange::Span(start, _) | ByteRange::From(start) => Range::Some(GetRange::Offset(start)),
        ByteRange::Last(0) => Range::Nothing,
        ByteRange::Last(count) if count >= BEYOND => Range::Some(GetRange::Offset(0)),
        ByteRange::Last(count) => Range::Some(GetRange::Suffix(count)),
    }
}

/// Why a range that has no byte cannot be read: the first reason in the contract's order.
async fn unreadable(target: &Target, key: &Key, options: &ReadOptions) -> Error {
    match target.head(key).await {
        Ok(meta) => options.resolve(&meta).err().unwrap_or_else(|| {
            Error::new(ErrorKind::InvalidRange, "no byte of the object lies in the range")
        }),
        Err(error) => error,
    }
}
