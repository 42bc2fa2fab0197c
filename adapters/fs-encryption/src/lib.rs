//! Encryption at rest: a layer that seals what any `persistent-fs` backend stores.
//!
//! ```
//! use fs_encryption::{Encrypted, KeyRing, MasterKey};
//! use persistent_fs::{Error, Files, Key, WriteOptions};
//!
//! async fn example(secret: &[u8]) -> Result<(), Error> {
//!     let ring = KeyRing::new(MasterKey::new("2026", secret)?);
//!     let files = Files::new(Encrypted::new(fs_memory::Memory::new(), "attachments", ring)?);
//!     files.put(&Key::parse("a/b")?, "hello".into(), WriteOptions::create()).await?;
//!     assert_eq!(files.head(&Key::parse("a/b")?).await?.size, 5);
//!     Ok(())
//! }
//! # futures_util::FutureExt::now_or_never(example(&[7; 32])).unwrap().unwrap();
//! ```
//!
//! Each object has a data key of its own, which a [`KeyWrapper`] wraps, and is sealed with it in segments of 64 KiB by
//! FLOE ([c2sp.org/FLOE](https://c2sp.org/FLOE)): AES-256-GCM under derived keys, with a header that commits to the key.
//!
//! # What it promises
//!
//! * **What is read was written here, under this name.** A body that ends without an error is complete and authentic.
//!   Nothing is handed on before it has been authenticated. A flipped bit, a missing or swapped segment, an object under
//!   another name, from another store, with another's header: [`Integrity`](persistent_fs::ErrorKind::Integrity).
//! * **A range costs what it covers**, and 512 bytes of header and the last segment, which proves the size. On a store
//!   without entity tags the whole object is read for it, since nothing else keeps to one version.
//! * **Memory is flat**: a few segments in either direction.
//! * **Sizes, hashes and ranges are those of the plaintext.** What [`head`](persistent_fs::Backend::head) and
//!   [`list`](persistent_fs::Backend::list) say about a size follows from the stored size, and is proved by reading.
//!
//! # What it does not hide or prevent
//!
//! Names, media types, times and sizes are visible to whoever sees the inner store. Who can write to it can remove an
//! object, or put an older version of the same object back. An object that was stored without this layer is refused, also
//! in a listing.
//!
//! # Which keys
//!
//! | [`KeyWrapper`] | Master key | To replace it |
//! |---|---|---|
//! | [`KeyRing`] | 32 bytes of the application's | new objects use the new key; the old one is kept for the old ones |
//! | `KmsKeyWrapper` (feature `aws-kms`) | in AWS KMS, which sees each data key once a read and write | as KMS does it |
//! | [`KeyChain`] over either | the same | [`KeyChain::rewrap`]: a few small objects are rewritten, no body, and the old key may go |
//!
//! A key that is lost takes its objects with it. There is no other way in.

#![deny(missing_docs)]

mod backend;
mod chain;
mod format;
#[cfg(feature = "aws-kms")]
mod kms;
mod open;
mod ring;
mod seal;
mod wrapper;

pub use backend::Encrypted;
pub use chain::KeyChain;
#[cfg(feature = "aws-kms")]
pub use kms::{KmsKeyWrapper, KmsOptions};
pub use ring::{KeyRing, MasterKey};
pub use wrapper::{Context, DataKey, KeyWrapper, WrappedKey};
