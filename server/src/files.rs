//! Where each kind of file lies in the file store. No handler makes a path of its own.

use persistent_fs::Key;

use crate::error::Error;
use crate::ids::{AttachmentId, CipherId};

/// Folder of attachments; also written by a statement that lists files to remove.
pub const ATTACHMENTS: &str = "attachments/";

/// A file of the server, by what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blob {
    /// A file attached to an item.
    Attachment {
        /// The item.
        cipher: CipherId,
        /// The attachment.
        id: AttachmentId,
    },
}

impl Blob {
    /// Its name in the store.
    pub fn key(&self) -> Result<Key, Error> {
        match self {
            Self::Attachment { cipher, id } => Ok(Key::parse(&format!("{ATTACHMENTS}{cipher}/{id}"))?),
        }
    }

    /// What a name in the store stands for.
    pub fn from_key(key: &Key) -> Option<Self> {
        let (cipher, id) = key.as_str().strip_prefix(ATTACHMENTS)?.split_once('/')?;
        Some(Self::Attachment {
            cipher: CipherId::try_from(cipher.to_owned()).ok()?,
            id: AttachmentId::try_from(id.to_owned()).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn a_name_leads_back_to_the_thing() {
        let rng = Rng::seeded(1);
        let blob = Blob::Attachment { cipher: CipherId::random(&rng), id: AttachmentId::random(&rng) };
        assert_eq!(Blob::from_key(&blob.key().unwrap()), Some(blob));
        assert_eq!(Blob::from_key(&Key::parse("keys/access-token.ed25519").unwrap()), None);
    }
}
