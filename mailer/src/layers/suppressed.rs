//! Does not write to those who are not to be written to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::events::{Event, EventKind};
use crate::{
    Address, Backend, Capabilities, Context, Envelope, Error, ErrorKind, Outcome, Outgoing, Receipt, Refused,
    Scope, Stage,
};

/// A backend that is not given the recipients on a list: those who complained, and addresses that do not work. Writing to
/// them all the same costs a sender the good name that all other mails need.
///
/// | Of the recipients are listed | What happens |
/// |---|---|
/// | none | nothing |
/// | some | the others get the mail; [`Receipt::refused`] names the listed ones, permanent and without a reply |
/// | all | [`Suppressed`](ErrorKind::Suppressed), and nobody below is asked; [`Error::refused`] names them |
/// | perhaps, because the list cannot be read | the list's error, surely not sent |
///
/// Only the envelope changes; the bytes are the same for all. The list learns from three sides:
///
/// - the provider refuses a recipient for good, as the receipt or the error says, if [`learning`](Self::learning) is on;
/// - an event of the provider tells of a hard bounce or a complaint: hand events to [`hear`](Self::hear);
/// - the application adds an address itself.
///
/// ```
/// # use mailer::{Error, events::Event, layers::{MemorySuppressions, Suppressed}, Backend};
/// # async fn example(backend: impl Backend, event: &Event) -> Result<(), Error> {
/// let suppressed = Suppressed::new(backend, MemorySuppressions::new()).learning();
/// suppressed.hear(event).await?;
/// # Ok(())
/// # }
/// ```
///
/// Every mail is looked up at the moment it goes out, also one that has lain in an outbox for a day.
#[derive(Clone, Debug)]
pub struct Suppressed<B, S> {
    inner: B,
    list: S,
    learning: bool,
}

/// The addresses that are not to be written to. The application that owns the database implements it.
///
/// Whether two spellings are one address is the list's decision; most mail systems ignore the case of local parts, so a
/// list should, too, and [`MemorySuppressions`] does.
#[async_trait]
pub trait SuppressionList: Send + Sync + std::fmt::Debug + 'static {
    /// Which of these addresses are listed, as they were asked for, in any order. One look for all of them.
    ///
    /// Kinds: [`Unavailable`](ErrorKind::Unavailable) and [`Other`](ErrorKind::Other), for the list's own faults. If the
    /// future is dropped, nothing has changed.
    async fn listed(&self, addresses: &[Address]) -> Result<Vec<Address>, Error>;

    /// Lists an address. One that is listed already stays so, with the reason it came first with.
    ///
    /// Returns when the address is found by every later [`listed`](Self::listed). Kinds as there. If the future is
    /// dropped, the address is listed or not.
    async fn add(&self, address: &Address, reason: SuppressionReason) -> Result<(), Error>;
}

/// Why an address is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SuppressionReason {
    /// The provider refused it for good.
    Refused,
    /// A mail to it came back for good.
    Bounced,
    /// Its owner said that a mail was unwanted.
    Complained,
    /// Somebody put it there.
    Manual,
}

impl SuppressionReason {
    /// The name in lower case, fit to be stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Bounced => "bounced",
            Self::Complained => "complained",
            Self::Manual => "manual",
        }
    }
}

impl<B: Backend, S: SuppressionList> Suppressed<B, S> {
    /// Keeps recipients on this list from `inner`.
    pub fn new(inner: B, list: S) -> Self {
        Self { inner, list, learning: false }
    }

    /// Adds to the list whom the provider refuses for good. Off unless asked for: a server that refuses everybody because
    /// of its own mistake would empty the address book.
    #[must_use]
    pub fn learning(mut self) -> Self {
        self.learning = true;
        self
    }

    /// Lists whom an event says is not to be written to any more ([`Event::suppresses`]), and says how many that are.
    /// The same event twice is the same as once.
    pub async fn hear(&self, event: &Event) -> Result<usize, Error> {
        let reason = match event.kind {
            EventKind::Complained => SuppressionReason::Complained,
            _ => SuppressionReason::Bounced,
        };
        for address in event.suppresses() {
            self.list.add(address, reason).await?;
        }
        Ok(event.suppresses().len())
    }

    /// The list.
    pub fn list(&self) -> &S {
        &self.list
    }

