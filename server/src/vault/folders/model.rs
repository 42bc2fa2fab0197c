//! A folder.

use diesel::Selectable;
use diesel::prelude::{Identifiable, Insertable, Queryable};

use crate::ids::{FolderId, UserId};
use crate::schema::folders;
use crate::time::Timestamp;

/// A folder as stored.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, Identifiable)]
#[diesel(table_name = folders, treat_none_as_default_value = false)]
pub struct Folder {
    /// Its id.
    pub id: FolderId,
    /// Whose it is.
    pub user_id: UserId,
    /// Encrypted.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub revised_at: Timestamp,
}
