//! What a store occupies: no more of a body or a listing than is on its way, and nothing once a call is over.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::TryStreamExt;
use persistent_fs::{ErrorKind, Prefix, ReadOptions, WriteOptions};

use super::{
    Harness, Scale,
    bench::{Bench, key, noise, refused},
    tools::eventually,
};
use crate::{Absent, Case, Checked, cases};

const MIB: usize = 1 << 20;

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    let mut all = cases!["files::resources"; descriptors_are_given_back];
    all.extend(cases!["files::resources" heavy;
        a_writer_is_made_to_wait,
        a_body_is_not_fetched_before_it_is_wanted,
        what_is_not_asked_for_is_not_looked_up,
    ]);
    all
}

/// Whatever way a call ends, it gives back what it held: read to the end or not, finished, aborted, dropped or refused.
async fn descriptors_are_given_back(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("a", noise(1, 700_000)).await;
    let idle = bench.fixture.descriptors().await?;
    for _ in 0..50 {
        let mut part = bench.files.read(&key("a"), ReadOptions::default()).await.expect("there");
        part.body.try_next().await.expect("a piece");
        bench.body("a").await;
        let mut dropped = bench.files.writer(&key("b"), WriteOptions::default()).await.expect("an upload");
        dropped.write(noise(2, 300_000).into()).await.expect("written");
        let aborted = bench.files.writer(&key("b"), WriteOptions::default()).await.expect("an upload");
        aborted.abort().await.expect("aborted");
        let lie = WriteOptions::default().sized(9);
        refused(bench.files.put(&key("b"), "short".into(), lie).await, ErrorKind::Integrity);
        drop(bench.files.list(&Prefix::all(), None).try_next().await.expect("listed"));
    }
    let given_back =
        eventually(|| async { bench.fixture.descriptors().await.is_ok_and(|held| held <= idle) });
    let given_back = given_back.await;
    assert!(given_back, "{:?} are held, and {idle} were before", bench.fixture.descriptors().await);
    Ok(())
}

/// A write waits until the backend can take the piece: of 128 MiB it never holds back half.
///
/// What counts is how many pieces of the writer's are still alive while the upload goes on.
async fn a_writer_is_made_to_wait(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.fixture.descriptors().await?;
    let (body, alive) = (Arc::new(noise(1, MIB)), Arc::new(AtomicUsize::new(0)));
    let mut upload = bench.files.writer(&key("a"), WriteOptions::default()).await.expect("an upload");
    for nth in 0..bench.fitting(bench.scaled(128, 24) * MIB) / MIB {
        let piece = Bytes::from_owner(Counted::new(&body, &alive));
        upload.write(piece).await.expect("written");
        let ahead = alive.load(Ordering::SeqCst);
        assert!(ahead < 64, "after {nth} MiB, {ahead} MiB were taken and lie about");
    }
    upload.abort().await.expect("aborted");
    bench.files.sweep(Duration::ZERO).await.expect("swept");
    let gone = eventually(|| async { alive.load(Ordering::SeqCst) == 0 }).await;
    assert!(gone, "pieces are kept although the upload is over");
    Ok(())
}

/// A piece of memory that is counted while anybody holds it.
struct Counted {
    body: Arc<Vec<u8>>,
    alive: Arc<AtomicUsize>,
}

impl Counted {
    fn new(body: &Arc<Vec<u8>>, alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, Ordering::SeqCst);
        Self { body: Arc::clone(body), alive: Arc::clone(alive) }
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A body is read no faster than it is taken: sixteen readers of 16 MiB that stopped at the first piece do not fill
/// the memory with the rest.
async fn a_body_is_not_fetched_before_it_is_wanted(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.fixture.descriptors().await?;
    let before = resident()?;
    if harness.scale() == Scale::Small {
        return Err(Absent::because("the small scale is too small to be seen in the memory of a process"));
    }
    bench.put("a", noise(1, bench.fitting(16 * MIB))).await;
    let mut stopped = Vec::new();
    for _ in 0..16 {
        let mut download = bench.files.read(&key("a"), ReadOptions::default()).await.expect("there");
        download.body.try_next().await.expect("a piece").expect("not empty");
        stopped.push(download.body);
    }
    // Others use memory for a moment; what was fetched ahead stays.
    let flat = eventually(|| async { resident().is_ok_and(|now| now < before + 128 * MIB) }).await;
    assert!(flat, "{} MiB were fetched and lie about", (resident()? - before) / MIB);
    drop(stopped);
    Ok(())
}

/// Who takes ten objects of five thousand does not pay for all: when the others are deleted then, at most a few pages
/// of them, looked up ahead, still come.
async fn what_is_not_asked_for_is_not_looked_up(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.fixture.descriptors().await?;
    if harness.scale() == Scale::Small {
        return Err(Absent::because("a few pages are all there is at the small scale"));
    }
    let names = (0..5000).map(|n| format!("{}/{n:05}", n / 250)).collect::<Vec<_>>();
    bench.put_all(names.iter().map(|name| (name.as_str(), ""))).await;
    let mut listing = bench.files.list(&Prefix::all(), None);
    for _ in 0..10 {
        listing.try_next().await.expect("listed").expect("there are more");
    }
    bench.files.delete_prefix(&Prefix::all()).await.expect("deleted");
    let mut ahead = 0;
    while listing.try_next().await.expect("listed").is_some() {
        ahead += 1;
    }
    assert!(ahead < 3500, "{ahead} objects had been looked up before they were asked for");
    Ok(())
}

/// How much memory this process occupies, in bytes.
fn resident() -> Result<usize, Absent> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
    Ok(kib.ok_or_else(|| Absent::because("this system does not tell how much memory is used"))? * 1024)
}
