//! Many items at once, from an export of this or another password manager.

pub mod routes;
pub mod service;
pub mod wire;
