//! Files by link: where the file store has no web server of its own, this is it.

pub mod routes;
