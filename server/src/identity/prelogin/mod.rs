//! How a client must derive the master key, told before it logs in.

pub mod routes;
