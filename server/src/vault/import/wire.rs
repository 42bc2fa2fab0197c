//! An import as clients send it.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;
use crate::http::json::from_value;
use crate::ids::{CipherId, FolderId, UserId};
use crate::rng::Rng;
use crate::time::Timestamp;
use crate::vault::ciphers::model::{Cipher, Mark};
use crate::vault::ciphers::wire::CipherRequest;
use crate::vault::folders::model::Folder;
use crate::vault::folders::wire::check_folder_name;

/// `POST /api/ciphers/import`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportRequest {
    /// Not typed here, so that a mistake is reported with the item's number.
    ciphers: Vec<Value>,
    folders: Vec<ImportedFolder>,
    folder_relationships: Vec<Relationship>,
}

#[derive(Debug, Deserialize)]
struct ImportedFolder {
    /// There when the folder exists already.
    #[serde(default, deserialize_with = "crate::http::json::empty_as_none")]
    id: Option<FolderId>,
    name: String,
}

/// Item number `key` lies in folder number `value`.
#[derive(Debug, Deserialize)]
struct Relationship {
    key: usize,
    value: usize,
}

/// An import, ready to be written.
#[derive(Debug)]
pub struct Import {
    /// Which folder each of `folders` is, as far as the client believes that it is there.
    pub known: Vec<Option<FolderId>>,
    /// All folders as they would be made, under ids of their own.
    pub folders: Vec<Folder>,
    /// The items.
    pub ciphers: Vec<Cipher>,
    /// Where they lie: in folders as they would be made.
    pub marks: Vec<Mark>,
}

impl ImportRequest {
    /// Checks everything and gives everything its id.
    pub fn into_import(self, user: &UserId, rng: &Rng, now: Timestamp) -> Result<Import, Error> {
        let (mut known, mut folders) = (Vec::new(), Vec::new());
        for (number, folder) in self.folders.into_iter().enumerate() {
            check_folder_name(&format!("folders[{number}].name"), &folder.name)?;
            known.push(folder.id);
            folders.push(Folder {
                id: FolderId::random(rng),
                user_id: user.clone(),
                name: folder.name,
                created_at: now,
                revised_at: now,
            });
        }
        let places: HashMap<usize, usize> =
            self.folder_relationships.into_iter().map(|place| (place.key, place.value)).collect();
        let (mut ciphers, mut marks) =
            (Vec::with_capacity(self.ciphers.len()), Vec::with_capacity(self.ciphers.len()));
        for (number, item) in self.ciphers.into_iter().enumerate() {
            let request: CipherRequest = from_value(item).map_err(|error| numbered(number, error))?;
            let (cipher, mut mark) = request
                .into_rows(CipherId::random(rng), user, now)
                .map_err(|error| numbered(number, error))?;
            mark.folder_id = match places.get(&number) {
                None => None,
                Some(folder) => {
                    let folder = folders.get(*folder).ok_or_else(|| {
                        Error::invalid("folderRelationships", format!("There is no folder number {folder}."))
                    })?;
                    Some(folder.id.clone())
                }
            };
            ciphers.push(cipher);
            marks.push(mark);
        }
        Ok(Import { known, folders, ciphers, marks })
    }
}

/// Web vaults read the item's number out of `Ciphers[3].Notes`.
fn numbered(number: usize, error: Error) -> Error {
    match error {
        Error::Invalid { field, message } => {
            let mut field = field;
            if let Some(first) = field.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            Error::invalid(format!("Ciphers[{number}].{field}"), message)
        }
        other => other,
    }
}
