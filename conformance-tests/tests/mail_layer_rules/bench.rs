//! A backend that answers by a script, and short words for what the rules have in common.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mailer::{
    Address, Backend, Capabilities, Context, DedupeKey, Disposition, Email, Entropy, Envelope, Error,
    ErrorKind, Outcome, Outgoing, Receipt, Refused, Renderer, Scope, Support,
};
use tokio::time::Instant;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A provider that does what it is told, and remembers what it was asked.
#[derive(Debug)]
pub(crate) struct Script {
    name: &'static str,
    can: Capabilities,
    takes: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    answers: VecDeque<Answer>,
    then: Answer,
    calls: Vec<Call>,
    closed: bool,
}

/// What it answers to one call.
#[derive(Clone, Debug, Default)]
pub(crate) enum Answer {
    #[default]
    Takes,
    /// Takes it for all but these.
    TakesBut(Vec<Refused>),
    Fails(Fault),
    /// Takes it for nobody.
    Refuses(Vec<Refused>),
    /// Finds that there is no time left to begin.
    HasNoTime,
}

/// What one error says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault(pub(crate) Scope, pub(crate) Disposition, pub(crate) Outcome);

/// It could not be reached; another time it may.
pub(crate) const DOWN: Fault = Fault(Scope::Transport, Disposition::Transient, Outcome::NotApplied);
/// The mail was handed over, and nobody knows what came of it.
pub(crate) const UNSURE: Fault = Fault(Scope::Transport, Disposition::Transient, Outcome::Unknown);
/// It will never do.
pub(crate) const HOPELESS: Fault = Fault(Scope::Transport, Disposition::Permanent, Outcome::NotApplied);

/// One call as it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// When, counted from when the script was made known to the test; see [`Script::calls`].
    pub(crate) at: Instant,
    pub(crate) attempt: u32,
    pub(crate) from: Option<Address>,
    pub(crate) to: Vec<Address>,
    pub(crate) raw: Bytes,
    pub(crate) deadline: Option<std::time::Instant>,
}

impl Script {
    /// Answers these in turn, and from then on takes every mail.
    pub(crate) fn new(name: &'static str, answers: impl IntoIterator<Item = Answer>) -> Arc<Self> {
        Self::build(name, answers, everything(), Duration::ZERO)
    }

    /// Fails in the same way every time.
    pub(crate) fn failing(name: &'static str, fault: Fault) -> Arc<Self> {
        let script = Self::new(name, []);
        script.state().then = Answer::Fails(fault);
        script
    }

    /// Takes every mail, and can do this.
    pub(crate) fn able(name: &'static str, can: Capabilities) -> Arc<Self> {
        Self::build(name, [], can, Duration::ZERO)
    }

    /// Answers these in turn, each after this time.
    pub(crate) fn slow(
        name: &'static str,
        takes: Duration,
        answers: impl IntoIterator<Item = Answer>,
    ) -> Arc<Self> {
        Self::build(name, answers, everything(), takes)
    }

    pub(crate) fn build(
        name: &'static str,
        answers: impl IntoIterator<Item = Answer>,
        can: Capabilities,
        takes: Duration,
    ) -> Arc<Self> {
        let state = State { answers: answers.into_iter().collect(), ..State::default() };
        Arc::new(Self { name, can, takes, state: Mutex::new(state) })
    }

    /// What it answers from now on.
    pub(crate) fn then(&self, answer: Answer) {
        self.state().then = answer;
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.state().calls.len()
    }

    /// Seconds between each call and the one before.
    pub(crate) fn gaps(&self) -> Vec<f64> {
        let calls = self.calls();
        calls.windows(2).map(|pair| rounded(pair[1].at - pair[0].at)).collect()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state().closed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding it")
    }
}

