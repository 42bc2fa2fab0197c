//! Contract for outgoing mail that says whether a message may have gone out.
//!
//! An application describes a mail as plain data ([`Email`]), holds a [`Mailer`], and chooses where mails go by
//! URL ([`Registry`]). A backend is given an envelope and finished bytes ([`Outgoing`]) and hands them to
//! somebody who delivers them ([`Backend`]). What came of it is a [`Receipt`] or an [`Error`], and the error
//! answers what nobody else's does: whether the mail may have gone out all the same ([`Outcome`]).
//!
//! - One encoder renders for all backends, so a mail has the same bytes whoever carries it, and sending again
//!   sends the same bytes.
//! - [Layers](layers) are backends. They need two rules and no more: repeat only what is not permanent **and** surely
//!   not sent ([`Error::retry`]); turn to another backend only for a fault of the transport that was surely not sent.
//! - What a provider tells later, of bounces and complaints, is an [event](events), whichever provider it is.
//! - Mails that must not be lost go through an [`Outbox`], which needs no task in the background.
//! - Subjects, bodies, secrets and links are in no error, no log line and no `Debug`.
//!
//! # Sending
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
//!
//! Three sorts of mail want three ways of sending:
//!
//! | The mail | Way |
//! |---|---|
//! | must be gone before the request is answered (a code) | [`Mailer::send`], and the error is the request's |
//! | is a courtesy (a notice) | [`Mailer::send`], and the error is logged by the mailer already |
//! | must not be lost (an invitation, a reminder) | [`Email::render`] and store it, [`Outbox::drain`] later |
//!
//! # What a mail goes through
//!
//! 1. [`Email::render`] refuses what mail cannot carry, by the name of the field, and encodes the rest. From here
//!    on the message id, the date and all bytes are fixed.
//! 2. [`Outgoing`] holds the result. Its promises about line ends and headers are checked whenever one is made,
//!    also from storage, so no backend needs to check them and none can be made to smuggle a command.
//! 3. [`Mailer::deliver`] refuses what is too late and what the backend does not declare, without I/O.
//! 4. [`Backend::deliver`] hands it over. The envelope alone says to whom.
//! 5. A [`Receipt`] says under which names the mail is known from now on; an [`Error`] says what to do.
//!
//! # When a mail counts as perhaps sent
//!
//! Each way of handing over has a moment after which nobody but the provider knows the outcome. Before it an
//! error is [`Outcome::NotApplied`]; after it, until a clear answer is read, [`Outcome::Unknown`].
//!
//! | Way | The moment |
//! |---|---|
//! | SMTP | the dot that ends the message is written |
//! | an HTTP interface | the last byte of the request is handed to the connection |
//! | a program such as sendmail | its standard input is closed |
//! | a file | the rename that makes it visible; an error after that is `Unknown` too |
//!
//! An answer that clearly says no brings the outcome back to `NotApplied`, however late it comes.
//!
//! # What the no of an SMTP server means
//!
//! The first digit says whether it may pass: 4 is [`Disposition::Transient`], 5 is [`Disposition::Permanent`]. To what it
//! was said tells the rest; the stage is that of the command which was answered.
//!
//! | Reply | To | Kind | Scope |
//! |---|---|---|---|
//! | 421 | anything | `Unavailable` | transport |
//! | 530 | anything | `Auth` | transport |
//! | 4xx, 5xx | the connection, `EHLO`, `HELO` | `Unavailable` | transport |
//! | 4xx, 5xx | `STARTTLS` | `Tls` | transport |
//! | 4xx, 5xx | `AUTH` | `Auth` | transport |
//! | 4xx, 5xx | `RCPT`, if no recipient is left | `Refused` | recipients |
//! | 552, or 5.3.4 | `MAIL`, `DATA`, the mail | `TooLarge` | message |
//! | 454 about throttling | `MAIL`, `DATA`, the mail | `Throttled`, or `Quota` if it names one | transport |
//! | other 4xx | `MAIL`, `DATA`, the mail | `Unavailable` | transport |
//! | other 5xx | `MAIL`, `DATA`, the mail | `Refused` | message |
//! | what is no reply, or of no known class | anything | `Protocol` | transport |
//!
//! # Writing a backend
//!
//! Implement [`Backend`] and run the conformance suite, which holds one case for each sentence here. The shape of
//! every `deliver`:
//!
//! ```
//! # use mailer::{Backend, Capabilities, Context, Error, ErrorKind, Outcome, Outgoing, Receipt, Stage};
//! # #[derive(Debug)] struct Pigeon;
//! # impl Pigeon { fn is_closed(&self) -> bool { false } async fn fly(&self, _: &Outgoing) -> bool { true } }
//! #[async_trait::async_trait]
//! impl Backend for Pigeon {
//!     fn capabilities(&self) -> Capabilities {
//!         // Starts as the least; raise what holds in full.
//!         let mut capabilities = Capabilities::default();
//!         capabilities.max_bytes = Some(2_000);
//!         capabilities.keeps_message_id = true;
//!         capabilities
//!     }
//!
//!     async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
//!         // Everything that can be refused is refused before the first I/O.
//!         if self.is_closed() {
//!             return Err(Error::new(ErrorKind::Closed, "the loft is shut"));
//!         }
//!         cx.admit()?;
//!         self.capabilities().admit(mail)?;
//!         // The provider's no is proof that nothing was sent; only the adapter can know that.
//!         if !self.fly(mail).await {
//!             return Err(Error::new(ErrorKind::Unavailable, "no bird")
//!                 .with_outcome(Outcome::NotApplied)
//!                 .at(Stage::Connect));
//!         }
//!         Ok(Receipt::new(mail.message_id().clone(), "pigeon").with_attempts(cx.attempt))
//!     }
//!
//!     async fn close(&self) {}
//! }
//! ```
//!
//! One line in the adapter's `tests/conformance.rs` enrols it, with a harness that opens the backend and can say what
//! arrived:
//!
//! ```text
//! conformance_tests::mailer!(PigeonHarness);
//! ```
//!
//! # Writing a layer
//!
//! A layer is a backend that holds another one, and passes the same suite.
//!
//! - Its capabilities are those of what it holds, or the [`meet`](Capabilities::meet) of several.
//! - It passes `cx` on; one that repeats counts `attempt` up and stops at `deadline`.
//! - It repeats a mail if [`Error::retry`] allows it, and never for another reason.
//! - It turns to another backend if [`Error::scope`] is [`Scope::Transport`] and [`Error::outcome`] is
//!   [`Outcome::NotApplied`]; a refused recipient says nothing about the transport.
//! - It keeps the receipt's `via` and sums up `attempts`, also those of an error.
//! - From the outside in: observe, redirect, suppress, retry, fail over, limit the rate, backend.
//!
//! [`layers`] holds those that most programs need. This is what one looks like:
//!
//! ```
//! # use mailer::{Backend, Capabilities, Context, Error, Outcome, Outgoing, Receipt, Scope};
//! /// Turns to the second backend if the first cannot be reached.
//! #[derive(Debug)]
//! struct Spare<A, B>(A, B);
//!
//! #[async_trait::async_trait]
//! impl<A: Backend, B: Backend> Backend for Spare<A, B> {
//!     fn capabilities(&self) -> Capabilities {
//!         self.0.capabilities().meet(&self.1.capabilities())
//!     }
//!
//!     async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
//!         self.capabilities().admit(mail)?;
//!         match self.0.deliver(mail, cx).await {
//!             // Perhaps sent is not turned into sent twice, and a bad mail stays bad elsewhere.
//!             Err(error) if error.scope() == Scope::Transport && error.outcome() == Outcome::NotApplied => {
//!                 let receipt = self.1.deliver(mail, cx).await?;
//!                 let attempts = receipt.attempts + 1;
//!                 Ok(receipt.with_attempts(attempts))
//!             }
//!             answered => answered,
//!         }
//!     }
//!
//!     /// One that works will do.
//!     async fn check(&self) -> Result<(), Error> {
//!         match self.0.check().await {
//!             Err(_) => self.1.check().await,
//!             works => works,
//!         }
//!     }
//!
//!     async fn close(&self) {
//!         self.0.close().await;
//!         self.1.close().await;
//!     }
//! }
//! ```

#![deny(missing_docs)]

mod address;
mod ambient;
mod backend;
mod base64_bytes;
mod capabilities;
mod check;
mod email;
mod encoded_word;
mod error;
pub mod events;
mod kinds;
pub mod layers;
#[cfg(feature = "lettre")]
pub mod lettre;
mod mailer;
mod outbox;
mod outgoing;
#[cfg(feature = "preview")]
pub mod preview;
mod receipt;
mod registry;
mod render;
mod wire;

pub use address::{Address, Mailbox};
pub use ambient::{Clock, Entropy};
pub use backend::{Backend, Context};
pub use capabilities::{Capabilities, Support};
pub use email::{Email, EnvelopeFrom, Headers, Part, Unsubscribe};
pub use error::{Error, Refused, Reply};
pub use kinds::{Disposition, ErrorKind, Outcome, Retry, Scope, Stage};
pub use mailer::Mailer;
pub use outbox::{Claimed, Drained, Lease, Outbox, OutboxStore, Policy, Verdict};
pub use outgoing::{DedupeKey, Envelope, MessageId, Meta, Outgoing};
pub use receipt::Receipt;
pub use registry::{BackendUrl, Registry};
pub use render::Renderer;
