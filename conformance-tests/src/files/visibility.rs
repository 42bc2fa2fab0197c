//! All or nothing: an object is visible in full or not at all, to every reader, at every moment.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use futures_util::TryStreamExt;
use persistent_fs::{ByteRange, ErrorKind, Files, ReadOptions, WriteOptions};

use tokio::task::JoinHandle;

use super::{
    Harness,
    bench::{Bench, but_for_time, collect, first, key, noise, prefix, refused},
};
use crate::{Case, Checked, cases};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["files::visibility";
        nothing_is_visible_before_the_finish,
        the_old_object_stands_until_the_finish,
        an_aborted_upload_leaves_nothing,
        a_body_that_breaks_off_is_never_visible,
        a_dropped_upload_leaves_nothing_after_a_sweep,
        a_body_of_another_size_is_never_visible,
        a_body_of_another_hash_is_never_visible,
        a_reader_that_began_before_a_replace_ends_on_the_old_object,
        a_range_is_of_the_version_that_it_describes,
        readers_during_replaces_see_whole_versions_only,
        every_description_is_one_that_a_write_returned,
        a_replaced_object_is_never_missing,
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
    bench.put("a", "old").await;
    let old = bench.head("a").await;
    let mut upload = bench.files.writer(&key("a"), WriteOptions::default()).await.expect("an upload");
    upload.write(noise(1, 1_000_000).into()).await.expect("written");
    assert_eq!(bench.body("a").await, b"old");
    assert_eq!(bench.head("a").await, old);
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

/// A stream that ends in an error is no body: the error comes back, the old object stands, and nothing is left.
async fn a_body_that_breaks_off_is_never_visible(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let files = Files::new(bench.fixture.backend());
    bench.put("old", "old").await;
    for (name, pieces) in [("old", 0), ("old", 3), ("new", 0), ("new", 1), ("new", 3)] {
        let good = (0..pieces).map(|nth| Ok(noise(nth, 400_000).into()));
        let body = futures_util::stream::iter(good.chain([Err(io::Error::other("the client went away"))]));
        let error =
            files.put_stream(&key(name), body, WriteOptions::default()).await.expect_err("it broke off");
        assert_eq!(error.to_string(), "the client went away");
    }
    assert_eq!(bench.body("old").await, b"old");
    bench.assert_absent("new").await;
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

/// A range is a slice of the version that its description is of, although the object is replaced meanwhile: by one
/// that is longer, shorter, or of the same length.
async fn a_range_is_of_the_version_that_it_describes(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let version = |id: u8| vec![id; 600_000 + usize::from(id) % 3 * 200_000];
    bench.put("a", version(0)).await;
    for id in 0..u8::try_from(bench.scaled(60, 12)).expect("small") {
        let range = ReadOptions::range(ByteRange::Span(300_000, 2_000_000));
        let download = bench.files.read(&key("a"), range).await.expect("a range");
        let (size, range) = (download.meta.size, download.range.clone());
        let replace = bench.put("a", version(id + 1));
        let (body, _) = if id % 2 == 0 {
            futures_util::join!(collect(download.body), replace)
        } else {
            let replaced = replace.await;
            (collect(download.body).await, replaced)
        };
        assert_eq!((size, range), (version(id).len() as u64, 300_000..size));
        assert!(body.expect("the range") == version(id)[300_000..], "version {id} is torn");
    }
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
    let replaces = bench.scaled(500, 20);
    for round in 0.. {
        bench.put("a", version(u8::try_from(round % 250).expect("small"))).await;
        tokio::task::yield_now().await;
        let enough = round >= replaces && reads.load(Ordering::Relaxed) >= 2 * replaces;
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

/// Head, read and list describe one version each: during replaces too, what they say is what some write returned, and
/// of one version they all tell the same time.
async fn every_description_is_one_that_a_write_returned(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let mut written = vec![but_for_time(bench.put("a/b", "0").await)];
    let done = AtomicBool::new(false);
    let watch = async {
        let (mut seen, target) = (Vec::new(), key("a/b"));
        while !done.load(Ordering::Relaxed) {
            seen.push(bench.files.head(&target).await.expect("it is always there"));
            let read = bench.files.read(&target, ReadOptions::default()).await.expect("it is always there");
            seen.push(read.meta);
            seen.extend(first(bench.files.list(&prefix("a/"), None)).await.map(|meta| meta.expect("listed")));
            tokio::task::yield_now().await;
        }
        seen
    };
    let replace = async {
        for round in 1..bench.scaled(200, 15) {
            written.push(but_for_time(bench.put("a/b", vec![1; round * 7]).await));
            tokio::task::yield_now().await;
        }
        done.store(true, Ordering::Relaxed);
    };
    let (seen, ()) = futures_util::join!(watch, replace);
    // Each version has a length of its own.
    let mut times = BTreeMap::new();
    for meta in seen {
        assert_eq!(*times.entry(meta.size).or_insert(meta.modified), meta.modified, "two times: {meta:?}");
        let meta = but_for_time(meta);
        assert!(written.contains(&meta), "a mixture of two versions: {meta:?}");
    }
    Ok(())
}

/// A replaced object is there all the time, and so is a new one from the moment its write returns: in listings too.
async fn a_replaced_object_is_never_missing(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("a/b", "old").await;
    let (written, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let watch = async {
        while !done.load(Ordering::Relaxed) {
            let before = written.load(Ordering::SeqCst);
            let listed = bench.list_all().await;
            assert!(listed.contains(&"a/b".to_owned()), "the replaced object is missing: {listed:?}");
            assert!(
                listed.len() > before,
                "{before} were written before, and only {} are listed",
                listed.len() - 1
            );
            tokio::task::yield_now().await;
        }
    };
    let write = async {
        for round in 0..bench.scaled(100, 10) {
            bench.put("a/b", "new").await;
            bench.put(&format!("c/{round}"), "new").await;
            written.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
        }
        done.store(true, Ordering::Relaxed);
    };
    futures_util::join!(watch, write);
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

/// 1000 keys by 64 tasks; deletes that empty folders meanwhile disturb nobody who writes into them.
async fn many_writers_of_many_keys_do_not_disturb_each_other(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let (workers, rounds) = (bench.scaled(64, 8), bench.scaled(16, 3));
    let tasks = (0..workers).map(|task| {
        let files = Arc::clone(&bench.files);
        tokio::spawn(async move {
            for round in 0..rounds {
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
    assert_eq!(names.len(), workers * rounds);
    for task in 0..workers {
        assert_eq!(bench.body(&format!("folder-1/{task}-kept")).await, format!("{task}-1").as_bytes());
    }
    Ok(())
}
