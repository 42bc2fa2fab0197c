//! persistent-fs on Amazon S3 and servers that speak its protocol.

#![deny(missing_docs)]

mod abilities;
mod backend;
mod config;
mod connect;
mod copy;
mod credentials;
mod error;
mod links;
mod list;
mod multipart;
mod parts;
mod publish;
mod read;
mod sweep;
mod upload;
mod url_options;
mod wire;
mod xml;

pub use backend::S3;
pub use config::{Conditional, Config, Encryption};
pub use credentials::{ContainerEndpoint, CredentialSource, Credentials, Environment, Keys};
pub use url_options::{open, open_with};
