//! Files attached to items.

pub mod model;
pub mod routes;
pub mod service;
pub mod store;
pub mod wire;
