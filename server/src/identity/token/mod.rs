//! Logging in and staying logged in.

pub mod routes;
pub mod service;
pub mod wire;
