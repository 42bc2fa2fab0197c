//! The server's outbox passes the suite for such tables, on SQLite and on Postgres.
//!
//! Called with the name of a database, this program is the worker that the suite wants killed.

mod harness;
#[path = "../nodes/postgres.rs"]
mod postgres;
mod worker;

use std::process::ExitCode;
use std::sync::Arc;

use conformance_tests::mailer::outbox;
use harness::{Postgres, Sqlite};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(worker::COMMAND) {
        worker::run(arguments);
    }
    outbox::main(env!("CARGO_PKG_NAME"), &[("sqlite", Arc::new(Sqlite)), ("postgres", Arc::new(Postgres))])
}
