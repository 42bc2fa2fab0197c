//! The asynchronous pool for Diesel queries.

mod classify;
mod conn;
mod handle;
mod lease;
mod manager;
mod nesting;
mod options;
mod patience;
mod postgres;
mod rows;
mod sqlite;
mod unit;
mod watch;

pub use conn::Conn;
#[doc(hidden)]
pub use conn::Explain;
pub use handle::{Pool, Status};
pub use nesting::{Control, Nesting};
pub use options::PoolOptions;
pub use postgres::PgConn;
pub use rows::RowSink;
#[doc(hidden)]
pub use rows::{ROWS_PER_INSERT, RowError, each_row_postgres, each_row_sqlite};
pub use sqlite::SqliteConn;
#[doc(hidden)]
pub use unit::Work;
pub use unit::WorkError;
pub use watch::Observer;
