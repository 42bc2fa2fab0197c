//! Who keeps the keys: the trait between sealing objects and wrapping their keys.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use fast_floe::Provider;
use persistent_fs::{Error, ErrorKind, Key, Result};

/// Wraps data keys under keys that it keeps, and unwraps them again. One per key service; [`KeyRing`](crate::KeyRing)
/// is the one without a service.
///
/// Sealing calls [`wrap`](Self::wrap) once for each object that is written, opening calls [`unwrap`](Self::unwrap) once
/// for each that is read. An implementation authenticates the whole [`Context`] with the key, so a wrapped key is good
/// for one object of one store.
///
/// Errors are [`persistent_fs::Error`]s that changed nothing. A service that cannot be reached is
/// [`Unavailable`](ErrorKind::Unavailable), one that refuses [`Denied`](ErrorKind::Denied) or
/// [`Unauthenticated`](ErrorKind::Unauthenticated), one that is asked too often [`Throttled`](ErrorKind::Throttled).
/// Dropping a future has no effect.
#[async_trait]
pub trait KeyWrapper: fmt::Debug + Send + Sync + 'static {
    /// The id of the key that new data keys are wrapped under. Immediate; it changes when keys are rotated.
    fn current(&self) -> String;

    /// Wraps a data key under the current key, for this object.
    async fn wrap(&self, key: &DataKey, context: Context<'_>) -> Result<WrappedKey>;

    /// Unwraps a data key, whichever of the keys it was wrapped under.
    ///
    /// A key id that is not known (any more): [`ErrorKind::Config`], naming the id. A wrapped key that was altered, was
    /// wrapped under another key of the same id, or belongs to another object: [`ErrorKind::Integrity`].
    async fn unwrap(&self, wrapped: &WrappedKey, context: Context<'_>) -> Result<DataKey>;
}

#[async_trait]
impl<W: KeyWrapper + ?Sized> KeyWrapper for Arc<W> {
    fn current(&self) -> String {
        (**self).current()
    }

    async fn wrap(&self, key: &DataKey, context: Context<'_>) -> Result<WrappedKey> {
        (**self).wrap(key, context).await
    }

    async fn unwrap(&self, wrapped: &WrappedKey, context: Context<'_>) -> Result<DataKey> {
        (**self).unwrap(wrapped, context).await
    }
}

/// The object that a data key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context<'a> {
    /// The name of the store, as its layer was given it.
    pub store: &'a str,
    /// The object's key in that store.
    pub object: &'a Key,
}

impl Context<'_> {
    /// The context as bytes that no other context has: each part is preceded by its length. For wrappers that
    /// authenticate bytes. `purpose` keeps apart what is authenticated for different ends.
    pub fn bytes(&self, purpose: &str) -> Vec<u8> {
        let mut bytes = b"undercroft fs-encryption".to_vec();
        for part in [purpose, self.store, self.object.as_str()] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

/// The key of one object: 32 secret bytes. Zeroed when dropped; `Debug` does not show it.
pub struct DataKey(fast_floe::Key);

impl DataKey {
    /// How long a data key is.
    pub const LENGTH: usize = fast_floe::Key::LEN;

    /// A new one, from the operating system's randomness.
    pub fn generate() -> Result<Self> {
        let key = fast_floe::Key::generate_with_provider(Provider::RING);
        Ok(Self(key.map_err(|_| Error::new(ErrorKind::Other, "there is no randomness for a key"))?))
    }

    /// Takes the bytes of a key that was unwrapped. Another number than [`LENGTH`](Self::LENGTH):
    /// [`ErrorKind::Integrity`].
    pub fn from_slice(bytes: &[u8]) -> Result<Self> {
        let bytes =
            bytes.try_into().map_err(|_| Error::new(ErrorKind::Integrity, "a data key has 32 bytes"))?;
        Ok(Self(fast_floe::Key::from_bytes_with_provider(bytes, Provider::RING)))
    }

    /// The secret itself, to wrap it.
    pub fn expose(&self) -> &[u8; Self::LENGTH] {
        self.0.as_bytes()
    }

    pub(crate) fn floe(&self) -> &fast_floe::Key {
        &self.0
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey")
    }
}

/// A data key as it is stored with its object. Not a secret, though of no use to anybody; `Debug` shows the id alone.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrappedKey {
    /// Which key it is wrapped under.
    pub key_id: String,
    /// What the wrapper made of it.
    pub blob: Vec<u8>,
}

impl WrappedKey {
    /// A wrapped key. The id has 1 to 128 visible ASCII characters, else [`ErrorKind::Config`].
    pub fn new(key_id: &str, blob: Vec<u8>) -> Result<Self> {
        check_id(key_id)?;
        Ok(Self { key_id: key_id.to_owned(), blob })
    }
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrappedKey").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

pub(crate) fn check_id(id: &str) -> Result<()> {
    if id.is_empty() || id.len() > 128 || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::new(ErrorKind::Config, "a key's id has 1 to 128 visible ASCII characters"));
    }
    Ok(())
}
