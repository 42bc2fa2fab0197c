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
//! * **You read what was written.** After a write or a delete has returned, every later call sees its effect, through
//!   every backend on the same storage.
//! * **An error tells what happened.** [`Error::outcome`] says whether the change was applied, [`Error::retry`] whether
//!   trying again makes sense.
//! * **Capabilities are promises.** What is declared holds in full; what is not is refused as
//!   [`ErrorKind::Unsupported`], quickly and without effect. Nothing is emulated.
//! * **A dropped future harms nobody.** The next call works, and what is left behind can be [swept](Backend::sweep).
//!   What was under way may still take effect a moment later: in full, or not at all.
//! * **Any runtime will do.** Calls need no second thread of the caller's runtime, several runtimes may share a backend,
//!   and one that ends harms the others no more than a dropped future.
//!
//! What this contract leaves out, it leaves out on purpose: directories, rename, append, access lists, versions.
//!
//! # Which way in, which way out
//!
//! | The body | Call | In memory |
//! |---|---|---|
//! | is at hand | [`Files::put`] | the body |
//! | arrives as a stream, such as a request's | [`Files::put_stream`] | a few pieces |
//! | is made piece by piece | [`Files::writer`], then [`Upload::write`] and [`Upload::finish`] | a few pieces |
//! | lies in a local file that may go | [`Files::ingest`] | nothing, where a rename will do |
//! | is small, and wanted whole | [`Files::read_all`], with a bound | the body |
//! | is of any size | [`Files::read`], then [`Download::body`] | a few pieces |
//! | shall not pass through the application | [`Files::link`] | nothing |
//!
//! Sizes and offsets are bytes. Times are the backend's, as exact as it keeps them; only [`Link::expires_at`] is
//! promised in whole seconds. Nothing here starts a task or sets a deadline: wrap a call in a timeout of your own, and
//! it is a dropped future like any other.
//!
//! # After an error
//!
//! [`Error::outcome`] decides what is known, [`Error::retry`] whether to go on:
//!
//! | Outcome | What stands | What to do |
//! |---|---|---|
//! | [`NotApplied`](Outcome::NotApplied) | what stood before | repeat, if `retry` allows it |
//! | [`Applied`](Outcome::Applied) | the change | go on; repeating does no harm to a replace or a delete |
//! | [`Unknown`](Outcome::Unknown) | one of the two, in full | [look](Files::head) first: a create may now find its own object |
//!
//! ```
//! use persistent_fs::{Error, ErrorKind, Files, Key, Outcome, WriteOptions};
//!
//! /// Stores an upload under a name that nobody else uses, so that a second attempt finds only its own first one.
//! async fn store_once(files: &Files, key: &Key, body: bytes::Bytes) -> Result<(), Error> {
//!     let first = files.put(key, body.clone(), WriteOptions::create()).await;
//!     match first {
//!         Err(error) if error.outcome() == Outcome::Unknown => {
//!             match files.put(key, body, WriteOptions::create()).await {
//!                 Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
//!                 second => second.map(drop),
//!             }
//!         }
//!         first => first.map(drop),
//!     }
//! }
//! ```
//!
//! # Adding a backend
//!
//! 1. A crate `adapters/fs-<product>` with `config.rs` (typed options and the URL), `backend.rs` (the trait),
//!    `error.rs` (the product's errors to [`ErrorKind`]).
//! 2. Implement [`Backend`]'s six required methods. Override a provided one only to be faster or stronger.
//! 3. Enrol it: one line in `tests/conformance.rs`, and a harness that opens an empty store.
//!
//! ```text
//! conformance_tests::persistent_fs!(ShelfHarness);
//! ```
//!
//! This is all of a backend, short of making it durable:
//!
//! ```
//! use std::{collections::BTreeMap, sync::{Arc, Mutex}, time::SystemTime};
//! use async_trait::async_trait;
//! use bytes::Bytes;
//! use futures_util::{StreamExt, stream};
//! use persistent_fs::*;
//!
//! #[derive(Debug, Clone, Default)]
//! struct Shelf(Arc<Mutex<BTreeMap<Key, (Meta, Bytes)>>>);
//!
//! #[derive(Debug)]
//! struct ShelfUpload { shelf: Shelf, key: Key, options: WriteOptions, tally: Tally, body: Vec<u8> }
//!
//! impl Shelf {
//!     fn find(&self, key: &Key) -> Result<(Meta, Bytes)> {
//!         let missing = || Error::new(ErrorKind::NotFound, "no such object").with_key(key);
//!         self.0.lock().unwrap().get(key).cloned().ok_or_else(missing)
//!     }
//! }
//!
//! #[async_trait]
//! impl Backend for Shelf {
//!     fn capabilities(&self) -> Capabilities {
//!         // Begins with nothing; what is declared is then tested, and so is the refusal of the rest.
//!         Capabilities { create: true, case_sensitive: true, ..Capabilities::NONE }
//!     }
//!
//!     async fn head(&self, key: &Key) -> Result<Meta> {
//!         Ok(self.find(key)?.0)
//!     }
//!
//!     async fn read(&self, key: &Key, options: ReadOptions) -> Result<Download> {
//!         self.capabilities().permit_read(&options)?;
//!         let (meta, body) = self.find(key)?;
//!         let range = options.resolve(&meta).map_err(|error| error.with_key(key))?;
//!         let part = body.slice(range.start as usize..range.end as usize);
//!         Ok(Download::new(meta, range, stream::iter([Ok(part)]).boxed()))
//!     }
//!
//!     async fn writer(&self, key: &Key, options: WriteOptions) -> Result<Box<dyn Upload>> {
//!         // Before any effect; the tally then refuses a body that is not what was declared.
//!         self.capabilities().permit(&options)?;
//!         let (shelf, key, tally) = (self.clone(), key.clone(), Tally::expecting(&options));
//!         Ok(Box::new(ShelfUpload { shelf, key, options, tally, body: Vec::new() }))
//!     }
//!
//!     async fn delete(&self, key: &Key) -> Result<()> {
//!         self.0.lock().unwrap().remove(key);
//!         Ok(())
//!     }
//!
//!     fn list(&self, prefix: &Prefix, after: Option<&Key>) -> MetaStream {
//!         let objects = self.0.lock().unwrap();
//!         let wanted = objects.iter().filter(|(key, _)| key.starts_with(prefix) && after < Some(*key));
//!         let found: Vec<_> = wanted.map(|(_, (meta, _))| Ok(meta.clone())).collect();
//!         stream::iter(found).boxed()
//!     }
//! }
//!
//! #[async_trait]
//! impl Upload for ShelfUpload {
//!     async fn write(&mut self, piece: Bytes) -> Result<()> {
//!         self.tally.add(&piece)?;
//!         self.body.extend_from_slice(&piece);
//!         Ok(())
//!     }
//!
//!     async fn finish(self: Box<Self>) -> Result<Meta> {
//!         let meta = Meta::new(self.key.clone(), self.tally.finish()?, SystemTime::UNIX_EPOCH);
//!         // Comparing and publishing is one step under one lock: this is what makes a race have one winner.
//!         let mut objects = self.shelf.0.lock().unwrap();
//!         self.options.admits(objects.get(&self.key).map(|(meta, _)| meta))?;
//!         objects.insert(self.key, (meta.clone(), self.body.into()));
//!         Ok(meta)
//!     }
//!
//!     async fn abort(self: Box<Self>) -> Result<()> {
//!         Ok(())
//!     }
//! }
//!
//! # fn main() -> Result<()> { futures_util::FutureExt::now_or_never(async {
//! let files = Files::new(Shelf::default()).scoped("notes")?;
//! let key = Key::parse("today")?;
//! files.put(&key, "hello".into(), WriteOptions::create().sized(5)).await?;
//! let again = files.put(&key, "hello".into(), WriteOptions::create()).await.unwrap_err();
//! assert_eq!(again.kind(), ErrorKind::AlreadyExists);
//! assert_eq!(files.read_all(&key, 100).await?, "hello");
//! # Ok(()) }).unwrap() }
//! ```
//!
//! Easily overlooked:
//!
//! * An error is made with [`Outcome::NotApplied`]. Wherever the change may already have happened (a lost answer, a
//!   failed sync after the rename), set the outcome by hand; nobody else can know.
//! * A store that has lost its root, its bucket or its credentials is [`Unavailable`](ErrorKind::Unavailable) or
//!   [`Denied`](ErrorKind::Denied), and never empty: [`NotFound`](ErrorKind::NotFound) is for a missing object alone.
//! * A product's error text may hold a signed URL. What goes into [`Error::new`] is your own words; the product's go
//!   into [`Error::with_source`], and only if they are known to be harmless.
//! * Work that must not stop halfway when the caller goes away belongs into a task of its own.
//!
//! # Adding a layer
//!
//! What is there already, when to use it and in which order, is at [`layers`]:
//!
//! | | |
//! |---|---|
//! | [`Prefixed`] | a folder as a store of its own |
//! | [`ReadOnly`](layers::ReadOnly) | a store that can be looked at and not changed |
//! | [`Retried`](layers::Retried) | calls again what failed, where that is harmless |
//! | [`Limited`](layers::Limited) | a largest size, a number of calls at once, a quota |
//! | `Observed` | spans and metrics, with the feature `observe` |
//! | [`Faulty`](layers::Faulty) | fails on purpose, for tests |
//!
//! A layer holds a backend and is one, so it stacks with others and passes the same suite. It forwards every method,
//! the provided ones too: one that is left out falls back to the slow way through [`Backend::writer`], and what the
//! inner backend does better is lost. It takes capabilities away that it cannot keep, and adds none; what it has taken
//! away it refuses itself. It repeats a call only if [`Error::retry`] allows it, and a write whose outcome is unknown
//! only if repeating it changes nothing; the error it ends with tells what all attempts have done.
//!
//! 1. A file in `src/layers/`, a generic struct without a trait of its own. State that clones and streams share goes
//!    behind an [`Arc`](std::sync::Arc).
//! 2. A line in `tests/forwarding.rs`, where a store counts the calls that reach it.
//! 3. A label in `conformance-tests/tests/layers`, and the whole suite runs through it.

#![deny(missing_docs)]

mod backend;
mod capabilities;
mod clock;
mod error;
mod files;
mod forward;
mod key;
pub mod layers;
pub mod links;
mod meta;
mod options;
mod registry;
mod tally;

pub use backend::{Backend, ByteStream, MetaStream, Upload, copy_through};
pub use capabilities::{Capabilities, PutLinks};
pub use clock::Clock;
pub use error::{Error, ErrorKind, Outcome, Result, Retry};
pub use files::Files;
pub use key::{Key, Prefix, RESERVED};
pub use layers::Prefixed;
pub use links::{Link, LinkRequest, Method};
pub use meta::{Download, ETag, Meta, Swept};
pub use options::{ByteRange, Durability, ReadOptions, WriteMode, WriteOptions};
pub use registry::{Registry, UrlOptions};
pub use tally::Tally;
