//! The whole vault in one answer.

pub mod routes;
pub mod service;
