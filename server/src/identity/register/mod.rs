//! New accounts.

pub mod routes;
pub mod service;
pub mod wire;
