//! Queries about folders.

use dbconn::{Conn, Error, insert_all, on_conn};
use diesel::prelude::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, SelectableHelper as _};
use diesel_async::RunQueryDsl;

use super::model::Folder;
use crate::ids::{FolderId, UserId};
use crate::schema::{cipher_marks, folders};
use crate::vault::IDS;

/// All folders of a user.
pub async fn by_user(conn: &mut Conn, user: &UserId) -> Result<Vec<Folder>, Error> {
    on_conn!(conn, |c| folders::table
        .filter(folders::user_id.eq(user))
        .order(folders::id.asc())
        .select(Folder::as_select())
        .load(c)
        .await)
}

/// One folder of a user.
pub async fn find(conn: &mut Conn, user: &UserId, id: &FolderId) -> Result<Option<Folder>, Error> {
    on_conn!(conn, |c| folders::table
        .filter(folders::user_id.eq(user))
        .filter(folders::id.eq(id))
        .select(Folder::as_select())
        .first(c)
        .await
        .optional())
}

/// New folders, many at once.
pub async fn insert(conn: &mut Conn, folders: &[Folder]) -> Result<usize, Error> {
    insert_all!(conn, folders::table, folders)
}

/// A new name.
pub async fn rename(conn: &mut Conn, folder: &Folder) -> Result<usize, Error> {
    on_conn!(conn, |c| diesel::update(folders::table.find(&folder.id))
        .set((folders::name.eq(&folder.name), folders::revised_at.eq(folder.revised_at)))
        .execute(c)
        .await)
}

/// Takes the items out of folders.
pub async fn empty(conn: &mut Conn, ids: &[FolderId]) -> Result<usize, Error> {
    let mut emptied = 0;
    for ids in ids.chunks(IDS) {
        emptied += on_conn!(conn, |c| diesel::update(
            cipher_marks::table.filter(cipher_marks::folder_id.eq_any(ids))
        )
        .set(cipher_marks::folder_id.eq(None::<FolderId>))
        .execute(c)
        .await)?;
    }
    Ok(emptied)
}

/// Removes folders of a user.
pub async fn delete(conn: &mut Conn, user: &UserId, ids: &[FolderId]) -> Result<usize, Error> {
    let mut removed = 0;
    for ids in ids.chunks(IDS) {
        removed += on_conn!(conn, |c| diesel::delete(
            folders::table.filter(folders::user_id.eq(user)).filter(folders::id.eq_any(ids))
        )
        .execute(c)
        .await)?;
    }
    Ok(removed)
}

/// Removes all folders of a user.
pub async fn delete_by_user(conn: &mut Conn, user: &UserId) -> Result<usize, Error> {
    on_conn!(conn, |c| diesel::delete(folders::table.filter(folders::user_id.eq(user))).execute(c).await)
}

/// Those of `ids` that are folders of the user.
pub async fn owned(conn: &mut Conn, user: &UserId, ids: &[FolderId]) -> Result<Vec<FolderId>, Error> {
    let mut owned = Vec::new();
    for ids in ids.chunks(IDS) {
        let found: Vec<FolderId> = on_conn!(conn, |c| folders::table
            .filter(folders::user_id.eq(user))
            .filter(folders::id.eq_any(ids))
            .select(folders::id)
            .load(c)
            .await)?;
        owned.extend(found);
    }
    Ok(owned)
}
