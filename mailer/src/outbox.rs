//! Mails that must not be lost: stored in the application's transaction, sent later by a call.

mod store;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use futures_util::{StreamExt as _, future, stream};
use tokio::sync::mpsc;

pub use store::{Claimed, Lease, OutboxStore, Verdict};

use crate::{Context, Error, ErrorKind, Mailer, Outcome, Retry, Scope};

/// Sends what an [`OutboxStore`] holds.
///
/// | What came of a delivery | Verdict |
/// |---|---|
/// | a receipt | [`Sent`](Verdict::Sent) |
/// | may have gone out | [`Unsure`](Verdict::Unsure): surfaced, never repeated |
/// | surely not sent, and may pass | [`Later`](Verdict::Later), after a pause that doubles, or the provider's own |
/// | surely not sent, by the transport's fault | the same, although permanent: it is the operator's to put right |
/// | these two at the last attempt | [`Dead`](Verdict::Dead) |
/// | surely not sent, permanent, and not the transport's fault | [`Dead`](Verdict::Dead) |
/// | its `not_after` has passed | [`Expired`](Verdict::Expired) |
/// | claimed too often by workers that died | [`Unsure`](Verdict::Unsure), without sending it |
/// | the deadline of the drain came first | [`Released`](Verdict::Released) |
///
/// There is no task in the background: somebody calls [`drain`](Self::drain), be it a loop in a server or a
/// schedule that wakes a function. A mail is sent **at least once**: if the process ends between sending and
/// recording, the lease runs out and the mail, with the same message id, is sent again.
///
/// ```
/// # use std::time::{Duration, Instant};
/// # use mailer::{Mailer, Outbox, OutboxStore, Policy};
/// # async fn example(table: impl OutboxStore, mailer: Mailer) -> Result<(), mailer::Error> {
/// let policy = Policy { max_attempts: 5, ..Policy::default() };
/// let outbox = Outbox::new(table, mailer).with_policy(policy);
/// // A function with a minute to live stops beginning mails in time to record the last one.
/// let drained = outbox.drain(200, Some(Instant::now() + Duration::from_secs(45))).await?;
/// if drained.unsure + drained.dead > 0 {
///     println!("somebody should look: {drained:?}");
/// }
/// # Ok(())
/// # }
/// ```
///
/// Any number of outboxes may drain one store at once, in one process or in many: a claim belongs to one of them.
#[derive(Clone, Debug)]
pub struct Outbox {
    store: Arc<dyn OutboxStore>,
    mailer: Mailer,
    policy: Policy,
}

/// How patient an [`Outbox`] is, and how fast.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How long a claimed mail is ours. No mail is begun in its second half, and none is still on its way when it ends.
    pub lease: Duration,
    /// Mails claimed at once.
    pub batch: usize,
    /// Mails on their way at once, so that a slow provider does not make ten mails take ten times as long.
    pub parallel: usize,
    /// Attempts after which a mail is dead.
    pub max_attempts: u32,
    /// The pause after the first failure; it doubles with each further one.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// No mail is begun when less than this is left of a drain, or less than half of it: one that is cut short may
    /// have gone out, and then somebody has to look.
    pub reserve: Duration,
}

/// What a drain did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Handed over.
    pub sent: usize,
    /// To be tried again.
    pub later: usize,
    /// Given up.
    pub dead: usize,
    /// Perhaps sent; not repeated.
    pub unsure: usize,
    /// Too late to be sent.
    pub expired: usize,
    /// Claimed and given back untouched, because the deadline came.
    pub released: usize,
    /// Of all these, those whose lease had run out before they were recorded.
    pub lost: usize,
}

impl Outbox {
    /// An outbox over this store, sending by this mailer. Its clock is the mailer's.
    pub fn new(store: impl OutboxStore, mailer: Mailer) -> Self {
        Self { store: Arc::new(store), mailer, policy: Policy::default() }
    }

    /// Sets how patient it is.
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Sends what is due, at most `limit` mails, and is done at `deadline`, but for recording.
    ///
    /// - A mail is tried again only if it was surely not sent, and either the error allows it ([`Error::retry`]) or its
    ///   [`scope`](Error::scope) is the transport: a wrong password must not cost the mails that wait. One that may have been sent is settled as [`Verdict::Unsure`] and never repeated.
    /// - A mail past its `not_after` is never sent.
    /// - Towards the deadline no more mails are begun ([`Policy::reserve`]); those claimed are given back. One that is
    ///   on its way is cut off at the deadline, and what the backend says of that holds.
    /// - Mails fail one by one; an error of this call is the store's, and the first one ends it: no further mail is
    ///   begun, those on their way are finished and recorded if that works again. A mail that was sent but could not be
    ///   recorded is sent again when its lease has run out.
    /// - If the future is dropped, what was claimed and not settled is due again when its lease has run out.
    pub async fn drain(&self, limit: usize, deadline: Option<Instant>) -> Result<Drained, Error> {
        let mut drained = Drained::default();
        let mut left = limit;
        let whole = Window::of_drain(deadline, self.policy.reserve);
        while left > 0 && whole.is_open() {
            let wanted = left.min(self.policy.batch.max(1));
            let window = whole.within_lease(self.policy.lease);
            let claimed = self.store.claim(wanted, self.policy.lease, self.now()).await?;
            if claimed.is_empty() {
                break;
            }
            left = left.saturating_sub(claimed.len());
            self.work_off(claimed, window, &mut drained).await?;
        }
        Ok(drained)
    }

