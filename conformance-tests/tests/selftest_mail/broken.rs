//! Backends with one flaw each. Without it they are all that the contract asks for.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use conformance_tests::Absent;
use conformance_tests::mailer::{Delivered, Harness, Observer, Setting};
use mailer::{
    Address, Backend, Capabilities, Context, Error, ErrorKind, MessageId, Outcome, Outgoing, Receipt, Support,
};

use crate::Suspect;
use crate::flaw::{FINDS, Flaw};

/// One for each flaw.
pub(crate) fn suspects() -> Vec<Suspect> {
    FINDS
        .iter()
        .map(|(flaw, found_by)| Suspect::new(format!("{flaw:?}"), Workshop(*flaw), found_by))
        .collect()
}

/// Makes backends with one flaw.
pub(crate) struct Workshop(pub(crate) Flaw);

#[async_trait]
impl Harness for Workshop {
    async fn open(&self) -> Result<Setting, Absent> {
        let broken = Broken { flaw: self.0, state: Arc::default() };
        if self.0 == Flaw::Haunted {
            broken.state().sent.push(ghost());
        }
        Ok(Setting { backend: Arc::new(broken.clone()), observer: Arc::new(broken) })
    }

    async fn open_unusable(&self) -> Result<Arc<dyn Backend>, Absent> {
        Ok(Arc::new(Unusable(self.0)))
    }
}

/// A list of mails with a flaw. Without one it is all that the contract asks for.
#[derive(Clone)]
struct Broken {
    flaw: Flaw,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    sent: Vec<Delivered>,
    closed: bool,
    poisoned: bool,
    answers: VecDeque<Receipt>,
    previous: Option<Receipt>,
}

impl Broken {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding it")
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    /// What is refused before anything happens.
    fn admit(&self, mail: &Outgoing, cx: &Context) -> Result<(), Error> {
        if self.state().closed && !self.is(Flaw::TakesAfterClosing) {
            return Err(Error::new(ErrorKind::Closed, ""));
        }
        if self.state().poisoned {
            return Err(Error::new(ErrorKind::Unavailable, ""));
        }
        if !self.is(Flaw::IgnoresDeadline) {
            cx.admit()?;
        }
        if self.is(Flaw::ClaimsUtf8) && mail.needs_utf8() {
            return Err(Error::new(ErrorKind::Unsupported, ""));
        }
        if self.is(Flaw::IgnoresLimits) || self.is(Flaw::AuthorSilently) {
            return Ok(());
        }
        self.capabilities().admit(mail)
    }

    fn store(&self, mail: &Outgoing, id: &str) {
        let arrived = Delivered {
            from: self.sender(mail),
            to: self.recipients(mail),
            raw: self.bytes(mail),
            provider_id: Some(id.to_owned()),
        };
        let mut state = self.state();
        let is_repeated = state.sent.iter().any(|one| one.raw == arrived.raw);
        match self.flaw {
            Flaw::DropsRepeated if is_repeated => {}
            Flaw::SendsTwice => state.sent.extend([arrived.clone(), arrived]),
            Flaw::SplitsRecipients => {
                let split = |to: &Address| Delivered { to: vec![to.clone()], ..arrived.clone() };
                state.sent.extend(arrived.to.iter().map(split));
            }
            _ => state.sent.push(arrived),
        }
    }

    fn sender(&self, mail: &Outgoing) -> Option<Address> {
        match self.flaw {
            Flaw::AuthorAlways | Flaw::AuthorSilently => {
                Some("vault@example.org".parse().expect("an address"))
            }
            _ => mail.envelope().from().cloned(),
        }
    }

    fn recipients(&self, mail: &Outgoing) -> Vec<Address> {
        let mut to = mail.envelope().to().to_vec();
        let raw = String::from_utf8_lossy(mail.raw());
        match self.flaw {
            Flaw::DropsHidden => to.retain(|address| raw.contains(address.as_str())),
            Flaw::ReadsHeaders => to = vec!["ann@example.com".parse().expect("an address")],
            Flaw::SortsRecipients => to.sort(),
            Flaw::RepeatsARecipient => to.push(to[0].clone()),
            Flaw::LowersCase => {
                to = to.iter().map(|to| to.as_str().to_lowercase().parse().expect("an address")).collect();
            }
            _ => {}
        }
        to
    }

    fn bytes(&self, mail: &Outgoing) -> Bytes {
        let raw = mail.raw();
        match self.flaw {
            Flaw::MutatesBytes => raw.iter().copied().filter(|&b| b != b'\r').collect(),
            Flaw::AddsALineBreak => [&raw[..], b"\r\n"].concat().into(),
            Flaw::UnstuffsDots => {
                let lines = raw.split_inclusive(|&b| b == b'\n');
                lines.flat_map(|line| line.strip_prefix(b".").unwrap_or(line)).copied().collect()
            }
            Flaw::EndsAtADot => {
                let end = raw.windows(5).position(|at| at == b"\r\n.\r\n").map_or(raw.len(), |at| at + 2);
                raw.slice(..end)
            }
            Flaw::SevenBits => raw.iter().map(|b| b & 0x7F).collect(),
            Flaw::LeaksHidden => {
                let to = mail.envelope().to().last().expect("there is a recipient");
                [format!("Bcc: {to}\r\n").as_bytes(), raw].concat().into()
            }
            _ => raw.clone(),
        }
    }

