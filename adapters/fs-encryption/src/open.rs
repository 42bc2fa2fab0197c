//! Stored bytes in, plaintext out: nothing is handed on that has not been authenticated.

use std::ops::Range;

use bytes::{Buf, Bytes, BytesMut};
use fast_floe::{
    low_level::{DecryptionState, SEGMENT_PAYLOAD_OFFSET},
    random_access::{MessageLayout, SegmentLayout},
};
use futures_util::{TryStreamExt, stream};
use persistent_fs::{ByteStream, Error, ErrorKind, Key, Result};

use crate::format::SEGMENT;

/// Bytes taken from a stream in the numbers that are asked for.
pub(crate) struct Source {
    body: ByteStream,
    ready: Bytes,
}

impl Source {
    pub(crate) fn new(body: ByteStream) -> Self {
        Self { body, ready: Bytes::new() }
    }

    /// Exactly this many bytes. [`ErrorKind::Integrity`] if the stream ends before.
    pub(crate) async fn take(&mut self, count: usize) -> Result<BytesMut> {
        let mut taken = BytesMut::with_capacity(count);
        while taken.len() < count {
            if self.ready.is_empty() {
                self.ready = self.body.try_next().await?.ok_or_else(|| damaged("it is cut off"))?;
            }
            let part = self.ready.len().min(count - taken.len());
            taken.extend_from_slice(&self.ready[..part]);
            self.ready.advance(part);
        }
        Ok(taken)
    }

    /// [`ErrorKind::Integrity`] if there is more.
    async fn end(&mut self) -> Result<()> {
        while self.ready.is_empty() {
            match self.body.try_next().await? {
                Some(piece) => self.ready = piece,
                None => return Ok(()),
            }
        }
        Err(damaged("something follows behind its end"))
    }
}

/// Opens segments of one object, in order, out of a stream that begins with the first of them.
pub(crate) struct Opener {
    key: Key,
    floe: DecryptionState,
    layout: MessageLayout,
    source: Source,
    /// The position of the next segment.
    next: u64,
    /// Where the stream ends.
    end: u64,
    /// What of the plaintext is wanted.
    range: Range<u64>,
}

impl Opener {
    /// Opens those segments of `source` that cover `range`. They are the ones at the positions `segments`; if the last
    /// of the object is among them, it is opened in any case, because it proves the size.
    pub(crate) fn new(
        key: &Key,
        floe: DecryptionState,
        layout: MessageLayout,
        source: Source,
        segments: Range<u64>,
        range: Range<u64>,
    ) -> Self {
        Self { key: key.clone(), floe, layout, source, next: segments.start, end: segments.end, range }
    }

    /// The plaintext, in pieces of at most a segment.
    pub(crate) fn stream(self) -> ByteStream {
        Box::pin(stream::try_unfold(self, |mut opener| async move {
            match opener.piece().await {
                Ok(piece) => Ok(piece.map(|piece| (piece, opener))),
                Err(error) => Err(error.with_key(&opener.key)),
            }
        }))
    }

    /// The next piece that is not empty, or `None` at the end.
    async fn piece(&mut self) -> Result<Option<Bytes>> {
        while self.next < self.end {
            let segment = segment(self.layout, self.next)?;
            let sealed = self.source.take(segment.ciphertext_length()).await?;
            self.next += 1;
            let wanted = self.wanted(segment);
            if wanted.is_empty() && !segment.is_final() {
                continue;
            }
            let plain = open(&mut self.floe, sealed, segment)?;
            if segment.is_final() {
                self.source.end().await?;
            }
            if !wanted.is_empty() {
                return Ok(Some(plain.slice(wanted)));
            }
        }
        Ok(None)
    }

    /// Which bytes of a segment's plaintext lie within the range.
    fn wanted(&self, segment: SegmentLayout) -> Range<usize> {
        let (offset, length) = (segment.plaintext_offset(), segment.plaintext_length());
        let within = |position: u64| {
            usize::try_from(position.saturating_sub(offset)).unwrap_or(usize::MAX).min(length)
        };
        within(self.range.start)..within(self.range.end)
    }
}

/// The positions of the segments that cover a range which is not empty.
pub(crate) fn covering(range: &Range<u64>) -> Range<u64> {
    range.start / SEGMENT as u64..range.end.div_ceil(SEGMENT as u64)
}

pub(crate) fn segment(layout: MessageLayout, position: u64) -> Result<SegmentLayout> {
    layout.segment_for_position(position).ok_or_else(|| damaged("it has too few segments"))
}

/// Opens a segment in its own memory, as what it must be: at this position, and the last or not.
pub(crate) fn open(
    floe: &mut DecryptionState,
    mut sealed: BytesMut,
    segment: SegmentLayout,
) -> Result<Bytes> {
    let opened = floe.decrypt_segment_in_place_raw(&mut sealed, segment);
    let length = opened.map_err(|_| damaged("a segment is not what was sealed"))?.len();
    Ok(sealed.freeze().slice(SEGMENT_PAYLOAD_OFFSET..SEGMENT_PAYLOAD_OFFSET + length))
}

pub(crate) fn damaged(how: &str) -> Error {
    Error::new(ErrorKind::Integrity, format!("the stored object is damaged: {how}"))
}