    /// Delivers several at once, and meanwhile records together whatever is done.
    async fn work_off(
        &self,
        batch: Vec<Claimed>,
        window: Window,
        drained: &mut Drained,
    ) -> Result<(), Error> {
        let (done, mut verdicts) = mpsc::unbounded_channel();
        let (size, broken) = (batch.len(), AtomicBool::new(false));
        let deliver = async {
            // Moved in, so that the other side hears of the end.
            let (done, broken) = (done, &broken);
            let each = |entry: Claimed| {
                let done = done.clone();
                async move {
                    let is_open = window.is_open() && !broken.load(Ordering::Relaxed);
                    let verdict =
                        if is_open { self.attempt(&entry, window).await } else { Verdict::Released };
                    // It is listened to until the last sender is gone.
                    let _ = done.send((entry.lease, verdict));
                }
            };
            stream::iter(batch).for_each_concurrent(self.policy.parallel.max(1), each).await;
        };
        let record = async {
            let (mut result, mut group) = (Ok(()), Vec::with_capacity(size));
            while verdicts.recv_many(&mut group, size).await > 0 {
                match self.store.settle_all(&group).await {
                    Ok(kept) => {
                        for ((_, verdict), kept) in group.iter().zip(kept) {
                            drained.count(verdict, kept);
                        }
                    }
                    Err(error) => {
                        broken.store(true, Ordering::Relaxed);
                        result = result.and(Err(error));
                    }
                }
                group.clear();
            }
            result
        };
        future::join(deliver, record).await.1
    }

    async fn attempt(&self, entry: &Claimed, window: Window) -> Verdict {
        if entry.attempts >= self.policy.max_attempts {
            let died = "each worker that claimed it ended before it could say what came of it";
            return Verdict::Unsure(Error::new(ErrorKind::Other, died));
        }
        let attempt = entry.attempts.saturating_add(1);
        let mut cx = Context::new().with_attempt(attempt);
        cx.deadline = window.end;
        match self.mailer.deliver_with(&entry.mail, cx).await {
            Ok(receipt) => Verdict::Sent(receipt.with_attempts(attempt)),
            Err(error) => self.judge(error, attempt),
        }
    }

    fn judge(&self, error: Error, attempt: u32) -> Verdict {
        let pause = match (error.outcome(), error.retry()) {
            (Outcome::NotApplied, _) if error.kind() == ErrorKind::Expired => return Verdict::Expired,
            (Outcome::Unknown | Outcome::Applied, _) => return Verdict::Unsure(error),
            (Outcome::NotApplied, Retry::Never) if error.scope() != Scope::Transport => {
                return Verdict::Dead(error);
            }
            (Outcome::NotApplied, _) if attempt >= self.policy.max_attempts => return Verdict::Dead(error),
            (Outcome::NotApplied, Retry::Never | Retry::Backoff) => self.pause(attempt),
            (Outcome::NotApplied, Retry::After(wait)) => wait.max(self.pause(attempt)),
        };
        match self.now().checked_add(pause) {
            Some(at) => Verdict::Later { at, error },
            // Later than the clock can tell is never.
            None => Verdict::Dead(error),
        }
    }

    /// Between half and the whole of the doubled pause, so that mails that failed together spread out.
    fn pause(&self, attempt: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(attempt.saturating_sub(1));
        let full = self.policy.first_pause.saturating_mul(doubled).min(self.policy.longest_pause);
        let [random, ..] = self.mailer.renderer().entropy().next();
        full / 2 + full / 2 * u32::from(random) / u32::from(u8::MAX)
    }

    fn now(&self) -> SystemTime {
        self.mailer.renderer().clock().now()
    }
}

/// The time in which mails are begun, and the time at which they have to have ended.
#[derive(Clone, Copy, Debug)]
struct Window {
    last_start: Option<Instant>,
    end: Option<Instant>,
}

impl Window {
    fn of_drain(deadline: Option<Instant>, reserve: Duration) -> Self {
        let last_start = deadline.map(|deadline| {
            let half = deadline.saturating_duration_since(Instant::now()) / 2;
            deadline.checked_sub(reserve.min(half)).unwrap_or(deadline)
        });
        Self { last_start, end: deadline }
    }

    /// The same for what is claimed now: one mail is never on its way by two workers whose clocks agree.
    fn within_lease(self, lease: Duration) -> Self {
        let now = Instant::now();
        let earlier = |limit: Option<Instant>, own| limit.into_iter().chain(own).min();
        Self {
            last_start: earlier(self.last_start, now.checked_add(lease / 2)),
            end: earlier(self.end, now.checked_add(lease)),
        }
    }

    fn is_open(self) -> bool {
        self.last_start.is_none_or(|last| Instant::now() < last)
    }
}

impl Drained {
    fn count(&mut self, verdict: &Verdict, kept: bool) {
        let counter = match verdict {
            Verdict::Sent(_) => &mut self.sent,
            Verdict::Later { .. } => &mut self.later,
            Verdict::Dead(_) => &mut self.dead,
            Verdict::Unsure(_) => &mut self.unsure,
            Verdict::Expired => &mut self.expired,
            Verdict::Released => &mut self.released,
        };
        *counter += 1;
        self.lost += usize::from(!kept);
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            lease: Duration::from_mins(10),
            batch: 32,
            parallel: 4,
            max_attempts: 12,
            first_pause: Duration::from_secs(30),
            longest_pause: Duration::from_hours(1),
            reserve: Duration::from_secs(5),
        }
    }
}

#[cfg(test)]
mod tests;
