//! What an application holds.

use std::sync::Arc;
use std::time::Duration;

use tracing::Instrument as _;

use crate::{Backend, Capabilities, Context, Email, Error, ErrorKind, Outgoing, Receipt, Renderer};

/// Renders mails, checks them, hands them to a backend and says so in the log. Cheap to clone; clones share
/// the backend.
///
/// Wrap it in layers from the inside out, and hold one for the whole program:
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use mailer::{Backend, Mailer, Registry, Renderer};
/// # fn open(registry: &Registry, url: &str) -> Result<Mailer, mailer::Error> {
/// let mailer = Mailer::new(registry.open(url)?, Renderer::system()).with_timeout(Some(Duration::from_secs(8)));
/// # Ok(mailer)
/// # }
/// ```
///
/// The log names what sort of mail it was, its id, how many recipients, and the outcome; recipients only with
/// their local part hidden, subjects and bodies never.
#[derive(Clone, Debug)]
pub struct Mailer {
    backend: Arc<dyn Backend>,
    renderer: Renderer,
    timeout: Option<Duration>,
}

impl Mailer {
    /// A mailer over this backend. A send takes at most 30 seconds; see [`with_timeout`](Self::with_timeout).
    pub fn new(backend: impl Backend, renderer: Renderer) -> Self {
        Self { backend: Arc::new(backend), renderer, timeout: Some(Duration::from_secs(30)) }
    }

    /// Bounds a whole send, waiting for a connection included; `None` waits for as long as the backend does. When it
    /// runs out the error is a [`Timeout`](ErrorKind::Timeout) whose outcome says whether the mail may be on its way.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }

    /// Wraps the backend, for example in a layer that retries. The last layer added is the outermost: it is asked
    /// first. Clones made before keep the backend as it was.
    #[must_use]
    pub fn layer<B: Backend>(mut self, wrap: impl FnOnce(Arc<dyn Backend>) -> B) -> Self {
        self.backend = Arc::new(wrap(self.backend));
        self
    }

    /// Renders a mail and hands it over.
    ///
    /// As [`deliver`](Self::deliver), and [`Invalid`](ErrorKind::Invalid) for what cannot be rendered. Each call
    /// makes a new message id, so a caller who wants to repeat a mail safely renders once and delivers that.
    pub async fn send(&self, email: &Email) -> Result<Receipt, Error> {
        self.deliver(&email.render(&self.renderer)?).await
    }

    /// Hands a finished mail over, bounded by this mailer's timeout.
    ///
    /// A mail past its `not_after` answers [`Expired`](ErrorKind::Expired), one that the backend cannot carry
    /// [`TooLarge`](ErrorKind::TooLarge) or [`Unsupported`](ErrorKind::Unsupported), all surely not sent and
    /// without asking the backend. Otherwise [`Backend::deliver`] says what holds, also for a dropped future.
    pub async fn deliver(&self, mail: &Outgoing) -> Result<Receipt, Error> {
        self.deliver_with(mail, Context::new()).await
    }

    /// As [`deliver`](Self::deliver), with an attempt to name or a deadline of the caller's; the earlier of
    /// the two deadlines counts.
    pub async fn deliver_with(&self, mail: &Outgoing, mut cx: Context) -> Result<Receipt, Error> {
        // A timeout too long for the clock is none.
        let now = tokio::time::Instant::now().into_std();
        let own = self.timeout.and_then(|timeout| now.checked_add(timeout));
        cx.deadline = cx.deadline.into_iter().chain(own).min();
        let span = tracing::info_span!(
            "mail",
            kind = mail.meta().kind.as_deref(),
            message_id = mail.message_id().as_str(),
            attempt = cx.attempt,
        );
        async {
            let result = self.dispatch(mail, &cx).await;
            log(mail, &result);
            result
        }
        .instrument(span)
        .await
    }

    /// See [`Backend::check`].
    pub async fn check(&self) -> Result<(), Error> {
        self.backend.check().await
    }

    /// See [`Backend::close`].
    pub async fn close(&self) {
        self.backend.close().await;
    }

    /// What the backend can do.
    pub fn capabilities(&self) -> Capabilities {
        self.backend.capabilities()
    }

    /// The renderer, for those who store finished mails.
    pub fn renderer(&self) -> &Renderer {
        &self.renderer
    }

    async fn dispatch(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        if mail.meta().not_after.is_some_and(|last| last < self.renderer.clock().now()) {
            return Err(Error::new(ErrorKind::Expired, "its time has passed"));
        }
        cx.admit()?;
        self.backend.capabilities().admit(mail)?;
        self.backend.deliver(mail, cx).await
    }
}

fn log(mail: &Outgoing, result: &Result<Receipt, Error>) {
    let recipients = mail.envelope().to();
    let first = recipients.first().map(crate::Address::masked);
    let (first, recipients) = (first.as_deref(), recipients.len());
    match result {
        Ok(receipt) => tracing::info!(
            to = first,
            recipients,
            refused = receipt.refused.len(),
            via = &*receipt.via,
            provider_id = receipt.provider_id.as_deref(),
            "mail handed over"
        ),
        // The error's own text may quote a provider that quotes an address.
        Err(error) => tracing::warn!(
            to = first,
            recipients,
            error_kind = ?error.kind(),
            outcome = ?error.outcome(),
            stage = ?error.stage(),
            code = error.reply().map(|reply| reply.code.as_str()),
            "mail not handed over"
        ),
    }
}
