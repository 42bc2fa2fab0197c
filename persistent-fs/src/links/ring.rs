//! The keys that sign links, and how they are rotated.

use std::{collections::BTreeMap, fmt};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{Error, ErrorKind, Result};

/// A secret with a name. `Debug` shows the name alone.
///
/// The name travels in every token, so that the verifier knows which secret to check it with. It says nothing and
/// means nothing; a date does well. A name is never given to a second secret while links of the first are alive.
#[derive(Clone)]
pub struct LinkKey {
    id: String,
    mac: Hmac<Sha256>,
}

impl LinkKey {
    /// The fewest bytes that a secret must have.
    pub const MIN_SECRET: usize = 32;

    /// A key. The id is public, 1 to 32 letters, digits, `-` and `_`; the secret has at least 32 random bytes.
    ///
    /// Anything else: [`ErrorKind::Config`].
    pub fn new(id: impl Into<String>, secret: &[u8]) -> Result<Self> {
        let id = id.into();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if id.is_empty() || id.len() > 32 || !id.bytes().all(plain) {
            return Err(config("a link key's id has 1 to 32 letters, digits, `-` and `_`"));
        }
        if secret.len() < Self::MIN_SECRET {
            return Err(config("a link key's secret has at least 32 bytes"));
        }
        let mac = Hmac::new_from_slice(secret).expect("HMAC takes keys of any length");
        Ok(Self { id, mac })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn sign(&self, text: &str) -> [u8; 32] {
        let mut mac = self.mac.clone();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The keys in use: one signs, all are accepted.
///
/// Rotating breaks no link if each step has reached every node before the next one begins:
///
/// | Step | Signs | Is accepted as well |
/// |---|---|---|
/// | before | old | |
/// | 1. everybody learns the new key | old | new |
/// | 2. the new key signs | new | old |
/// | 3. once the last link of the old key has died | new | |
///
/// ```
/// # use persistent_fs::{Error, links::{KeyRing, LinkKey}};
/// # fn example(old: LinkKey, new: LinkKey) -> Result<(), Error> {
/// let step_1 = KeyRing::new(old.clone()).accepting(new.clone())?;
/// let step_2 = KeyRing::new(new.clone()).accepting(old)?;
/// let step_3 = KeyRing::new(new);
/// # Ok(())
/// # }
/// ```
///
/// A key that has leaked is dropped at once, and every link it signed dies with it.
#[derive(Debug, Clone)]
pub struct KeyRing {
    signing: String,
    keys: BTreeMap<String, LinkKey>,
}

impl KeyRing {
    /// A ring of one key, which signs.
    pub fn new(signing: LinkKey) -> Self {
        Self { signing: signing.id.clone(), keys: BTreeMap::from([(signing.id.clone(), signing)]) }
    }

    /// The same ring, accepting what this key has signed as well.
    ///
    /// An id that the ring already has: [`ErrorKind::Config`].
    pub fn accepting(mut self, key: LinkKey) -> Result<Self> {
        if self.keys.contains_key(&key.id) {
            return Err(config("two link keys have the same id"));
        }
        self.keys.insert(key.id.clone(), key);
        Ok(self)
    }

    pub(super) fn signing(&self) -> &LinkKey {
        &self.keys[&self.signing]
    }

    pub(super) fn find(&self, id: &str) -> Option<&LinkKey> {
        self.keys.get(id)
    }
}

fn config(detail: &str) -> Error {
    Error::new(ErrorKind::Config, detail)
}
