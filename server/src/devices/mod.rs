//! Sessions: one row for each device on which a user has logged in.

pub mod model;
pub mod routes;
pub mod store;
pub mod wire;
