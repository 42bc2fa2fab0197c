//! The layer itself.

use std::{fmt, ops::Range, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use fast_floe::{
    Header,
    low_level::{DecryptionState, start_decryption},
    random_access::MessageLayout,
};
use futures_util::{StreamExt, TryStreamExt};
use persistent_fs::{
    Backend, ByteRange, Capabilities, Download, ETag, Error, ErrorKind, Key, Link, LinkRequest, Meta,
    MetaStream, Prefix, PutLinks, ReadOptions, Result, Swept, Tally, Upload, WriteOptions, links::LinkSigner,
};

use crate::{
    Context, DataKey, KeyWrapper,
    format::{self, HEADER, PRELUDE, Prelude, parameters, stored_size},
    open::{Opener, Source, covering, damaged, open, segment},
    seal::{SealedUpload, Sealer, plain},
};

/// A body of at most this size is sealed at once and put in one step.
const AT_ONCE: usize = 1024 * 1024;

/// How often a range begins anew because the object was replaced between two of its reads.
const ATTEMPTS: usize = 32;

/// A store whose objects are sealed on their way in and opened on their way out. Clones are the same store.
///
/// See the [crate] for what it promises. It forwards what needs no plaintext. A copy and an ingested file pass through
/// it, and are sealed anew: what is sealed belongs to its name, and a file that is renamed would be plaintext.
#[derive(Clone)]
pub struct Encrypted<B> {
    inner: B,
    store: Arc<str>,
    wrapper: Arc<dyn KeyWrapper>,
    signer: Option<LinkSigner>,
}

impl<B: Backend> Encrypted<B> {
    /// Seals what `inner` stores, with data keys that `wrapper` wraps.
    ///
    /// The name is part of what is authenticated: it keeps apart stores that share keys, and it can never be changed.
    /// It has 1 to 255 bytes, else [`ErrorKind::Config`]. So do keys: what this layer is to read, it must have written
    /// under the same key, with the same layers above it.
    pub fn new(inner: B, store: &str, wrapper: impl KeyWrapper) -> Result<Self> {
        if store.is_empty() || store.len() > 255 {
            return Err(Error::new(ErrorKind::Config, "the name of an encrypted store has 1 to 255 bytes"));
        }
        Ok(Self { inner, store: store.into(), wrapper: Arc::new(wrapper), signer: None })
    }

    /// The same store, minting links with this signer. Whoever serves them reads and writes through this layer.
    ///
    /// Without it there are no links: those of the inner store would hand out what is sealed, and take in what is not.
    #[must_use]
    pub fn with_links(mut self, signer: LinkSigner) -> Self {
        self.signer = Some(signer);
        self
    }

    fn context<'a>(&'a self, object: &'a Key) -> Context<'a> {
        Context { store: &self.store, object }
    }

    /// Wraps a new data key, which is all that can fail before anything is written.
    async fn sealer(&self, key: &Key) -> Result<Sealer> {
        let context = self.context(key);
        let data_key = DataKey::generate()?;
        let prelude = Prelude::new(&self.wrapper.wrap(&data_key, context).await?)?;
        Sealer::new(&data_key, &prelude, context)
    }

    /// Unwraps the data key that the header names, and proves that header, key and name belong together.
    async fn unlock(&self, key: &Key, header: &[u8]) -> Result<DecryptionState> {
        let context = self.context(key);
        let (prelude, floe_header) = header.split_at(PRELUDE);
        let (prelude, wrapped) = Prelude::parse(prelude)?;
        let floe_header = Header::try_from(floe_header).map_err(|_| format::no_object_of_ours())?;
        let data_key = self.wrapper.unwrap(&wrapped, context).await?;
        let data = prelude.associated_data(context);
        start_decryption(data_key.floe(), &data, parameters(), &floe_header)
            .map_err(|_| damaged("its header is not what was sealed for this name"))
    }

    /// One read of the inner store, from the first byte to the last.
    async fn read_through(&self, key: &Key, options: ReadOptions) -> Result<Download> {
        let Download { meta, body, .. } =
            self.inner.read(key, ReadOptions { range: None, ..options.clone() }).await?;
        let layout = format::layout(meta.size)?;
        let meta = plain(meta)?;
        let range = options.range.map_or(Ok(0..meta.size), |range| range.within(meta.size));
        let mut source = Source::new(body);
        let floe = self.unlock(key, &source.take(HEADER).await?).await?;
        let wanted = range.as_ref().map_or(0..0, Range::clone);
        let mut body = Opener::new(key, floe, layout, source, 0..layout.segment_count(), wanted).stream();
        match range {
            Ok(range) => Ok(Download::new(meta, range, body)),
            // The size is proved before anybody is told that a range lies beyond it.
            Err(invalid) => body.try_next().await.and(Err(invalid)),
        }
    }

    /// The header, the last segment and those that cover the range, all of one version; `None` if there was another
    /// version before all of them were being read.
    async fn read_range(
        &self,
        key: &Key,
        range: ByteRange,
        options: &ReadOptions,
    ) -> Result<Option<Download>> {
        let header = ReadOptions { range: Some(ByteRange::Span(0, HEADER as u64)), ..options.clone() };
        let Download { meta, body, .. } = self.inner.read(key, header).await.map_err(too_short)?;
        let (etag, layout) = (meta.etag.clone(), format::layout(meta.size)?);
        let meta = plain(meta)?;
        let range = range.within(meta.size);
        let mut floe = self.unlock(key, &Source::new(body).take(HEADER).await?).await?;

        let segments = range.as_ref().map_or(0..0, covering);
        let last = layout.segment_count() - 1;
        if segments.end <= last {
            let Some(mut source) = self.segments(key, layout, last..last + 1, etag.clone()).await? else {
                return Ok(None);
            };
            let last = segment(layout, last)?;
            open(&mut floe, source.take(last.ciphertext_length()).await?, last)?;
        }
        // Only now is the size proved, and with it that the range lies within it or does not.
        let range = range?;
        let Some(source) = self.segments(key, layout, segments.clone(), etag).await? else {
            return Ok(None);
        };
        let opener = Opener::new(key, floe, layout, source, segments, range.clone());
        Ok(Some(Download::new(meta, range, opener.stream())))
    }

    /// The stored bytes of these segments, or `None` if the object has another version by now.
    async fn segments(
        &self,
        key: &Key,
        layout: MessageLayout,
        positions: Range<u64>,
        etag: Option<ETag>,
    ) -> Result<Option<Source>> {
        let last = segment(layout, positions.end - 1)?;
        let start = PRELUDE as u64 + segment(layout, positions.start)?.ciphertext_offset();
        let end = PRELUDE as u64 + last.ciphertext_offset() + last.ciphertext_length() as u64;
        let options = ReadOptions { if_match: etag, ..ReadOptions::range(ByteRange::Span(start, end)) };
        match self.inner.read(key, options).await {
            Ok(download) => Ok(Some(Source::new(download.body))),
            Err(error) if matches!(error.kind(), ErrorKind::Precondition | ErrorKind::NotFound) => Ok(None),
            Err(error) => Err(too_short(error)),
        }
    }
}

impl<B: fmt::Debug> fmt::Debug for Encrypted<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encrypted")
            .field("store", &self.store)
            .field("wrapper", &self.wrapper)
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

/// What was asked of the inner store lies within every sealed object.
fn too_short(error: Error) -> Error {
    match error.kind() {
        ErrorKind::InvalidRange => damaged("it is cut off"),
        _ => error,
    }
}

/// The same options for the sealed object. Its hash is not known beforehand.
fn sealed(options: &WriteOptions) -> Result<WriteOptions> {
    let size = options.size.map(stored_size).transpose()?;
    Ok(WriteOptions { size, sha256: None, ..options.clone() })
}

#[async_trait]
impl<B: Backend> Backend for Encrypted<B> {
    fn capabilities(&self) -> Capabilities {
        let inner = self.inner.capabilities();
        Capabilities {
            get_links: self.signer.is_some(),
            put_links: if self.signer.is_some() { PutLinks::Exact } else { PutLinks::No },
            max_size: inner.max_size.map(format::largest_plain),
            ..inner
        }
    }

    async fn head(&self, key: &Key) -> Result<Meta> {
        plain(self.inner.head(key).await?)
    }

    async fn read(&self, key: &Key, options: ReadOptions) -> Result<Download> {
        let capabilities = self.capabilities();
        capabilities.permit_read(&options)?;
        // Without versions to name, several reads may be of several.
        let Some(range) = options.range.filter(|_| capabilities.etag) else {
            return self.read_through(key, options).await.map_err(|error| error.with_key(key));
        };
        for _ in 0..ATTEMPTS {
            let read = self.read_range(key, range, &options).await.map_err(|error| error.with_key(key))?;
            if let Some(download) = read {
                return Ok(download);
            }
        }
        let detail = "the object is replaced faster than a range of it can be read";
        Err(Error::new(ErrorKind::Unavailable, detail).with_key(key))
    }

    async fn writer(&self, key: &Key, options: WriteOptions) -> Result<Box<dyn Upload>> {
        self.capabilities().permit(&options)?;
        let sealer = self.sealer(key).await.map_err(|error| error.with_key(key))?;
        let inner = self.inner.writer(key, sealed(&options)?).await?;
        Ok(Box::new(SealedUpload::new(key.clone(), inner, sealer, Tally::expecting(&options))))
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        self.inner.delete(key).await
    }

    fn list(&self, prefix: &Prefix, after: Option<&Key>) -> MetaStream {
        let mut ended = false;
        let listed = self.inner.list(prefix, after).map(|item| item.and_then(plain));
        // An object that is none of ours is an error, and a listing ends after the first one.
        Box::pin(listed.take_while(move |item| {
            let goes_on = !ended;
            ended = item.is_err();
            std::future::ready(goes_on)
        }))
    }

    async fn put(&self, key: &Key, body: Bytes, mut options: WriteOptions) -> Result<Meta> {
        options.size.get_or_insert(body.len() as u64);
        if body.len() > AT_ONCE {
            let mut upload = self.writer(key, options).await?;
            upload.write(body).await?;
            return upload.finish().await;
        }
        self.capabilities().permit(&options)?;
        let mut tally = Tally::expecting(&options);
        tally.add(&body)?;
        tally.finish()?;
        let mut sealer = self.sealer(key).await.map_err(|error| error.with_key(key))?;
        sealer.absorb(&body)?;
        plain(self.inner.put(key, sealer.finish()?, sealed(&options)?).await?)
    }

    async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64> {
        self.inner.delete_prefix(prefix).await
    }

    async fn link(&self, key: &Key, request: LinkRequest) -> Result<Link> {
        self.capabilities().permit_link(&request)?;
        let signer = self.signer.as_ref().expect("links are declared only with a signer");
        signer.mint(key, &request).map_err(|error| error.with_key(key))
    }

    async fn sweep(&self, older_than: Duration) -> Result<Swept> {
        self.inner.sweep(older_than).await
    }
}