#[async_trait]
impl Backend for Script {
    fn capabilities(&self) -> Capabilities {
        self.can.clone()
    }

    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        let answer = {
            let mut state = self.state();
            let envelope = mail.envelope();
            state.calls.push(Call {
                at: Instant::now(),
                attempt: cx.attempt,
                from: envelope.from().cloned(),
                to: envelope.to().to_vec(),
                raw: mail.raw().clone(),
                deadline: cx.deadline,
            });
            let then = state.then.clone();
            state.answers.pop_front().unwrap_or(then)
        };
        if !self.takes.is_zero() {
            tokio::time::sleep(self.takes).await;
        }
        let receipt = Receipt::new(mail.message_id().clone(), self.name).with_attempts(cx.attempt);
        match answer {
            Answer::Takes => Ok(receipt),
            Answer::TakesBut(refused) => Ok(receipt.with_refused(refused)),
            Answer::Refuses(refused) => {
                Err(Error::new(ErrorKind::Refused, "").with_scope(Scope::Recipients).with_refused(refused))
            }
            Answer::HasNoTime => Err(Error::new(ErrorKind::Timeout, "").with_outcome(Outcome::NotApplied)),
            Answer::Fails(fault) => Err(fault.error(self.name)),
        }
    }

    async fn check(&self) -> Result<(), Error> {
        match self.state().then {
            Answer::Fails(fault) => Err(fault.error(self.name)),
            _ => Ok(()),
        }
    }

    async fn close(&self) {
        self.state().closed = true;
    }
}

impl Fault {
    fn error(self, name: &str) -> Error {
        let Self(scope, disposition, outcome) = self;
        Error::new(ErrorKind::Unavailable, format!("{name} says no"))
            .with_scope(scope)
            .with_disposition(disposition)
            .with_outcome(outcome)
    }
}

/// Capabilities that leave nothing out.
pub(crate) fn everything() -> Capabilities {
    let mut can = Capabilities::default();
    can.utf8_local = Support::Yes;
    can.envelope_from = Support::Yes;
    can.partial = true;
    can.provider_id = true;
    can.keeps_message_id = true;
    can.durable = true;
    can
}

pub(crate) fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

pub(crate) fn addresses(texts: &[&str]) -> Vec<Address> {
    texts.iter().map(|text| address(text)).collect()
}

/// A mail to one reader.
pub(crate) fn mail() -> Outgoing {
    mail_to(&["ann@example.com"])
}

/// A mail to these readers, who stand in no header but for the first.
pub(crate) fn mail_to(readers: &[&str]) -> Outgoing {
    let email = Email::new(address("vault@example.org"), address(readers[0])).text("hello");
    let mail = email.render(&Renderer::system()).expect("it can be rendered");
    let from = mail.envelope().from().cloned();
    mail.with_envelope(Envelope::new(from, addresses(readers)).expect("there is a recipient"))
}

/// A mail to this many readers.
pub(crate) fn mail_to_many(count: usize) -> Outgoing {
    let readers: Vec<String> = (0..count).map(|n| format!("reader{n}@example.com")).collect();
    mail_to(&readers.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A mail with a key under which only one should arrive.
pub(crate) fn mail_with_key() -> Outgoing {
    let key = DedupeKey::new("invite-1").expect("a key");
    let email = Email::new(address("vault@example.org"), address("ann@example.com")).key(key);
    email.render(&Renderer::system()).expect("it can be rendered")
}

pub(crate) async fn deliver(backend: &dyn Backend) -> Result<Receipt, Error> {
    backend.deliver(&mail(), &Context::new()).await
}

/// A context that ends this long from now, on the paused clock.
pub(crate) fn within(time: Duration) -> Context {
    Context::new().with_deadline((Instant::now() + time).into_std())
}

/// Randomness that always draws the least, the most, or the middle.
pub(crate) fn drawing(byte: u8) -> Entropy {
    Entropy::new(move || [byte; 16])
}

/// Seconds, as exact as tokio's timer.
pub(crate) fn rounded(time: Duration) -> f64 {
    (time.as_secs_f64() * 100.0).round() / 100.0
}

pub(crate) async fn advance(time: Duration) {
    tokio::time::sleep(time).await;
}
