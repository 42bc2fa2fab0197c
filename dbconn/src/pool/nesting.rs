//! Who may begin and end a transaction: the pool. And who may set a savepoint: a body, where the engine has them.

use std::{fmt, future::Future};

use diesel::{
    QueryResult,
    connection::{TransactionDepthChange, TransactionManagerStatus},
    result::Error::QueryBuilderError,
};
use diesel_async::{AsyncConnection, TransactionManager};

use super::watch::Failed;
use crate::ErrorKind;

/// How deep a connection is in transactions. 1 is the unit of work, more are savepoints.
///
/// `AsyncConnection::transaction` on the connection inside of a unit of work sets a savepoint, releases
/// it when its closure returns `Ok`, and goes back to it on `Err`. Outside of a transaction, as in
/// `Pool::read`, it is refused as `Invalid`; where the engine has no savepoints, as `Unsupported`.
#[derive(Debug)]
pub struct Nesting {
    status: TransactionManagerStatus,
    savepoints: bool,
    failed: Failed,
}

/// A connection that can be sent transaction control, which its public face refuses.
pub trait Control: AsyncConnection<TransactionManager = Nesting> {
    /// Sends the statement as it is.
    fn control(&mut self, sql: &str) -> impl Future<Output = QueryResult<()>> + Send;
}

/// Something the pool refuses before the wire.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) kind: ErrorKind,
    pub(crate) why: &'static str,
}

const NOT_YOURS: Refused = Refused {
    kind: ErrorKind::Invalid,
    why: "transactions are begun and ended by the pool: use `Pool::write` or `Pool::snapshot`",
};

const NO_SAVEPOINTS: Refused = Refused {
    kind: ErrorKind::Unsupported,
    why: "the engine has no savepoints, so transactions do not nest",
};

impl Nesting {
    pub(crate) fn new(savepoints: bool, failed: Failed) -> Self {
        Self { status: TransactionManagerStatus::default(), savepoints, failed }
    }

    pub(crate) fn failed(&self) -> &Failed {
        &self.failed
    }

    /// 0 outside of transactions, and also when the depth is no longer known.
    pub(crate) fn depth(&self) -> u32 {
        self.status.transaction_depth().ok().flatten().map_or(0, Into::into)
    }

    /// The pool has begun the unit's transaction.
    pub(crate) fn begun(&mut self) {
        self.status = TransactionManagerStatus::default();
        self.change(TransactionDepthChange::IncreaseDepth);
        self.failed.set(false);
    }

    /// The pool has ended the unit of work.
    pub(crate) fn ended(&mut self) {
        self.status = TransactionManagerStatus::default();
        self.failed.set(false);
    }

    fn change(&mut self, change: TransactionDepthChange) {
        if let TransactionManagerStatus::Valid(status) = &mut self.status {
            // The callers have looked at the depth, so there is nothing to refuse.
            let _ = status.change_transaction_depth(change);
        }
    }
}

impl<C: Control> TransactionManager<C> for Nesting {
    type TransactionStateData = Self;

    async fn begin_transaction(conn: &mut C) -> QueryResult<()> {
        let state = conn.transaction_state();
        let depth = state.depth();
        if depth == 0 {
            return Err(NOT_YOURS.into());
        }
        if !state.savepoints {
            return Err(NO_SAVEPOINTS.into());
        }
        conn.control(&format!("SAVEPOINT work_{depth}")).await?;
        conn.transaction_state().change(TransactionDepthChange::IncreaseDepth);
        Ok(())
    }

    async fn rollback_transaction(conn: &mut C) -> QueryResult<()> {
        let outer = savepoint_of(conn)?;
        conn.control(&format!("ROLLBACK TO SAVEPOINT work_{outer}")).await?;
        conn.control(&format!("RELEASE SAVEPOINT work_{outer}")).await?;
        let state = conn.transaction_state();
        state.change(TransactionDepthChange::DecreaseDepth);
        state.failed.set(false);
        Ok(())
    }

    async fn commit_transaction(conn: &mut C) -> QueryResult<()> {
        let outer = savepoint_of(conn)?;
        conn.control(&format!("RELEASE SAVEPOINT work_{outer}")).await?;
        conn.transaction_state().change(TransactionDepthChange::DecreaseDepth);
        Ok(())
    }

    fn transaction_manager_status_mut(conn: &mut C) -> &mut TransactionManagerStatus {
        &mut conn.transaction_state().status
    }
}

/// The number of the innermost savepoint.
fn savepoint_of<C: Control>(conn: &mut C) -> QueryResult<u32> {
    match conn.transaction_state().depth() {
        0 | 1 => Err(NOT_YOURS.into()),
        depth => Ok(depth - 1),
    }
}

/// Refuses statements that begin or end a transaction, or set a savepoint, behind the pool's back.
pub(crate) fn refuse_control(sql: &str) -> QueryResult<()> {
    const WORDS: [&str; 8] = ["BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE"];
    let word = sql.split(|c: char| !c.is_ascii_alphabetic()).find(|word| !word.is_empty()).unwrap_or("");
    if WORDS.iter().any(|control| control.eq_ignore_ascii_case(word)) {
        Err(NOT_YOURS.into())
    } else {
        Ok(())
    }
}

impl From<Refused> for diesel::result::Error {
    fn from(refused: Refused) -> Self {
        QueryBuilderError(Box::new(refused))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.why)
    }
}

impl std::error::Error for Refused {}

#[cfg(test)]
mod tests {
    use super::refuse_control;

    #[test]
    fn transaction_control_is_recognised_in_any_case_and_after_blanks() {
        for sql in ["BEGIN", " begin immediate", "\n\tCommit;", "START TRANSACTION", "rollback to a", "end"] {
            assert!(refuse_control(sql).is_err(), "{sql}");
        }
        for sql in ["SELECT 1", "", "INSERT INTO begin VALUES (1)", "beginning"] {
            assert!(refuse_control(sql).is_ok(), "{sql}");
        }
    }
}
