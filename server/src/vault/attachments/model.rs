//! A file attached to an item.

use diesel::Selectable;
use diesel::prelude::{Identifiable, Insertable, Queryable};

use crate::error::Error;
use crate::ids::{AttachmentId, CipherId};
use crate::schema::attachments;
use crate::time::Timestamp;

/// The largest file: 500 MiB, and the megabyte that encryption may add.
pub const MAX_SIZE: u64 = 501 * 1024 * 1024;

/// An attachment as stored. The file itself is in the file store.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, Identifiable)]
#[diesel(table_name = attachments, treat_none_as_default_value = false)]
pub struct Attachment {
    /// Its id.
    pub id: AttachmentId,
    /// The item it belongs to.
    pub cipher_id: CipherId,
    /// Encrypted.
    pub file_name: String,
    /// The file's own key, wrapped by the item's or the user's.
    pub item_key: Option<String>,
    /// Bytes of the encrypted file.
    pub size: i64,
    /// When it was announced.
    pub created_at: Timestamp,
    /// Since when the file has been there. Before, nobody but the uploading client knows of it.
    pub uploaded_at: Option<Timestamp>,
}

impl Attachment {
    /// Bytes of the encrypted file.
    pub fn size(&self) -> u64 {
        self.size.unsigned_abs()
    }
}

/// Refuses files that are larger than [`MAX_SIZE`], before a byte of them is read.
pub fn check_size(size: u64) -> Result<i64, Error> {
    match i64::try_from(size) {
        Ok(bytes) if size <= MAX_SIZE => Ok(bytes),
        _ => Err(Error::TooLarge),
    }
}
