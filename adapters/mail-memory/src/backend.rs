//! The backend: takes mails into a list.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use mailer::{
    Backend, BackendUrl, Capabilities, Context, Error, ErrorKind, Outcome, Outgoing, Receipt, Stage, Support,
};
use tokio::sync::Notify;

use crate::{Inbox, Options, Sent, Step};

/// A backend that keeps mails in memory. Clones share the same mails.
///
/// A mail is in the inbox before [`deliver`](Backend::deliver) answers, and never twice. Nothing here waits or fails
/// unless a test tells it to, by the [`Step`]s of [`Inbox::script`] or by [`Inbox::set_unavailable`].
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
    pub(crate) script: VecDeque<Step>,
    pub(crate) unavailable: bool,
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

impl Shared {
    /// Does what the script says for one delivery. `Ok` means that the mail is taken; with an error inside, its sender
    /// hears that error all the same.
    async fn play(&self, cx: &Context) -> Result<Option<Error>, Error> {
        loop {
            let step = self.state().script.pop_front();
            match step {
                None | Some(Step::Take) => return Ok(None),
                Some(Step::Fail(error)) => return Err(error),
                Some(Step::LoseAnswer(error)) => return Ok(Some(error)),
                Some(Step::Wait(time)) => wait(time, cx).await?,
            }
        }
    }

    /// Puts a mail into the list and gives it an id.
    fn take(&self, mail: &Outgoing) -> String {
        let mut state = self.state();
        state.count += 1;
        let id = state.count.to_string();
        state.sent.push_back(Sent::new(mail.clone(), id.clone()));
        while state.sent.len() > self.options.capacity {
            state.sent.pop_front();
        }
        drop(state);
        self.arrived.notify_waiters();
        id
    }
}

async fn wait(time: Duration, cx: &Context) -> Result<(), Error> {
    let waiting = tokio::time::sleep(time);
    let Some(deadline) = cx.deadline else {
        waiting.await;
        return Ok(());
    };
    tokio::time::timeout_at(deadline.into(), waiting).await.map_err(|_elapsed| {
        Error::new(ErrorKind::Timeout, "a scripted delay was longer than the deadline")
            .with_outcome(Outcome::NotApplied)
            .at(Stage::Connect)
    })
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
        match self.shared.play(cx).await? {
            None => {
                let receipt = Receipt::new(mail.message_id().clone(), "memory");
                Ok(receipt.with_provider_id(self.shared.take(mail)).with_attempts(cx.attempt))
            }
            Some(error) => {
                self.shared.take(mail);
                Err(error)
            }
        }
    }

    async fn check(&self) -> Result<(), Error> {
        let state = self.shared.state();
        if state.closed {
            return Err(Error::new(ErrorKind::Closed, "").at(Stage::Prepare));
        }
        if state.unavailable {
            let error = Error::new(ErrorKind::Unavailable, "as the test has told it");
            return Err(error.with_outcome(Outcome::NotApplied).at(Stage::Connect));
        }
        Ok(())
    }

    async fn close(&self) {
        self.shared.state().closed = true;
    }
}
