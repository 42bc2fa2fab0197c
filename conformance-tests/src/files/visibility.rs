//! All or nothing: an object is visible in full or not at all, to every reader, at every moment.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use futures_util::TryStreamExt;
use persistent_fs::{ErrorKind, ReadOptions, WriteOptions};

use tokio::task::JoinHandle;

use super::{
    Harness,
    bench::{Bench, collect, key, noise, refused},
};
use crate::{Case, Checked, cases};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["files::visibility";
        nothing_is_visible_before_the_finish,
        the_old_object_stands_until_the_finish,
        an_aborted_upload_leaves_nothing,
        a_dropped_upload_leaves_nothing_after_a_sweep,
        a_body_of_another_size_is_never_visible,
        a_body_of_another_hash_is_never_visible,
        a_reader_that_began_before_a_replace_ends_on_the_old_object,
        readers_during_replaces_see_whole_versions_only,
        you_read_list_and_miss_what_you_wrote_and_deleted,
        many_writers_of_many_keys_do_not_disturb_each_other,
    ]
}

/// Until the finish there is nothing to be seen by head, read or list.
async fn nothing_is_visible_before_the_finish(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let mut upload = bench.files.writer(&key("a/b"), WriteOptions::default()).await.expect("an upload");
    bench.assert_absent("a/b").await;
    upload.write(noise(1, 1_000_000).into()).await.expect("written");
    bench.assert_absent("a/b").await;
    assert!(bench.list_all().await.is_empty());
    upload.finish().await.expect("finished");
    assert_eq!(bench.list_all().await, ["a/b"]);
    Ok(())
}

/// The old object is there, unchanged, for as long as the new one is not.
async fn the_old_object_stands_until_the_finish(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let old = bench.put("a", "old").await;
    let mut upload = bench.files.writer(&key("a"), WriteOptions::default()).await.expect("an upload");
    upload.write(noise(1, 1_000_000).into()).await.expect("written");
    assert_eq!(bench.body("a").await, b"old");
    assert_eq!(bench.files.head(&key("a")).await.expect("there"), old);
    upload.finish().await.expect("finished");
    assert_eq!(bench.body("a").await, noise(1, 1_000_000));
    Ok(())
}

/// Giving up leaves nothing behind, and the old object.
async fn an_aborted_upload_leaves_nothing(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("old", "old").await;
    for name in ["old", "new/new"] {
        let mut upload = bench.files.writer(&key(name), WriteOptions::default()).await.expect("an upload");
        upload.write(noise(1, 1_000_000).into()).await.expect("written");
        upload.abort().await.expect("aborted");
    }
    assert_eq!(bench.body("old").await, b"old");
    bench.assert_absent("new/new").await;
    assert_eq!(bench.fixture.raw_entries().await?.len(), 1, "something was left behind");
    Ok(())
}

/// Dropping is aborting; what it leaves, a sweep collects, and nothing else.
async fn a_dropped_upload_leaves_nothing_after_a_sweep(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("old", "old").await;
    for name in ["old", "new/new"] {
        let mut upload = bench.files.writer(&key(name), WriteOptions::default()).await.expect("an upload");
        upload.write(noise(1, 1_000_000).into()).await.expect("written");
        drop(upload);
    }
    bench.files.sweep(std::time::Duration::ZERO).await.expect("swept");
    assert_eq!(bench.body("old").await, b"old");
    bench.assert_absent("new/new").await;
    assert_eq!(bench.fixture.raw_entries().await?.len(), 1, "something was left behind");
    Ok(())
}

/// A body shorter or longer than declared: `Integrity`, by put and by upload, and the old object stands.
async fn a_body_of_another_size_is_never_visible(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("old", "old").await;
    for (name, size) in [("old", 4), ("old", 6), ("new", 0), ("new", 6)] {
        let options = WriteOptions::default().sized(size);
        refused(bench.files.put(&key(name), "hello".into(), options.clone()).await, ErrorKind::Integrity);
        let mut upload = bench.files.writer(&key(name), options).await.expect("an upload");
        let finished = match upload.write("hello".into()).await {
            Ok(()) => upload.finish().await,
            Err(error) => {
                // A lost upload stays lost.
                assert!(upload.finish().await.is_err());
                Err(error)
            }
        };
        refused(finished, ErrorKind::Integrity);
    }
    assert_eq!(bench.body("old").await, b"old");
    bench.assert_absent("new").await;
    Ok(())
}

