//! Sends again what failed, where that makes no second copy.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::{Backend, Capabilities, Context, Disposition, Entropy, Error, Outcome, Outgoing, Receipt};

/// A backend that is asked again while a mail was surely not sent and the trouble may pass.
///
/// | What came of an attempt | Repeated |
/// |---|---|
/// | permanent | never |
/// | surely not sent | after a pause that doubles, or not before the provider's own ([`Disposition::After`]) |
/// | perhaps sent ([`Outcome::Unknown`]) | only if the backend declares [`dedupe`](Capabilities::dedupe) and the mail has a key, or [`duplicates`](RetryPolicy::duplicates) are allowed |
/// | sent all the same ([`Outcome::Applied`]) | never |
///
/// An error that is passed on tells what all attempts together have done: if one may have sent the mail and the last
/// surely did not, the outcome is unknown. The receipt, and [`Error::attempts`], count all of them.
///
/// It stops at the deadline: a pause that would end behind it is not begun, and the error at hand comes back at once. So
/// it does where the provider asks for a pause longer than [`longest_pause`](RetryPolicy::longest_pause). It waits by
/// tokio's timer. Dropping the future ends its retries.
///
/// ```
/// # use mailer::{Entropy, Mailer, layers::{RetryPolicy, Retried}};
/// # fn example(mailer: Mailer) -> Mailer {
/// mailer.layer(|backend| Retried::new(backend, RetryPolicy::default(), Entropy::system()))
/// # }
/// ```
///
/// It is for the seconds in which somebody waits for an answer. What may take minutes belongs into an
/// [`Outbox`](crate::Outbox), which repeats by the same rule and needs none of this below it.
#[derive(Clone, Debug)]
pub struct Retried<B> {
    inner: B,
    policy: RetryPolicy,
    entropy: Entropy,
}

/// How often, and how patiently, a [`Retried`] asks again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, the first included; 0 is as 1.
    pub attempts: u32,
    /// The pause after the first failure; it doubles with each further one.
    pub first_pause: Duration,
    /// The longest pause, and the longest that a provider may ask for.
    pub longest_pause: Duration,
    /// Whether a mail that was perhaps sent is sent again. Its readers may then get it twice.
    pub duplicates: bool,
}

impl Default for RetryPolicy {
    /// Three attempts within about two seconds, and no copies.
    fn default() -> Self {
        Self {
            attempts: 3,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(10),
            duplicates: false,
        }
    }
}

impl<B: Backend> Retried<B> {
    /// Asks `inner` again. The randomness draws how much of a pause is waited, so that callers that failed together do
    /// not come back together.
    pub fn new(inner: B, policy: RetryPolicy, entropy: Entropy) -> Self {
        Self { inner, policy, entropy }
    }

    /// How long to wait before another attempt at this mail; `None` for not at all.
    fn pause(&self, mail: &Outgoing, error: &Error, made: u32) -> Option<Duration> {
        let harmless = match error.outcome() {
            Outcome::NotApplied => true,
            Outcome::Unknown => self.policy.duplicates || self.is_deduplicated(mail),
            Outcome::Applied => false,
        };
        if !harmless || made >= self.policy.attempts {
            return None;
        }
        let RetryPolicy { first_pause, longest_pause, .. } = self.policy;
        match error.disposition() {
            Disposition::Permanent => None,
            Disposition::Transient => {
                let doubled = first_pause.saturating_mul(1 << (made - 1).min(20));
                Some(self.part_of(doubled.min(longest_pause)))
            }
            Disposition::After(least) if least > longest_pause => None,
            // Everybody was told the same moment, so it is spread a little behind it.
            Disposition::After(least) => Some(least.saturating_add(self.part_of(first_pause))),
        }
    }

    fn is_deduplicated(&self, mail: &Outgoing) -> bool {
        mail.meta().key.is_some() && self.inner.capabilities().dedupe
    }

    /// Any part of a pause: evenly drawn, callers spread over the whole of it.
    fn part_of(&self, pause: Duration) -> Duration {
        let [high, low, ..] = self.entropy.next();
        let part = f64::from(u16::from_be_bytes([high, low])) / f64::from(u16::MAX);
        // Rounding can carry the longest of pauses beyond what a duration holds.
        Duration::try_from_secs_f64(pause.as_secs_f64() * part).unwrap_or(pause)
    }
}

#[async_trait]
impl<B: Backend> Backend for Retried<B> {
    /// Those of the inner backend: asking again promises nothing new.
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        let mut made = 0;
        let mut outcome = Outcome::NotApplied;
        loop {
            let attempt = cx.with_attempt(cx.attempt.saturating_add(made));
            let error = match self.inner.deliver(mail, &attempt).await {
                Ok(receipt) => return Ok(receipt),
                Err(error) => error,
            };
            made = made.saturating_add(error.attempts().max(1));
            outcome = worse(outcome, error.outcome());
            let error = error.with_attempts(made);
            let next = self.pause(mail, &error, made).and_then(|pause| Instant::now().checked_add(pause));
            match next {
                Some(next) if cx.deadline.is_none_or(|deadline| next.into_std() < deadline) => {
                    tokio::time::sleep_until(next).await;
                }
                _ => return Err(error.with_outcome(outcome)),
            }
        }
    }

    /// Asked once: whoever checks wants to know how it is now.
    async fn check(&self) -> Result<(), Error> {
        self.inner.check().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

/// What two attempts have done together. Sent is sent, and nothing said later makes it less unsure.
fn worse(one: Outcome, other: Outcome) -> Outcome {
    match (one, other) {
        (Outcome::Applied, _) | (_, Outcome::Applied) => Outcome::Applied,
        (Outcome::Unknown, _) | (_, Outcome::Unknown) => Outcome::Unknown,
        (Outcome::NotApplied, Outcome::NotApplied) => Outcome::NotApplied,
    }
}
