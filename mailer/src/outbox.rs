//! Mails that must not be lost: stored in the application's transaction, sent later by a call.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;

use crate::{Context, Error, ErrorKind, Mailer, Outcome, Outgoing, Receipt, Retry};

/// The table of an outbox. The application that owns the database implements it.
///
/// There is no method to add a mail: that happens in the application's own transaction, together with the
/// change the mail is about, so that one is never there without the other. The application renders first and
/// stores the [`Outgoing`], whose message id is thereby fixed: copies of it can be told to be the same mail.
///
/// An entry is *pending*, *leased*, or settled as one of *sent*, *dead*, *unsure*, *expired*.
///
/// A table that will do, in any SQL database:
///
/// | Column | Meaning |
/// |---|---|
/// | `id` | [`Lease::id`] |
/// | `mail` | the [`Outgoing`] as JSON; emptied when settled |
/// | `state` | pending, sent, dead, unsure, expired |
/// | `due_at` | when it may be claimed: at once, the `at` of a [`Verdict::Later`], or the end of the lease |
/// | `generation` | counted up by each claim |
/// | `attempts` | counted up by each [`Verdict::Later`] |
/// | `reason` | kind and text of the last error, for whoever looks |
/// | `settled_at` | for [`purge`](Self::purge) |
///
/// With a lease being no more than a later `due_at`, a claim is one statement (`update … where state = 'pending'
/// and due_at <= now … returning`), and nothing needs to be cleaned up after a worker that died.
///
/// This is such a store, in memory; each method is one step under one lock, as it is one statement in a database:
///
/// ```
/// # use std::{collections::BTreeMap, sync::Mutex, time::{Duration, SystemTime}};
/// # use mailer::{Claimed, Error, Lease, Outgoing, OutboxStore, Verdict};
/// #[derive(Debug)]
/// struct Row { mail: Option<Outgoing>, due_at: SystemTime, generation: u64, attempts: u32 }
///
/// #[derive(Debug, Default)]
/// struct Table(Mutex<BTreeMap<String, Row>>);
///
/// #[async_trait::async_trait]
/// impl OutboxStore for Table {
///     async fn claim(&self, limit: usize, lease: Duration, now: SystemTime) -> Result<Vec<Claimed>, Error> {
///         let mut rows = self.0.lock().unwrap();
///         let mut due: Vec<_> = rows.iter_mut().filter(|(_, row)| row.mail.is_some() && row.due_at <= now).collect();
///         due.sort_by_key(|(_, row)| row.due_at);
///         let claim = |(id, row): (&String, &mut Row)| {
///             row.due_at = now + lease;
///             row.generation += 1;
///             let lease = Lease { id: id.clone(), generation: row.generation };
///             Some(Claimed { lease, mail: row.mail.clone()?, attempts: row.attempts })
///         };
///         Ok(due.into_iter().take(limit).filter_map(claim).collect())
///     }
///
///     async fn settle(&self, lease: &Lease, verdict: &Verdict) -> Result<bool, Error> {
///         let mut rows = self.0.lock().unwrap();
///         // Somebody who claimed it later has the say.
///         let Some(row) = rows.get_mut(&lease.id).filter(|row| row.generation == lease.generation) else {
///             return Ok(false);
///         };
///         match verdict {
///             Verdict::Later { at, .. } => (row.due_at, row.attempts) = (*at, row.attempts + 1),
///             Verdict::Released => row.due_at = SystemTime::UNIX_EPOCH,
///             // Settled for good: what the mail said is forgotten.
///             _ => row.mail = None,
///         }
///         Ok(true)
///     }
///
///     /// A table compares with `settled_at`; what is settled here needs no keeping.
///     async fn purge(&self, _before: SystemTime) -> Result<u64, Error> {
///         let mut rows = self.0.lock().unwrap();
///         let all = rows.len();
///         rows.retain(|_, row| row.mail.is_some());
///         Ok((all - rows.len()) as u64)
///     }
/// }
/// ```
///
/// Kinds: [`Unavailable`](ErrorKind::Unavailable) and [`Other`](ErrorKind::Other), for the database's faults.
/// Dropping a future of this trait leaves the entry as it was before or as it is after the call.
#[async_trait]
pub trait OutboxStore: Send + Sync + fmt::Debug + 'static {
    /// Leases up to `limit` entries until `now + lease`, oldest due first, and returns them.
    ///
    /// The attempt is not counted yet: an entry whose worker died was perhaps never sent. An entry that cannot be
    /// read back as a mail is settled as dead by the store itself and not returned, so that it blocks nothing.
    ///
    /// Taken are pending entries that are due (`at` of their last [`Verdict::Later`] is not after `now`) and
    /// leased ones whose lease has ended. Atomic: two claims at the same time never return the same entry.
    /// Every claim of an entry yields a higher [`Lease::generation`]. An empty list means nothing is due.
    async fn claim(&self, limit: usize, lease: Duration, now: SystemTime) -> Result<Vec<Claimed>, Error>;

    /// Records what came of a claimed entry and ends its lease.
    ///
    /// For [`Verdict::Sent`], [`Verdict::Dead`], [`Verdict::Unsure`] and [`Verdict::Expired`] the entry is
    /// never claimed again, and its **bytes are blanked** in the same step: they may hold codes and links.
    /// `Ok(false)`, and no effect, if the entry has been claimed by somebody else since, or is gone.
    async fn settle(&self, lease: &Lease, verdict: &Verdict) -> Result<bool, Error>;

    /// Removes the entries that were settled before this time, and says how many.
    async fn purge(&self, before: SystemTime) -> Result<u64, Error>;
}

