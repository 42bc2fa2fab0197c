//! The outbox of `mailer` on the server's database.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use dbconn::Pool;
use mailer::{Claimed, Error, ErrorKind, Lease, OutboxStore, Verdict};

use super::store::{self, PENDING, Settlement};
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
        let now = Timestamp::from_system(now);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self
            .db
            .write(async move |conn| {
                let mut claimed = Vec::new();
                for mail in store::due(conn, limit, now).await? {
                    if store::claim(conn, &mail, now.plus(lease)).await? {
                        claimed.push(mail);
                    }
                }
                Ok::<_, dbconn::Error>(claimed)
            })
            .await
            .map_err(unavailable)?;
        rows.into_iter()
            .map(|row| {
                Ok(Claimed {
                    lease: Lease { id: row.id.to_string(), generation: row.generation.unsigned_abs() + 1 },
                    mail: serde_json::from_str(&row.mail).map_err(|error| {
                        Error::new(ErrorKind::Other, format!("a queued mail is damaged: {error}"))
                    })?,
                    attempts: row.attempts.unsigned_abs(),
                })
            })
            .collect()
    }

    async fn settle(&self, lease: &Lease, verdict: &Verdict) -> Result<bool, Error> {
        let Ok(id) = MailId::try_from(lease.id.clone()) else { return Ok(false) };
        let generation = i64::try_from(lease.generation).unwrap_or(i64::MAX);
        let now = self.clock.now();
        let to = settlement(verdict, now);
        self.db
            .write(async move |conn| store::settle(conn, &id, generation, &to).await)
            .await
            .map_err(unavailable)
    }

    async fn purge(&self, before: SystemTime) -> Result<u64, Error> {
        let before = Timestamp::from_system(before);
        let removed =
            self.db.write(async move |conn| store::purge(conn, before).await).await.map_err(unavailable)?;
        Ok(removed as u64)
    }
}

/// A verdict in the table's terms.
fn settlement(verdict: &Verdict, now: Timestamp) -> Settlement {
    let ended = |state, error: Option<&Error>| Settlement {
        state,
        failed: 0,
        due_at: now,
        settled_at: Some(now),
        last_error: error.map(ToString::to_string),
    };
    match verdict {
        Verdict::Sent(_) => ended("sent", None),
        Verdict::Dead(error) => ended("dead", Some(error)),
        Verdict::Unsure(error) => ended("unsure", Some(error)),
        Verdict::Expired => ended("expired", None),
        Verdict::Later { at, error } => Settlement {
            state: PENDING,
            failed: 1,
            due_at: Timestamp::from_system(*at),
            settled_at: None,
            last_error: Some(error.to_string()),
        },
        // Also a verdict that this server does not know yet: try again rather than lose the mail.
        _ => Settlement { state: PENDING, failed: 0, due_at: now, settled_at: None, last_error: None },
    }
}

fn unavailable(error: dbconn::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "the outbox's table cannot be reached").with_source(error)
}