/// A body with another SHA-256 than declared: `Integrity`, and the old object stands.
async fn a_body_of_another_hash_is_never_visible(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("old", "old").await;
    for name in ["old", "new"] {
        let options = WriteOptions::default().hashed([7; 32]);
        refused(bench.files.put(&key(name), "hello".into(), options.clone()).await, ErrorKind::Integrity);
        let mut upload = bench.files.writer(&key(name), options).await.expect("an upload");
        upload.write("hello".into()).await.expect("written");
        refused(upload.finish().await, ErrorKind::Integrity);
    }
    assert_eq!(bench.body("old").await, b"old");
    bench.assert_absent("new").await;
    Ok(())
}

/// Body and description stay of one version while others replace or delete the object.
async fn a_reader_that_began_before_a_replace_ends_on_the_old_object(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let old = noise(1, 6_000_000);
    bench.put("a", old.clone()).await;
    let mut replaced = bench.files.read(&key("a"), ReadOptions::default()).await.expect("there");
    let first = replaced.body.try_next().await.expect("a piece").expect("not empty");
    bench.put("a", noise(2, 6_000_000)).await;
    let deleted = bench.files.read(&key("a"), ReadOptions::default()).await.expect("there");
    bench.files.delete(&key("a")).await.expect("deleted");

    let rest = collect(replaced.body).await.expect("the rest");
    assert!([first.as_ref(), &rest].concat() == old, "a replace showed through");
    assert!(collect(deleted.body).await.expect("the body") == noise(2, 6_000_000), "a delete showed through");
    Ok(())
}

/// Readers that hammer on an object during 500 replaces or more only ever see whole versions, described as what they are.
async fn readers_during_replaces_see_whole_versions_only(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let version = |id: u8| vec![id; 2000 + usize::from(id) * 100];
    bench.put("a", version(0)).await;
    let (done, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let readers = (0..4).map(|_| {
        let (files, done, reads) = (Arc::clone(&bench.files), Arc::clone(&done), Arc::clone(&reads));
        tokio::spawn(async move {
            while !done.load(Ordering::Relaxed) {
                let download =
                    files.read(&key("a"), ReadOptions::default()).await.expect("it is always there");
                let size = download.meta.size;
                let body = collect(download.body).await.expect("a body");
                assert_eq!(body.len() as u64, size, "description and body are of two versions");
                assert!(body == version(body[0]), "a torn version");
                reads.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        })
    });
    let readers = readers.collect::<Vec<_>>();
    for round in 0_u32.. {
        bench.put("a", version(u8::try_from(round % 250).expect("small"))).await;
        tokio::task::yield_now().await;
        let enough = round >= 500 && reads.load(Ordering::Relaxed) >= 1000;
        if enough || readers.iter().any(JoinHandle::is_finished) {
            break;
        }
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.expect("the reader saw whole versions");
    }
    Ok(())
}

/// After a write or a delete has returned, every later call sees its effect.
async fn you_read_list_and_miss_what_you_wrote_and_deleted(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    for round in 0..30 {
        let (name, body) = (format!("dir/{}", round % 3), round.to_string());
        bench.put(&name, body.clone()).await;
        assert_eq!(bench.body(&name).await, body.as_bytes());
        assert!(bench.list_all().await.contains(&name));
        if round % 2 == 0 {
            bench.files.delete(&key(&name)).await.expect("deleted");
            bench.assert_absent(&name).await;
        }
    }
    Ok(())
}

/// 500 keys by 32 tasks; deletes that empty folders meanwhile disturb nobody who writes into them.
async fn many_writers_of_many_keys_do_not_disturb_each_other(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let tasks = (0..32).map(|task| {
        let files = Arc::clone(&bench.files);
        tokio::spawn(async move {
            for round in 0..16 {
                let options = || WriteOptions::default().atomic();
                let brief = key(&format!("folder-{round}/{task}"));
                let kept = key(&format!("folder-{round}/{task}-kept"));
                // The first delete may leave the folder empty, and others are about to write into it.
                files.put(&brief, "brief".into(), options()).await.expect("written");
                files.delete(&brief).await.expect("deleted");
                files.put(&kept, format!("{task}-{round}").into(), options()).await.expect("written");
                files.put(&brief, "brief".into(), options()).await.expect("written");
                files.delete(&brief).await.expect("deleted");
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("no panic");
    }
    let names = bench.list_all().await;
    assert_eq!(names.len(), 512);
    for task in 0..32 {
        assert_eq!(bench.body(&format!("folder-9/{task}-kept")).await, format!("{task}-9").as_bytes());
    }
    Ok(())
}
