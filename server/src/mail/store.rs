//! The outbox's table.

use dbconn::{Conn, Error, on_conn};
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
/// Given up, or perhaps sent: somebody has to look.
const TROUBLED: [&str; 2] = ["dead", "unsure"];

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
    /// The rendered mail as JSON; emptied once it was sent or has expired.
    pub mail: String,
    /// Claims that were not given back.
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
    /// Names the occasion; no two mails in the table have the same.
    pub dedupe_key: Option<String>,
}

/// How a claimed mail goes on.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// The new state.
    pub state: &'static str,
    /// Attempts to take back.
    pub uncounted: i32,
    /// When it is due again.
    pub due_at: Timestamp,
    /// When it ended.
    pub settled_at: Option<Timestamp>,
    /// What went wrong.
    pub last_error: Option<String>,
    /// Whether its bytes go: nobody needs them any more.
    pub is_blanked: bool,
}

/// Queues a mail, in the transaction of the change that it is about, and gives its id: that of the mail with the same key
/// if there is one, which stays as it is.
pub async fn enqueue(conn: &mut Conn, mail: &QueuedMail) -> Result<MailId, Error> {
    let inserted = on_conn!(conn, |c| diesel::insert_into(outbox::table)
        .values(mail)
        .on_conflict(outbox::dedupe_key)
        .do_nothing()
        .execute(c)
        .await)?;
    if inserted == 1 {
        return Ok(mail.id.clone());
    }
    on_conn!(conn, |c| outbox::table
        .filter(outbox::dedupe_key.eq(mail.dedupe_key.as_deref()))
        .select(outbox::id)
        .first(c)
        .await)
}

/// Claims mails that are due, or whose worker is late, oldest first. They are as they were before.
///
/// Two at once would change the same rows, which is a conflict for one of them; its unit of work begins again.
pub async fn claim(
    conn: &mut Conn,
    limit: i64,
    now: Timestamp,
    until: Timestamp,
) -> Result<Vec<QueuedMail>, Error> {
    let due: Vec<QueuedMail> = on_conn!(conn, |c| outbox::table
        .filter(outbox::state.eq_any([PENDING, LEASED]).and(outbox::due_at.le(now)))
        .order(outbox::due_at.asc())
        .limit(limit)
        .select(QueuedMail::as_select())
        .load(c)
        .await)?;
    if due.is_empty() {
        return Ok(due);
    }
    let ids: Vec<&MailId> = due.iter().map(|mail| &mail.id).collect();
    on_conn!(conn, |c| diesel::update(outbox::table.filter(outbox::id.eq_any(ids)))
        .set((
            outbox::state.eq(LEASED),
            outbox::generation.eq(outbox::generation + 1),
            outbox::attempts.eq(outbox::attempts + 1),
            outbox::due_at.eq(until),
        ))
        .execute(c)
        .await)?;
    Ok(due)
}

/// Records what came of a claim, unless it has been claimed anew since.
pub async fn settle(conn: &mut Conn, id: &MailId, generation: i64, to: &Settlement) -> Result<bool, Error> {
    let claimed =
        outbox::table.find(id).filter(outbox::generation.eq(generation)).filter(outbox::state.eq(LEASED));
    let changes = (
        outbox::state.eq(to.state),
        outbox::attempts.eq(outbox::attempts - to.uncounted),
        outbox::due_at.eq(to.due_at),
        outbox::settled_at.eq(to.settled_at),
        outbox::last_error.eq(to.last_error.as_deref()),
    );
    let settled = if to.is_blanked {
        // The bytes may hold codes and links.
        on_conn!(conn, |c| diesel::update(claimed).set((changes, outbox::mail.eq(""))).execute(c).await)?
    } else {
        on_conn!(conn, |c| diesel::update(claimed).set(changes).execute(c).await)?
    };
    Ok(settled == 1)
}

/// How many mails there are in each state.
pub async fn counts(conn: &mut Conn) -> Result<Vec<(String, i64)>, Error> {
    let states = outbox::table.group_by(outbox::state).order(outbox::state);
    on_conn!(conn, |c| states.select((outbox::state, diesel::dsl::count_star())).load(c).await)
}

/// Mails that somebody has to look at, newest first.
pub async fn troubled(conn: &mut Conn, limit: i64) -> Result<Vec<QueuedMail>, Error> {
    on_conn!(conn, |c| outbox::table
        .filter(outbox::state.eq_any(TROUBLED))
        .order(outbox::settled_at.desc())
        .limit(limit)
        .select(QueuedMail::as_select())
        .load(c)
        .await)
}

/// Makes a troubled mail due again, with all its attempts. False if there is none of this id.
pub async fn retry(conn: &mut Conn, id: &MailId, now: Timestamp) -> Result<bool, Error> {
    let mail = outbox::table.find(id).filter(outbox::state.eq_any(TROUBLED));
    let changes = (
        outbox::state.eq(PENDING),
        outbox::attempts.eq(0),
        outbox::due_at.eq(now),
        outbox::settled_at.eq(None::<Timestamp>),
    );
    let found = on_conn!(conn, |c| diesel::update(mail).set(changes).execute(c).await)?;
    Ok(found == 1)
}

/// Removes a troubled mail. False if there is none of this id.
pub async fn forget(conn: &mut Conn, id: &MailId) -> Result<bool, Error> {
    let mail = outbox::table.find(id).filter(outbox::state.eq_any(TROUBLED));
    let removed = on_conn!(conn, |c| diesel::delete(mail).execute(c).await)?;
    Ok(removed == 1)
}

/// Removes mails that ended before `before`.
pub async fn purge(conn: &mut Conn, before: Timestamp) -> Result<usize, Error> {
    on_conn!(conn, |c| diesel::delete(outbox::table.filter(outbox::settled_at.lt(before))).execute(c).await)
}
