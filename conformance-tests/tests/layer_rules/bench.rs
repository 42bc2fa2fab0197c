//! Short words for what the rules have in common.

use std::time::Duration;

use bytes::Bytes;
use fs_memory::Memory;
use futures_util::TryStreamExt;
use persistent_fs::{
    Backend, ByteStream, ErrorKind, Key, Outcome, Prefix, ReadOptions, Result, WriteOptions,
    layers::{Fault, Faults, Faulty, Jitter, Retried, RetryPolicy},
};

/// Nothing happened, and it may be tried again.
pub(crate) const REFUSED: Fault = Fault::Before(ErrorKind::Unavailable, Outcome::NotApplied);
/// It happened, and nobody was told.
pub(crate) const UNANSWERED: Fault = Fault::After(ErrorKind::Timeout, Outcome::Unknown);
/// It did not happen, and nobody was told.
pub(crate) const UNHEARD: Fault = Fault::Before(ErrorKind::Timeout, Outcome::Unknown);

pub(crate) fn key(text: &str) -> Key {
    Key::parse(text).expect("a key")
}

pub(crate) fn replace() -> WriteOptions {
    WriteOptions::default()
}

/// Four attempts without pauses.
pub(crate) fn policy() -> RetryPolicy {
    RetryPolicy { first_pause: Duration::ZERO, ..RetryPolicy::default() }
}

/// A memory store that fails as planned, and the same with retries. The plan's course can be asked at the former.
pub(crate) fn retried(plan: Faults) -> (Memory, Faulty<Memory>, Retried<Faulty<Memory>>) {
    let memory = Memory::new();
    let faulty = Faulty::new(memory.clone(), plan);
    let retried = Retried::new(faulty.clone(), policy(), Jitter::new(|| 0.0));
    (memory, faulty, retried)
}

pub(crate) async fn collect(body: ByteStream) -> Result<Vec<u8>> {
    Ok(body.try_collect::<Vec<Bytes>>().await?.concat())
}

pub(crate) async fn body(store: &dyn Backend, name: &str) -> Result<Vec<u8>> {
    collect(store.read(&key(name), ReadOptions::default()).await?.body).await
}

pub(crate) async fn names(store: &dyn Backend) -> Vec<String> {
    let names = store.list(&Prefix::all(), None).map_ok(|meta| meta.key.to_string());
    names.try_collect().await.expect("a listing")
}

/// Writes by an upload, in pieces of three bytes.
pub(crate) async fn upload(
    store: &dyn Backend,
    name: &str,
    body: &'static [u8],
    options: WriteOptions,
) -> Result<()> {
    let mut upload = store.writer(&key(name), options).await?;
    for piece in body.chunks(3) {
        upload.write(Bytes::from_static(piece)).await?;
    }
    upload.finish().await.map(drop)
}

/// Bytes that differ from their neighbours.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|n| u8::try_from((n * 7 + n / 251) % 256).expect("a byte")).collect()
}
