//! The table of an outbox, as an application's database offers it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

#[cfg(doc)]
use crate::ErrorKind;
use crate::{Error, Outgoing, Receipt};

/// The table of an outbox. The application that owns the database implements it.
///
/// There is no method to add a mail: that happens in the application's own transaction, together with the
/// change the mail is about, so that one is never there without the other. The application renders first and
/// stores the [`Outgoing`], whose message id is thereby fixed: copies of it can be told to be the same mail.
/// Where the mail has a [`key`](crate::Meta::key), the table holds one entry with it: adding a second one adds nothing
/// and gives the first one's id, be that waiting or settled, until [`purge`](Self::purge) forgets it.
///
/// An entry is *pending*, *leased*, or settled as one of *sent*, *dead*, *unsure*, *expired*. There is no order between
/// entries beyond what [`claim`](Self::claim) says: one that fails is overtaken by those behind it. Mails that only
/// make sense one after the other are one mail, or the second is added when the first is settled.
///
/// A table that will do, in any SQL database:
///
/// | Column | Meaning |
/// |---|---|
/// | `id` | [`Lease::id`] |
/// | `dedupe_key` | the mail's key, if it has one; unique |
/// | `mail` | the [`Outgoing`] as JSON; emptied when sent or expired |
/// | `state` | pending, leased, sent, dead, unsure, expired |
/// | `due_at` | when it may be claimed: at once, the `at` of a [`Verdict::Later`], or the end of the lease |
/// | `generation` | counted up by each claim |
/// | `attempts` | counted up by each claim, and down by [`Verdict::Released`] |
/// | `reason` | [`Verdict::reason`] of the last verdict, for whoever looks |
/// | `settled_at` | for [`purge`](Self::purge) |
///
/// With a lease being no more than a later `due_at`, a claim needs no second table, and nothing has to be cleaned up
/// after a worker that died. Dead and unsure entries are the operator's: an application lists them with their reason,
/// and makes one pending again only if somebody says so. For that they keep their bytes, which may hold codes and links;
/// one that nobody wants any more is deleted, at the latest by [`purge`](Self::purge).
///
/// This is such a store, in memory:
///
/// ```
#[doc = include_str!("example.rs")]
/// ```
///
/// Time is what the caller says it is. A clock that goes back delays what is leased or waits, and neither loses nor
/// repeats anything: what counts is who claimed last.
///
/// Kinds: [`Unavailable`](ErrorKind::Unavailable) and [`Other`](ErrorKind::Other), for the database's faults.
/// Dropping a future of this trait leaves the entry as it was before or as it is after the call.
#[async_trait]
pub trait OutboxStore: Send + Sync + fmt::Debug + 'static {
    /// Leases up to `limit` entries until `now + lease`, oldest due first, and returns them in that order.
    ///
    /// Taken are pending entries that are due (`due_at` is not after `now`) and leased ones whose lease has ended, the
    /// moment `now + lease` included. Atomic: two claims at the same time never return the same entry.
    /// Every claim of an entry yields a higher [`Lease::generation`]. An empty list means nothing is due.
    ///
    /// A claim counts as an attempt, until it is [`Released`](Verdict::Released): whether a worker that died had sent
    /// the mail, nobody knows, and one that ends its workers must not do so for ever.
    ///
    /// An entry that cannot be read back as a mail is settled as dead by the store itself and not returned, so that it
    /// blocks nothing. It may take the place of one that could have been claimed.
    async fn claim(&self, limit: usize, lease: Duration, now: SystemTime) -> Result<Vec<Claimed>, Error>;

    /// Records what came of a claimed entry and ends its lease, whatever the time is.
    ///
    /// For [`Verdict::Sent`], [`Verdict::Dead`], [`Verdict::Unsure`] and [`Verdict::Expired`] the entry is never claimed
    /// again. If it was sent or has expired, its **bytes are blanked** in the same step: they may hold codes and links.
    /// `Ok(false)`, and no effect, if it has been settled, or claimed by somebody else since, or is gone.
    async fn settle(&self, lease: &Lease, verdict: &Verdict) -> Result<bool, Error>;

    /// As [`settle`](Self::settle) for each, with the answers in the same order. On an error any of them may have been
    /// recorded. Unless a store does it in one transaction, it is done one by one.
    async fn settle_all(&self, settled: &[(Lease, Verdict)]) -> Result<Vec<bool>, Error> {
        let mut kept = Vec::with_capacity(settled.len());
        for (lease, verdict) in settled {
            kept.push(self.settle(lease, verdict).await?);
        }
        Ok(kept)
    }

    /// Removes the entries that were settled before this time, and says how many. Others stay, however old.
    async fn purge(&self, before: SystemTime) -> Result<u64, Error>;
}

/// A claimed entry.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The proof of having claimed it.
    pub lease: Lease,
    /// The mail.
    pub mail: Outgoing,
    /// How many times it was claimed before without being released.
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
    /// Not attempted; due at once, before all others, and not counted as an attempt.
    Released,
}

impl Verdict {
    /// What to write beside the entry for whoever looks; nothing where all is well.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Later { error, .. } | Self::Dead(error) | Self::Unsure(error) => Some(error.to_string()),
            Self::Sent(_) | Self::Expired | Self::Released => None,
        }
    }
}

#[async_trait]
impl<S: OutboxStore + ?Sized> OutboxStore for Arc<S> {
    async fn claim(&self, limit: usize, lease: Duration, now: SystemTime) -> Result<Vec<Claimed>, Error> {
        (**self).claim(limit, lease, now).await
    }

    async fn settle(&self, lease: &Lease, verdict: &Verdict) -> Result<bool, Error> {
        (**self).settle(lease, verdict).await
    }

    async fn settle_all(&self, settled: &[(Lease, Verdict)]) -> Result<Vec<bool>, Error> {
        (**self).settle_all(settled).await
    }

    async fn purge(&self, before: SystemTime) -> Result<u64, Error> {
        (**self).purge(before).await
    }
}
