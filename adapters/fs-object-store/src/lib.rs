//! Any `object_store::ObjectStore` as a `persistent-fs` backend, and any backend as an `ObjectStore`.
//!
//! ```
//! # fn main() {
//! use std::sync::Arc;
//! use object_store::memory::InMemory;
//! use persistent_fs::{Capabilities, Files};
//!
//! let promised = Capabilities { create: true, etag: true, case_sensitive: true, ..Capabilities::NONE };
//! let files = Files::new(fs_object_store::Store::new(Arc::new(InMemory::new()), promised));
//! # drop(files);
//! # }
//! ```
//!
//! # What to declare
//!
//! An `ObjectStore` does not say what it can do, so whoever opens one has to, and the conformance suite then says
//! whether it is true. As of 0.14:
//!
//! | Store | `durable` | `create` | `compare_and_swap` | `etag` | `content_type` | Open it with |
//! |---|---|---|---|---|---|---|
//! | `InMemory` | no | yes | yes | yes | yes | |
//! | `AmazonS3` | yes | yes, if the server knows `If-None-Match` | yes, if it knows `If-Match` | yes | yes | [`with_untyped`](Store::with_untyped) and the type it makes up; the adapter `fs-s3` does more |
//! | `LocalFileSystem` | `with_fsync` | yes | no | no: two quick writes may share one | no | [`sorting_listings`](Store::sorting_listings) |
//!
//! Undeclared is always safe. A store with requests of its own repeats them, and the answer to the second attempt may
//! be about the first: a create then finds its own object. Such an error has the outcome *unknown*; a store configured
//! to repeat nothing (`RetryConfig { max_retries: 0, .. }`), with the layer for retries above it, is more exact.
//!
//! # What it does
//!
//! * Keys are held literally, letter by letter; nothing is percent-encoded.
//! * A body of up to one part is one request; a larger one goes in parts, with a bounded number of them in memory. A
//!   conditional write is always one request, see [`Store::with_conditional_max`].
//! * The answer to a write is dated by the [clock](Store::with_clock), since a store does not say when it wrote. Where
//!   it does not name the version either, though `etag` is declared, the write is followed by a look at the object.
//! * Giving an upload up removes its parts. Dropping it does so in a task of its own; a process that ends before that
//!   leaves them to a rule in the bucket. An `ObjectStore` cannot list them, so there is nothing for a sweep to do.
//! * A listing leaves the content type out, since `object_store` does.
//!
//! # For adapters that stand on this one
//!
//! [`translate`], [`to_path`], [`to_key`], [`to_etag`], [`to_meta`], [`to_content_type`] and [`to_attributes`] are
//! what the bridge itself is made of.

#![deny(missing_docs)]

mod as_object_store;
mod backend;
mod config;
mod error;
mod in_order;
mod list;
mod names;
mod upload;

pub use as_object_store::AsObjectStore;
pub use config::Store;
pub use error::{Call, translate};
pub use names::{to_attributes, to_content_type, to_etag, to_key, to_meta, to_path};
