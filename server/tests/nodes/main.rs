//! Several real processes on one database and one folder of files behave as one server, and one that is killed has
//! kept what it has acknowledged.
//!
//! Two nodes need a Postgres in `TEST_POSTGRES_URL`; without it those tests say that they were skipped.

mod client;
mod crash;
mod key_files;
mod node;
mod postgres;
mod together;
