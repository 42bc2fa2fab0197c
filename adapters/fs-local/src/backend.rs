//! The store and its operations.

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
use persistent_fs::{
    Backend, Capabilities, Clock, Download, Durability, Key, Link, LinkRequest, Meta, MetaStream, Outcome,
    Prefix, PutLinks, ReadOptions, Result, Swept, Upload, WriteOptions, links::LinkSigner,
};
use url::Url;

use crate::{
    blocking, config,
    ingest::ingest,
    list,
    publish::{remove, sync_what_is_left},
    read::read,
    root::Root,
    stage::{Stamps, sweep},
    upload::{LocalUpload, Target},
};

/// A file store in a directory. Clones, and stores opened on the same directory by any process, are the same store.
#[derive(Debug, Clone)]
pub struct Local {
    root: Arc<Root>,
    stamps: Arc<Stamps>,
    durability: Durability,
    signer: Option<LinkSigner>,
}

impl Local {
    /// Opens the store in this directory, relative or absolute, making it if there is none.
    ///
    /// Blocks briefly. What is no directory, or may not be written to:
    /// [`ErrorKind::Config`](persistent_fs::ErrorKind::Config).
    pub fn open(root: impl AsRef<Path>) -> Result<Self> {
        let root = Root::open(root.as_ref()).map_err(|error| error.with_operation("open"))?;
        let stamps = Arc::new(Stamps::new(Clock::system()));
        Ok(Self { root: Arc::new(root), stamps, durability: Durability::Durable, signer: None })
    }

    /// Opens the store that a `file:` URL names. See [`open`](crate::open) for its options.
    pub fn from_url(url: &Url) -> Result<Self> {
        let (root, durability) = config::parse(url)?;
        Ok(Self { durability, ..Self::open(root)? })
    }

    /// The same store, minting links with this signer.
    #[must_use]
    pub fn with_links(mut self, signer: LinkSigner) -> Self {
        self.signer = Some(signer);
        self
    }

    /// The same store, dating what it writes with this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.stamps = Arc::new(Stamps::new(clock));
        self
    }

    fn is_durable(&self) -> bool {
        self.durability == Durability::Durable
    }

    fn target(&self, options: &WriteOptions) -> Target {
        let durable = self.is_durable() && options.durability == Durability::Durable;
        Target { root: Arc::clone(&self.root), stamps: Arc::clone(&self.stamps), durable }
    }
}

#[async_trait]
impl Backend for Local {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            durable: self.is_durable(),
            create: true,
            compare_and_swap: true,
            etag: true,
            case_sensitive: self.root.case_sensitive,
            get_links: self.signer.is_some(),
            put_links: if self.signer.is_some() { PutLinks::Exact } else { PutLinks::No },
            ..Capabilities::NONE
        }
    }

    async fn head(&self, key: &Key) -> Result<Meta> {
        let (root, key) = (Arc::clone(&self.root), key.clone());
        blocking::run(move || Ok(root.open_object(&key)?.1)).await
    }

    async fn read(&self, key: &Key, options: ReadOptions) -> Result<Download> {
        let (root, key) = (Arc::clone(&self.root), key.clone());
        blocking::run(move || read(&root, &key, &options)).await
    }

    async fn writer(&self, key: &Key, options: WriteOptions) -> Result<Box<dyn Upload>> {
        self.capabilities().permit(&options)?;
        let (target, key) = (self.target(&options), key.clone());
        let upload = blocking::run(move || LocalUpload::new(target, key, options)).await?;
        Ok(Box::new(upload))
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        let (root, key, durable) = (Arc::clone(&self.root), key.clone(), self.is_durable());
        blocking::run(move || remove(&root, &key, durable)).await
    }

    fn list(&self, prefix: &Prefix, after: Option<&Key>) -> MetaStream {
        Box::pin(list::list(Arc::clone(&self.root), prefix, after))
    }

    async fn put(&self, key: &Key, body: Bytes, mut options: WriteOptions) -> Result<Meta> {
        self.capabilities().permit(&options)?;
        options.size.get_or_insert(body.len() as u64);
        let (target, key) = (self.target(&options), key.clone());
        blocking::run(move || LocalUpload::new(target, key, options)?.put(&body)).await
    }

    async fn ingest(&self, key: &Key, file: &Path, options: WriteOptions) -> Result<Meta> {
        self.capabilities().permit(&options)?;
        let (target, key, file) = (self.target(&options), key.clone(), file.to_owned());
        blocking::run(move || ingest(&target, &key, &file, options)).await
    }

    /// Syncs each directory once, at the end, instead of once for each object.
    async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64> {
        let mut objects = self.list(prefix, None).try_chunks(256);
        let mut deleted = 0;
        loop {
            let some = match objects.try_next().await {
                Ok(None) => break,
                Ok(Some(some)) => some,
                Err(error) => return Err(error.1.with_outcome(Outcome::Unknown)),
            };
            deleted += some.len() as u64;
            let root = Arc::clone(&self.root);
            let removed = move || some.iter().try_for_each(|meta| remove(&root, &meta.key, false));
            blocking::run(removed).await.map_err(|error| error.with_outcome(Outcome::Unknown))?;
        }
        if self.is_durable() {
            let (root, prefix) = (Arc::clone(&self.root), prefix.clone());
            blocking::run(move || sync_what_is_left(&root, &prefix)).await?;
        }
        Ok(deleted)
    }

    async fn link(&self, key: &Key, request: LinkRequest) -> Result<Link> {
        self.capabilities().permit_link(&request)?;
        let signer = self.signer.as_ref().expect("links are declared only with a signer");
        signer.mint(key, &request).map_err(|error| error.with_key(key))
    }

    async fn sweep(&self, older_than: Duration) -> Result<Swept> {
        let (root, stamps) = (Arc::clone(&self.root), Arc::clone(&self.stamps));
        blocking::run(move || sweep(&root, &stamps, older_than)).await
    }
}
