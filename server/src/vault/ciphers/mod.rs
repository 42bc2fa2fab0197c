//! Items of the vault: logins, notes, cards and so on, all encrypted by the client.

pub mod model;
pub mod routes;
pub mod service;
pub mod store;
pub mod wire;
