//! Keys between the master key and the data keys, so that a master key can be replaced without touching an object.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
use persistent_fs::{Error, ErrorKind, Files, Key, Prefix, Result, WriteOptions};

use crate::{Context, DataKey, KeyWrapper, MasterKey, WrappedKey, ring::missing};

/// A key object is a line of magic, the length of the id, the id and the wrapped key.
const MAGIC: &[u8] = b"ucsealed key 1\n";

/// More than any key object has.
const MAX_OBJECT: u64 = 16 * 1024;

/// Wraps data keys under keys of its own, which lie in a store, each in a small object, wrapped by another wrapper.
///
/// ```text
/// KeyRing or KMS ── wraps ──> keys of the chain ── wrap ──> data keys ── seal ──> bodies
///    master key                a few objects                 in headers
/// ```
///
/// * Replacing the master key rewrites the few key objects and nothing else: [`rewrap`](Self::rewrap), and the old
///   master key may go. Headers and bodies keep every byte.
/// * A key service is asked once per key of the chain and process, and not once per object.
/// * A key of the chain can be followed by a new one: [`rotate`](Self::rotate). What the old one wrapped stays readable.
///
/// The key objects are worth as much as all bodies: without them nothing can be read. They belong into the same backups
/// as the objects, and are no secret without the master key. Give them a place of their own, such as
/// `files.scoped("keys")` beside a store in `files.scoped("data")`.
///
/// All processes that share the key objects share the keys. One that meets a key which it does not know yet looks for
/// it in the store. What is in memory stays there: a master key is out of use once those processes have ended that
/// were started with it.
pub struct KeyChain<W> {
    files: Files,
    name: String,
    outer: W,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    current: String,
    keys: BTreeMap<String, MasterKey>,
}

impl<W: KeyWrapper> KeyChain<W> {
    /// Opens the chain whose key objects `files` holds, and makes the first key if there is none.
    ///
    /// Nothing else lies in `files`. The name is authenticated with each key, so it can never be changed. Of several
    /// processes that open an empty chain at once, all get the same key.
    /// A store that cannot create only: [`ErrorKind::Unsupported`]. A key that `outer` cannot unwrap: its error.
    pub async fn open(files: Files, name: &str, outer: W) -> Result<Self> {
        let chain = Self { files, name: name.to_owned(), outer, known: Mutex::default() };
        let newest = chain.stored().await?.pop();
        match newest {
            Some(newest) => chain.use_from_now_on(&newest).await?,
            None => chain.follow(0).await?,
        }
        Ok(chain)
    }

    /// Adds a key, which wraps from now on, and says its id.
    ///
    /// Other processes go on wrapping under the key they have until they are started again. If the future is dropped,
    /// the key may be there and is used by those who open the chain later.
    pub async fn rotate(&self) -> Result<String> {
        let newest = self.stored().await?.pop();
        let number = newest.map_or(Ok(0), |key| number(&key))?;
        self.follow(number).await?;
        Ok(self.current())
    }

    /// Wraps every key of the chain under the current key of the outer wrapper, unless it is already, and says how many
    /// that were. No object is read or written but the key objects.
    ///
    /// Each is replaced at once, so it may be repeated, raced and dropped at any moment. When it has returned, nothing
    /// needs the older keys of the outer wrapper any more.
    pub async fn rewrap(&self) -> Result<u64> {
        let mut rewrapped = 0;
        for key in self.stored().await? {
            let wrapped = self.load(&key).await?;
            if wrapped.key_id != self.outer.current() {
                let secret = self.outer.unwrap(&wrapped, self.context(&key)).await?;
                self.store(&key, &secret, WriteOptions::default()).await?;
                rewrapped += 1;
            }
        }
        Ok(rewrapped)
    }

    /// Makes the key behind this number, or takes the one that somebody else has just made.
    async fn follow(&self, number: u64) -> Result<()> {
        let key = Key::parse(&format!("{:06}", number + 1))?;
        match self.store(&key, &DataKey::generate()?, WriteOptions::create()).await {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => self.use_from_now_on(&key).await,
        }
    }

    async fn use_from_now_on(&self, key: &Key) -> Result<()> {
        self.find(key.as_str()).await?;
        key.as_str().clone_into(&mut self.known().current);
        Ok(())
    }

    /// The key of this id, from memory or from its object.
    async fn find(&self, id: &str) -> Result<MasterKey> {
        if let Some(key) = self.known().keys.get(id) {
            return Ok(key.clone());
        }
        let key = Key::parse(id).map_err(|_| missing(id))?;
        let wrapped = self.load(&key).await?;
        let secret = self.outer.unwrap(&wrapped, self.context(&key)).await?;
        let found = MasterKey::new(id, secret.expose())?;
        self.known().keys.insert(id.to_owned(), found.clone());
        Ok(found)
    }

    /// The names of the key objects, oldest first.
    async fn stored(&self) -> Result<Vec<Key>> {
        let mut keys =
            self.files.list(&Prefix::all(), None).map_ok(|meta| meta.key).try_collect::<Vec<_>>().await?;
        for key in &keys {
            number(key)?;
        }
        // Beyond six digits, the order of the bytes is another.
        keys.sort_by_key(|key| number(key).unwrap_or(u64::MAX));
        Ok(keys)
    }

    async fn load(&self, key: &Key) -> Result<WrappedKey> {
        match self.files.read_all(key, MAX_OBJECT).await {
            Ok(body) => decode(&body).ok_or_else(|| no_key(key)),
            Err(error) if error.is_not_found() => Err(missing(key.as_str())),
            Err(error) => Err(error),
        }
    }

    async fn store(&self, key: &Key, secret: &DataKey, options: WriteOptions) -> Result<()> {
        let wrapped = self.outer.wrap(secret, self.context(key)).await?;
        self.files.put(key, encode(&wrapped), options).await.map(drop)
    }

    fn context<'a>(&'a self, object: &'a Key) -> Context<'a> {
        Context { store: &self.name, object }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("nothing panics while it holds the keys")
    }
}

impl<W: fmt::Debug> fmt::Debug for KeyChain<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyChain")
            .field("name", &self.name)
            .field("outer", &self.outer)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl<W: KeyWrapper> KeyWrapper for KeyChain<W> {
    fn current(&self) -> String {
        self.known().current.clone()
    }

    async fn wrap(&self, key: &DataKey, context: Context<'_>) -> Result<WrappedKey> {
        let current = self.current();
        self.find(&current).await?.wrap(key, context)
    }

    async fn unwrap(&self, wrapped: &WrappedKey, context: Context<'_>) -> Result<DataKey> {
        self.find(&wrapped.key_id).await?.unwrap(wrapped, context)
    }
}

fn number(key: &Key) -> Result<u64> {
    key.as_str().parse().map_err(|_| no_key(key))
}

fn no_key(key: &Key) -> Error {
    Error::new(ErrorKind::Integrity, "this is no key of a chain, or it is damaged").with_key(key)
}

fn encode(wrapped: &WrappedKey) -> Bytes {
    let length = u8::try_from(wrapped.key_id.len()).expect("an id has at most 128 bytes");
    [MAGIC, &[length], wrapped.key_id.as_bytes(), &wrapped.blob].concat().into()
}

fn decode(body: &[u8]) -> Option<WrappedKey> {
    let (length, rest) = body.strip_prefix(MAGIC)?.split_first()?;
    let (id, blob) = rest.split_at_checked(usize::from(*length))?;
    WrappedKey::new(std::str::from_utf8(id).ok()?, blob.to_vec()).ok()
}
