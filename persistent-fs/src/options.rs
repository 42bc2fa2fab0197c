//! What callers may ask of a read or a write.

use std::ops::Range;

use crate::{ETag, Error, ErrorKind, Meta, Result};

/// Which bytes of an object to read: the three forms of an HTTP range, but with an end that is not included.
///
/// ```
/// # use persistent_fs::{ByteRange, ErrorKind};
/// assert_eq!(ByteRange::Span(2, 4).within(10).unwrap(), 2..4);
/// assert_eq!(ByteRange::From(8).within(10).unwrap(), 8..10);
/// assert_eq!(ByteRange::Last(3).within(10).unwrap(), 7..10);
/// assert_eq!(ByteRange::From(10).within(10).unwrap_err().kind(), ErrorKind::InvalidRange);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// From the first offset up to, not including, the second. Cut at the end of the object.
    Span(u64, u64),
    /// From this offset to the end.
    From(u64),
    /// This many bytes at the end; all of them, if the object is shorter.
    Last(u64),
}

impl ByteRange {
    /// The offsets within an object of this size.
    ///
    /// [`ErrorKind::InvalidRange`] if no byte is left, as always with an empty object.
    pub fn within(self, size: u64) -> Result<Range<u64>> {
        let range = match self {
            Self::Span(start, end) => start..end.min(size),
            Self::From(start) => start..size,
            Self::Last(count) => size.saturating_sub(count)..size,
        };
        if range.is_empty() {
            return Err(Error::new(ErrorKind::InvalidRange, format!("no byte of {size} lies in {self:?}")));
        }
        Ok(range)
    }
}

/// How to read. The default reads the whole object, whatever its version.
///
/// Conditions come before the range, so a caller who has the current version learns that rather than that the range
/// is wrong. They need [`Capabilities::etag`](crate::Capabilities::etag), else [`ErrorKind::Unsupported`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Only these bytes.
    pub range: Option<ByteRange>,
    /// Only this version, else [`ErrorKind::Precondition`].
    pub if_match: Option<ETag>,
    /// Any version but this, else [`ErrorKind::NotModified`].
    pub if_none_match: Option<ETag>,
}

impl ReadOptions {
    /// Reads a part.
    pub fn range(range: ByteRange) -> Self {
        Self { range: Some(range), ..Self::default() }
    }

    /// The bytes to read of the object that was found, or the reason not to. Backends without conditions of their own
    /// call this between opening an object and reading it.
    pub fn resolve(&self, meta: &Meta) -> Result<Range<u64>> {
        if self.if_match.is_some() && self.if_match != meta.etag {
            return Err(Error::new(ErrorKind::Precondition, "the object has another version"));
        }
        if self.if_none_match.is_some() && self.if_none_match == meta.etag {
            return Err(Error::new(ErrorKind::NotModified, "the object has not changed"));
        }
        self.range.map_or(Ok(0..meta.size), |range| range.within(meta.size))
    }
}

/// What to do about an object that is already there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum WriteMode {
    /// Replace it.
    #[default]
    Replace,
    /// Refuse with [`ErrorKind::AlreadyExists`]. Of any number of racing creators exactly one wins.
    Create,
    /// Replace exactly this version, else refuse with [`ErrorKind::Precondition`], also if there is no object.
    Match(ETag),
}

/// What a crash may do to a write that has returned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// Nothing, where [`Capabilities::durable`](crate::Capabilities::durable) is declared.
    #[default]
    Durable,
    /// Undo it in whole, never in part. Faster; for what can be made again.
    Atomic,
}

/// How to write. The default replaces, durably, and checks nothing.
///
/// Options are checked in this order, and the first that does not hold is the error: what the backend does not
/// declare, then size and hash of the body, then what is already there.
///
/// Changing an object that others change too is a loop of reading, deciding, and replacing exactly what was read:
///
/// ```
/// # use persistent_fs::{Error, ErrorKind, Files, Key, WriteOptions};
/// async fn add_line(files: &Files, key: &Key, line: &str) -> Result<(), Error> {
///     loop {
///         // The version first: if the body is newer than it, the write below is refused.
///         let etag = files.head(key).await?.etag.expect("declared with compare_and_swap");
///         let mut body = files.read_all(key, 1 << 20).await?.to_vec();
///         body.extend_from_slice(line.as_bytes());
///         match files.put(key, body.into(), WriteOptions::matching(etag)).await {
///             Err(error) if error.kind() == ErrorKind::Precondition => continue,
///             written => return written.map(drop),
///         }
///     }
/// }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// What to do about an object that is already there.
    pub mode: WriteMode,
    /// What a crash may do.
    pub durability: Durability,
    /// The exact size, if it is known. A body of another size is refused with [`ErrorKind::Integrity`].
    pub size: Option<u64>,
    /// The SHA-256, if it is known. A body with another is refused with [`ErrorKind::Integrity`].
    pub sha256: Option<[u8; 32]>,
    /// The media type to store with the object. It comes back letter by letter; what a backend cannot keep so, it
    /// refuses with [`ErrorKind::InvalidOption`].
    pub content_type: Option<String>,
}

impl WriteOptions {
    /// Only if there is no such object yet.
    pub fn create() -> Self {
        Self { mode: WriteMode::Create, ..Self::default() }
    }

    /// Only if the object still has this version.
    pub fn matching(etag: ETag) -> Self {
        Self { mode: WriteMode::Match(etag), ..Self::default() }
    }

    /// The same without surviving a crash; see [`Durability::Atomic`].
    #[must_use]
    pub fn atomic(mut self) -> Self {
        self.durability = Durability::Atomic;
        self
    }

    /// The same with the exact size declared.
    #[must_use]
    pub fn sized(mut self, size: u64) -> Self {
        self.size = Some(size);
        self
    }

    /// The same with the SHA-256 declared.
    #[must_use]
    pub fn hashed(mut self, sha256: [u8; 32]) -> Self {
        self.sha256 = Some(sha256);
        self
    }

    /// The same with a media type.
    #[must_use]
    pub fn typed(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// Whether the object that is there, if any, allows this write. For backends that compare under a lock, which they
    /// keep until the new object is published.
    ///
    /// [`ErrorKind::AlreadyExists`] or [`ErrorKind::Precondition`], by [`mode`](Self::mode).
    pub fn admits(&self, present: Option<&Meta>) -> Result<()> {
        match (&self.mode, present) {
            (WriteMode::Create, Some(_)) => {
                Err(Error::new(ErrorKind::AlreadyExists, "an object is already there"))
            }
            (WriteMode::Match(etag), present)
                if present.and_then(|meta| meta.etag.as_ref()) != Some(etag) =>
            {
                Err(Error::new(ErrorKind::Precondition, "the object has another version, or is gone"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_at_the_end() {
        assert_eq!(ByteRange::Span(2, 9).within(5).expect("valid"), 2..5);
        assert_eq!(ByteRange::From(4).within(5).expect("valid"), 4..5);
        assert_eq!(ByteRange::Last(9).within(5).expect("valid"), 0..5);
    }

    #[test]
    fn a_range_without_a_byte_is_invalid() {
        for (range, size) in [
            (ByteRange::Span(5, 6), 5),
            (ByteRange::Span(3, 3), 5),
            (ByteRange::Span(4, 2), 5),
            (ByteRange::From(5), 5),
            (ByteRange::From(u64::MAX), 5),
            (ByteRange::Last(0), 5),
            (ByteRange::From(0), 0),
            (ByteRange::Last(1), 0),
        ] {
            assert_eq!(range.within(size).expect_err("no byte").kind(), ErrorKind::InvalidRange, "{range:?}");
        }
    }
}
