//! Plaintext in, stored bytes out.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use fast_floe::online::Encryptor;
use persistent_fs::{Error, ErrorKind, Key, Meta, Result, Tally, Upload};

use crate::{
    Context, DataKey,
    format::{self, HEADER, Prelude, SEGMENT, parameters},
};

/// How much is sealed before it is handed on: enough for the inner store to work in good pieces, little to hold.
const BATCH: usize = 4 * SEGMENT;

/// Seals the plaintext of one object.
pub(crate) struct Sealer {
    encryptor: Encryptor,
    /// At most a segment, which is sealed once it is known whether it is the last.
    pending: BytesMut,
    /// What is to be stored next. It begins with the header.
    sealed: BytesMut,
}

impl Sealer {
    pub(crate) fn new(key: &DataKey, prelude: &Prelude, context: Context<'_>) -> Result<Self> {
        let data = prelude.associated_data(context);
        let encryptor = Encryptor::new(key.floe(), &data, parameters()).map_err(|error| failed(&error))?;
        let mut sealed = BytesMut::with_capacity(HEADER + SEGMENT);
        sealed.extend_from_slice(prelude.bytes());
        sealed.extend_from_slice(encryptor.header().as_bytes());
        Ok(Self { encryptor, pending: BytesMut::new(), sealed })
    }

    pub(crate) fn absorb(&mut self, mut plain: &[u8]) -> Result<()> {
        while !plain.is_empty() {
            if self.pending.len() == SEGMENT {
                let full = self.pending.split();
                self.seal(&full)?;
            }
            if self.pending.is_empty() && plain.len() > SEGMENT {
                let (full, rest) = plain.split_at(SEGMENT);
                self.seal(full)?;
                plain = rest;
            } else {
                let (next, rest) = plain.split_at(plain.len().min(SEGMENT - self.pending.len()));
                self.pending.extend_from_slice(next);
                plain = rest;
            }
        }
        Ok(())
    }

    /// What has been sealed since the last time. It may be empty.
    pub(crate) fn take(&mut self) -> Bytes {
        self.sealed.split().freeze()
    }

    /// Seals the last segment, and returns what has not been taken.
    pub(crate) fn finish(mut self) -> Result<Bytes> {
        let last = self.encryptor.encrypt_final_segment(&self.pending);
        let last = last.map_err(|error| failed(error.error()))?;
        self.sealed.extend_from_slice(&last);
        Ok(self.sealed.freeze())
    }

    fn seal(&mut self, full: &[u8]) -> Result<()> {
        let start = self.sealed.len();
        self.sealed.resize(start + parameters().ciphertext_segment_length(), 0);
        let room = &mut self.sealed[start..];
        self.encryptor.encrypt_non_final_segment_into(full, room).map_err(|error| failed(&error))?;
        Ok(())
    }
}

/// An object on its way through the layer.
pub(crate) struct SealedUpload {
    key: Key,
    /// `None` once a write has failed or was dropped.
    state: Option<State>,
}

struct State {
    inner: Box<dyn Upload>,
    sealer: Sealer,
    tally: Tally,
}

impl SealedUpload {
    pub(crate) fn new(key: Key, inner: Box<dyn Upload>, sealer: Sealer, tally: Tally) -> Self {
        Self { key, state: Some(State { inner, sealer, tally }) }
    }
}

impl std::fmt::Debug for SealedUpload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedUpload").field("key", &self.key).finish_non_exhaustive()
    }
}

#[async_trait]
impl Upload for SealedUpload {
    async fn write(&mut self, piece: Bytes) -> Result<()> {
        let mut state = self.state.take().ok_or_else(Error::upload_lost)?;
        if let Err(error) = state.tally.add(&piece) {
            drop(state.inner.abort().await);
            return Err(error);
        }
        for part in piece.chunks(BATCH) {
            state.sealer.absorb(part)?;
            let sealed = state.sealer.take();
            if !sealed.is_empty() {
                state.inner.write(sealed).await?;
            }
        }
        self.state = Some(state);
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<Meta> {
        let State { mut inner, sealer, tally } = self.state.take().ok_or_else(Error::upload_lost)?;
        // The declared size and hash are of the plaintext, so nobody below can check them.
        let last = match tally.finish().and_then(|_| sealer.finish()) {
            Ok(last) => last,
            Err(error) => {
                drop(inner.abort().await);
                return Err(error);
            }
        };
        inner.write(last).await?;
        plain(inner.finish().await?)
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        match self.state.take() {
            Some(state) => state.inner.abort().await,
            None => Ok(()),
        }
    }
}

/// The description of a stored object as that of its plaintext.
pub(crate) fn plain(mut meta: Meta) -> Result<Meta> {
    let layout = format::layout(meta.size).map_err(|error| error.with_key(&meta.key))?;
    meta.size = layout.plaintext_length();
    Ok(meta)
}

fn failed(error: &fast_floe::Error) -> Error {
    match error {
        fast_floe::Error::SegmentLimit => Error::new(ErrorKind::TooLarge, "more than an object can hold"),
        fast_floe::Error::RngFailure => Error::new(ErrorKind::Other, "there is no randomness to seal with"),
        _ => Error::new(ErrorKind::Other, "the body could not be sealed"),
    }
}
