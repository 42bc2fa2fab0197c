//! What can be done with folders. Each change tells the owner's other clients by the revision date.

use dbconn::Conn;

use super::model::Folder;
use super::store;
use crate::account::store as users;
use crate::error::Error;
use crate::ids::{FolderId, UserId};
use crate::time::Timestamp;

/// Makes a folder.
pub async fn create(conn: &mut Conn, folder: &Folder) -> Result<(), Error> {
    store::insert(conn, std::slice::from_ref(folder)).await?;
    users::touch(conn, &folder.user_id, folder.revised_at).await?;
    Ok(())
}

/// Renames a folder of the user.
pub async fn rename(
    conn: &mut Conn,
    user: &UserId,
    id: &FolderId,
    name: &str,
    now: Timestamp,
) -> Result<Folder, Error> {
    let mut folder = store::find(conn, user, id).await?.ok_or(Error::NotFound)?;
    name.clone_into(&mut folder.name);
    folder.revised_at = now;
    store::rename(conn, &folder).await?;
    users::touch(conn, user, now).await?;
    Ok(folder)
}

/// Removes folders of the user; the items in them stay. How many there were.
pub async fn delete(
    conn: &mut Conn,
    user: &UserId,
    ids: &[FolderId],
    now: Timestamp,
) -> Result<usize, dbconn::Error> {
    let owned = store::owned(conn, user, ids).await?;
    store::empty(conn, &owned).await?;
    store::delete(conn, user, &owned).await?;
    if !owned.is_empty() {
        users::touch(conn, user, now).await?;
    }
    Ok(owned.len())
}
