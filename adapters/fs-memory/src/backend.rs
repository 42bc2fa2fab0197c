//! The store and its operations.

use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use persistent_fs::{
    Backend, Capabilities, Clock, Download, Key, Link, LinkRequest, Meta, MetaStream, Prefix, PutLinks,
    ReadOptions, Result, Upload, WriteOptions, links::LinkSigner,
};

use crate::{state::State, upload::MemoryUpload};

/// A body is handed out in pieces of this size, so that nothing comes to depend on getting it whole.
const PIECE: usize = 256 * 1024;

/// A file store in memory. Clones are the same store.
#[derive(Debug, Clone)]
pub struct Memory {
    state: Arc<Mutex<State>>,
    clock: Clock,
    signer: Option<LinkSigner>,
}

impl Memory {
    /// An empty store, without links, on the system's clock.
    pub fn new() -> Self {
        Self::with_clock(Clock::system())
    }

    /// An empty store that takes the times of its objects from this clock.
    pub fn with_clock(clock: Clock) -> Self {
        Self { state: Arc::default(), clock, signer: None }
    }

    /// The same store, minting links with this signer.
    #[must_use]
    pub fn with_links(mut self, signer: LinkSigner) -> Self {
        self.signer = Some(signer);
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the state")
    }

    pub(crate) fn publish(&self, key: &Key, body: Bytes, options: &WriteOptions) -> Result<Meta> {
        let now = self.clock.now();
        self.state().publish(key, body, options, now)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Backend for Memory {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            create: true,
            compare_and_swap: true,
            etag: true,
            content_type: true,
            case_sensitive: true,
            get_links: self.signer.is_some(),
            put_links: if self.signer.is_some() { PutLinks::Exact } else { PutLinks::No },
            ..Capabilities::NONE
        }
    }

    async fn head(&self, key: &Key) -> Result<Meta> {
        Ok(self.state().find(key)?.meta.clone())
    }

    async fn read(&self, key: &Key, options: ReadOptions) -> Result<Download> {
        let object = self.state().find(key)?.clone();
        let range = options.resolve(&object.meta).map_err(|error| error.with_key(key))?;
        let bounds = |offset| usize::try_from(offset).expect("an object in memory has offsets that fit");
        let mut rest = object.body.slice(bounds(range.start)..bounds(range.end));
        let pieces = std::iter::from_fn(move || {
            let piece = rest.split_to(rest.len().min(PIECE));
            (!piece.is_empty()).then_some(Ok(piece))
        });
        Ok(Download::new(object.meta, range, Box::pin(stream::iter(pieces))))
    }

    async fn writer(&self, key: &Key, options: WriteOptions) -> Result<Box<dyn Upload>> {
        self.capabilities().permit(&options)?;
        Ok(Box::new(MemoryUpload::new(self.clone(), key.clone(), options)))
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        self.state().remove(key);
        Ok(())
    }

    fn list(&self, prefix: &Prefix, after: Option<&Key>) -> MetaStream {
        let (store, prefix) = (self.clone(), prefix.clone());
        Box::pin(stream::unfold(after.cloned(), move |after| {
            let next = store.state().next(&prefix, after.as_ref());
            async move { next.map(|meta| (Ok(meta.clone()), Some(meta.key))) }
        }))
    }

    async fn link(&self, key: &Key, request: LinkRequest) -> Result<Link> {
        self.capabilities().permit_link(&request)?;
        let signer = self.signer.as_ref().expect("links are declared only with a signer");
        signer.mint(key, &request).map_err(|error| error.with_key(key))
    }
}
