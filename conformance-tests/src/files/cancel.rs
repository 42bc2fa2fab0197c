//! A dropped future harms nobody.

use std::time::Duration;

use futures_util::TryStreamExt;
use persistent_fs::{ReadOptions, WriteOptions};

use super::{
    Harness,
    bench::{Bench, cut, key, noise},
};
use crate::{Case, Checked, cases};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["files::cancel";
        a_put_that_was_dropped_is_whole_or_not_there,
        an_upload_dropped_anywhere_is_whole_or_not_there,
        a_delete_that_was_dropped_is_done_or_not,
        a_read_that_was_dropped_frees_the_object,
    ]
}

/// Dropped after any number of polls, the old object stands or the new one, in full; and the next write works.
async fn a_put_that_was_dropped_is_whole_or_not_there(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let (a, old, new) = (key("a"), noise(1, 500_000), noise(2, 600_000));
    for polls in 0..12 {
        bench.put("a", old.clone()).await;
        let put = bench.files.put(&a, new.clone().into(), WriteOptions::default().atomic());
        drop(cut(put, polls).await);
        let body = bench.body("a").await;
        assert!(body == old || body == new, "a torn object after {polls} polls");
    }
    bench.put("next", "works").await;
    Ok(())
}

/// The same for each step of an upload, into a key that was not there before.
async fn an_upload_dropped_anywhere_is_whole_or_not_there(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let body = noise(1, 900_000);
    for polls in 0..30 {
        let name = format!("fresh/{polls}");
        let upload = async {
            let mut upload = bench.files.writer(&key(&name), WriteOptions::default().atomic()).await?;
            for piece in body.chunks(300_000) {
                upload.write(piece.to_vec().into()).await?;
            }
            upload.finish().await
        };
        let ended = cut(upload, polls).await;
        match bench.read(&name, ReadOptions::default()).await {
            Ok(read) => assert!(read == body, "a torn object after {polls} polls"),
            Err(error) => assert!(error.is_not_found() && ended.is_none(), "{error:?}"),
        }
    }
    bench.put("next", "works").await;
    assert_eq!(bench.body("next").await, b"works");
    Ok(())
}

/// Dropped, the object is there in full or gone; a second delete makes sure.
async fn a_delete_that_was_dropped_is_done_or_not(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    for polls in 0..6 {
        bench.put("a/b", "body").await;
        drop(cut(bench.files.delete(&key("a/b")), polls).await);
        match bench.read("a/b", ReadOptions::default()).await {
            Ok(body) => assert_eq!(body, b"body"),
            Err(error) => assert!(error.is_not_found(), "{error:?}"),
        }
        bench.files.delete(&key("a/b")).await.expect("deleted");
        bench.assert_absent("a/b").await;
    }
    Ok(())
}

/// Bodies that nobody reads to the end hold nothing up: 1200 of them, and the store works as before.
async fn a_read_that_was_dropped_frees_the_object(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("a", noise(1, 4_000_000)).await;
    for _ in 0..1200 {
        let mut download = bench.files.read(&key("a"), ReadOptions::default()).await.expect("there");
        assert!(download.body.try_next().await.expect("a piece").is_some());
    }
    bench.files.delete(&key("a")).await.expect("deleted");
    bench.files.sweep(Duration::ZERO).await.expect("swept");
    bench.put("a", "again").await;
    assert_eq!(bench.body("a").await, b"again");
    Ok(())
}
