//! Bodies and listings that go on where they broke off.

use futures_util::{StreamExt, stream};

use super::{Attempts, Repeating, Retried};
use crate::{
    Backend, ByteRange, ByteStream, Download, ETag, Error, ErrorKind, Key, MetaStream, Prefix, ReadOptions,
    Result,
};

/// The same download, with a body that goes on where it breaks off. Without an etag nobody could tell whether it goes
/// on in the same version, so then it is left as it is.
pub(super) fn resume_body<B: Backend>(layer: Retried<B>, key: &Key, mut download: Download) -> Download {
    let Some(etag) = download.meta.etag.clone() else { return download };
    let body = Resumed {
        rest: download.body,
        key: key.clone(),
        etag,
        offset: download.range.start,
        end: download.range.end,
        attempts: Attempts::new(layer),
    };
    download.body = Box::pin(stream::try_unfold(body, |mut body| async move {
        Ok(body.next().await.transpose()?.map(|piece| (piece, body)))
    }));
    download
}

/// A body and what is needed to ask for the rest of it.
struct Resumed<B> {
    rest: ByteStream,
    key: Key,
    etag: ETag,
    offset: u64,
    end: u64,
    attempts: Attempts<B>,
}

impl<B: Backend> Resumed<B> {
    /// The next piece, from wherever it comes. Nothing is handed out twice, and nothing is left out.
    async fn next(&mut self) -> Option<Result<bytes::Bytes>> {
        loop {
            match self.rest.next().await? {
                Ok(piece) => {
                    self.offset += piece.len() as u64;
                    self.attempts.progressed();
                    return Some(Ok(piece));
                }
                // It broke off behind its last byte.
                Err(_) if self.offset >= self.end => return None,
                Err(error) => {
                    if let Err(error) = self.reopen(error).await {
                        return Some(Err(error));
                    }
                }
            }
        }
    }

    /// Begins the rest, of the same version and up to the same end.
    ///
    /// If that version is gone, the error allows a retry: whoever reads from the beginning gets the new one.
    async fn reopen(&mut self, mut error: Error) -> Result<()> {
        loop {
            self.attempts.failed(Repeating::Harmless, error).await?;
            let options = ReadOptions {
                range: Some(ByteRange::Span(self.offset, self.end)),
                if_match: Some(self.etag.clone()),
                if_none_match: None,
            };
            match self.attempts.layer.inner().read(&self.key, options).await {
                Ok(rest)
                    if rest.range == (self.offset..self.end)
                        && rest.meta.etag.as_ref() == Some(&self.etag) =>
                {
                    self.rest = rest.body;
                    return Ok(());
                }
                Err(failed) if !matches!(failed.kind(), ErrorKind::Precondition | ErrorKind::NotFound) => {
                    error = failed;
                }
                _ => {
                    let why = "the body broke off, and its version is no longer there";
                    return Err(Error::new(ErrorKind::Unavailable, why).with_key(&self.key));
                }
            }
        }
    }
}

/// A listing that goes on behind the last key it has given.
///
/// What comes and goes meanwhile may appear or not, as in any listing; what stays appears once, because keys come in
/// order and none is before the last.
pub(super) fn resume_listing<B: Backend>(
    layer: Retried<B>,
    prefix: &Prefix,
    after: Option<&Key>,
) -> MetaStream {
    let listing = layer.inner().list(prefix, after);
    let (prefix, attempts) = (prefix.clone(), Attempts::new(layer));
    let state = (listing, after.cloned(), attempts);
    Box::pin(stream::try_unfold(state, move |(mut listing, mut after, mut attempts)| {
        let prefix = prefix.clone();
        async move {
            loop {
                match listing.next().await {
                    None => return Ok(None),
                    Some(Ok(meta)) => {
                        after = Some(meta.key.clone());
                        attempts.progressed();
                        return Ok(Some((meta, (listing, after, attempts))));
                    }
                    Some(Err(error)) => {
                        attempts.failed(Repeating::Harmless, error).await?;
                        listing = attempts.layer.inner().list(&prefix, after.as_ref());
                    }
                }
            }
        }
    }))
}
