//! What the cases share: a table, mails, a clock that is set by hand, and a provider that does as it is told.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use ::mailer::{
    Backend, Capabilities, Claimed, Clock, Context, Email, Entropy, Error, Lease, Mailer, MessageId, Outbox,
    OutboxStore, Outgoing, Policy, Receipt, Renderer, Support, Verdict,
};
use async_trait::async_trait;
use tokio::sync::Barrier;

use super::{Entry, Harness, State, Table};
use crate::Absent;

/// The usual lease.
pub(super) const LEASE: Duration = Duration::from_mins(10);

/// When a case begins: some noon.
pub(super) fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(500_000)
}

pub(super) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// An empty table.
pub(super) struct Desk {
    pub(super) store: Arc<dyn OutboxStore>,
    pub(super) table: Arc<dyn Table>,
}

impl Desk {
    pub(super) async fn open(harness: &dyn Harness) -> Result<Self, Absent> {
        let setting = harness.open().await?;
        Ok(Self { store: setting.store, table: setting.table })
    }

    /// Adds a mail that is due at noon and says this.
    pub(super) async fn add(&self, text: &str) -> (String, Outgoing) {
        self.add_due(text, noon()).await
    }

    pub(super) async fn add_due(&self, text: &str, due: SystemTime) -> (String, Outgoing) {
        let mail = mail(text);
        (self.table.enqueue(&mail, due).await, mail)
    }

    pub(super) async fn claim(&self, limit: usize, now: SystemTime) -> Vec<Claimed> {
        self.store.claim(limit, LEASE, now).await.expect("a claim is answered")
    }

    /// Claims the only entry that is due.
    pub(super) async fn claim_one(&self, now: SystemTime) -> Claimed {
        let mut claimed = self.claim(10, now).await;
        assert_eq!(claimed.len(), 1, "one entry is due; so many were claimed");
        claimed.remove(0)
    }

    pub(super) async fn assert_nothing_due(&self, now: SystemTime, why: &str) {
        let claimed = self.claim(10, now).await;
        assert!(claimed.is_empty(), "{} were claimed: {why}", claimed.len());
    }

    pub(super) async fn settle(&self, lease: &Lease, verdict: &Verdict) -> bool {
        self.store.settle(lease, verdict).await.expect("settling is answered")
    }

    pub(super) async fn entry(&self, id: &str) -> Entry {
        self.table.entry(id).await.expect("the entry is there")
    }

    pub(super) async fn assert_state(&self, id: &str, state: State) {
        assert_eq!(self.entry(id).await.state, state);
    }

    /// An outbox over the table, at a time.
    pub(super) fn outbox(&self, provider: &Provider, now: SystemTime) -> Outbox {
        let renderer = Renderer::new(Clock::new(move || now), Entropy::system());
        let policy = Policy { lease: LEASE, max_attempts: 3, ..Policy::default() };
        Outbox::new(Arc::clone(&self.store), Mailer::new(provider.clone(), renderer)).with_policy(policy)
    }
}

/// A mail that nobody has sent before.
pub(super) fn mail(text: &str) -> Outgoing {
    render(&email(text))
}

pub(super) fn email(text: &str) -> Email {
    let address = |text: &str| text.parse::<::mailer::Address>().expect("it is an address");
    Email::new(address("vault@example.org"), address("ann@example.com")).subject("Hello").text(text)
}

pub(super) fn render(email: &Email) -> Outgoing {
    email.render(&Renderer::system()).expect("the mail can be rendered")
}

/// Whether what is stored tells what the mail says, be it plain or as an [`Outgoing`] is written down.
pub(super) fn tells(entry: &Entry, mail: &Outgoing) -> bool {
    let written = serde_json::to_value(mail).expect("a mail can be written down");
    let written = written["raw"].as_str().expect("its bytes are text then");
    let plain = String::from_utf8_lossy(mail.raw());
    [written, &plain].iter().any(|text| entry.mail.contains(text.trim_end()))
}

pub(super) fn sent(mail: &Outgoing) -> Verdict {
    Verdict::Sent(Receipt::new(mail.message_id().clone(), "suite"))
}

pub(super) fn broke() -> Error {
    Error::new(::mailer::ErrorKind::Refused, "the suite's own refusal")
}

/// All verdicts that settle for good, with the state they lead to.
pub(super) fn final_verdicts(mail: &Outgoing) -> [(Verdict, State); 4] {
    [
        (sent(mail), State::Sent),
        (Verdict::Dead(broke()), State::Dead),
        (Verdict::Unsure(broke()), State::Unsure),
        (Verdict::Expired, State::Expired),
    ]
}

/// A provider that answers as it is told, and remembers.
#[derive(Clone, Debug, Default)]
pub(super) struct Provider(Arc<Mutex<Memory>>);

#[derive(Debug, Default)]
struct Memory {
    asked: bool,
    answers: VecDeque<Answer>,
    taken: Vec<MessageId>,
}

/// How a call is answered.
#[derive(Debug)]
pub(super) enum Answer {
    /// With this error, not having taken the mail.
    Refuse(Error),
    /// Never, not having taken the mail.
    HangBefore,
    /// Never, having taken the mail.
    HangAfter,
    /// Having taken the mail, not before the call's deadline.
    AtTheDeadline,
    /// Having taken the mail, when as many others are asked as this barrier is for.
    Meet(Arc<Barrier>),
}

impl Provider {
    /// Answers the next calls so; those that come after them are taken at once.
    pub(super) fn that(answers: impl IntoIterator<Item = Answer>) -> Self {
        let provider = Self::default();
        provider.memory().answers.extend(answers);
        provider
    }

    /// The mails that were taken, in order, again if taken again.
    pub(super) fn taken(&self) -> Vec<MessageId> {
        self.memory().taken.clone()
    }

    /// Whether nobody has asked yet.
    pub(super) fn is_untouched(&self) -> bool {
        !self.memory().asked
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Backend for Provider {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.envelope_from = Support::Yes;
        capabilities
    }

    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        self.memory().asked = true;
        let answer = self.memory().answers.pop_front();
        match answer {
            Some(Answer::Refuse(error)) => return Err(error),
            Some(Answer::HangBefore) => std::future::pending().await,
            _ => self.memory().taken.push(mail.message_id().clone()),
        }
        match answer {
            Some(Answer::HangAfter) => std::future::pending().await,
            Some(Answer::AtTheDeadline) => {
                let deadline = cx.deadline.expect("a drain with a deadline hands it on");
                tokio::time::sleep_until(deadline.into()).await;
            }
            Some(Answer::Meet(others)) => {
                others.wait().await;
            }
            _ => {}
        }
        Ok(Receipt::new(mail.message_id().clone(), "suite"))
    }

    async fn close(&self) {}
}
