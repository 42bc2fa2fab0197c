//! The outbox of `mailer` on the server's database.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use dbconn::Pool;
use mailer::{Claimed, Error, ErrorKind, Lease, OutboxStore, Verdict};

use super::store::{self, PENDING, QueuedMail, Settlement};
use crate::clock::Clock;
use crate::ids::MailId;
use crate::time::Timestamp;

/// Claims and settles rows of `outbox`.
#[derive(Clone, Debug)]
pub struct Table {
    db: Pool,
    clock: Clock,
}

impl Table {
    /// Over the server's database.
    pub fn new(db: Pool, clock: Clock) -> Self {
        Self { db, clock }
    }
}

#[async_trait]
impl OutboxStore for Table {
    async fn claim(&self, limit: usize, lease: Duration, now: SystemTime) -> Result<Vec<Claimed>, Error> {
        let (now, settled_at) = (Timestamp::from_system(now), self.clock.now());
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.db
            .write(async move |conn| {
                let mut claimed = Vec::new();
                for row in store::claim(conn, limit, now, now.plus(lease)).await? {
                    match read(&row) {
                        Ok(mail) => claimed.push(mail),
                        Err(damage) => {
                            tracing::error!(id = %row.id, "a queued mail is damaged and will not be sent");
                            let dead = settlement(&Verdict::Dead(damage), settled_at);
                            store::settle(conn, &row.id, row.generation + 1, &dead).await?;
                        }
                    }
                }
                Ok::<_, dbconn::Error>(claimed)
            })
            .await
            .map_err(unavailable)
    }

    async fn settle(&self, lease: &Lease, verdict: &Verdict) -> Result<bool, Error> {
        let settled = vec![claim_and_settlement(lease, verdict, self.clock.now())];
        Ok(self.record(settled).await? == [true])
    }

    async fn settle_all(&self, settled: &[(Lease, Verdict)]) -> Result<Vec<bool>, Error> {
        let now = self.clock.now();
        let settled = settled.iter().map(|(lease, verdict)| claim_and_settlement(lease, verdict, now));
        self.record(settled.collect()).await
    }

    async fn purge(&self, before: SystemTime) -> Result<u64, Error> {
        let before = Timestamp::from_system(before);
        let removed =
            self.db.write(async move |conn| store::purge(conn, before).await).await.map_err(unavailable)?;
        Ok(removed as u64)
    }
}

impl Table {
    /// All in one transaction. What no row of ours can be called settles nothing.
    async fn record(&self, settled: Vec<Option<(MailId, i64, Settlement)>>) -> Result<Vec<bool>, Error> {
        self.db
            .write(async move |conn| {
                let mut kept = Vec::with_capacity(settled.len());
                for one in &settled {
                    kept.push(match one {
                        Some((id, generation, to)) => store::settle(conn, id, *generation, to).await?,
                        None => false,
                    });
                }
                Ok::<_, dbconn::Error>(kept)
            })
            .await
            .map_err(unavailable)
    }
}

/// A row as it was before it was claimed.
fn read(row: &QueuedMail) -> Result<Claimed, Error> {
    // What is wrong with it would quote it.
    let mail = serde_json::from_str(&row.mail)
        .map_err(|_| Error::new(ErrorKind::Invalid, "the queued mail is damaged"))?;
    let lease = Lease { id: row.id.to_string(), generation: row.generation.unsigned_abs() + 1 };
    Ok(Claimed { lease, mail, attempts: row.attempts.unsigned_abs() })
}

fn claim_and_settlement(
    lease: &Lease,
    verdict: &Verdict,
    now: Timestamp,
) -> Option<(MailId, i64, Settlement)> {
    let id = MailId::try_from(lease.id.clone()).ok()?;
    Some((id, i64::try_from(lease.generation).ok()?, settlement(verdict, now)))
}

/// A verdict in the table's terms.
fn settlement(verdict: &Verdict, now: Timestamp) -> Settlement {
    let (state, uncounted, due_at) = match verdict {
        Verdict::Sent(_) => ("sent", 0, now),
        Verdict::Dead(_) => ("dead", 0, now),
        Verdict::Unsure(_) => ("unsure", 0, now),
        Verdict::Expired => ("expired", 0, now),
        Verdict::Later { at, .. } => (PENDING, 0, Timestamp::from_system(*at)),
        // Before all others. Also a verdict that this server does not know yet: rather try again than lose the mail.
        _ => (PENDING, 1, Timestamp::from_system(SystemTime::UNIX_EPOCH)),
    };
    Settlement {
        state,
        uncounted,
        due_at,
        settled_at: (state != PENDING).then_some(now),
        last_error: verdict.reason(),
        is_blanked: matches!(verdict, Verdict::Sent(_) | Verdict::Expired),
    }
}

fn unavailable(error: dbconn::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "the outbox's table cannot be reached").with_source(error)
}
