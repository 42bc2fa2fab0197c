//! What is known about objects, and what reading them yields.

use std::{fmt, ops::Range, time::SystemTime};

use crate::{ByteStream, Key, files::exactly};

/// A version of an object's content. It changes whenever the content changes.
///
/// Opaque and strong, without quotation marks; compare it, store it, send it as an HTTP entity tag. It may change
/// although the content is the same, and has no meaning for another key or another backend.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ETag(String);

impl ETag {
    /// Takes a backend's version identifier.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The identifier, without quotation marks.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is known about an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Meta {
    /// Its name.
    pub key: Key,
    /// Its length in bytes.
    pub size: u64,
    /// When it was written, by the backend's clock and as exactly as it keeps it. As long as that clock is not put back,
    /// what is written later is not dated earlier. For people and for aging; it does not tell versions apart.
    ///
    /// The answer to a write may date the object by what is known when the write ends, such as the date of a server's
    /// answer. It may then differ by seconds from what [`head`](crate::Backend::head), [`read`](crate::Backend::read)
    /// and [`list`](crate::Backend::list) say, which agree with each other.
    pub modified: SystemTime,
    /// Its version, where [`Capabilities::etag`](crate::Capabilities::etag) is declared.
    pub etag: Option<ETag>,
    /// Its media type, where that is declared and was given. A listing may leave it out, where the backend would have to
    /// ask for every object to know it.
    pub content_type: Option<String>,
}

impl Meta {
    /// The facts that every backend knows. The others begin as `None`.
    pub fn new(key: Key, size: u64, modified: SystemTime) -> Self {
        Self { key, size, modified, etag: None, content_type: None }
    }
}

/// An object, or a range of one, being read.
#[non_exhaustive]
pub struct Download {
    /// The object as a whole, of the version that `body` reads.
    pub meta: Meta,
    /// Which of its bytes `body` yields.
    pub range: Range<u64>,
    /// The bytes, in pieces of any size. Dropping it frees whatever the backend holds for it.
    pub body: ByteStream,
}

impl Download {
    /// A download of `range` out of the object described by `meta`.
    pub fn new(meta: Meta, range: Range<u64>, body: ByteStream) -> Self {
        Self { meta, range, body }
    }

    /// The same, for a backend that cannot vouch for what it passes on: a body that is shorter or longer than `range`
    /// ends in [`ErrorKind::Integrity`](crate::ErrorKind::Integrity).
    pub fn checked(meta: Meta, range: Range<u64>, body: ByteStream) -> Self {
        let body = exactly(range.end - range.start, body);
        Self { meta, range, body }
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("meta", &self.meta)
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

/// What [`Backend::sweep`](crate::Backend::sweep) removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many abandoned uploads.
    pub uploads: u64,
    /// How many bytes they held, as far as the backend knows.
    pub bytes: u64,
}
