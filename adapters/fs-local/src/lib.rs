//! `persistent-fs` on a local directory of a Unix system.
//!
//! A key is a path below the root, so the files can be read, backed up and put there with the usual tools. What is not
//! a regular file with a valid key is no object; symbolic links are never followed.
//!
//! How a write becomes visible: the body goes into a file in `.persistent-fs/staging` under the root, is checked and
//! synced; then the name appears at once, by a rename that replaces or one that refuses to; then the directories up to
//! the root are synced, whoever made them, but for those that this process has seen onto the disk before. Writers that
//! come together share these syncs. An abandoned staging file is removed with its upload, or by a sweep; an empty
//! directory that a crash has left is invisible, and goes with the next object that is deleted from it.
//!
//! Other programs may put whole files into the tree and take them out. Who moves directories must sync them too, before
//! the store is used: it takes a directory that it has synced under one name to last under it.
//!
//! Writers of all processes that use this crate on one root take an advisory lock for the moment of publication:
//! shared as a rule, alone to compare and swap. So swapping is safe against everybody but programs that write into
//! the directory on their own.
//!
//! ```
//! # fn run() -> Result<(), persistent_fs::Error> {
//! let files = persistent_fs::Files::new(fs_local::Local::open("data/files")?);
//! # Ok(())
//! # }
//! ```

#![deny(missing_docs)]
#![cfg(unix)]

mod backend;
mod blocking;
mod config;
mod error;
mod ingest;
mod list;
mod publish;
mod read;
mod root;
mod stage;
mod sync;
mod upload;

pub use backend::Local;
pub use config::open;
