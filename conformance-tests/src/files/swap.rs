//! Compare and swap: replace exactly this version.

use std::sync::Arc;

use persistent_fs::{ETag, ErrorKind, WriteOptions};

use super::{
    Harness,
    bench::{Bench, SWAP, collect, key, refused},
    tools::file,
};
use crate::{Case, Checked, cases};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["files::swap" needs SWAP;
        the_current_version_is_replaced,
        a_stale_or_absent_version_is_refused,
        a_version_lost_during_the_upload_is_found_at_the_finish,
        a_counter_of_8_workers_loses_no_step,
        a_plain_write_never_slips_between,
        copies_and_files_replace_exactly_one_version_too,
    ]
}

/// The version that is there may be replaced by naming it.
async fn the_current_version_is_replaced(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let etag = bench.put("a", "old").await.etag.expect("an etag");
    bench.files.put(&key("a"), "new".into(), WriteOptions::matching(etag)).await.expect("replaced");
    assert_eq!(bench.body("a").await, b"new");
    Ok(())
}

/// Another version, or none at all: `Precondition`, and nothing changes.
async fn a_stale_or_absent_version_is_refused(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let stale = bench.put("a", "one").await.etag.expect("an etag");
    bench.put("a", "two").await;
    let swap = |etag: &ETag| WriteOptions::matching(etag.clone());
    refused(bench.files.put(&key("a"), "three".into(), swap(&stale)).await, ErrorKind::Precondition);
    assert_eq!(bench.body("a").await, b"two");
    refused(bench.files.put(&key("b"), "three".into(), swap(&stale)).await, ErrorKind::Precondition);
    bench.assert_absent("b").await;
    Ok(())
}

/// The version is compared when the upload finishes, not when it begins.
async fn a_version_lost_during_the_upload_is_found_at_the_finish(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let etag = bench.put("a", "one").await.etag.expect("an etag");
    let mut upload = bench.files.writer(&key("a"), WriteOptions::matching(etag)).await.expect("an upload");
    upload.write("late".into()).await.expect("written");
    bench.put("a", "two").await;
    refused(upload.finish().await, ErrorKind::Precondition);
    assert_eq!(bench.body("a").await, b"two");
    Ok(())
}

/// 8 workers add 50 each to a counter by reading and swapping; the sum is right.
async fn a_counter_of_8_workers_loses_no_step(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("counter", "0").await;
    let (workers, steps) = (bench.scaled(8, 3), bench.scaled(50, 6));
    let total = workers * steps;
    let workers = (0..workers).map(|_| {
        let files = Arc::clone(&bench.files);
        tokio::spawn(async move {
            for _ in 0..steps {
                while !step(&files).await {
                    tokio::task::yield_now().await;
                }
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.expect("no panic");
    }
    assert_eq!(bench.body("counter").await, total.to_string().as_bytes());
    Ok(())
}

/// A write that names no version is never lost under a swap that compared before it: each swap that succeeded
/// replaced the version it named.
async fn a_plain_write_never_slips_between(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    for round in 0..bench.scaled(200, 10) {
        let etag = bench.put("a", "0").await.etag.expect("an etag");
        let (swapper, writer) = (Arc::clone(&bench.files), Arc::clone(&bench.files));
        let swap = WriteOptions::matching(etag).atomic();
        let swapping = tokio::spawn(async move { swapper.put(&key("a"), "swapped".into(), swap).await });
        let plain = WriteOptions::default().atomic();
        let writing = tokio::spawn(async move { writer.put(&key("a"), "plain".into(), plain).await });
        // Written after the swap it stands; before it, the swap must have failed. Either way it stands.
        writing.await.expect("no panic").expect("written");
        drop(swapping.await.expect("no panic"));
        assert_eq!(bench.body("a").await, b"plain", "round {round}");
    }
    Ok(())
}

/// A copy and an ingested file may be asked to replace exactly one version, and are refused if it is another.
async fn copies_and_files_replace_exactly_one_version_too(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("from", "copied").await;
    let stale = bench.put("a", "one").await.etag.expect("an etag");
    let current = bench.put("a", "two").await.etag.expect("an etag");
    let (_folder, path) = file(b"ingested");
    let swap = |etag: &ETag| WriteOptions::matching(etag.clone());
    for target in [key("a"), key("absent")] {
        refused(bench.files.copy(&key("from"), &target, swap(&stale)).await, ErrorKind::Precondition);
        refused(bench.files.ingest(&target, &path, swap(&stale)).await, ErrorKind::Precondition);
    }
    assert_eq!(bench.body("a").await, b"two");
    bench.assert_absent("absent").await;
    let copied = bench.files.copy(&key("from"), &key("a"), swap(&current)).await.expect("copied");
    assert_eq!(bench.body("a").await, b"copied");
    let etag = copied.etag.expect("an etag");
    bench.files.ingest(&key("a"), &path, swap(&etag)).await.expect("ingested");
    assert_eq!(bench.body("a").await, b"ingested");
    assert!(!path.exists(), "the file is still there");
    Ok(())
}

async fn step(files: &Arc<dyn persistent_fs::Backend>) -> bool {
    let download =
        files.read(&key("counter"), persistent_fs::ReadOptions::default()).await.expect("the counter");
    let etag = download.meta.etag.expect("an etag");
    let text = String::from_utf8(collect(download.body).await.expect("its body")).expect("a number");
    let next = text.parse::<u32>().expect("a number") + 1;
    let options = WriteOptions::matching(etag).atomic();
    match files.put(&key("counter"), next.to_string().into(), options).await {
        Ok(_) => true,
        lost => {
            refused(lost, ErrorKind::Precondition);
            false
        }
    }
}