    fn receipt(&self, mail: &Outgoing, cx: &Context, id: String) -> Receipt {
        let message_id = match self.flaw {
            Flaw::NamesAnotherId => MessageId::parse("another@example.org").expect("an id"),
            _ => mail.message_id().clone(),
        };
        let attempts = if self.is(Flaw::CountsOneAttempt) { 1 } else { cx.attempt };
        let id = if self.is(Flaw::InventsProviderId) { "1".repeat(40) } else { id };
        Receipt::new(message_id, "selftest").with_attempts(attempts).with_provider_id(id)
    }

    /// The flaws that show only where a call waits.
    async fn wait(&self, mail: &Outgoing, receipt: Receipt) -> Option<Receipt> {
        match self.flaw {
            Flaw::AnswersForTheDropped => {
                self.state().answers.push_back(receipt);
                tokio::task::yield_now().await;
                return self.state().answers.pop_front();
            }
            Flaw::KeepsFailing => {
                self.state().poisoned = true;
                tokio::task::yield_now().await;
                self.state().poisoned = false;
            }
            Flaw::SendsDroppedTwice => {
                let mut again = Again(Some((self.clone(), mail.clone())));
                tokio::task::yield_now().await;
                again.0 = None;
            }
            Flaw::ShowsHalf => {
                let at = self.state().sent.len() - 1;
                let whole = self.state().sent[at].raw.clone();
                self.state().sent[at].raw = whole.slice(..whole.len() / 2);
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                self.state().sent[at].raw = whole;
            }
            Flaw::SwapsReceipts => return self.state().previous.replace(receipt.clone()).or(Some(receipt)),
            _ => {}
        }
        Some(receipt)
    }
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.flaw {
            Flaw::ShowsMails => write!(f, "{:?}", self.state()),
            _ => f.write_str("Broken"),
        }
    }
}

#[async_trait]
impl Backend for Broken {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        let sent = self.state().sent.len();
        capabilities.max_recipients = Some(if self.is(Flaw::ChangesItsMind) { 60 + sent } else { 60 });
        capabilities.max_bytes = Some(16 << 20);
        capabilities.utf8_local = Support::Yes;
        capabilities.envelope_from = if self.is(Flaw::AuthorSilently) { Support::No } else { Support::Yes };
        capabilities.provider_id = !self.is(Flaw::GivesUnclaimedId);
        capabilities.keeps_message_id = true;
        capabilities
    }

    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        self.admit(mail, cx)?;
        let id = mail.message_id().to_string();
        if self.is(Flaw::LosesOnClose) {
            while !self.state().closed {
                tokio::task::yield_now().await;
            }
            return Ok(self.receipt(mail, cx, id));
        }
        self.store(mail, &id);
        let receipt = self.receipt(mail, cx, id);
        Ok(self.wait(mail, receipt).await.expect("an answer was put there"))
    }

    async fn check(&self) -> Result<(), Error> {
        if self.state().closed {
            return Err(Error::new(ErrorKind::Closed, ""));
        }
        if self.is(Flaw::CheckSends) {
            self.state().sent.push(ghost());
        }
        if self.is(Flaw::PoisonedByCheck) {
            self.state().poisoned = true;
            tokio::task::yield_now().await;
            self.state().poisoned = false;
        }
        Ok(())
    }

    async fn close(&self) {
        self.state().closed = true;
    }
}

#[async_trait]
impl Observer for Broken {
    async fn delivered(&self) -> Vec<Delivered> {
        self.state().sent.clone()
    }
}

/// Sends a mail when dropped.
struct Again(Option<(Broken, Outgoing)>);

impl Drop for Again {
    fn drop(&mut self) {
        if let Some((broken, mail)) = &self.0 {
            broken.store(mail, "again");
        }
    }
}

/// A backend that can take no mail.
#[derive(Debug)]
struct Unusable(Flaw);

#[async_trait]
impl Backend for Unusable {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    async fn deliver(&self, mail: &Outgoing, _: &Context) -> Result<Receipt, Error> {
        let text = match self.0 {
            Flaw::QuotesTheMail => String::from_utf8_lossy(mail.raw()).into_owned(),
            _ => String::new(),
        };
        let unsure = self.0 == Flaw::UnusableIsUnsure;
        let outcome = if unsure { Outcome::Unknown } else { Outcome::NotApplied };
        Err(Error::new(ErrorKind::Unavailable, text).with_outcome(outcome))
    }

    async fn check(&self) -> Result<(), Error> {
        Err(Error::new(ErrorKind::Unavailable, ""))
    }

    async fn close(&self) {}
}

/// A mail that nobody sent.
fn ghost() -> Delivered {
    Delivered { from: None, to: Vec::new(), raw: Bytes::from_static(b"X: y\r\n\r\n"), provider_id: None }
}
