//! The API through the real router, over a real database and a file store in memory.
//!
//! SQLite in memory by default; `TEST_DB=postgres` with `TEST_POSTGRES_URL` takes a database of its own for each
//! test on that server.

mod account;
mod identity;
mod jobs;
mod mail;
mod meta;
mod outage;
mod statements;
mod support;
mod vault;
