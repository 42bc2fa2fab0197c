//! A [`mailer`] backend for Amazon SES, version 2 of its interface.

#![deny(missing_docs)]

mod account;
mod backend;
mod config;
mod error;
pub mod events;
mod gate;
mod handover;
#[cfg(feature = "aws-config")]
mod sdk;

pub use account::{Account, Quota};
pub use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
pub use backend::Ses;
pub use config::{Environment, Options};
