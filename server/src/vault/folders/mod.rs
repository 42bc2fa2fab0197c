//! Folders: a user's own order among his items.

pub mod model;
pub mod routes;
pub mod service;
pub mod store;
pub mod wire;
