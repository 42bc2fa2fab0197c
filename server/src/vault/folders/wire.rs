//! Folders as clients see them.

use serde::{Deserialize, Serialize};

use super::model::Folder;
use crate::account::service::check_enc_string;
use crate::error::Error;
use crate::ids::FolderId;
use crate::time::Timestamp;

/// A folder in an answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FolderResponse {
    id: FolderId,
    name: String,
    revision_date: Timestamp,
    object: &'static str,
}

impl From<Folder> for FolderResponse {
    fn from(folder: Folder) -> Self {
        Self { id: folder.id, name: folder.name, revision_date: folder.revised_at, object: "folder" }
    }
}

/// A folder in a request.
#[derive(Debug, Deserialize)]
pub struct FolderRequest {
    name: String,
}

impl FolderRequest {
    /// The name, checked.
    pub fn into_name(self) -> Result<String, Error> {
        check_folder_name("name", &self.name)?;
        Ok(self.name)
    }
}

/// Refuses a name that is not encrypted, or longer than 1000 bytes.
pub fn check_folder_name(field: &str, name: &str) -> Result<(), Error> {
    check_enc_string(field, name)?;
    if name.len() > 1000 { Err(Error::invalid(field, "The name is too long.")) } else { Ok(()) }
}

/// Several folders.
#[derive(Debug, Deserialize)]
pub struct IdsRequest {
    /// Which.
    pub ids: Vec<FolderId>,
}
