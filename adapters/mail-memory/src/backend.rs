//! The backend: takes mails into a list.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use mailer::{
    Backend, BackendUrl, Capabilities, Context, Error, ErrorKind, Outgoing, Receipt, Stage, Support,
};
use tokio::sync::Notify;

use crate::{Inbox, Options, Sent};

/// A backend that keeps mails in memory. Clones share the same mails.
///
/// A mail is in the inbox before [`deliver`](Backend::deliver) answers, and never twice. Nothing here waits, so
/// a deadline is looked at once, before the mail is taken.
#[derive(Clone, Debug)]
pub struct Memory {
    shared: Arc<Shared>,
}

/// What the backend and its inboxes hold together.
#[derive(Debug)]
pub(crate) struct Shared {
    options: Options,
    state: Mutex<State>,
    pub(crate) arrived: Notify,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) sent: VecDeque<Sent>,
    pub(crate) failures: VecDeque<Error>,
    count: u64,
    closed: bool,
}

impl Memory {
    /// A backend and its inbox, with the default [`Options`].
    pub fn new() -> (Self, Inbox) {
        let memory = Self::with(Options::default());
        let inbox = memory.inbox();
        (memory, inbox)
    }

    /// A backend with these options.
    pub fn with(options: Options) -> Self {
        let shared = Shared { options, state: Mutex::default(), arrived: Notify::new() };
        Self { shared: Arc::new(shared) }
    }

    /// Opens `memory:`; see [`Options::from_url`].
    pub fn from_url(url: &mut BackendUrl) -> Result<Self, Error> {
        Ok(Self::with(Options::from_url(url)?))
    }

    /// A view of all mails.
    pub fn inbox(&self) -> Inbox {
        Inbox::new(Arc::clone(&self.shared))
    }
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked while holding the lock has left nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Backend for Memory {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_bytes = self.shared.options.max_bytes;
        capabilities.max_recipients = self.shared.options.max_recipients;
        capabilities.utf8_local = Support::Yes;
        capabilities.envelope_from = Support::Yes;
        capabilities.provider_id = true;
        capabilities.keeps_message_id = true;
        capabilities
    }

    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        self.check().await?;
        cx.admit()?;
        self.capabilities().admit(mail)?;
        let mut state = self.shared.state();
        if let Some(error) = state.failures.pop_front() {
            return Err(error);
        }
        state.count += 1;
        let id = state.count.to_string();
        state.sent.push_back(Sent::new(mail.clone(), id.clone()));
        while state.sent.len() > self.shared.options.capacity {
            state.sent.pop_front();
        }
        self.shared.arrived.notify_waiters();
        let receipt = Receipt::new(mail.message_id().clone(), "memory");
        Ok(receipt.with_provider_id(id).with_attempts(cx.attempt))
    }

    async fn check(&self) -> Result<(), Error> {
        if self.shared.state().closed {
            return Err(Error::new(ErrorKind::Closed, "").at(Stage::Prepare));
        }
        Ok(())
    }

    async fn close(&self) {
        self.shared.state().closed = true;
    }
}
