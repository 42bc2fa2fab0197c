//! Any `opendal::Operator` as a `persistent-fs` backend.
//!
//! ```
//! # fn main() {
//! use opendal::{Operator, services::Memory};
//! use persistent_fs::Files;
//!
//! let operator = Operator::new(Memory::default()).expect("memory opens");
//! let files = Files::new(fs_opendal::Store::new(operator));
//! assert!(files.capabilities().create);
//! # }
//! ```
//!
//! # What is believed of an operator
//!
//! | Ours | Declared if the operator says |
//! |---|---|
//! | `create` | `write_with_if_not_exists` |
//! | `etag` | `read_with_if_match` and `read_with_if_none_match` |
//! | `compare_and_swap` | the same, and `write_with_if_match` |
//! | `content_type` | `write_with_content_type` |
//! | `max_size` | `write_total_max_size` |
//! | `durable`, `case_sensitive` | never: there are no such flags |
//! | links | never |
//!
//! A flag is the service's own word. What is better known is said with
//! [`Store::with_capabilities`]; whether it is true, the conformance suite finds out.
//!
//! # What it does
//!
//! * Keys are held literally, but for those that begin or end with white space, which `opendal` would trim: they are
//!   refused with [`InvalidKey`](persistent_fs::ErrorKind::InvalidKey).
//! * A body of up to one part is one request; a larger one goes through a `Writer` in parts.
//! * A write is followed by a look at the object, since services hardly say when they wrote.
//! * A read looks first, and again where the service does not describe what it opened, so that body and description
//!   are of one version.
//! * Giving an upload up removes its parts. Dropping it does so in a task of its own; a process that ends before that
//!   leaves them to the service. An operator cannot list them, so there is nothing for a sweep to do.

#![deny(missing_docs)]

mod backend;
mod config;
mod error;
mod list;
mod upload;

pub use config::Store;
