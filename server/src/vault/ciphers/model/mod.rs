//! An item, and what one user has noted about it.

pub mod content;

use diesel::Selectable;
use diesel::prelude::{AsChangeset, Identifiable, Insertable, Queryable};

use crate::ids::{CipherId, FolderId, UserId};
use crate::schema::{cipher_marks, ciphers};
use crate::time::Timestamp;
use crate::vault::attachments::model::Attachment;

/// An item as stored. Everything but the type is encrypted by the client.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, Identifiable, AsChangeset)]
#[diesel(table_name = ciphers, treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct Cipher {
    /// Its id.
    pub id: CipherId,
    /// Whose it is.
    pub user_id: UserId,
    /// Which kind of item it is: see [`Kind`](content::Kind).
    pub kind: i32,
    /// Encrypted.
    pub name: String,
    /// Encrypted.
    pub notes: Option<String>,
    /// The item's own key, wrapped by the user key.
    pub item_key: Option<String>,
    /// What only this kind of item has: a JSON object.
    pub content: String,
    /// Custom fields: a JSON array.
    pub fields: Option<String>,
    /// Earlier passwords: a JSON array.
    pub password_history: Option<String>,
    /// 1 when the client must ask for the master password before it shows the item.
    pub reprompt: i32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub revised_at: Timestamp,
    /// Since when it has been in the trash.
    pub deleted_at: Option<Timestamp>,
}

/// What one user has noted about an item. Each item has one from its owner, from the beginning.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = cipher_marks, treat_none_as_default_value = false)]
pub struct Mark {
    /// Whose note it is.
    pub user_id: UserId,
    /// About which item.
    pub cipher_id: CipherId,
    /// In which of the user's folders it lies.
    pub folder_id: Option<FolderId>,
    /// Whether it is a favourite.
    pub favorite: bool,
    /// Since when it has been in the archive.
    pub archived_at: Option<Timestamp>,
}

/// An item as one user sees it.
#[derive(Clone, Debug)]
pub struct View {
    /// The item.
    pub cipher: Cipher,
    /// The user's notes.
    pub mark: Option<Mark>,
    /// Its files, those that are there.
    pub attachments: Vec<Attachment>,
}

/// One row of the join that reads views: an item with several files has several rows, one after the other.
pub type Row = (Cipher, Option<Mark>, Option<Attachment>);

impl View {
    /// The first row of an item.
    pub fn from_row((cipher, mark, attachment): Row) -> Self {
        Self { cipher, mark, attachments: attachment.into_iter().collect() }
    }

    /// Takes in a further row of the same item; gives back the row of another one.
    pub fn absorb(&mut self, row: Row) -> Option<Row> {
        if row.0.id != self.cipher.id {
            return Some(row);
        }
        self.attachments.extend(row.2);
        None
    }

    /// All views in rows that are ordered by item.
    pub fn collect(rows: Vec<Row>) -> Vec<Self> {
        let mut views: Vec<Self> = Vec::new();
        for row in rows {
            let next = match views.last_mut() {
                Some(view) => view.absorb(row),
                None => Some(row),
            };
            views.extend(next.map(Self::from_row));
        }
        views
    }
}
