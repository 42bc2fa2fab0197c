//! `dbconn` to the SQLite file or Postgres server that a URL names.
//!
//! | URL | |
//! |---|---|
//! | `sqlite:///srv/app/data.db` | a file, by its absolute path; for a relative one use [`Sqlite::file`] |
//! | `postgres://user:password@host:5432/database` | a server, over verified TLS |
//!
//! The parts of a URL are percent-encoded. Postgres takes these options after `?`, each at most once; any other is an
//! error that names it:
//!
//! | option | meaning | default |
//! |---|---|---|
//! | `sslmode` | `verify-full`, or `disable` for a server that is reached without TLS | `verify-full` |
//! | `sslrootcert` | path of a PEM file with the certificates to believe | the web's authorities, built in |
//! | `application_name` | what the server's activity list shows | `undercroft` |
//! | `password_file` | path of a file with the password, read anew for each connection; in place of one in the URL | – |
//!
//! `sslmode=require` and its weaker kin are refused: they hand the password to whoever sits in the middle.
//!
//! A rotated password is a changed `password_file`: the next connection reads it, and a refused login reads it again.
#![deny(missing_docs)]

mod config;
mod postgres;
mod sqlite;

pub use config::{Password, PostgresOptions};
pub use postgres::{Postgres, open_postgres};
pub use sqlite::{Sqlite, open_sqlite};
