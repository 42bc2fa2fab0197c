//! Contract for outgoing mail that says whether a message may have gone out.
//!
//! An application describes a mail as plain data ([`Email`]), holds a [`Mailer`], and chooses where mails go by
//! URL ([`Registry`]). A backend is given an envelope and finished bytes ([`Outgoing`]) and hands them to
//! somebody who delivers them ([`Backend`]). What came of it is a [`Receipt`] or an [`Error`], and the error
//! answers what nobody else's does: whether the mail may have gone out all the same ([`Outcome`]).
//!
//! - One encoder renders for all backends, so a mail has the same bytes whoever carries it, and sending again
//!   sends the same bytes.
//! - Layers are backends. They need two rules and no more: repeat only what is not permanent **and** surely not
//!   sent ([`Error::retry`]); turn to another backend only for a fault of the transport that was surely not sent.
//! - Mails that must not be lost go through an [`Outbox`], which needs no task in the background.
//! - Subjects, bodies, secrets and links are in no error, no log line and no `Debug`.
//!
//! ```
//! # use mailer::{Address, Email, Mailer, Mailbox, Renderer};
//! # async fn example(backend: std::sync::Arc<dyn mailer::Backend>) -> Result<(), mailer::Error> {
//! let mailer = Mailer::new(backend, Renderer::system());
//! let email = Email::new(Mailbox::parse("Vault <vault@example.org>")?, Address::parse("ann@example.com")?)
//!     .subject("Your code")
//!     .text("123456");
//! match mailer.send(&email).await {
//!     Ok(receipt) => println!("taken as {}", receipt.message_id),
//!     Err(error) => println!("{error}; send it again: {:?}", error.retry()),
//! }
//! # Ok(())
//! # }
//! ```

#![deny(missing_docs)]

mod address;
mod ambient;
mod backend;
mod base64_bytes;
mod capabilities;
mod check;
mod email;
mod error;
mod mailer;
mod outbox;
mod outgoing;
mod receipt;
mod registry;
mod render;
mod wire;

pub use address::{Address, Mailbox};
pub use ambient::{Clock, Entropy};
pub use backend::{Backend, Context};
pub use capabilities::{Capabilities, Support};
pub use email::{Email, EnvelopeFrom, Headers, Part, Unsubscribe};
pub use error::{Disposition, Error, ErrorKind, Outcome, Refused, Reply, Retry, Scope, Stage};
pub use mailer::Mailer;
pub use outbox::{Claimed, Drained, Lease, Outbox, OutboxStore, Policy, Verdict};
pub use outgoing::{DedupeKey, Envelope, MessageId, Meta, Outgoing};
pub use receipt::Receipt;
pub use registry::{BackendUrl, Registry};
pub use render::Renderer;
