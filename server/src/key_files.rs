//! Secrets of the server that are made once and shared by all nodes.

use persistent_fs::{ErrorKind, Files, Key, WriteMode, WriteOptions};

use crate::error::Error;
use crate::rng::Rng;

/// Reads the 32 secret bytes called `name`, or makes them.
///
/// Two nodes that start together on an empty store end up with the same bytes: the write is create-only, and
/// whoever comes second reads what the first wrote.
pub async fn load_or_create(files: &Files, name: &str, rng: &Rng) -> Result<[u8; 32], Error> {
    let key = Key::parse(&format!("keys/{name}"))?;
    if let Some(secret) = read(files, &key).await? {
        return Ok(secret);
    }
    let fresh: [u8; 32] = rng.bytes();
    let options = WriteOptions { mode: WriteMode::Create, ..WriteOptions::default() };
    match files.put(&key, fresh.to_vec().into(), options).await {
        Ok(_) => Ok(fresh),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            read(files, &key).await?.ok_or_else(|| Error::internal(format!("key file {name} vanished")))
        }
        Err(error) => Err(error.into()),
    }
}

async fn read(files: &Files, key: &Key) -> Result<Option<[u8; 32]>, Error> {
    match files.read_all(key, 32).await {
        Ok(bytes) => {
            let secret = <[u8; 32]>::try_from(&bytes[..])
                .map_err(|_| Error::internal(format!("key file {key} is damaged: it must hold 32 bytes")))?;
            Ok(Some(secret))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
