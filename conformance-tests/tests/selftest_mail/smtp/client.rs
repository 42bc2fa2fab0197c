//! The backend: a few connections, used again.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use conformance_tests::mailer::smtp::Target;
use mailer::{Backend, Capabilities, Context, Error, ErrorKind, Outcome, Outgoing, Receipt, Support};
use tokio::{
    sync::{OwnedSemaphorePermit, RwLock, Semaphore},
    time::{Instant, timeout_at},
};

use super::{
    flaw::Flaw,
    session::Session,
    wire::{Limits, Step},
};

/// A client with a flaw.
pub(crate) struct Client(Arc<Inner>);

struct Inner {
    target: Target,
    flaw: Flaw,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<Session>>,
    leaked: Mutex<Vec<Session>>,
    last_id: Mutex<Option<String>>,
    is_poisoned: AtomicBool,
    /// Whether it is closed. Calls hold it for reading, so closing waits for them.
    is_closed: RwLock<bool>,
}

/// A connection in use.
struct Held<'a> {
    inner: &'a Inner,
    session: Option<Session>,
}

impl Client {
    pub(crate) fn new(target: Target, flaw: Flaw) -> Self {
        let places = if flaw == Flaw::KnowsNoLimit { 1000 } else { target.connections };
        Self(Arc::new(Inner {
            target,
            flaw,
            places: Arc::new(Semaphore::new(places)),
            idle: Mutex::default(),
            leaked: Mutex::default(),
            last_id: Mutex::default(),
            is_poisoned: AtomicBool::new(false),
            is_closed: RwLock::new(false),
        }))
    }
}

impl Inner {
    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn limits(&self, cx: &Context) -> Limits {
        let deadline = cx.deadline.map(Instant::from_std);
        Limits { deadline, step: self.target.step_timeout, flaw: self.flaw }
    }

    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        let limits = self.limits(cx);
        let closed = self.is_closed.read().await;
        if *closed {
            return Err(Error::new(ErrorKind::Closed, ""));
        }
        // Whoever closes at once does not wait for this.
        let _running = Some(closed).filter(|_| !self.is(Flaw::ClosesAtOnce));
        if self.is_poisoned.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, ""));
        }
        if !self.is(Flaw::ConnectsFirst) {
            cx.admit()?;
        }
        self.capabilities().admit(mail)?;
        let _place = self.place(&limits).await?;
        let mut held = Held { inner: self, session: None };
        let idle = self.take_idle(&limits);
        held.session = Some(match idle {
            Some(session) => session,
            None => Session::open(&self.target, limits).await?,
        });
        let session = held.session.as_mut().expect("it was put there");
        let answer = session.transact(mail, &self.target).await;
        let session = held.session.take().expect("it was put there");
        match answer {
            Ok(receipt) => {
                self.put_back(session, true).await?;
                Ok(self.signed(receipt, cx))
            }
            Err(failure) => {
                self.put_back(session, failure.keep).await?;
                Err(failure.error)
            }
        }
    }

    fn signed(&self, receipt: Receipt, cx: &Context) -> Receipt {
        let receipt = receipt.with_attempts(cx.attempt);
        if !self.is(Flaw::SwapsIds) {
            return receipt;
        }
        let own = receipt.provider_id.clone();
        let last = std::mem::replace(&mut *self.last_id.lock().expect("nobody panics with it"), own.clone());
        receipt.with_provider_id(last.or(own).expect("the server names every mail"))
    }

    async fn place(&self, limits: &Limits) -> Result<Option<OwnedSemaphorePermit>, Error> {
        let waiting = Arc::clone(&self.places).acquire_owned();
        let until = limits.deadline.unwrap_or_else(|| Instant::now() + std::time::Duration::from_mins(9));
        let place = timeout_at(until, waiting).await;
        let place = place.map_err(|_| Step::Wait.fault(self.flaw, ErrorKind::Timeout, "all are busy"))?;
        let place = place.expect("places are never closed");
        if self.is(Flaw::KeepsItsPlace) {
            // It is given back by hand, if it comes to that.
            place.forget();
            return Ok(None);
        }
        Ok(Some(place))
    }

    fn take_idle(&self, limits: &Limits) -> Option<Session> {
        let mut idle = self.idle.lock().expect("nobody panics with it");
        let trusts = self.is(Flaw::TrustsIdle) || self.is(Flaw::ReturnsDropped) || self.is(Flaw::KeepsBroken);
        while let Some(mut session) = idle.pop() {
            session.wire.limits = *limits;
            if trusts || (session.used.elapsed() <= self.target.idle && session.wire.is_quiet()) {
                return Some(session);
            }
        }
        None
    }

    async fn put_back(&self, mut session: Session, keep: bool) -> Result<(), Error> {
        if self.is(Flaw::KeepsItsPlace) {
            self.places.add_permits(1);
        }
        session.mails += 1;
        session.used = Instant::now();
        let is_used_up = self.target.mails_per_connection.is_some_and(|most| session.mails >= most);
        if is_used_up && !self.is(Flaw::CountsNoMails) {
            if self.is(Flaw::WantsCloseNotify) {
                session.wire.ask(Step::Verdict, "QUIT").await?;
                session.wire.hear(Step::Verdict).await?;
            }
            if self.is(Flaw::Leaks) && session.mails > 0 {
                let mut leaked = self.leaked.lock().expect("nobody panics with it");
                if leaked.len() < 9 {
                    leaked.push(session);
                }
                return Ok(());
            }
            // A server that is gone already is no trouble.
            drop(session.wire.send(Step::Verdict, b"QUIT\r\n").await);
        } else if (keep || self.is(Flaw::KeepsBroken)) && !self.is(Flaw::AlwaysConnects) {
            self.idle.lock().expect("nobody panics with it").push(session);
        }
        Ok(())
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.utf8_local = Support::Negotiated;
        capabilities.envelope_from = Support::Yes;
        capabilities.partial = !self.target.all_or_nothing && !self.is(Flaw::PartialUndeclared);
        capabilities.provider_id = true;
        capabilities.keeps_message_id = true;
        capabilities
    }
}