    /// The recipients on the list, looked up within the deadline.
    async fn look_up(&self, mail: &Outgoing, cx: &Context) -> Result<Vec<Address>, Error> {
        let look = self.list.listed(mail.envelope().to());
        let listed = match cx.deadline {
            None => look.await,
            Some(deadline) => tokio::time::timeout_at(deadline.into(), look)
                .await
                .unwrap_or_else(|_| Err(Error::new(ErrorKind::Timeout, "the list of suppressed addresses"))),
        };
        listed.map_err(|error| error.with_outcome(Outcome::NotApplied).at(Stage::Prepare))
    }

    /// Remembers whom the provider refused for good. What came of the mail stands, whether that succeeds or not.
    async fn learn(&self, refused: &[Refused]) {
        if !self.learning {
            return;
        }
        for one in refused.iter().filter(|one| one.permanent) {
            if let Err(error) = self.list.add(&one.address, SuppressionReason::Refused).await {
                tracing::warn!(error_kind = error.kind().as_str(), "a refused recipient was not listed");
            }
        }
    }
}

#[async_trait]
impl<B: Backend, S: SuppressionList> Backend for Suppressed<B, S> {
    /// Those of the inner backend. A receipt can name suppressed recipients also if it does not declare
    /// [`partial`](Capabilities::partial): the provider never hears of them.
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        cx.admit()?;
        self.inner.capabilities().admit(mail)?;
        let listed = self.look_up(mail, cx).await?;
        let envelope = mail.envelope();
        let (listed, left): (Vec<_>, Vec<_>) =
            envelope.to().iter().cloned().partition(|address| listed.contains(address));
        let suppressed = listed.into_iter().map(|address| Refused { address, permanent: true, reply: None });
        let suppressed: Vec<_> = suppressed.collect();
        let answer = match Envelope::new(envelope.from().cloned(), left) {
            _ if suppressed.is_empty() => self.inner.deliver(mail, cx).await,
            Ok(envelope) => self.inner.deliver(&mail.with_envelope(envelope), cx).await,
            Err(_) => {
                return Err(Error::new(ErrorKind::Suppressed, "all recipients").with_refused(suppressed));
            }
        };
        match answer {
            Ok(mut receipt) => {
                self.learn(&receipt.refused).await;
                receipt.refused.extend(suppressed);
                Ok(receipt)
            }
            Err(error) => {
                if error.scope() == Scope::Recipients {
                    self.learn(error.refused()).await;
                }
                Err(error)
            }
        }
    }

    async fn check(&self) -> Result<(), Error> {
        self.inner.check().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

/// A list in memory, which ends with the process: for tests, and for a program that reads its list when it starts.
///
/// Clones share the same list. The case of local parts does not count.
#[derive(Clone, Default)]
pub struct MemorySuppressions(Arc<Mutex<HashMap<String, SuppressionReason>>>);

impl MemorySuppressions {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Why an address is listed; `None` if it is not.
    pub fn reason(&self, address: &Address) -> Option<SuppressionReason> {
        self.entries().get(&address.as_str().to_lowercase()).copied()
    }

    /// Takes an address off the list.
    pub fn remove(&self, address: &Address) {
        self.entries().remove(&address.as_str().to_lowercase());
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, SuppressionReason>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for MemorySuppressions {
    /// Shows how many are listed, and nobody.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemorySuppressions").field("listed", &self.entries().len()).finish()
    }
}

#[async_trait]
impl SuppressionList for MemorySuppressions {
    async fn listed(&self, addresses: &[Address]) -> Result<Vec<Address>, Error> {
        Ok(addresses.iter().filter(|address| self.reason(address).is_some()).cloned().collect())
    }

    async fn add(&self, address: &Address, reason: SuppressionReason) -> Result<(), Error> {
        self.entries().entry(address.as_str().to_lowercase()).or_insert(reason);
        Ok(())
    }
}

#[async_trait]
impl<S: SuppressionList + ?Sized> SuppressionList for Arc<S> {
    async fn listed(&self, addresses: &[Address]) -> Result<Vec<Address>, Error> {
        (**self).listed(addresses).await
    }

    async fn add(&self, address: &Address, reason: SuppressionReason) -> Result<(), Error> {
        (**self).add(address, reason).await
    }
}
