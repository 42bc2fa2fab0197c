//! Queries about attachments, and the list of files that nothing refers to any more.

use dbconn::{Conn, Error, insert_all, on_conn};
use diesel::prelude::{
    ExpressionMethods as _, Insertable as _, IntoSql as _, OptionalExtension as _, QueryDsl as _,
    SelectableHelper as _, TextExpressionMethods as _,
};
use diesel::sql_types;
use diesel_async::RunQueryDsl;

use super::model::Attachment;
use crate::files::ATTACHMENTS;
use crate::ids::{AttachmentId, CipherId, UserId};
use crate::schema::{attachments, ciphers, stray_files};
use crate::time::Timestamp;
use crate::vault::IDS;

/// One attachment of an item of the user.
pub async fn find(
    conn: &mut Conn,
    user: &UserId,
    cipher: &CipherId,
    id: &AttachmentId,
) -> Result<Option<Attachment>, Error> {
    on_conn!(conn, |c| attachments::table
        .inner_join(ciphers::table)
        .filter(ciphers::user_id.eq(user))
        .filter(attachments::cipher_id.eq(cipher))
        .filter(attachments::id.eq(id))
        .select(Attachment::as_select())
        .first(c)
        .await
        .optional())
}

/// A new row.
pub async fn insert(conn: &mut Conn, attachment: &Attachment) -> Result<usize, Error> {
    insert_all!(conn, attachments::table, std::slice::from_ref(attachment))
}

/// The file is there, and this long.
pub async fn set_uploaded(
    conn: &mut Conn,
    id: &AttachmentId,
    size: i64,
    now: Timestamp,
) -> Result<Option<Attachment>, Error> {
    on_conn!(conn, |c| diesel::update(attachments::table.find(id))
        .set((attachments::size.eq(size), attachments::uploaded_at.eq(now)))
        .returning(Attachment::as_returning())
        .get_result(c)
        .await
        .optional())
}

/// Removes one row.
pub async fn delete(conn: &mut Conn, id: &AttachmentId) -> Result<usize, Error> {
    on_conn!(conn, |c| diesel::delete(attachments::table.find(id)).execute(c).await)
}

/// Removes one row, unless its file is there.
pub async fn delete_unfinished(conn: &mut Conn, id: &AttachmentId) -> Result<usize, Error> {
    on_conn!(conn, |c| diesel::delete(attachments::table.find(id).filter(attachments::uploaded_at.is_null()))
        .execute(c)
        .await)
}

/// Removes the rows of these items, as far as the items are the user's.
pub async fn delete_by_ciphers(conn: &mut Conn, user: &UserId, ids: &[CipherId]) -> Result<usize, Error> {
    let mut removed = 0;
    for ids in ids.chunks(IDS) {
        let owned = ciphers::table
            .filter(ciphers::user_id.eq(user))
            .filter(ciphers::id.eq_any(ids))
            .select(ciphers::id);
        removed += on_conn!(conn, |c| diesel::delete(
            attachments::table.filter(attachments::cipher_id.eq_any(owned))
        )
        .execute(c)
        .await)?;
    }
    Ok(removed)
}

/// Removes the rows of all items of a user.
pub async fn delete_by_user(conn: &mut Conn, user: &UserId) -> Result<usize, Error> {
    let owned = ciphers::table.filter(ciphers::user_id.eq(user)).select(ciphers::id);
    on_conn!(conn, |c| diesel::delete(attachments::table.filter(attachments::cipher_id.eq_any(owned)))
        .execute(c)
        .await)
}

/// Announced before `before`, and never uploaded.
pub async fn unfinished(conn: &mut Conn, before: Timestamp) -> Result<Vec<Attachment>, Error> {
    on_conn!(conn, |c| attachments::table
        .filter(attachments::uploaded_at.is_null())
        .filter(attachments::created_at.lt(before))
        .select(Attachment::as_select())
        .load(c)
        .await)
}

/// Says that nothing refers to this file any more. Said again, it counts from now.
pub async fn strand(conn: &mut Conn, path: &str, now: Timestamp) -> Result<usize, Error> {
    on_conn!(conn, |c| diesel::insert_into(stray_files::table)
        .values((stray_files::path.eq(path), stray_files::since.eq(now)))
        .on_conflict(stray_files::path)
        .do_update()
        .set(stray_files::since.eq(now))
        .execute(c)
        .await)
}

/// The statement that strands the files of the items that `$filter` picks.
macro_rules! strand {
    ($conn:expr, $now:expr, $filter:expr) => {{
        let now = $now;
        on_conn!($conn, |c| attachments::table
            .inner_join(ciphers::table)
            .filter($filter)
            .select((
                ATTACHMENTS
                    .into_sql::<sql_types::Text>()
                    .concat(attachments::cipher_id)
                    .concat("/")
                    .concat(attachments::id),
                now.into_sql::<sql_types::Timestamp>(),
            ))
            .insert_into(stray_files::table)
            .into_columns((stray_files::path, stray_files::since))
            .execute(c)
            .await)
    }};
}

/// Says that nothing will refer to the files of these items, as far as the items are the user's.
pub async fn strand_by_ciphers(
    conn: &mut Conn,
    user: &UserId,
    ids: &[CipherId],
    now: Timestamp,
) -> Result<usize, Error> {
    use diesel::BoolExpressionMethods as _;
    let mut stranded = 0;
    for ids in ids.chunks(IDS) {
        stranded += strand!(conn, now, ciphers::user_id.eq(user).and(ciphers::id.eq_any(ids)))?;
    }
    Ok(stranded)
}

/// Says that nothing will refer to the files of a user.
pub async fn strand_by_user(conn: &mut Conn, user: &UserId, now: Timestamp) -> Result<usize, Error> {
    strand!(conn, now, ciphers::user_id.eq(user))
}

/// Files that nothing refers to, and since when.
pub async fn strays(conn: &mut Conn, limit: i64) -> Result<Vec<(String, Timestamp)>, Error> {
    on_conn!(conn, |c| stray_files::table
        .order(stray_files::path.asc())
        .limit(limit)
        .select((stray_files::path, stray_files::since))
        .load(c)
        .await)
}

/// This file is gone, unless it has been stranded again since.
pub async fn forget_stray(conn: &mut Conn, path: &str, since: Timestamp) -> Result<usize, Error> {
    on_conn!(conn, |c| diesel::delete(
        stray_files::table.filter(stray_files::path.eq(path)).filter(stray_files::since.eq(since))
    )
    .execute(c)
    .await)
}
