//! A [`mailer`] backend that keeps mails in memory, so that tests can read what was sent.
//!
//! ```
//! # use mail_memory::Memory;
//! # use mailer::{Address, Email, Mailer, Renderer};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), mailer::Error> {
//! let (memory, inbox) = Memory::new();
//! let mailer = Mailer::new(memory, Renderer::system());
//!
//! let vault: Address = "vault@example.org".parse()?;
//! let ann: Address = "ann@example.com".parse()?;
//! mailer.send(&Email::new(vault, ann).subject("Your code").text("123456").kind("otp")).await?;
//!
//! let mail = inbox.one();
//! assert_eq!(mail.kind(), Some("otp"));
//! assert!(mail.text().unwrap().contains("123456"));
//! # Ok(())
//! # }
//! ```
//!
//! An [`Inbox`] can be looked at in a browser: it is a [`Source`](mailer::preview::Source).
//!
//! Failures and delays are scripted, see [`Inbox::script`].
//!
//! Each [`Memory`] has an inbox of its own, so tests that run at the same time do not see each other's mails.
//! Where many tests share one, [`Inbox::of`] and [`Inbox::kind`] narrow the view.

#![deny(missing_docs)]

mod backend;
mod config;
mod inbox;
mod preview;

pub use backend::Memory;
pub use config::Options;
pub use inbox::{Inbox, Sent, Step};
