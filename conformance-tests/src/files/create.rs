//! Create-only writes: of any number of racing creators exactly one wins.

use std::sync::Arc;

use persistent_fs::{ErrorKind, WriteOptions};
use tokio::sync::Barrier;

use super::{
    Harness,
    bench::{Bench, CREATE, key, noise, refused},
    tools::file,
};
use crate::{Case, Checked, cases};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["files::create" needs CREATE;
        it_creates_what_is_absent,
        a_second_create_is_refused_and_the_first_stands,
        a_conflict_that_arises_during_the_upload_is_found_at_the_finish,
        exactly_one_of_32_wins,
        exactly_one_wins_whichever_way_it_came,
        exactly_one_wins_through_two_openings,
        losers_leave_nothing,
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
    bench.put("a", "first").await;
    let first = bench.head("a").await;
    refused(
        bench.files.put(&key("a"), "second".into(), WriteOptions::create()).await,
        ErrorKind::AlreadyExists,
    );
    refused(create(&bench, "a", "second").await, ErrorKind::AlreadyExists);
    assert_eq!(bench.body("a").await, b"first");
    assert_eq!(bench.head("a").await, first);
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
    for round in 0..bench.scaled(100, 4) {
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

/// A put, an upload, a copy and a file that race to create one object: one wins, and the bytes are the winner's.
async fn exactly_one_wins_whichever_way_it_came(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("source", "copy").await;
    let source = key("source");
    for round in 0..bench.scaled(40, 3) {
        let target = key(&format!("race/{round}"));
        let (_folder, path) = file(b"file");
        let options = || WriteOptions::create().atomic();
        let (put, upload, copy, ingest) = futures_util::join!(
            bench.files.put(&target, "put".into(), options()),
            create(&bench, target.as_str(), "upload"),
            bench.files.copy(&source, &target, options()),
            bench.files.ingest(&target, &path, options()),
        );
        let mut winners = Vec::new();
        for (way, answer) in [("put", put), ("upload", upload), ("copy", copy), ("file", ingest)] {
            match answer {
                Ok(_) => winners.push(way),
                lost => drop(refused(lost, ErrorKind::AlreadyExists)),
            }
        }
        assert_eq!(winners.len(), 1, "round {round} was won by {winners:?}");
        assert_eq!(bench.body(target.as_str()).await, winners[0].as_bytes());
        assert_eq!(path.exists(), winners[0] != "file", "the file goes if it wins, and only then");
    }
    Ok(())
}

/// Creators that hold different openings of one store race as if they held the same.
async fn exactly_one_wins_through_two_openings(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let openings = [bench.fixture.backend(), bench.fixture.reopen().await?];
    for round in 0..bench.scaled(50, 4) {
        let target = key(&format!("race/{round}"));
        let put = |id: u8| {
            openings[usize::from(id % 2)].put(&target, vec![id; 3000].into(), WriteOptions::create())
        };
        let answers = futures_util::future::join_all((0..8).map(put)).await;
        let won = (0_u8..).zip(answers).filter_map(|(id, answer)| match answer {
            Ok(_) => Some(id),
            lost => refused(lost, ErrorKind::AlreadyExists).key().and(None),
        });
        let winners = won.collect::<Vec<_>>();
        assert_eq!(winners.len(), 1, "round {round} was won by {winners:?}");
        assert!(bench.body(target.as_str()).await == vec![winners[0]; 3000], "bytes of a loser");
    }
    Ok(())
}

/// Where a creator has lost, nothing is left behind: no part of its body, and nothing to sweep.
async fn losers_leave_nothing(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("a", "first").await;
    bench.put("source", "source").await;
    let (_folder, path) = file(&noise(1, 600_000));
    for _ in 0..3 {
        let body = noise(2, 600_000);
        let put = bench.files.put(&key("a"), body.clone().into(), WriteOptions::create()).await;
        let mut upload = bench.files.writer(&key("a"), WriteOptions::create()).await.expect("an upload");
        upload.write(body.into()).await.expect("written");
        let copy = bench.files.copy(&key("source"), &key("a"), WriteOptions::create()).await;
        let ingest = bench.files.ingest(&key("a"), &path, WriteOptions::create()).await;
        for lost in [put, upload.finish().await, copy, ingest] {
            refused(lost, ErrorKind::AlreadyExists);
        }
    }
    assert_eq!(bench.fixture.raw_entries().await?.len(), 2, "something was left behind");
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
