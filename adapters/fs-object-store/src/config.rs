//! What has to be known about a store before it can be wrapped.

use std::{fmt, sync::Arc};

use object_store::ObjectStore;
use persistent_fs::{Capabilities, Clock, PutLinks};

/// Any [`ObjectStore`] as a [`Backend`](persistent_fs::Backend). Cheap to clone; clones are the same store.
///
/// See the [top of this crate](crate) for what to declare of which store.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<dyn ObjectStore>,
    pub(crate) capabilities: Capabilities,
    pub(crate) options: Options,
}

#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) part_size: usize,
    pub(crate) parts_in_flight: usize,
    pub(crate) conditional_max: usize,
    pub(crate) sorted_here: bool,
    pub(crate) untyped: Option<String>,
    pub(crate) clock: Clock,
}

/// By the name that the inner store gives itself: what it shows beyond that may be the objects.
impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (inner, capabilities) = (self.inner.to_string(), &self.capabilities);
        f.debug_struct("Store")
            .field("inner", &inner)
            .field("capabilities", capabilities)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Wraps a store of which these capabilities hold. Nothing else is assumed of it.
    ///
    /// Links are taken out, since an `ObjectStore` has none.
    pub fn new(inner: Arc<dyn ObjectStore>, capabilities: Capabilities) -> Self {
        let options = Options {
            part_size: 8 << 20,
            parts_in_flight: 4,
            conditional_max: 64 << 20,
            sorted_here: false,
            untyped: None,
            clock: Clock::system(),
        };
        let capabilities = Capabilities { get_links: false, put_links: PutLinks::No, ..capabilities };
        Self { inner, capabilities, options }
    }

    /// Sends bodies of up to this many bytes in one request and larger ones in parts of this size; 8 MiB if not said.
    /// At least 5 MiB for S3 and its kin.
    ///
    /// After each thousand parts the size doubles, or is chosen from the size that the writer declares, so that 10 000
    /// parts suffice for 5 TiB.
    #[must_use]
    pub fn with_part_size(mut self, bytes: usize) -> Self {
        self.options.part_size = bytes.max(1);
        self
    }

    /// Sends this many parts at a time; 4 if not said. An upload holds one part more than this in memory.
    #[must_use]
    pub fn with_parts_in_flight(mut self, parts: usize) -> Self {
        self.options.parts_in_flight = parts.max(1);
        self
    }

    /// Takes bodies of up to this many bytes with [`WriteMode::Create`](persistent_fs::WriteMode) and `Match`; 64 MiB
    /// if not said. Larger ones are refused with [`TooLarge`](persistent_fs::ErrorKind::TooLarge).
    ///
    /// An `ObjectStore` can put conditions on a single request only, so that such a body is held in memory until then.
    #[must_use]
    pub fn with_conditional_max(mut self, bytes: usize) -> Self {
        self.options.conditional_max = bytes;
        self
    }

    /// Sorts listings here, for a store that does not list in byte order, such as a local directory.
    ///
    /// A listing then holds all that it finds in memory before its first item. Without this, a store that lists out of
    /// order is found out, and the listing ends in an error.
    #[must_use]
    pub fn sorting_listings(mut self) -> Self {
        self.options.sorted_here = true;
        self
    }

    /// Names the media type that the store makes up for an object that was given none, which then counts as none.
    #[must_use]
    pub fn with_untyped(mut self, content_type: impl Into<String>) -> Self {
        self.options.untyped = Some(content_type.into());
        self
    }

    /// Takes the time from this clock where the store does not tell it.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.options.clock = clock;
        self
    }

    /// The store that is wrapped.
    pub fn inner(&self) -> &Arc<dyn ObjectStore> {
        &self.inner
    }
}
