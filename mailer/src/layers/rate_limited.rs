//! Slows mails down to what a provider allows.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::{
    Backend, Capabilities, Context, Disposition, Error, ErrorKind, Outcome, Outgoing, Receipt, Stage,
};

/// A backend that is given so many recipients a second and no more. Providers count recipients and not mails, so a mail
/// to three counts three times.
///
/// - Within any span of time go at most as many recipients as the [`Rate`] allows in it, plus its burst. A mail with
///   more recipients than the burst goes when it is its turn, and those behind it wait for what it took too much.
/// - Mails go in the order in which they came. One that comes to the head of the queue and learns that its turn is
///   behind its deadline fails at once; one that is overtaken by its deadline while it queues fails then. Both answer
///   [`Throttled`](ErrorKind::Throttled), surely not sent, and the first kind says when to come back.
/// - What waited and did not go has taken nothing: a dropped future, a deadline that passed. What went has, whatever came
///   of it.
///
/// Clones share one queue. It waits by tokio's timer.
///
/// ```
/// # use mailer::{Error, Mailer, layers::{Rate, RateLimited}};
/// # fn example(mailer: Mailer) -> Result<Mailer, Error> {
/// let rate = Rate::per_second(14.0)?.with_burst(14);
/// Ok(mailer.layer(|backend| RateLimited::new(backend, rate)))
/// # }
/// ```
///
/// A provider that tells its rate, as SES does, can be followed while mails wait: keep a clone and call
/// [`set_rate`](Self::set_rate) now and then.
#[derive(Clone, Debug)]
pub struct RateLimited<B> {
    inner: B,
    gate: Arc<Gate>,
}

/// How many recipients a second, and how many at once after a quiet time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    per_second: f64,
    burst: u32,
}

impl Rate {
    /// This many recipients a second, evenly spaced; a fraction will do (`0.5` is one in two seconds).
    ///
    /// What is no positive number, or beyond a million, answers [`Config`](ErrorKind::Config).
    pub fn per_second(recipients: f64) -> Result<Self, Error> {
        if recipients.is_finite() && (1e-6..=1e6).contains(&recipients) {
            return Ok(Self { per_second: recipients, burst: 1 });
        }
        Err(Error::new(ErrorKind::Config, "a rate that is no number of recipients a second"))
    }

    /// Lets this many recipients go at once after a quiet time; 0 is as 1.
    #[must_use]
    pub fn with_burst(mut self, recipients: u32) -> Self {
        self.burst = recipients.max(1);
        self
    }
}

impl<B: Backend> RateLimited<B> {
    /// Gives `inner` mails at this rate.
    pub fn new(inner: B, rate: Rate) -> Self {
        let bucket = Bucket { rate, owed: 0.0, at: Instant::now() };
        let gate =
            Gate { turn: tokio::sync::Mutex::default(), bucket: Mutex::new(bucket), changed: Notify::new() };
        Self { inner, gate: Arc::new(gate) }
    }

    /// Changes the rate, also for the mails that are waiting.
    pub fn set_rate(&self, rate: Rate) {
        self.gate.bucket().change(rate);
        self.gate.changed.notify_one();
    }

    /// The rate.
    pub fn rate(&self) -> Rate {
        self.gate.bucket().rate
    }
}

/// Where mails queue. Tokio's lock serves in the order of asking, and whoever gives up leaves the queue.
#[derive(Debug)]
struct Gate {
    turn: tokio::sync::Mutex<()>,
    bucket: Mutex<Bucket>,
    changed: Notify,
}

impl Gate {
    /// Returns when this many recipients may go, and counts them.
    async fn pass(&self, recipients: usize, deadline: Option<Instant>) -> Result<(), Error> {
        let _turn = match deadline {
            None => self.turn.lock().await,
            Some(deadline) => {
                tokio::time::timeout_at(deadline, self.turn.lock()).await.map_err(|_| too_late(None))?
            }
        };
        loop {
            let Some(wait) = self.bucket().take(recipients) else { return Ok(()) };
            let Some(ready) = Instant::now().checked_add(wait) else { return Err(too_late(None)) };
            if deadline.is_some_and(|deadline| ready >= deadline) {
                return Err(too_late(Some(wait)));
            }
            // Either is a reason to look again.
            let _ready_or_changed = tokio::time::timeout_at(ready, self.changed.notified()).await;
        }
    }

    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What has gone too early, so to speak: it is worked off at the rate, and nothing goes while more than the burst is owed.
#[derive(Debug)]
struct Bucket {
    rate: Rate,
    owed: f64,
    at: Instant,
}

impl Bucket {
    /// Counts this many recipients, or says how long to wait before asking again.
    fn take(&mut self, recipients: usize) -> Option<Duration> {
        self.settle();
        let spare = f64::from(self.rate.burst - 1);
        // A rest this small is what rounding leaves.
        if self.owed > spare + 1e-6 {
            let wait = Duration::try_from_secs_f64((self.owed - spare) / self.rate.per_second);
            return Some(wait.unwrap_or(Duration::MAX));
        }
        self.owed += f64::from(u32::try_from(recipients).unwrap_or(u32::MAX));
        None
    }

    fn change(&mut self, rate: Rate) {
        self.settle();
        self.rate = rate;
    }

    /// Works off what the time since the last look allows.
    fn settle(&mut self) {
        let now = Instant::now();
        let allowed = now.duration_since(self.at).as_secs_f64() * self.rate.per_second;
        (self.owed, self.at) = ((self.owed - allowed).max(0.0), now);
    }
}

fn too_late(wait: Option<Duration>) -> Error {
    let error = Error::new(ErrorKind::Throttled, "its turn would come after the deadline")
        .with_outcome(Outcome::NotApplied)
        .at(Stage::Prepare);
    match wait {
        Some(wait) => error.with_disposition(Disposition::After(wait)),
        None => error,
    }
}

#[async_trait]
impl<B: Backend> Backend for RateLimited<B> {
    /// Those of the inner backend.
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    /// A mail that the inner backend would refuse unasked is refused without waiting for its turn.
    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        cx.admit()?;
        self.inner.capabilities().admit(mail)?;
        self.gate.pass(mail.envelope().to().len(), cx.deadline.map(Instant::from_std)).await?;
        self.inner.deliver(mail, cx).await
    }

    /// Not counted: it sends nothing.
    async fn check(&self) -> Result<(), Error> {
        self.inner.check().await
    }

    /// What still waits for its turn finds the inner backend closed.
    async fn close(&self) {
        self.inner.close().await;
    }
}
