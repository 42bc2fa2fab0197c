//! One open connection between two mails.

use std::time::Duration;

use mailer::Error;
use tokio::{runtime, time::Instant};

use crate::{
    config::{Limits, Options},
    error::Step,
    extensions::Extensions,
    wire::{Io, Wire},
};

/// For how long a server may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(2);

/// For how long a connection that lay unused may take to answer. A new one is opened in less.
const PING: Duration = Duration::from_secs(5);

/// A connection that is open, private if it is to be, and logged in.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) wire: Wire<Box<dyn Io>>,
    pub(crate) extensions: Extensions,
    /// Set after a refusal: the server may still hold a sender and recipients.
    pub(crate) needs_reset: bool,
    mails: u32,
    used: Instant,
    /// The runtime that drives the connection. In another one it might never wake up.
    runtime: runtime::Id,
}

impl Session {
    pub(crate) fn new(wire: Wire<Box<dyn Io>>, extensions: Extensions) -> Self {
        Self {
            wire,
            extensions,
            needs_reset: false,
            mails: 0,
            used: Instant::now(),
            runtime: runtime::Handle::current().id(),
        }
    }

    /// Remembers that it has carried a mail.
    pub(crate) fn count(&mut self) {
        self.mails = self.mails.saturating_add(1);
        self.used = Instant::now();
    }

    /// When it will have lain unused for too long.
    pub(crate) fn expires(&self, options: &Options) -> Option<Instant> {
        self.used.checked_add(options.idle)
    }

    /// Whether it has carried as many mails as it may.
    pub(crate) fn is_worn(&self, options: &Options) -> bool {
        options.mails_per_connection.is_some_and(|most| self.mails >= most)
    }

    /// Whether it can be used again. Asks the server only if it lay unused for a while.
    pub(crate) async fn is_usable(&mut self, options: &Options) -> bool {
        if runtime::Handle::current().id() != self.runtime {
            return false;
        }
        let now = Instant::now();
        if self.expires(options).is_some_and(|expires| expires <= now) {
            return false;
        }
        if !self.wire.is_quiet() {
            return false;
        }
        if now.saturating_duration_since(self.used) < options.ping_after {
            return true;
        }
        let mut limits = Limits::new(options.timeouts, None);
        limits.timeouts.command = limits.timeouts.command.min(PING);
        self.ping(&limits).await.is_ok()
    }

    /// Asks the server whether it is still there. Costs a round trip.
    pub(crate) async fn ping(&mut self, limits: &Limits) -> Result<(), Error> {
        let until = limits.until(limits.timeouts.command);
        let reply = self.wire.ask(b"NOOP\r\n", until).await.map_err(|fault| Step::Ping.fault(fault))?;
        self.used = Instant::now();
        if reply.is_yes() { Ok(()) } else { Err(Step::Ping.refused(reply)) }
    }

    /// Leaves without waiting for anything.
    pub(crate) fn leave(mut self) {
        self.wire.part(b"QUIT\r\n");
    }

    /// Leaves as RFC 5321 wants it. Whatever the server does, this ends soon and well: no mail depends on it.
    pub(crate) async fn quit(mut self) {
        drop(self.wire.ask(b"QUIT\r\n", Instant::now() + FAREWELL).await);
        self.wire.part(b"");
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        tracing::debug!(mails = self.mails, "SMTP connection closed");
    }
}
