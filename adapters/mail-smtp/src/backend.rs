//! The backend: a connection for each mail, and a mail for each connection.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use mailer::{Backend, BackendUrl, Capabilities, Context, Error, ErrorKind, Outgoing, Receipt, Support};
use tokio::sync::watch;

use crate::{
    Options,
    config::Limits,
    connect,
    exchange::{Failure, Fate, transact},
    pool::Pool,
    tls::Tls,
};

/// Hands mails to one SMTP server; the crate's documentation says how.
#[derive(Debug)]
pub struct Smtp {
    options: Arc<Options>,
    tls: Tls,
    pool: Pool,
    is_closed: AtomicBool,
    /// Each running call listens, so that closing can wait for them.
    running: watch::Sender<()>,
}

impl Smtp {
    /// A backend that connects when the first mail comes. Does no I/O, and may be called outside of a runtime.
    ///
    /// Answers [`Config`](ErrorKind::Config) for options that cannot work.
    pub fn new(options: Options) -> Result<Self, Error> {
        options.check()?;
        let tls = Tls::new(&options)?;
        let options = Arc::new(options);
        let pool = Pool::new(Arc::clone(&options))?;
        Ok(Self { options, tls, pool, is_closed: AtomicBool::new(false), running: watch::Sender::new(()) })
    }

    /// Opens `smtp://` or `smtps://`; see [`Options::from_url`].
    pub fn from_url(url: &mut BackendUrl) -> Result<Self, Error> {
        Self::new(Options::from_url(url)?)
    }

    /// Begins a call, unless the backend is closed. The call runs for as long as the answer is held.
    fn enter(&self) -> Result<watch::Receiver<()>, Error> {
        // In this order, so that whoever closes either is seen here or sees this call.
        let running = self.running.subscribe();
        if self.is_closed.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Closed, ""));
        }
        Ok(running)
    }

    async fn send(&self, mail: &Outgoing, limits: &Limits) -> Result<Receipt, Error> {
        // Dropped in reverse order: a connection is closed before another one may be opened in its place.
        let mut slot = self.pool.slot(limits).await?;
        let (mut session, mut is_fresh) = match slot.session.take() {
            Some(session) => (session, false),
            None => (connect::open(&self.options, &self.tls, limits).await?, true),
        };
        loop {
            let Failure { error, fate } =
                match transact(&mut session, mail, self.options.partial, limits).await {
                    Ok(receipt) => {
                        session.count();
                        self.pool.put_back(slot, session);
                        return Ok(receipt);
                    }
                    Err(failure) => failure,
                };
            match fate {
                Fate::Keep => {
                    self.pool.put_back(slot, session);
                    return Err(error);
                }
                // It had lain unused, and was closed without our noticing. The server has taken nothing of the mail.
                Fate::Stale if !is_fresh => {
                    drop(session);
                    session = connect::open(&self.options, &self.tls, limits).await?;
                    is_fresh = true;
                }
                Fate::Stale | Fate::Discard => return Err(error),
            }
        }
    }
}

#[async_trait]
impl Backend for Smtp {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.utf8_local = Support::Negotiated;
        capabilities.envelope_from = Support::Yes;
        capabilities.partial = self.options.partial;
        capabilities.provider_id = true;
        capabilities.keeps_message_id = true;
        // A server that says yes has taken the mail over, says RFC 5321, and must not lose it for trivial reasons.
        capabilities.durable = true;
        capabilities
    }

    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        let _running = self.enter()?;
        cx.admit()?;
        self.capabilities().admit(mail)?;
        let limits = Limits::new(self.options.timeouts, cx.deadline);
        let receipt = self.send(mail, &limits).await?;
        Ok(receipt.with_attempts(cx.attempt))
    }

    /// Has the server answer on a connection, a new one if there is none.
    async fn check(&self) -> Result<(), Error> {
        let _running = self.enter()?;
        let limits = Limits::new(self.options.timeouts, None);
        let mut slot = self.pool.slot(&limits).await?;
        let mut open = slot.session.take();
        if let Some(session) = &mut open
            && session.ping(&limits).await.is_err()
        {
            open = None;
        }
        let session = match open {
            Some(session) => session,
            None => connect::open(&self.options, &self.tls, &limits).await?,
        };
        self.pool.put_back(slot, session);
        Ok(())
    }

    async fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        self.running.closed().await;
        self.pool.close().await;
    }
}