#[async_trait]
impl Backend for Client {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        if self.0.is(Flaw::GoesOn) {
            let (inner, mail, cx) = (Arc::clone(&self.0), mail.clone(), *cx);
            return tokio::spawn(async move { inner.deliver(&mail, &cx).await })
                .await
                .expect("it does not panic");
        }
        match self.0.deliver(mail, cx).await {
            Err(error) if self.0.is(Flaw::SendsAgain) && error.outcome() == Outcome::Unknown => {
                self.0.deliver(mail, cx).await
            }
            answer => answer,
        }
    }

    async fn check(&self) -> Result<(), Error> {
        let inner = &self.0;
        if inner.is(Flaw::CheckIsBlind) {
            return Ok(());
        }
        inner.is_poisoned.store(inner.is(Flaw::PoisonedByCheck), Ordering::SeqCst);
        let mut session = Session::open(&inner.target, inner.limits(&Context::new())).await?;
        inner.is_poisoned.store(false, Ordering::SeqCst);
        if inner.is(Flaw::CheckSends) {
            session.wire.ask(Step::Mail, "MAIL FROM:<>").await?;
            session.wire.ask(Step::Rcpt, "RCPT TO:<ann@example.com>").await?;
        }
        Ok(())
    }

    async fn close(&self) {
        *self.0.is_closed.write().await = true;
        if !self.0.is(Flaw::KeepsIdle) {
            self.0.idle.lock().expect("nobody panics with it").clear();
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.session.take().filter(|_| self.inner.is(Flaw::ReturnsDropped)) {
            self.inner.idle.lock().expect("nobody panics with it").push(session);
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.0.flaw).finish()
    }
}
