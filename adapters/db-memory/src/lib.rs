//! `dbconn` to a SQLite database in memory, for tests and trials.
//!
//! The data lives as long as the pool that was opened over it, and a second pool sees a database of its own. There is
//! exactly one connection, so units of work take turns.
//!
//! ```
//! use dbconn::Backend;
//!
//! let backend = db_memory::Memory::new();
//! assert!(!backend.target().capabilities().survives_reopen);
//! ```
#![deny(missing_docs)]

mod backend;

pub use backend::{Memory, open};
