//! Writes an import: all of it or nothing, in a number of statements that does not grow with each item.

use std::collections::HashSet;

use dbconn::{Conn, Error};

use super::wire::Import;
use crate::account::store as users;
use crate::ids::{FolderId, UserId};
use crate::time::Timestamp;
use crate::vault::ciphers::store as ciphers;
use crate::vault::folders::model::Folder;
use crate::vault::folders::store as folders;

/// Writes folders, items and notes, some hundred rows in a statement.
pub async fn write(conn: &mut Conn, user: &UserId, import: &Import, now: Timestamp) -> Result<(), Error> {
    let there: HashSet<FolderId> = match &import.known[..] {
        [] => HashSet::new(),
        known => folders::owned(conn, user, known).await?.into_iter().collect(),
    };
    let fresh: Vec<Folder> =
        import.folders.iter().filter(|folder| !there.contains(&folder.id)).cloned().collect();
    folders::insert(conn, &fresh).await?;
    ciphers::insert(conn, &import.ciphers, &import.marks).await?;
    users::touch(conn, user, now).await?;
    Ok(())
}
