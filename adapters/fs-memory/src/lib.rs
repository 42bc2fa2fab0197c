//! `persistent-fs` in memory: the reference implementation, for tests and for trying things out.
//!
//! It keeps every promise of the contract but durability: when the last clone of a [`Memory`] goes, so do its objects.
//! Where the contract leaves a choice, it behaves like a directory on disk, so that code tested here works there: `a`
//! and `a/b` exclude each other.
//!
//! ```
//! # async fn run() -> Result<(), persistent_fs::Error> {
//! let files = persistent_fs::Files::new(fs_memory::Memory::new());
//! files.put(&"notes/today".parse()?, "hello".into(), Default::default()).await?;
//! # Ok(())
//! # }
//! ```

#![deny(missing_docs)]

mod backend;
mod config;
mod state;
mod upload;

pub use backend::Memory;
pub use config::open;
