//! What an operator says of itself, and what only whoever opens it knows.

use opendal::Operator;
use persistent_fs::{Capabilities, Clock, PutLinks};

/// Any [`Operator`] as a [`Backend`](persistent_fs::Backend). Cheap to clone; clones are the same store.
///
/// See the [top of this crate](crate) for what is believed of an operator and what is not.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) operator: Operator,
    pub(crate) capabilities: Capabilities,
    pub(crate) options: Options,
}

#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) part_size: usize,
    pub(crate) parts_in_flight: usize,
    pub(crate) whole_max: usize,
    pub(crate) listed_in_order: bool,
    pub(crate) clock: Clock,
}

impl Store {
    /// Wraps an operator, with what its own capabilities say.
    pub fn new(operator: Operator) -> Self {
        let options = Options {
            part_size: 8 << 20,
            parts_in_flight: 4,
            whole_max: 64 << 20,
            listed_in_order: false,
            clock: Clock::system(),
        };
        let capabilities = derived(operator.info().capability());
        Self { operator, capabilities, options }
    }

    /// The same store with other capabilities: fewer, to be careful, or more, where the service keeps what its operator
    /// does not speak of, such as durability.
    ///
    /// ```
    /// # use opendal::{Operator, services::Memory};
    /// # use persistent_fs::{Backend, Capabilities};
    /// let operator = Operator::new(Memory::default()).expect("memory opens");
    /// let store = fs_opendal::Store::new(operator);
    /// let careful = Capabilities { create: false, ..store.capabilities() };
    /// assert!(!store.with_capabilities(careful).capabilities().create);
    /// ```
    #[must_use]
    pub fn with_capabilities(mut self, capabilities: Capabilities) -> Self {
        self.capabilities = Capabilities { get_links: false, put_links: PutLinks::No, ..capabilities };
        self
    }

    /// Sends bodies of up to this many bytes in one request and larger ones in parts of this size; 8 MiB if not said.
    ///
    /// A writer that declares a size gets parts so large that 10 000 suffice. One that does not can send as many bytes
    /// as 10 000 parts of this size hold, where the service has that limit.
    #[must_use]
    pub fn with_part_size(mut self, bytes: usize) -> Self {
        self.options.part_size = bytes.max(1);
        self
    }

    /// Sends this many parts at a time; 4 if not said.
    #[must_use]
    pub fn with_parts_in_flight(mut self, parts: usize) -> Self {
        self.options.parts_in_flight = parts.max(1);
        self
    }

    /// Takes bodies of up to this many bytes where the service knows no parts, so that they are held in memory; 64 MiB
    /// if not said. Larger ones are refused with [`TooLarge`](persistent_fs::ErrorKind::TooLarge).
    #[must_use]
    pub fn with_whole_max(mut self, bytes: usize) -> Self {
        self.options.whole_max = bytes;
        self
    }

    /// Trusts the service to list in byte order, as S3 does. A listing that turns out not to be ends in an error.
    ///
    /// Without this, a listing is sorted here, and holds all that it finds in memory before its first item.
    #[must_use]
    pub fn listing_in_order(mut self) -> Self {
        self.options.listed_in_order = true;
        self
    }

    /// Takes the time from this clock where the store does not tell it.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.options.clock = clock;
        self
    }

    /// The operator that is wrapped.
    pub fn operator(&self) -> &Operator {
        &self.operator
    }
}

/// What the flags of an operator mean in our terms. There are none for durability and for the case of keys.
fn derived(theirs: opendal::Capability) -> Capabilities {
    let etag = theirs.read_with_if_match && theirs.read_with_if_none_match;
    Capabilities {
        create: theirs.write_with_if_not_exists,
        compare_and_swap: etag && theirs.write_with_if_match,
        etag,
        content_type: theirs.write_with_content_type,
        max_size: theirs.write_total_max_size.map(|bytes| bytes as u64),
        ..Capabilities::NONE
    }
}
