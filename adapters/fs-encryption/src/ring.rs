//! Keys that the application holds itself.

use std::{collections::BTreeMap, fmt};

use async_trait::async_trait;
use fast_floe::{Parameters, Provider};
use persistent_fs::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

use crate::{Context, DataKey, KeyWrapper, WrappedKey, wrapper::check_id};

/// A secret with a name, under which data keys are wrapped. Zeroed when dropped; `Debug` shows the name alone.
///
/// The name is stored with each object, so that it is known which secret opens it. It says nothing and means nothing; a
/// date does well. A name is never given to a second secret.
#[derive(Clone)]
pub struct MasterKey {
    id: String,
    secret: fast_floe::Key,
}

impl MasterKey {
    /// A key. The id is public and has 1 to 128 visible ASCII characters; the secret has 32 random bytes, such as
    /// `openssl rand 32` makes them. A password is no secret of this kind.
    ///
    /// Anything else: [`ErrorKind::Config`].
    pub fn new(id: impl Into<String>, secret: &[u8]) -> Result<Self> {
        let id = id.into();
        check_id(&id)?;
        let secret = secret.try_into().map_err(|_| config("a master key's secret has exactly 32 bytes"))?;
        Ok(Self { id, secret: fast_floe::Key::from_bytes_with_provider(secret, Provider::RING) })
    }

    /// Its name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The context goes in as associated data; FLOE's header commits to this key.
    pub(crate) fn wrap(&self, key: &DataKey, context: Context<'_>) -> Result<WrappedKey> {
        let data = context.bytes("data key");
        let blob = fast_floe::encrypt(&self.secret, &data, Parameters::SEGMENT_64_B, key.expose());
        let blob = blob.map_err(|_| Error::new(ErrorKind::Other, "a data key could not be wrapped"))?;
        WrappedKey::new(&self.id, blob)
    }

    pub(crate) fn unwrap(&self, wrapped: &WrappedKey, context: Context<'_>) -> Result<DataKey> {
        let data = context.bytes("data key");
        let parameters = Parameters::SEGMENT_64_B;
        let key = fast_floe::decrypt_with_parameters(&self.secret, &data, parameters, &wrapped.blob);
        let key = key.map(Zeroizing::new).map_err(|_| {
            let why = "its data key is damaged, is another object's, or was wrapped under another key named";
            Error::new(ErrorKind::Integrity, format!("{why} `{}`", self.id))
        })?;
        DataKey::from_slice(&key)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The keys in use: one wraps new data keys, all unwrap. Nothing but computation, so it never fails to answer.
///
/// Rotating loses nothing if each step has reached every node before the next one begins:
///
/// | Step | Wraps | Unwraps as well |
/// |---|---|---|
/// | before | old | |
/// | 1. everybody learns the new key | old | new |
/// | 2. the new key wraps | new | old |
/// | 3. once nothing is wrapped under the old key | new | |
///
/// Objects name their key in their headers, and headers are never rewritten. So a ring that wraps data keys itself keeps
/// each key for as long as objects of its time; one that wraps a [`KeyChain`](crate::KeyChain) reaches the third step at
/// once.
///
/// ```
/// # use fs_encryption::{KeyRing, MasterKey};
/// # fn example(old: &[u8], new: &[u8]) -> Result<(), persistent_fs::Error> {
/// let ring = KeyRing::new(MasterKey::new("2027", new)?).accepting(MasterKey::new("2026", old)?)?;
/// assert_eq!(format!("{ring:?}"), r#"KeyRing { current: "2027", keys: ["2026", "2027"] }"#);
/// # Ok(())
/// # }
/// # example(&[1; 32], &[2; 32]).unwrap();
/// ```
#[derive(Clone)]
pub struct KeyRing {
    current: String,
    keys: BTreeMap<String, MasterKey>,
}

impl KeyRing {
    /// A ring of one key, which wraps.
    pub fn new(current: MasterKey) -> Self {
        Self { current: current.id.clone(), keys: BTreeMap::from([(current.id.clone(), current)]) }
    }

    /// The same ring, unwrapping what this key has wrapped as well.
    ///
    /// An id that the ring already has: [`ErrorKind::Config`].
    pub fn accepting(mut self, key: MasterKey) -> Result<Self> {
        if self.keys.contains_key(&key.id) {
            return Err(config("two master keys have the same id"));
        }
        self.keys.insert(key.id.clone(), key);
        Ok(self)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.keys.keys().collect::<Vec<_>>();
        f.debug_struct("KeyRing").field("current", &self.current).field("keys", &ids).finish()
    }
}

#[async_trait]
impl KeyWrapper for KeyRing {
    fn current(&self) -> String {
        self.current.clone()
    }

    async fn wrap(&self, key: &DataKey, context: Context<'_>) -> Result<WrappedKey> {
        self.keys[&self.current].wrap(key, context)
    }

    async fn unwrap(&self, wrapped: &WrappedKey, context: Context<'_>) -> Result<DataKey> {
        match self.keys.get(&wrapped.key_id) {
            Some(key) => key.unwrap(wrapped, context),
            None => Err(missing(&wrapped.key_id)),
        }
    }
}

pub(crate) fn missing(id: &str) -> Error {
    Error::new(ErrorKind::Config, format!("there is no key `{id}`, under which this was sealed"))
}

fn config(detail: &str) -> Error {
    Error::new(ErrorKind::Config, detail)
}
