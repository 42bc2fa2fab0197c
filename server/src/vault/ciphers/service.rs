//! What can be done with items. Each change tells the owner's other clients by the revision date.

use std::time::Duration;

use dbconn::Conn;

use super::model::{Cipher, Mark, View};
use super::store;
use super::wire::PartialRequest;
use crate::account::store as users;
use crate::error::Error;
use crate::ids::{CipherId, FolderId, UserId};
use crate::time::Timestamp;
use crate::vault::attachments::store as attachments;
use crate::vault::folders::store as folders;

/// Clients cut dates to the second or the millisecond.
const DATE_SLACK: Duration = Duration::from_secs(1);

/// Makes an item.
pub async fn create(conn: &mut Conn, cipher: &Cipher, mark: &Mark) -> Result<View, Error> {
    check_folder(conn, &cipher.user_id, mark.folder_id.as_ref()).await?;
    store::insert(conn, std::slice::from_ref(cipher), std::slice::from_ref(mark)).await?;
    users::touch(conn, &cipher.user_id, cipher.revised_at).await?;
    Ok(View { cipher: cipher.clone(), mark: Some(mark.clone()), attachments: Vec::new() })
}

/// Replaces an item of the user by what the client sent, unless the client has not seen the latest version.
pub async fn edit(
    conn: &mut Conn,
    cipher: &Cipher,
    mark: &Mark,
    last_known: Option<Timestamp>,
) -> Result<View, Error> {
    let old = store::find(conn, &cipher.user_id, &cipher.id).await?.ok_or(Error::NotFound)?;
    if last_known.is_some_and(|seen| seen.plus(DATE_SLACK) < old.cipher.revised_at) {
        return Err(Error::refused("The item has been changed elsewhere. Sync, and make your change again."));
    }
    check_folder(conn, &cipher.user_id, mark.folder_id.as_ref()).await?;
    let cipher =
        Cipher { created_at: old.cipher.created_at, deleted_at: old.cipher.deleted_at, ..cipher.clone() };
    let archived_at = mark.archived_at.or(old.mark.and_then(|mark| mark.archived_at));
    let mark = Mark { archived_at, ..mark.clone() };
    store::update(conn, &cipher).await?;
    store::update_mark(conn, &mark).await?;
    users::touch(conn, &cipher.user_id, cipher.revised_at).await?;
    Ok(View { cipher, mark: Some(mark), attachments: old.attachments })
}

/// Changes what the user has noted about an item, not the item.
pub async fn edit_partial(
    conn: &mut Conn,
    user: &UserId,
    id: &CipherId,
    notes: &PartialRequest,
    now: Timestamp,
) -> Result<View, Error> {
    let mut view = store::find(conn, user, id).await?.ok_or(Error::NotFound)?;
    check_folder(conn, user, notes.folder_id.as_ref()).await?;
    let mark = Mark {
        user_id: user.clone(),
        cipher_id: id.clone(),
        folder_id: notes.folder_id.clone(),
        favorite: notes.favorite,
        archived_at: view.mark.and_then(|mark| mark.archived_at),
    };
    store::update_mark(conn, &mark).await?;
    users::touch(conn, user, now).await?;
    view.mark = Some(mark);
    Ok(view)
}

/// Into the trash. How many items of the user there were.
pub async fn trash(conn: &mut Conn, user: &UserId, ids: &[CipherId], now: Timestamp) -> Result<usize, Error> {
    let changed = store::set_deleted(conn, user, ids, Some(now), now).await?;
    tell(conn, user, changed, now).await?;
    Ok(changed)
}

/// Out of the trash.
pub async fn restore(
    conn: &mut Conn,
    user: &UserId,
    ids: &[CipherId],
    now: Timestamp,
) -> Result<Vec<View>, Error> {
    let changed = store::set_deleted(conn, user, ids, None, now).await?;
    tell(conn, user, changed, now).await?;
    Ok(store::find_many(conn, user, ids).await?)
}

/// Into the archive, or out of it.
pub async fn archive(
    conn: &mut Conn,
    user: &UserId,
    ids: &[CipherId],
    archived_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<Vec<View>, Error> {
    let changed = store::set_archived(conn, user, ids, archived_at).await?;
    tell(conn, user, changed, now).await?;
    Ok(store::find_many(conn, user, ids).await?)
}

/// Into a folder of the user, or out of all folders.
pub async fn relocate(
    conn: &mut Conn,
    user: &UserId,
    ids: &[CipherId],
    folder: Option<&FolderId>,
    now: Timestamp,
) -> Result<(), Error> {
    check_folder(conn, user, folder).await?;
    let changed = store::set_folder(conn, user, ids, folder).await?;
    tell(conn, user, changed, now).await
}

/// Removes items for good. How many items of the user there were. Their files follow once the rows are gone.
pub async fn delete(
    conn: &mut Conn,
    user: &UserId,
    ids: &[CipherId],
    now: Timestamp,
) -> Result<usize, Error> {
    attachments::strand_by_ciphers(conn, user, ids, now).await?;
    attachments::delete_by_ciphers(conn, user, ids).await?;
    let removed = store::delete(conn, user, ids).await?;
    tell(conn, user, removed, now).await?;
    Ok(removed)
}

/// Moves the user's revision date, if anything has changed.
async fn tell(conn: &mut Conn, user: &UserId, changed: usize, now: Timestamp) -> Result<(), Error> {
    if changed > 0 {
        users::touch(conn, user, now).await?;
    }
    Ok(())
}

/// A folder that is not there, or is somebody else's, cannot hold the item.
async fn check_folder(conn: &mut Conn, user: &UserId, folder: Option<&FolderId>) -> Result<(), Error> {
    match folder {
        Some(id) if folders::find(conn, user, id).await?.is_none() => {
            Err(Error::invalid("folderId", "The folder does not exist."))
        }
        _ => Ok(()),
    }
}
