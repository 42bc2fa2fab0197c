//! Queries about items.

use dbconn::{Conn, Error, RowSink, each_row, insert_all, on_conn};
use diesel::prelude::{
    BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, OptionalExtension as _,
    QueryDsl as _, SelectableHelper as _,
};
use diesel_async::RunQueryDsl;

use super::model::{Cipher, Mark, Row, View};
use crate::ids::{CipherId, FolderId, UserId};
use crate::schema::{attachments, cipher_marks, ciphers};
use crate::time::Timestamp;
use crate::vault::IDS;
use crate::vault::attachments::model::Attachment;

/// The join behind every view: an item, its owner's notes, its uploaded files, ordered by item.
macro_rules! views {
    ($user:expr) => {
        ciphers::table
            .left_join(
                cipher_marks::table.on(cipher_marks::cipher_id
                    .eq(ciphers::id)
                    .and(cipher_marks::user_id.eq(ciphers::user_id))),
            )
            .left_join(
                attachments::table
                    .on(attachments::cipher_id.eq(ciphers::id).and(attachments::uploaded_at.is_not_null())),
            )
            .filter(ciphers::user_id.eq($user))
            .order(ciphers::id.asc())
            .select((Cipher::as_select(), Option::<Mark>::as_select(), Option::<Attachment>::as_select()))
    };
}

/// What the user has noted about these items.
macro_rules! marks {
    ($user:expr, $ids:expr) => {
        cipher_marks::table
            .filter(cipher_marks::user_id.eq($user))
            .filter(cipher_marks::cipher_id.eq_any($ids))
    };
}

/// Hands every item of a user to `sink`, in one statement, as fast as the sink takes them.
pub async fn each<S: RowSink<Row> + Send>(conn: &mut Conn, user: &UserId, sink: &mut S) -> Result<(), Error> {
    each_row!(conn, views!(user), Row, sink)
}

/// All items of a user.
pub async fn by_user(conn: &mut Conn, user: &UserId) -> Result<Vec<View>, Error> {
    on_conn!(conn, |c| views!(user).load(c).await).map(View::collect)
}

/// One item of a user.
pub async fn find(conn: &mut Conn, user: &UserId, id: &CipherId) -> Result<Option<View>, Error> {
    let rows = on_conn!(conn, |c| views!(user).filter(ciphers::id.eq(id)).load(c).await)?;
    Ok(View::collect(rows).pop())
}

/// Those of `ids` that are items of the user.
pub async fn find_many(conn: &mut Conn, user: &UserId, ids: &[CipherId]) -> Result<Vec<View>, Error> {
    let mut views = Vec::with_capacity(ids.len());
    for ids in ids.chunks(IDS) {
        let rows = on_conn!(conn, |c| views!(user).filter(ciphers::id.eq_any(ids)).load(c).await)?;
        views.extend(View::collect(rows));
    }
    Ok(views)
}

/// Whose item it is.
pub async fn owner(conn: &mut Conn, id: &CipherId) -> Result<Option<UserId>, Error> {
    on_conn!(conn, |c| ciphers::table.find(id).select(ciphers::user_id).first(c).await.optional())
}

/// New items and their owner's notes, many in a statement.
pub async fn insert(conn: &mut Conn, items: &[Cipher], marks: &[Mark]) -> Result<(), Error> {
    insert_all!(conn, ciphers::table, items)?;
    insert_all!(conn, cipher_marks::table, marks)?;
    Ok(())
}

/// Everything about an item that its owner can change.
pub async fn update(conn: &mut Conn, cipher: &Cipher) -> Result<usize, Error> {
    on_conn!(conn, |c| diesel::update(ciphers::table.find(&cipher.id)).set(cipher).execute(c).await)
}

/// The user's notes about an item.
pub async fn update_mark(conn: &mut Conn, mark: &Mark) -> Result<usize, Error> {
    on_conn!(conn, |c| diesel::update(cipher_marks::table.find((&mark.user_id, &mark.cipher_id)))
        .set((
            cipher_marks::folder_id.eq(&mark.folder_id),
            cipher_marks::favorite.eq(mark.favorite),
            cipher_marks::archived_at.eq(mark.archived_at),
        ))
        .execute(c)
        .await)
}

/// Says that an item has changed.
pub async fn touch(conn: &mut Conn, id: &CipherId, now: Timestamp) -> Result<usize, Error> {
    on_conn!(conn, |c| diesel::update(ciphers::table.find(id))
        .set(ciphers::revised_at.eq(now))
        .execute(c)
        .await)
}

/// Into the trash, or out of it.
pub async fn set_deleted(
    conn: &mut Conn,
    user: &UserId,
    ids: &[CipherId],
    deleted_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<usize, Error> {
    let mut changed = 0;
    for ids in ids.chunks(IDS) {
        changed += on_conn!(conn, |c| diesel::update(
            ciphers::table.filter(ciphers::user_id.eq(user)).filter(ciphers::id.eq_any(ids))
        )
        .set((ciphers::deleted_at.eq(deleted_at), ciphers::revised_at.eq(now)))
        .execute(c)
        .await)?;
    }
    Ok(changed)
}

/// Into the archive, or out of it.
pub async fn set_archived(
    conn: &mut Conn,
    user: &UserId,
    ids: &[CipherId],
    archived_at: Option<Timestamp>,
) -> Result<usize, Error> {
    let mut changed = 0;
    for ids in ids.chunks(IDS) {
        changed += on_conn!(conn, |c| diesel::update(marks!(user, ids))
            .set(cipher_marks::archived_at.eq(archived_at))
            .execute(c)
            .await)?;
    }
    Ok(changed)
}

/// Into a folder, or out of all folders.
pub async fn set_folder(
    conn: &mut Conn,
    user: &UserId,
    ids: &[CipherId],
    folder: Option<&FolderId>,
) -> Result<usize, Error> {
    let mut changed = 0;
    for ids in ids.chunks(IDS) {
        changed += on_conn!(conn, |c| diesel::update(marks!(user, ids))
            .set(cipher_marks::folder_id.eq(folder))
            .execute(c)
            .await)?;
    }
    Ok(changed)
}

/// Removes items of a user and what was noted about them.
pub async fn delete(conn: &mut Conn, user: &UserId, ids: &[CipherId]) -> Result<usize, Error> {
    let mut removed = 0;
    for ids in ids.chunks(IDS) {
        on_conn!(conn, |c| diesel::delete(marks!(user, ids)).execute(c).await)?;
        removed += on_conn!(conn, |c| diesel::delete(
            ciphers::table.filter(ciphers::user_id.eq(user)).filter(ciphers::id.eq_any(ids))
        )
        .execute(c)
        .await)?;
    }
    Ok(removed)
}

/// Removes all items of a user and all his notes.
pub async fn delete_by_user(conn: &mut Conn, user: &UserId) -> Result<usize, Error> {
    on_conn!(conn, |c| diesel::delete(cipher_marks::table.filter(cipher_marks::user_id.eq(user)))
        .execute(c)
        .await)?;
    on_conn!(conn, |c| diesel::delete(ciphers::table.filter(ciphers::user_id.eq(user))).execute(c).await)
}
