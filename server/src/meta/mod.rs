//! What clients ask about the server itself, and routes whose answer is fixed for now.

pub mod routes;
pub mod wire;
