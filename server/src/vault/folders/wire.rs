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
    /// The encrypted name, at most 1000 bytes.
    pub fn into_name(self) -> Result<String, Error> {
        check_enc_string("name", &self.name)?;
        if self.name.len() > 1000 {
            return Err(Error::invalid("name", "The name is too long."));
        }
        Ok(self.name)
    }
}

/// Several folders.
#[derive(Debug, Deserialize)]
pub struct IdsRequest {
    /// Which.
    pub ids: Vec<FolderId>,
}
