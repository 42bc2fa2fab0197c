//! A [`mailer`] backend that speaks SMTP.

#![deny(missing_docs)]

mod auth;
mod backend;
mod body;
mod config;
mod connect;
mod credentials;
mod error;
mod exchange;
mod extensions;
mod pool;
mod provider_id;
mod reply;
mod session;
mod tls;
mod wire;

pub use backend::Smtp;
pub use config::{Mechanism, Options, Roots, Security, Timeouts};
pub use credentials::{Ask, Credentials, CredentialsProvider, FromFn, PasswordFile, from_fn};
