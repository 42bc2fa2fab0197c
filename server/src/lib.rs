//! The reference server: the Bitwarden API on swappable parts.
//!
//! `docs/ARCHITECTURE.md` is the way in. [`assemble`] alone knows which adapters there are; everything else sees
//! the three contracts.

pub mod account;
pub mod app;
pub mod assemble;
pub mod blob;
pub mod cli;
pub mod client_keys;
pub mod clock;
pub mod config;
pub mod devices;
pub mod error;
pub mod files;
pub mod http;
pub mod identity;
pub mod ids;
pub mod jobs;
pub mod key_files;
pub mod mail;
pub mod meta;
pub mod migrations;
pub mod password;
pub mod rng;
pub mod schema;
pub mod time;
pub mod tls;
pub mod tokens;
pub mod vault;
