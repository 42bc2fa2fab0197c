//! What a backend promises beyond the common ground.

use crate::{Error, ErrorKind, LinkRequest, ReadOptions, Result, WriteMode, WriteOptions};

/// About ten facts, constant for the lifetime of a backend. A layer may take some away and never adds one.
///
/// Each is a promise in both directions: declared, it holds in full; not declared, asking for it is answered with
/// [`ErrorKind::Unsupported`], quickly and without effect.
///
/// A program that needs one says so when it starts, rather than at the first request that does:
///
/// ```
/// # use persistent_fs::{Error, ErrorKind, Files};
/// fn check(files: &Files) -> Result<(), Error> {
///     let can = files.capabilities();
///     if can.create && can.get_links {
///         return Ok(());
///     }
///     Err(Error::new(ErrorKind::Config, "this program needs a store with creates and links"))
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent facts, not states")]
pub struct Capabilities {
    /// A write that returned survives a crash, unless it asked for [`Durability::Atomic`](crate::Durability).
    /// Undeclared, the durability asked for has no meaning.
    pub durable: bool,
    /// [`WriteMode::Create`] is offered.
    pub create: bool,
    /// [`WriteMode::Match`] is offered.
    pub compare_and_swap: bool,
    /// Objects have an [`ETag`](crate::ETag) and reads may be conditional on it.
    pub etag: bool,
    /// A media type is stored with the object.
    pub content_type: bool,
    /// Keys that differ in case only name different objects. Undeclared, they may name one.
    pub case_sensitive: bool,
    /// [`LinkRequest::Get`] is offered.
    pub get_links: bool,
    /// Whether [`LinkRequest::Put`] is offered, and how much it can demand of the upload.
    pub put_links: PutLinks,
    /// The largest object that can be held. A larger one is refused with [`ErrorKind::TooLarge`].
    pub max_size: Option<u64>,
}

/// How much an upload link can demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutLinks {
    /// There are no upload links.
    No,
    /// There are, but the uploader chooses size and content.
    Unbounded,
    /// The link can fix the exact size and the SHA-256.
    Exact,
}

impl Capabilities {
    /// Nothing beyond the common ground. A backend adds what it can promise.
    pub const NONE: Self = Self {
        durable: false,
        create: false,
        compare_and_swap: false,
        etag: false,
        content_type: false,
        case_sensitive: false,
        get_links: false,
        put_links: PutLinks::No,
        max_size: None,
    };

    /// Refuses write options that are not declared. Backends call it before any effect.
    ///
    /// [`ErrorKind::Unsupported`], or [`ErrorKind::TooLarge`] for a declared size beyond the limit. A body whose size is
    /// not declared is the backend's to count.
    pub fn permit(&self, options: &WriteOptions) -> Result<()> {
        if options.mode == WriteMode::Create && !self.create {
            return Err(Error::unsupported("a create-only write"));
        }
        if matches!(options.mode, WriteMode::Match(_)) && !self.compare_and_swap {
            return Err(Error::unsupported("a write that replaces one exact version"));
        }
        if options.content_type.is_some() && !self.content_type {
            return Err(Error::unsupported("a content type"));
        }
        options.size.map_or(Ok(()), |size| self.permit_size(size))
    }

    /// Refuses a body of more bytes than can be held, with [`ErrorKind::TooLarge`]. Backends call it as they count.
    pub fn permit_size(&self, size: u64) -> Result<()> {
        match self.max_size {
            Some(max) if size > max => {
                Err(Error::new(ErrorKind::TooLarge, format!("{size} bytes exceed the limit of {max}")))
            }
            _ => Ok(()),
        }
    }

    /// Refuses read options that are not declared. Backends call it first.
    pub fn permit_read(&self, options: &ReadOptions) -> Result<()> {
        if !self.etag && (options.if_match.is_some() || options.if_none_match.is_some()) {
            return Err(Error::unsupported("a conditional read"));
        }
        Ok(())
    }

    /// Refuses links that are not declared. Backends call it before they mint one.
    pub fn permit_link(&self, request: &LinkRequest) -> Result<()> {
        match request {
            LinkRequest::Get { .. } if !self.get_links => Err(Error::unsupported("a download link")),
            LinkRequest::Put { .. } if self.put_links == PutLinks::No => {
                Err(Error::unsupported("an upload link"))
            }
            LinkRequest::Put { size, sha256, .. }
                if self.put_links == PutLinks::Unbounded && (size.is_some() || sha256.is_some()) =>
            {
                Err(Error::unsupported("an upload link that fixes size or content"))
            }
            LinkRequest::Put { create_only: true, .. } if !self.create => {
                Err(Error::unsupported("an upload link that only creates"))
            }
            LinkRequest::Put { content_type: Some(_), .. } if !self.content_type => {
                Err(Error::unsupported("an upload link with a content type"))
            }
            _ => Ok(()),
        }
    }
}
