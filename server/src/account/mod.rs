//! A user's account: profile, keys, password, deletion.

pub mod model;
pub mod routes;
pub mod service;
pub mod store;
pub mod wire;
