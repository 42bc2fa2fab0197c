//! Contract for database connections whose credentials rotate.
#![deny(missing_docs)]

mod backend;
mod clock;
mod error;
#[cfg(feature = "diesel")]
pub mod migrate;
#[cfg(feature = "diesel")]
#[doc(hidden)]
pub mod pool;
mod registry;
mod rotating;
mod secret;
mod target;

pub use backend::{Ask, Backend, Credentials, Generation, Refusal, Verdict};
pub use clock::Clock;
pub use error::{Constraint, Error, ErrorKind, Outcome, Retry, Rule};
#[cfg(feature = "diesel")]
pub use pool::{Conn, Observer, PgConn, Pool, PoolOptions, RowSink, SqliteConn, Status, WorkError};
pub use registry::{Registry, UrlOptions};
pub use rotating::Rotating;
pub use secret::Secret;
pub use target::{Capabilities, Ddl, Dialect, Endpoint, Location, Profile, Roots, Server, Target, Tls};

// What the macros expand to.
#[cfg(feature = "diesel")]
#[doc(hidden)]
pub use {diesel, diesel_async};