/// A claimed entry.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The proof of having claimed it.
    pub lease: Lease,
    /// The mail.
    pub mail: Outgoing,
    /// How many times it was attempted before: the number of its [`Verdict::Later`].
    pub attempts: u32,
}

/// The proof of having claimed an entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The store's name for the entry.
    pub id: String,
    /// Grows with each claim, so that a late worker is told from the one that took over.
    pub generation: u64,
}

/// What came of a claimed entry.
#[derive(Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// Handed over.
    Sent(Receipt),
    /// Not sent; to be tried again at this time.
    Later {
        /// When it is due again.
        at: SystemTime,
        /// What happened.
        error: Error,
    },
    /// Not sent and not to be tried again.
    Dead(Error),
    /// Perhaps sent. It is not repeated; somebody has to look.
    Unsure(Error),
    /// Not sent: its `not_after` has passed.
    Expired,
    /// Not attempted; due at once, and not counted as an attempt.
    Released,
}

/// Sends what an [`OutboxStore`] holds.
///
/// | What came of a delivery | Verdict |
/// |---|---|
/// | a receipt | [`Sent`](Verdict::Sent) |
/// | may have gone out | [`Unsure`](Verdict::Unsure): surfaced, never repeated |
/// | surely not sent, and may pass | [`Later`](Verdict::Later), after a pause that doubles, or the provider's own |
/// | the same at the last attempt | [`Dead`](Verdict::Dead) |
/// | surely not sent, and permanent | [`Dead`](Verdict::Dead) |
/// | its `not_after` has passed | [`Expired`](Verdict::Expired) |
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

/// How patient an [`Outbox`] is.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How long a claimed mail is ours. Must exceed the time a batch takes to send.
    pub lease: Duration,
    /// Mails claimed at once.
    pub batch: usize,
    /// Attempts after which a mail is dead.
    pub max_attempts: u32,
    /// The pause after the first failure; it doubles with each further one.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
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

    /// Sends what is due, at most `limit` mails, and begins none after `deadline`.
    ///
    /// - A mail is tried again only if the error allows it ([`Error::retry`]): not permanent **and** surely not
    ///   sent. One that may have been sent is settled as [`Verdict::Unsure`] and never repeated.
    /// - A mail past its `not_after` is never sent.
    /// - Mails fail one by one; an error of this call is the store's. A mail that was sent but could not be
    ///   recorded is sent again when its lease has run out.
    /// - If the future is dropped, what was claimed and not settled is due again when its lease has run out.
    pub async fn drain(&self, limit: usize, deadline: Option<Instant>) -> Result<Drained, Error> {
        let mut drained = Drained::default();
        let mut left = limit;
        let is_late = || deadline.is_some_and(|deadline| deadline <= Instant::now());
        while left > 0 && !is_late() {
            let wanted = left.min(self.policy.batch.max(1));
            let claimed = self.store.claim(wanted, self.policy.lease, self.now()).await?;
            if claimed.is_empty() {
                break;
            }
            left = left.saturating_sub(claimed.len());
            for entry in claimed {
                let verdict =
                    if is_late() { Verdict::Released } else { self.attempt(&entry, deadline).await };
                let kept = self.store.settle(&entry.lease, &verdict).await?;
                drained.count(&verdict, kept);
            }
        }
        Ok(drained)
    }

    async fn attempt(&self, entry: &Claimed, deadline: Option<Instant>) -> Verdict {
        let attempt = entry.attempts.saturating_add(1);
        let mut cx = Context::new().with_attempt(attempt);
        cx.deadline = deadline;
        match self.mailer.deliver_with(&entry.mail, cx).await {
            Ok(receipt) => Verdict::Sent(receipt.with_attempts(attempt)),
            Err(error) => self.judge(error, attempt),
        }
    }

    fn judge(&self, error: Error, attempt: u32) -> Verdict {
        let pause = match (error.outcome(), error.retry()) {
            (Outcome::NotApplied, _) if error.kind() == ErrorKind::Expired => return Verdict::Expired,
            (Outcome::Unknown | Outcome::Applied, _) => return Verdict::Unsure(error),
            (Outcome::NotApplied, Retry::Never) => return Verdict::Dead(error),
            (Outcome::NotApplied, _) if attempt >= self.policy.max_attempts => return Verdict::Dead(error),
            (Outcome::NotApplied, Retry::Backoff) => self.pause(attempt),
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
            batch: 10,
            max_attempts: 12,
            first_pause: Duration::from_secs(30),
            longest_pause: Duration::from_hours(1),
        }
    }
}

#[cfg(test)]
mod tests;
