//! Create-only writes: of any number of racing creators exactly one wins.

use std::sync::Arc;

use persistent_fs::{ErrorKind, WriteOptions};
use tokio::sync::Barrier;

use super::{
    Harness,
    bench::{Bench, CREATE, key, refused},
};
use crate::{Case, Checked, cases};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["files::create" needs CREATE;
        it_creates_what_is_absent,
        a_second_create_is_refused_and_the_first_stands,
        a_conflict_that_arises_during_the_upload_is_found_at_the_finish,
        exactly_one_of_32_wins,
        it_works_again_after_a_delete,
        a_failed_creator_neither_blocks_the_next_nor_leaves_anything,
    ]
}

/// Creates an object that is not there.
async fn it_creates_what_is_absent(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.files.put(&key("a/b/c"), "new".into(), WriteOptions::create()).await.expect("created");
    assert_eq!(bench.body("a/b/c").await, b"new");
    Ok(())
}

/// `AlreadyExists`, nothing applied, by put and by upload alike.
async fn a_second_create_is_refused_and_the_first_stands(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let first = bench.put("a", "first").await;
    refused(
        bench.files.put(&key("a"), "second".into(), WriteOptions::create()).await,
        ErrorKind::AlreadyExists,
    );
    refused(create(&bench, "a", "second").await, ErrorKind::AlreadyExists);
    assert_eq!(bench.body("a").await, b"first");
    assert_eq!(bench.files.head(&key("a")).await.expect("there"), first);
    Ok(())
}

/// The key is checked against what is there when the upload finishes, not when it begins.
async fn a_conflict_that_arises_during_the_upload_is_found_at_the_finish(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let mut upload = bench.files.writer(&key("a"), WriteOptions::create()).await.expect("an upload");
    upload.write("late".into()).await.expect("written");
    bench.put("a", "early").await;
    refused(upload.finish().await, ErrorKind::AlreadyExists);
    assert_eq!(bench.body("a").await, b"early");
    Ok(())
}

/// 32 creators, 100 rounds, half of them by put and half by upload: one wins, and every byte is the winner's.
async fn exactly_one_of_32_wins(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    for round in 0..100 {
        let name = format!("race/{round}");
        let start = Arc::new(Barrier::new(32));
        let creators = (0..32_u8).map(|id| {
            let (files, start, key) = (Arc::clone(&bench.files), Arc::clone(&start), key(&name));
            tokio::spawn(async move {
                let body = vec![id; 3000];
                let options = WriteOptions::create().atomic();
                start.wait().await;
                if id % 2 == 0 {
                    return files.put(&key, body.into(), options).await;
                }
                let mut upload = files.writer(&key, options).await?;
                upload.write(body.into()).await?;
                upload.finish().await
            })
        });
        let mut winners = Vec::new();
        for (id, creator) in (0_u8..).zip(creators.collect::<Vec<_>>()) {
            match creator.await.expect("no panic") {
                Ok(_) => winners.push(id),
                lost => drop(refused(lost, ErrorKind::AlreadyExists)),
            }
        }
        assert_eq!(winners.len(), 1, "round {round} was won by {winners:?}");
        assert!(bench.body(&name).await == vec![winners[0]; 3000], "round {round} has bytes of a loser");
    }
    Ok(())
}

/// After a delete has returned, the key is free.
async fn it_works_again_after_a_delete(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("a/b", "old").await;
    bench.files.delete(&key("a/b")).await.expect("deleted");
    bench.files.put(&key("a/b"), "new".into(), WriteOptions::create()).await.expect("created");
    assert_eq!(bench.body("a/b").await, b"new");
    Ok(())
}

/// A creator that lost, gave up or lied about its body leaves the key as it found it.
async fn a_failed_creator_neither_blocks_the_next_nor_leaves_anything(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let upload = bench.files.writer(&key("a"), WriteOptions::create()).await.expect("an upload");
    drop(upload);
    let upload = bench.files.writer(&key("a"), WriteOptions::create()).await.expect("an upload");
    upload.abort().await.expect("aborted");
    let lie = WriteOptions::create().sized(99);
    refused(bench.files.put(&key("a"), "short".into(), lie).await, ErrorKind::Integrity);
    bench.assert_absent("a").await;
    create(&bench, "a", "at last").await.expect("created");
    refused(create(&bench, "a", "too late").await, ErrorKind::AlreadyExists);
    assert_eq!(bench.fixture.raw_entries().await?.len(), 1, "something was left behind");
    Ok(())
}

async fn create(bench: &Bench, name: &str, body: &'static str) -> persistent_fs::Result<persistent_fs::Meta> {
    let mut upload = bench.files.writer(&key(name), WriteOptions::create()).await?;
    upload.write(body.into()).await?;
    upload.finish().await
}
