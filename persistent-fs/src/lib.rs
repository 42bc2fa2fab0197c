//! Contract for file storage: durable, honest about outcomes, swappable.
//!
//! Two audiences, two types. An application holds a [`Files`]; whoever brings a new kind of storage implements
//! [`Backend`]. Both see the same [`Key`]s, options, [`Capabilities`] and [`Error`]s.
//!
//! ```
//! use persistent_fs::{Error, Files, Key, WriteOptions};
//!
//! async fn keep(files: &Files, id: &str, body: &'static [u8]) -> Result<(), Error> {
//!     let attachments = files.scoped("attachments")?;
//!     let key = Key::parse(id)?;
//!     attachments.put(&key, body.into(), WriteOptions::create()).await?;
//!     assert_eq!(attachments.read_all(&key, 1024).await?, body);
//!     Ok(())
//! }
//! ```
//!
//! # What every backend promises
//!
//! * **All or nothing.** An object is visible in full or not at all, to every reader, at every moment. Until
//!   [`Upload::finish`] succeeds the old object stands; a reader that began on it ends on it.
//! * **Durable by default**, where [`Capabilities::durable`] says so: once a write has returned, a crash does not
//!   take it back.
//! * **You read what was written.** After a write or a delete has returned, every later call sees its effect.
//! * **An error tells what happened.** [`Error::outcome`] says whether the change was applied, [`Error::retry`] whether
//!   trying again makes sense.
//! * **Capabilities are promises.** What is declared holds in full; what is not is refused as
//!   [`ErrorKind::Unsupported`], quickly and without effect. Nothing is emulated.
//! * **A dropped future harms nobody.** The next call works, and what is left behind can be [swept](Backend::sweep).
//!
//! What this contract leaves out, it leaves out on purpose: directories, rename, append, access lists, versions.
//!
//! # Adding a backend
//!
//! 1. A crate `adapters/fs-<product>` with `config.rs` (typed options and the URL), `backend.rs` (the trait),
//!    `error.rs` (the product's errors to [`ErrorKind`]).
//! 2. Implement [`Backend`]'s six required methods. Override a provided one only to be faster or stronger.
//! 3. Enrol it: one line in `tests/conformance.rs`.
//!
//! Notice: check [`WriteOptions`] against your capabilities with [`Capabilities::permit`] before any effect, count and
//! hash the body with [`Tally`], and set the error's [`Outcome`] by hand wherever a change may already have happened.

#![deny(missing_docs)]

mod backend;
mod capabilities;
mod clock;
mod error;
mod files;
mod forward;
mod key;
pub mod links;
mod meta;
mod options;
mod prefixed;
mod registry;
mod tally;

pub use backend::{Backend, ByteStream, MetaStream, Upload};
pub use capabilities::{Capabilities, PutLinks};
pub use clock::Clock;
pub use error::{Error, ErrorKind, Outcome, Result, Retry};
pub use files::Files;
pub use key::{Key, Prefix, RESERVED};
pub use links::{Link, LinkRequest, Method};
pub use meta::{Download, ETag, Meta, Swept};
pub use options::{ByteRange, Durability, ReadOptions, WriteMode, WriteOptions};
pub use prefixed::Prefixed;
pub use registry::{Registry, UrlOptions};
pub use tally::Tally;
