//! One application per test, and clients that speak to its router.

mod app;
mod client;
mod database;
#[path = "../../nodes/postgres.rs"]
pub(crate) mod postgres;

pub(crate) use app::{Choice, TestApp};
pub(crate) use client::{Answer, Client, registration};

/// Something that looks encrypted.
pub(crate) const ENC: &str = "2.aXY=|Y2lwaGVydGV4dA==|bWFj";

/// Another thing that looks encrypted.
pub(crate) const OTHER: &str = "2.aXY=|b3RoZXI=|bWFj";
