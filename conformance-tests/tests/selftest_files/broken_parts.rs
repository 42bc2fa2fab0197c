//! What the broken store needs for uploads, bodies and listings.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use conformance_tests::files::signer;
use fs_memory::Memory;
use futures_util::{StreamExt, TryStreamExt, stream};
use persistent_fs::{
    Backend, ByteRange, ByteStream, Error, ErrorKind, Key, Meta, MetaStream, Method, Prefix, ReadOptions,
    Result, Upload, WriteMode, WriteOptions, links::Grant,
};

use crate::{broken::Broken, fault::Fault};

/// An upload into memory that does not always wait for its finish, nor always clean up.
pub(crate) struct BrokenUpload {
    store: Broken,
    key: Key,
    options: WriteOptions,
    inner: Box<dyn Upload>,
    written: Vec<u8>,
}

/// Without what was written.
impl fmt::Debug for BrokenUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokenUpload").field("key", &self.key).finish_non_exhaustive()
    }
}

impl BrokenUpload {
    pub(crate) async fn begin(store: Broken, key: Key, mut options: WriteOptions) -> Result<Self> {
        if !store.has(Fault::CreateWorksUndeclared) && !store.has(Fault::MaxSizeIsIgnored) {
            store.capabilities().permit(&options)?;
        }
        options = match options.mode {
            // Racing is for the finish; everything else is decided here.
            WriteMode::Create if store.has(Fault::CreateRaces) => options,
            WriteMode::Match(_) if store.has(Fault::SwapRaces) => options,
            _ => store.prepare(&key, options).await?,
        };
        let checks_early = match options.mode {
            WriteMode::Create => store.has(Fault::CreateChecksAtTheBeginning),
            WriteMode::Match(_) => store.has(Fault::SwapChecksAtTheBeginning),
            WriteMode::Replace => false,
        };
        if checks_early {
            options.admits(store.memory.head(&key).await.ok().as_ref())?;
            options.mode = WriteMode::Replace;
        }
        if store.has(Fault::CreateLeavesPlaceholder) && options.mode == WriteMode::Create {
            store.memory.put(&key, Bytes::new(), WriteOptions::default()).await?;
        }
        if store.has(Fault::AbortLeaks) {
            store.litter.lock().expect("not poisoned").push(format!("{key}.tmp"));
        }
        let inner = store.memory.writer(&key, options.clone()).await?;
        Ok(Self { store, key, options, inner, written: Vec::new() })
    }
}

#[async_trait]
impl Upload for BrokenUpload {
    async fn write(&mut self, piece: Bytes) -> Result<()> {
        if self.store.has(Fault::WriterForgetsSmallPieces) && piece.len() < 2 {
            return Ok(());
        }
        self.written.extend_from_slice(&piece);
        if self.store.has(Fault::UploadIsVisibleAtOnce) {
            self.store.memory.put(&self.key, self.written.clone().into(), WriteOptions::default()).await?;
            tokio::task::yield_now().await;
        }
        self.inner.write(piece).await
    }

    async fn finish(self: Box<Self>) -> Result<Meta> {
        let this = *self;
        let races = this.store.has(Fault::CreateRaces) || this.store.has(Fault::SwapRaces);
        if races {
            let options = this.store.prepare(&this.key, this.options).await?;
            return this.store.memory.put(&this.key, this.written.into(), options).await;
        }
        let meta = this.inner.finish().await?;
        if this.store.has(Fault::AbortLeaks) {
            this.store.litter.lock().expect("not poisoned").pop();
        }
        Ok(meta)
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        self.inner.abort().await
    }
}

/// A body that asks anew for each piece, and so gets whatever is there by then.
pub(crate) fn follow_replaces(memory: Memory, key: Key) -> ByteStream {
    const PIECE: u64 = 256 * 1024;
    Box::pin(stream::unfold(0, move |offset| {
        let (memory, key) = (memory.clone(), key.clone());
        async move {
            let range = ReadOptions::range(ByteRange::Span(offset, offset + PIECE));
            let mut download = memory.read(&key, range).await.ok()?;
            Some((download.body.try_next().await.transpose()?, offset + PIECE))
        }
    }))
}

/// Pages of ten, each found by counting from the start.
pub(crate) fn list_by_offset(memory: Memory, prefix: &Prefix, after: Option<&Key>) -> MetaStream {
    let (prefix, after) = (prefix.clone(), after.cloned());
    let pages = stream::unfold(0, move |offset| {
        let (memory, prefix, after) = (memory.clone(), prefix.clone(), after.clone());
        async move {
            tokio::task::yield_now().await;
            let page = memory.list(&prefix, after.as_ref()).skip(offset).take(10).collect::<Vec<_>>().await;
            (!page.is_empty()).then(|| (stream::iter(page), offset + 10))
        }
    });
    Box::pin(pages.flatten())
}

/// A listing from its end to its beginning.
pub(crate) fn backwards(listing: MetaStream) -> MetaStream {
    let all = async move {
        let mut all = listing.collect::<Vec<_>>().await;
        all.reverse();
        stream::iter(all)
    };
    Box::pin(stream::once(all).flatten())
}

/// What the application does that serves the links.
pub(crate) fn verify(fault: Option<Fault>, method: Method, token: &str, now: SystemTime) -> Result<Grant> {
    let verifier = signer().verifier();
    let good = verifier.verify(method, token, now);
    match fault {
        Some(Fault::VerifyIgnoresTheMethod) => good
            .or_else(|_| verifier.verify(Method::Get, token, now))
            .or_else(|_| verifier.verify(Method::Put, token, now)),
        Some(Fault::VerifyForgivesTheLastByte) if good.is_err() && token.len() > 1 && token.is_ascii() => {
            let cut = &token[..token.len() - 1];
            let mut forgiven = ('0'..='z').map(|last| verifier.verify(method, &format!("{cut}{last}"), now));
            forgiven.find(Result::is_ok).unwrap_or(good)
        }
        Some(Fault::RefusalTellsWhy) => good.map_err(|error| {
            let before = now.checked_sub(Duration::from_hours(1)).expect("a time");
            match verifier.verify(method, token, before) {
                Ok(_) => Error::new(ErrorKind::Denied, "the link has expired"),
                Err(_) => error,
            }
        }),
        _ => good,
    }
}
