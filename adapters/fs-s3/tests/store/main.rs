//! What the suite cannot see from outside: single answers of a server and what becomes of them, parts on their way,
//! and what is promised of which server.

mod answers;
#[path = "../harness/mod.rs"]
mod harness;
mod parts;
mod promises;
mod stub;
