//! Writes an import: all of it or nothing, in a number of statements that does not grow with each item.

use std::collections::{HashMap, HashSet};

use dbconn::{Conn, Error};

use super::wire::Import;
use crate::account::store as users;
use crate::ids::{FolderId, UserId};
use crate::time::Timestamp;
use crate::vault::ciphers::store as ciphers;
use crate::vault::folders::store as folders;

/// Writes folders, items and notes, some hundred rows in a statement.
///
/// A folder that the client believes is there, and is not one of the user's, is made anew under another id.
pub async fn write(conn: &mut Conn, user: &UserId, import: &Import, now: Timestamp) -> Result<(), Error> {
    let known: Vec<FolderId> = import.known.iter().flatten().cloned().collect();
    let owned: HashSet<FolderId> = if known.is_empty() {
        HashSet::new()
    } else {
        folders::owned(conn, user, &known).await?.into_iter().collect()
    };
    let (mut fresh, mut instead) = (Vec::new(), HashMap::new());
    for (folder, known) in import.folders.iter().zip(&import.known) {
        match known.as_ref().filter(|id| owned.contains(id)) {
            Some(id) => drop(instead.insert(&folder.id, id)),
            None => fresh.push(folder.clone()),
        }
    }
    let mut marks = import.marks.clone();
    for folder in marks.iter_mut().filter_map(|mark| mark.folder_id.as_mut()) {
        if let Some(id) = instead.get(folder) {
            folder.clone_from(id);
        }
    }
    folders::insert(conn, &fresh).await?;
    ciphers::insert(conn, &import.ciphers, &marks).await?;
    users::touch(conn, user, now).await?;
    Ok(())
}
