//! What an adapter implements.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;

use crate::{Capabilities, Error, Outgoing, Receipt};

/// Hands finished mails to somebody who delivers them. Adapters and layers implement it; applications hold a
/// [`Mailer`](crate::Mailer).
///
/// Dropping any future of this trait never poisons what comes after: the next call works as if the dropped one
/// had never been, and gets its own answer, not that of the dropped one.
#[async_trait]
pub trait Backend: Send + Sync + fmt::Debug + 'static {
    /// What this backend can do. Cheap, without I/O, and the same answer for as long as the backend lives.
    fn capabilities(&self) -> Capabilities;

    /// Hands over one mail. `Ok` means that the provider has taken it over for the recipients of the
    /// **envelope**, whatever the headers say, except those listed in [`Receipt::refused`].
    ///
    /// - Bytes arrive as given, unless the backend does not declare `keeps_message_id`.
    /// - Not idempotent: calling it twice sends twice, unless the backend declares `dedupe` and the mail has a
    ///   key. The mail itself is never changed and may be handed over again.
    /// - A mail that needs what is not declared is refused before any I/O ([`Capabilities::admit`]); so is one
    ///   whose `cx` has run out, with [`Timeout`](crate::ErrorKind::Timeout) and
    ///   [`NotApplied`](crate::Outcome::NotApplied).
    /// - `cx.deadline` bounds the whole call, waiting for a connection included.
    /// - On an error [`Error::outcome`] says whether the mail may have gone out. An adapter claims
    ///   [`NotApplied`](crate::Outcome::NotApplied) only if the provider never had the whole message, or clearly
    ///   answered no.
    /// - All kinds but [`Suppressed`](crate::ErrorKind::Suppressed) and [`Expired`](crate::ErrorKind::Expired)
    ///   can come back; those belong to layers above.
    /// - If the future is dropped, the mail was sent at most once, and whether it was is unknown.
    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error>;

    /// Finds out whether the provider can be reached and accepts us. Sends nothing; may be called at any time.
    ///
    /// Kinds: [`Auth`](crate::ErrorKind::Auth), [`Tls`](crate::ErrorKind::Tls),
    /// [`Unavailable`](crate::ErrorKind::Unavailable), [`Timeout`](crate::ErrorKind::Timeout),
    /// [`Protocol`](crate::ErrorKind::Protocol), [`Config`](crate::ErrorKind::Config),
    /// [`Closed`](crate::ErrorKind::Closed).
    async fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Lets running calls finish and gives back what the backend holds. Every later call to `deliver` or
    /// `check` answers [`Closed`](crate::ErrorKind::Closed). Closing twice is the same as closing once.
    async fn close(&self);
}

/// What a backend knows about a call beside the mail. For logs the current `tracing` span is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Context {
    /// When the caller stops waiting; `None` for never.
    pub deadline: Option<Instant>,
    /// Which attempt this is, counted from 1.
    pub attempt: u32,
}

impl Context {
    /// The first attempt, without a deadline.
    pub fn new() -> Self {
        Self { deadline: None, attempt: 1 }
    }

    /// Sets when the caller stops waiting.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets which attempt this is.
    #[must_use]
    pub fn with_attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// Answers [`Timeout`](crate::ErrorKind::Timeout), surely not sent, if the deadline has passed. Every
    /// backend calls it before its first I/O.
    ///
    /// Time is told by tokio, so that a test on a paused clock can let a deadline pass.
    pub fn admit(&self) -> Result<(), Error> {
        if self.deadline.is_some_and(|deadline| deadline <= tokio::time::Instant::now().into_std()) {
            return Err(Error::new(
                crate::ErrorKind::Timeout,
                "the deadline has passed before anything was sent",
            )
            .with_outcome(crate::Outcome::NotApplied));
        }
        Ok(())
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl<B: Backend + ?Sized> Backend for Arc<B> {
    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }

    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        (**self).deliver(mail, cx).await
    }

    async fn check(&self) -> Result<(), Error> {
        (**self).check().await
    }

    async fn close(&self) {
        (**self).close().await;
    }
}
