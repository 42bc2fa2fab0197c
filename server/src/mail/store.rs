//! The outbox's table.

use dbconn::{Conn, Error, insert_all, on_conn};
use diesel::prelude::{ExpressionMethods as _, Insertable, QueryDsl as _, Queryable, SelectableHelper as _};
use diesel::{BoolExpressionMethods as _, Selectable};
use diesel_async::RunQueryDsl;

use crate::ids::MailId;
use crate::schema::outbox;
use crate::time::Timestamp;

/// Waiting to be sent.
pub const PENDING: &str = "pending";
/// Claimed by a worker until `due_at`.
pub const LEASED: &str = "leased";

/// A mail in the outbox.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = outbox, treat_none_as_default_value = false)]
pub struct QueuedMail {
    /// Our id of it.
    pub id: MailId,
    /// `pending`, `leased`, or how it ended: `sent`, `dead`, `unsure`, `expired`.
    pub state: String,
    /// Which of our mails it is.
    pub kind: Option<String>,
    /// The rendered mail as JSON; emptied once it has ended.
    pub mail: String,
    /// Failed attempts.
    pub attempts: i32,
    /// Grows with each claim.
    pub generation: i64,
    /// When to try next; for a leased one, when its lease ends.
    pub due_at: Timestamp,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When it ended.
    pub settled_at: Option<Timestamp>,
    /// What went wrong last.
    pub last_error: Option<String>,
}

/// How a claimed mail goes on.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// The new state.
    pub state: &'static str,
    /// Failed attempts to add.
    pub failed: i32,
    /// When it is due again.
    pub due_at: Timestamp,
    /// When it ended; its bytes go with it.
    pub settled_at: Option<Timestamp>,
    /// What went wrong.
    pub last_error: Option<String>,
}

/// Queues a mail, in the transaction of the change that it is about.
pub async fn insert(conn: &mut Conn, mail: &QueuedMail) -> Result<usize, Error> {
    insert_all!(conn, outbox::table, std::slice::from_ref(mail))
}

/// Mails that are due, or whose worker is late, oldest first.
pub async fn due(conn: &mut Conn, limit: i64, now: Timestamp) -> Result<Vec<QueuedMail>, Error> {
    on_conn!(conn, |c| outbox::table
        .filter(outbox::state.eq_any([PENDING, LEASED]).and(outbox::due_at.le(now)))
        .order(outbox::due_at.asc())
        .limit(limit)
        .select(QueuedMail::as_select())
        .load(c)
        .await)
}

/// Claims a mail, unless somebody was faster.
pub async fn claim(conn: &mut Conn, mail: &QueuedMail, until: Timestamp) -> Result<bool, Error> {
    let claimed = on_conn!(conn, |c| diesel::update(
        outbox::table.find(&mail.id).filter(outbox::generation.eq(mail.generation))
    )
    .set((outbox::state.eq(LEASED), outbox::generation.eq(mail.generation + 1), outbox::due_at.eq(until),))
    .execute(c)
    .await)?;
    Ok(claimed == 1)
}

/// Records what came of a claim, unless it has been claimed anew since.
pub async fn settle(conn: &mut Conn, id: &MailId, generation: i64, to: &Settlement) -> Result<bool, Error> {
    let claimed =
        outbox::table.find(id).filter(outbox::generation.eq(generation)).filter(outbox::state.eq(LEASED));
    let changes = (
        outbox::state.eq(to.state),
        outbox::attempts.eq(outbox::attempts + to.failed),
        outbox::due_at.eq(to.due_at),
        outbox::settled_at.eq(to.settled_at),
        outbox::last_error.eq(to.last_error.as_deref()),
    );
    let settled = if to.settled_at.is_some() {
        // The bytes may hold codes and links.
        on_conn!(conn, |c| diesel::update(claimed).set((changes, outbox::mail.eq(""))).execute(c).await)?
    } else {
        on_conn!(conn, |c| diesel::update(claimed).set(changes).execute(c).await)?
    };
    Ok(settled == 1)
}

/// Removes mails that ended before `before`.
pub async fn purge(conn: &mut Conn, before: Timestamp) -> Result<usize, Error> {
    on_conn!(conn, |c| diesel::delete(outbox::table.filter(outbox::settled_at.lt(before))).execute(c).await)
}
