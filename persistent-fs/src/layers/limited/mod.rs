//! Not too large, not too many at once, not too much in all.

mod quota;
mod upload;

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    Backend, Capabilities, Download, Error, ErrorKind, Key, Link, LinkRequest, Meta, MetaStream, Prefix,
    PutLinks, ReadOptions, Result, Swept, Upload, WriteOptions,
};

use quota::{Charge, Quota};
use upload::LimitedUpload;

/// What a [`Limited`] holds its callers to. The default is no limit at all.
///
/// | Limit | Protects | Whoever exceeds it |
/// |---|---|---|
/// | `max_size` | against one upload that is too large | is refused as soon as that is known: before the first byte, if the size was declared |
/// | `max_concurrent` | memory, descriptors and connections | waits |
/// | `quota` | the storage, or the bill | is refused before anything is visible |
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// The largest object, in bytes. A larger one is [`TooLarge`](ErrorKind::TooLarge).
    pub max_size: Option<u64>,
    /// How many operations run at once. Further ones wait for their turn, in the order in which they came.
    ///
    /// A download runs until its body is dropped, an upload until it ends or is dropped, a listing only while an item
    /// is being fetched. A task that holds one of them while it waits for the next needs two, so choose many more than
    /// one.
    pub max_concurrent: Option<usize>,
    /// How many bytes all objects may have together. What would exceed it is [`NoSpace`](ErrorKind::NoSpace).
    pub quota: Option<u64>,
}

/// A backend that takes so much and no more.
///
/// The quota is kept by counting. The objects that are there are listed once, when the layer is [opened](Self::open);
/// then each write reserves what it adds to what it replaces, before it is published, and each removal gives back what
/// it removed. So a replacement of equal size always fits, and of racing writers exactly those succeed that fit. A call
/// that was dropped or whose outcome is unknown counts as the larger of the two possibilities, until a refusal makes
/// the layer count anew. For a body that arrives in pieces, room is reserved at the finish, and one that cannot fit is
/// refused on the way.
///
/// | Refused | Kind | The caller's way on |
/// |---|---|---|
/// | an object that is too large | [`TooLarge`](ErrorKind::TooLarge) | a smaller one |
/// | one for which there is no room | [`NoSpace`](ErrorKind::NoSpace) | remove something, or a larger quota |
/// | a create while another object is there | [`AlreadyExists`](ErrorKind::AlreadyExists), room or not | another name |
/// | a link to write, under a largest size or a quota | [`Unsupported`](ErrorKind::Unsupported) | an upload through the application |
///
/// None of them changes anything, and none is worth a retry.
///
/// Exact, that is, as long as all writes go through this layer or its clones: what others write is seen by
/// [`recount`](Self::recount) alone. Uploads by link would go round it, so with a quota or a largest size there are
/// none. Several processes that share a store have a quota each, which is then a bound for what each of them adds. A
/// quota costs a `head` for each write and removal, one more to begin an upload, and a listing for `delete_prefix`.
///
/// A future that waits for its place can be dropped, and leaves the queue.
///
/// ```
/// # use persistent_fs::{Error, Files, layers::{Limited, Limits}};
/// # async fn example(store: Files) -> Result<Files, Error> {
/// let limits = Limits { max_size: Some(100 << 20), max_concurrent: Some(64), quota: Some(1 << 40) };
/// Ok(Files::new(Limited::open(store.backend(), limits).await?))
/// # }
/// ```
#[derive(Debug)]
pub struct Limited<B>(Arc<Parts<B>>);

#[derive(Debug)]
struct Parts<B> {
    inner: B,
    limits: Limits,
    gate: Option<Arc<Semaphore>>,
    quota: Option<Quota>,
}

