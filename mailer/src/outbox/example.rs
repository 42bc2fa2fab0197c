use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use mailer::{Claimed, Clock, Error, Lease, OutboxStore, Outgoing, Verdict};

/// A table in memory. Each method is one step under one lock, as it is one transaction in a database.
#[derive(Debug)]
pub(crate) struct Table {
    clock: Clock,
    count: AtomicU64,
    pub(crate) rows: Mutex<BTreeMap<String, Row>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) mail: Option<Outgoing>,
    pub(crate) due_at: SystemTime,
    pub(crate) generation: u64,
    pub(crate) leased: bool,
    pub(crate) attempts: u32,
    pub(crate) reason: Option<String>,
    pub(crate) settled: Option<(&'static str, SystemTime)>,
}

impl Table {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, count: AtomicU64::new(0), rows: Mutex::default() }
    }

    /// Adds a mail and gives its id, or that of the mail that has the same key.
    pub(crate) fn enqueue(&self, mail: &Outgoing, due_at: SystemTime) -> String {
        let mut rows = self.rows.lock().unwrap();
        let id = match &mail.meta().key {
            Some(key) => format!("key {}", key.as_str()),
            None => format!("mail {}", self.count.fetch_add(1, Ordering::Relaxed)),
        };
        rows.entry(id.clone()).or_insert(Row {
            mail: Some(mail.clone()),
            due_at,
            generation: 0,
            leased: false,
            attempts: 0,
            reason: None,
            settled: None,
        });
        id
    }
}

#[async_trait::async_trait]
impl OutboxStore for Table {
    async fn claim(&self, limit: usize, lease: Duration, now: SystemTime) -> Result<Vec<Claimed>, Error> {
        let mut rows = self.rows.lock().unwrap();
        let mut due: Vec<_> =
            rows.iter_mut().filter(|(_, row)| row.settled.is_none() && row.due_at <= now).collect();
        due.sort_by_key(|(_, row)| row.due_at);
        let claim = |(id, row): (&String, &mut Row)| {
            (row.due_at, row.leased) = (now + lease, true);
            row.generation += 1;
            row.attempts += 1;
            let lease = Lease { id: id.clone(), generation: row.generation };
            Some(Claimed { lease, mail: row.mail.clone()?, attempts: row.attempts - 1 })
        };
        Ok(due.into_iter().take(limit).filter_map(claim).collect())
    }

    async fn settle(&self, lease: &Lease, verdict: &Verdict) -> Result<bool, Error> {
        let mut rows = self.rows.lock().unwrap();
        let ours = |row: &&mut Row| row.leased && row.generation == lease.generation;
        // Somebody who claimed it later has the say.
        let Some(row) = rows.get_mut(&lease.id).filter(ours) else { return Ok(false) };
        row.leased = false;
        row.reason = verdict.reason();
        let state = match verdict {
            Verdict::Later { at, .. } => {
                row.due_at = *at;
                return Ok(true);
            }
            Verdict::Released => {
                row.due_at = SystemTime::UNIX_EPOCH;
                row.attempts -= 1;
                return Ok(true);
            }
            Verdict::Sent(_) => "sent",
            Verdict::Dead(_) => "dead",
            Verdict::Expired => "expired",
            // Also one that this store does not know yet: somebody has to look.
            _ => "unsure",
        };
        // Nobody needs to know any more what it said.
        if matches!(verdict, Verdict::Sent(_) | Verdict::Expired) {
            row.mail = None;
        }
        row.settled = Some((state, self.clock.now()));
        Ok(true)
    }

    async fn purge(&self, before: SystemTime) -> Result<u64, Error> {
        let mut rows = self.rows.lock().unwrap();
        let all = rows.len();
        rows.retain(|_, row| row.settled.is_none_or(|(_, at)| at >= before));
        Ok((all - rows.len()) as u64)
    }
}