// Derived, it would ask for `B: Clone`.
impl<B> Clone for Limited<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B: Backend> Limited<B> {
    /// Holds the callers of `inner` to these limits. With a quota, lists everything that is there; an error of that
    /// listing is returned. There may be more than the quota already: then nothing can be added.
    pub async fn open(inner: B, limits: Limits) -> Result<Self> {
        let gate =
            limits.max_concurrent.map(|most| Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))));
        let quota = limits.quota.map(Quota::new);
        let layer = Self(Arc::new(Parts { inner, limits, gate, quota }));
        layer.recount().await?;
        Ok(layer)
    }

    /// How many bytes count towards the quota, if there is one.
    ///
    /// It may be more than what is stored, while a call is under way or since one of unknown outcome, and it is never
    /// less. For a gauge, or to tell users how much is left.
    ///
    /// ```
    /// # use persistent_fs::{Backend, layers::Limited};
    /// # fn example<B: Backend>(store: &Limited<B>) {
    /// if let Some(used) = store.used() {
    ///     println!("{} MiB", used >> 20);
    /// }
    /// # }
    /// ```
    pub fn used(&self) -> Option<u64> {
        self.0.quota.as_ref().map(Quota::used)
    }

    /// Counts anew what is stored, while writes wait. For stores that are also written to by others.
    ///
    /// Meant for a daily job. An error is that of the listing, and leaves the count as it was. Dropped, it has no
    /// effect.
    pub async fn recount(&self) -> Result<()> {
        if let Some(quota) = &self.0.quota {
            let _turns = quota.every_turn().await;
            quota.set(self.bytes_below(&Prefix::all()).await?);
        }
        Ok(())
    }

    fn inner(&self) -> &B {
        &self.0.inner
    }

    /// The sizes of all objects below a prefix. Exact only while nobody writes to them.
    async fn bytes_below(&self, prefix: &Prefix) -> Result<u64> {
        let sizes = self.inner().list(prefix, None).map_ok(|meta| meta.size);
        sizes.try_fold(0_u64, |sum, size| async move { Ok(sum.saturating_add(size)) }).await
    }

    /// Waits for a place among those at once. Dropping the permit frees it.
    async fn enter(&self) -> Option<OwnedSemaphorePermit> {
        enter(self.0.gate.clone()).await
    }

    /// Refuses what is too large in itself.
    fn check_size(&self, size: u64) -> Result<()> {
        match self.0.limits.max_size {
            Some(max) if size > max => Err(too_large(size, Some(max))),
            _ => Ok(()),
        }
    }

    /// What a write to this key would replace.
    async fn present(&self, key: &Key) -> Result<Option<Meta>> {
        match self.inner().head(key).await {
            Ok(meta) => Ok(Some(meta)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reserves room for a write of `size` bytes to the first of these keys, while nobody else writes to any of them.
    /// Without a quota there is nothing to reserve.
    async fn charge(
        &self,
        keys: &[&Key],
        size: Size<'_>,
        options: &WriteOptions,
    ) -> Result<Option<Charge<'_>>> {
        let Some(quota) = &self.0.quota else { return Ok(None) };
        let mut counted_anew = false;
        loop {
            let turn = quota.turn(keys).await;
            let present = self.present(keys[0]).await?;
            let size = match size {
                Size::Known(size) => size,
                Size::Of(source) => self.inner().head(source).await?.size,
            };
            match quota.reserve(turn, present.as_ref().map_or(0, |meta| meta.size), size) {
                Ok(charge) => return Ok(Some(charge)),
                Err(_) if quota.is_doubtful() && !counted_anew => {
                    self.recount().await?;
                    counted_anew = true;
                }
                Err(full) => {
                    // An object in the way is the better answer: more room would not help.
                    options.admits(present.as_ref()).map_err(|error| error.with_key(keys[0]))?;
                    return Err(full.with_key(keys[0]));
                }
            }
        }
    }

    /// The size of a file, or nothing if it is none; the inner backend has the words for that.
    async fn size_of(&self, file: &Path) -> u64 {
        let meta = tokio::fs::symlink_metadata(file).await;
        meta.ok().filter(std::fs::Metadata::is_file).map_or(0, |meta| meta.len())
    }
}

/// How large a write will be: known, or as large as an object that holds still during the turn.
#[derive(Debug, Clone, Copy)]
enum Size<'a> {
    Known(u64),
    Of(&'a Key),
}

async fn enter(gate: Option<Arc<Semaphore>>) -> Option<OwnedSemaphorePermit> {
    Some(gate?.acquire_owned().await.expect("the gate is never closed"))
}

fn too_large(size: u64, max: Option<u64>) -> Error {
    let max = max.unwrap_or_default();
    Error::new(ErrorKind::TooLarge, format!("{size} bytes exceed the limit of {max}"))
}

#[async_trait]
impl<B: Backend> Backend for Limited<B> {
    /// Those of the inner backend, with the smaller of the two largest sizes, and without links that go round a limit.
    fn capabilities(&self) -> Capabilities {
        let mut can = self.inner().capabilities();
        let Limits { max_size, quota, .. } = self.0.limits;
        can.max_size = can.max_size.into_iter().chain(max_size).min();
        if max_size.is_some() || quota.is_some() {
            can.put_links = PutLinks::No;
        }
        can
    }

    /// Takes a place while it runs.
    async fn head(&self, key: &Key) -> Result<Meta> {
        let _permit = self.enter().await;
        self.inner().head(key).await
    }

    /// Takes a place until the body is dropped. Size and quota do not concern it: what is there can be read.
    async fn read(&self, key: &Key, options: ReadOptions) -> Result<Download> {
        let permit = self.enter().await;
        let mut download = self.inner().read(key, options).await?;
        if let Some(permit) = permit {
            download.body = Box::pin(download.body.inspect(move |_| {
                let _held_until_the_body_is_dropped = &permit;
            }));
        }
        Ok(download)
    }

    /// Takes a place until the upload ends. A declared size that is too large is refused here, any other as it shows.
    async fn writer(&self, key: &Key, options: WriteOptions) -> Result<Box<dyn Upload>> {
        self.capabilities().permit(&options).map_err(|error| error.with_key(key))?;
        let permit = self.enter().await;
        let replaces = match &self.0.quota {
            Some(_) => self.present(key).await?.map_or(0, |meta| meta.size),
            None => 0,
        };
        let upload = Some(self.inner().writer(key, options.clone()).await?);
        let (layer, key) = (self.clone(), key.clone());
        Ok(Box::new(LimitedUpload { layer, key, options, replaces, counted: 0, upload, _permit: permit }))
    }

    /// Gives back what the object had, once it is surely gone.
    async fn delete(&self, key: &Key) -> Result<()> {
        let _permit = self.enter().await;
        let Some(quota) = &self.0.quota else { return self.inner().delete(key).await };
        let turn = quota.turn(&[key]).await;
        let old = self.present(key).await?.map_or(0, |meta| meta.size);
        let charge = quota.reserve(turn, old, 0)?;
        charge.removed(self.inner().delete(key).await)
    }

    /// Takes a place for each item while it is fetched, so a loop over a listing can call anything.
    fn list(&self, prefix: &Prefix, after: Option<&Key>) -> MetaStream {
        let listing = self.inner().list(prefix, after);
        let Some(gate) = self.0.gate.clone() else { return listing };
        Box::pin(stream::unfold((listing, gate), |(mut listing, gate)| async move {
            let _permit = enter(Some(Arc::clone(&gate))).await;
            listing.next().await.map(|item| (item, (listing, gate)))
        }))
    }

    /// Size first, then a place, then room; only then does the inner backend see it.
    async fn put(&self, key: &Key, body: Bytes, options: WriteOptions) -> Result<Meta> {
        let size = body.len() as u64;
        self.capabilities().permit(&options).map_err(|error| error.with_key(key))?;
        self.check_size(size).map_err(|error| error.with_key(key))?;
        let _permit = self.enter().await;
        match self.charge(&[key], Size::Known(size), &options).await? {
            Some(charge) => charge.written(self.inner().put(key, body, options).await),
            None => self.inner().put(key, body, options).await,
        }
    }

    /// The file counts with the size it has when the call begins. Refused, it stays where it is.
    async fn ingest(&self, key: &Key, file: &Path, options: WriteOptions) -> Result<Meta> {
        self.capabilities().permit(&options).map_err(|error| error.with_key(key))?;
        let _permit = self.enter().await;
        let size = self.size_of(file).await;
        self.check_size(size).map_err(|error| error.with_key(key))?;
        match self.charge(&[key], Size::Known(size), &options).await? {
            Some(charge) => charge.written(self.inner().ingest(key, file, options).await),
            None => self.inner().ingest(key, file, options).await,
        }
    }

    /// Counts like a write of the source's size. Source and target hold still meanwhile.
    async fn copy(&self, from: &Key, to: &Key, options: WriteOptions) -> Result<Meta> {
        self.capabilities().permit(&options).map_err(|error| error.with_key(from))?;
        let _permit = self.enter().await;
        if self.0.limits.max_size.is_none() && self.0.quota.is_none() {
            return self.inner().copy(from, to, options).await;
        }
        let size = self.inner().head(from).await?.size;
        self.check_size(size).map_err(|error| error.with_key(from))?;
        match self.charge(&[to, from], Size::Of(from), &options).await? {
            Some(charge) => charge.written(self.inner().copy(from, to, options).await),
            None => self.inner().copy(from, to, options).await,
        }
    }

    /// Counts what is there before, while no other write runs. After an error the count is in doubt.
    async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64> {
        let _permit = self.enter().await;
        let Some(quota) = &self.0.quota else { return self.inner().delete_prefix(prefix).await };
        let turns = quota.every_turn().await;
        let old = self.bytes_below(prefix).await?;
        let charge = quota.reserve(turns, old, 0)?;
        // After an error some are gone, whatever its outcome; so the charge is dropped and in doubt.
        let deleted = self.inner().delete_prefix(prefix).await?;
        charge.removed(Ok(deleted))
    }

    /// Takes a place while the link is minted; what is done with the link does not count.
    async fn link(&self, key: &Key, request: LinkRequest) -> Result<Link> {
        self.capabilities().permit_link(&request).map_err(|error| error.with_key(key))?;
        let _permit = self.enter().await;
        self.inner().link(key, request).await
    }

    /// Takes a place. What it removes is no object and never counted.
    async fn sweep(&self, older_than: Duration) -> Result<Swept> {
        let _permit = self.enter().await;
        self.inner().sweep(older_than).await
    }
}
