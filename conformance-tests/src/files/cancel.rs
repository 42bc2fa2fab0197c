//! A dropped future harms nobody: dropped at each of its await points, every call leaves the store as good as before.

use std::{sync::Arc, time::Duration};

use futures_util::TryStreamExt;
use persistent_fs::{Meta, ReadOptions, Result, WriteOptions};

use super::{
    Harness,
    bench::{Bench, collect, key, noise, prefix},
    tools::{cuts, eventually, file, on_a_thread},
};
use crate::{Case, Checked, cases};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["files::cancel";
        a_put_dropped_anywhere_leaves_the_old_object_or_the_new_one,
        an_upload_dropped_anywhere_leaves_the_old_object_or_the_new_one,
        a_copy_dropped_anywhere_leaves_the_old_object_or_the_new_one,
        an_ingest_dropped_anywhere_loses_neither_object_nor_file,
        a_delete_dropped_anywhere_is_done_or_not,
        a_prefix_delete_dropped_anywhere_can_be_repeated,
        reads_and_listings_dropped_anywhere_have_no_effect,
        a_read_that_was_dropped_frees_the_object,
        nothing_that_was_dropped_is_left_after_a_sweep,
        a_runtime_that_ends_during_an_upload_harms_nobody,
    ]
}

/// Dropped anywhere, the old object stands or the new one, in full; and the next write to the same key works.
async fn a_put_dropped_anywhere_leaves_the_old_object_or_the_new_one(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let (old, new) = (noise(1, 500_000), noise(2, 600_000));
    for cut in cuts() {
        let name = format!("put/{cut}");
        bench.put(&name, old.clone()).await;
        let ended = cut.apply(put(&bench, &name, &new)).await;
        stands(&bench, &name, &[&old, &new]).await;
        goes_on(&bench, &name, &new).await;
        if done(ended) {
            return Ok(());
        }
    }
    unreachable!("cuts have no end");
}

/// The same for each step of an upload, into a key that was not there before and into one that was.
async fn an_upload_dropped_anywhere_leaves_the_old_object_or_the_new_one(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let (old, new) = (b"old", noise(1, 900_000));
    for cut in cuts() {
        let (fresh, present) = (format!("fresh/{cut}"), format!("present/{cut}"));
        bench.put(&present, &old[..]).await;
        let ended =
            (cut.apply(upload(&bench, &fresh, &new)).await, cut.apply(upload(&bench, &present, &new)).await);
        stands(&bench, &present, &[old, &new]).await;
        match bench.read(&fresh, ReadOptions::default()).await {
            Ok(body) => assert!(body == new, "{fresh} is torn"),
            Err(error) => assert!(error.is_not_found(), "{error:?}"),
        }
        goes_on(&bench, &fresh, &new).await;
        goes_on(&bench, &present, &new).await;
        if done(ended.0) && done(ended.1) {
            return Ok(());
        }
    }
    unreachable!("cuts have no end");
}

/// The same for a copy; and the source is as it was.
async fn a_copy_dropped_anywhere_leaves_the_old_object_or_the_new_one(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let (old, new) = (noise(1, 500_000), noise(2, 700_000));
    bench.put("source", new.clone()).await;
    for cut in cuts() {
        let name = format!("copy/{cut}");
        bench.put(&name, old.clone()).await;
        let (from, to) = (key("source"), key(&name));
        let ended = cut.apply(bench.files.copy(&from, &to, WriteOptions::default())).await;
        stands(&bench, &name, &[&old, &new]).await;
        stands(&bench, "source", &[&new]).await;
        goes_on(&bench, &name, &new).await;
        if done(ended) {
            return Ok(());
        }
    }
    unreachable!("cuts have no end");
}

/// The same for a file; and it is gone from where it was only if the object has its bytes.
async fn an_ingest_dropped_anywhere_loses_neither_object_nor_file(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let (old, new) = (noise(1, 500_000), noise(2, 700_000));
    for cut in cuts() {
        let name = format!("ingest/{cut}");
        bench.put(&name, old.clone()).await;
        let (_folder, path) = file(&new);
        let ended = cut.apply(bench.files.ingest(&key(&name), &path, WriteOptions::default())).await;
        // Looked for before the object: if it is gone by now, the object must be there by now.
        match std::fs::read(&path) {
            Ok(body) => assert!(body == new, "the file was changed ({cut})"),
            Err(_) => stands(&bench, &name, &[&new]).await,
        }
        stands(&bench, &name, &[&old, &new]).await;
        goes_on(&bench, &name, &new).await;
        if done(ended) {
            return Ok(());
        }
    }
    unreachable!("cuts have no end");
}

/// Dropped, the object is there in full or gone; a second delete makes sure.
async fn a_delete_dropped_anywhere_is_done_or_not(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    for cut in cuts() {
        let name = format!("delete/{cut}");
        bench.put(&name, "body").await;
        let ended = cut.apply(bench.files.delete(&key(&name))).await;
        match bench.read(&name, ReadOptions::default()).await {
            Ok(body) => assert_eq!(body, b"body"),
            Err(error) => assert!(error.is_not_found(), "{error:?}"),
        }
        bench.files.delete(&key(&name)).await.expect("deleted");
        bench.assert_absent(&name).await;
        if done(ended) {
            return Ok(());
        }
    }
    unreachable!("cuts have no end");
}

/// Dropped, some objects are gone and the others whole, those beside them too; and it may be repeated.
async fn a_prefix_delete_dropped_anywhere_can_be_repeated(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("beside", "beside").await;
    for cut in cuts() {
        let names = (0..6).map(|n| format!("gone/{cut}/{n}")).collect::<Vec<_>>();
        bench.put_all(names.iter().map(|name| (name.as_str(), "body"))).await;
        let doomed = prefix(&format!("gone/{cut}/"));
        let ended = cut.apply(bench.files.delete_prefix(&doomed)).await;
        for name in &names {
            match bench.read(name, ReadOptions::default()).await {
                Ok(body) => assert_eq!(body, b"body", "{name}"),
                Err(error) => assert!(error.is_not_found(), "{error:?}"),
            }
        }
        bench.files.delete_prefix(&doomed).await.expect("repeated");
        assert_eq!(bench.list_all().await, ["beside"], "{cut}");
        if done(ended) {
            return Ok(());
        }
    }
    unreachable!("cuts have no end");
}

/// Dropping a head, a read or a listing has no effect, and the next one works.
async fn reads_and_listings_dropped_anywhere_have_no_effect(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let body = noise(1, 1_500_000);
    bench.put("a/0", body.clone()).await;
    let described = bench.head("a/0").await;
    let names = (0..40).map(|n| format!("a/{n}")).collect::<Vec<_>>();
    bench.put_all(names[1..].iter().map(|name| (name.as_str(), ""))).await;
    let everything = bench.list_all().await;
    let target = key("a/0");
    for cut in cuts() {
        let head = cut.apply(bench.files.head(&target)).await;
        let read = cut.apply(bench.read("a/0", ReadOptions::default())).await;
        let all = persistent_fs::Prefix::all();
        let list = cut.apply(bench.files.list(&all, None).try_collect::<Vec<_>>()).await;
        assert_eq!(bench.head("a/0").await, described, "{cut}");
        assert!(bench.body("a/0").await == body, "{cut}");
        assert_eq!(bench.list_all().await, everything, "{cut}");
        if done(head) && done(read) && done(list) {
            return Ok(());
        }
    }
    unreachable!("cuts have no end");
}

/// Bodies that nobody reads to the end hold nothing up: 1200 of them, and the store works as before.
async fn a_read_that_was_dropped_frees_the_object(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("a", noise(1, 4_000_000)).await;
    for _ in 0..bench.scaled(1200, 40) {
        let mut download = bench.files.read(&key("a"), ReadOptions::default()).await.expect("there");
        assert!(download.body.try_next().await.expect("a piece").is_some());
    }
    bench.files.delete(&key("a")).await.expect("deleted");
    bench.files.sweep(Duration::ZERO).await.expect("swept");
    bench.put("a", "again").await;
    assert_eq!(bench.body("a").await, b"again");
    Ok(())
}

/// What dropped writes left behind can be swept, and then there is nothing but objects.
async fn nothing_that_was_dropped_is_left_after_a_sweep(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.fixture.raw_entries().await?;
    let body = noise(1, 600_000);
    bench.put("source", body.clone()).await;
    for cut in cuts() {
        let (_folder, path) = file(&body);
        let name = |way: &str| key(&format!("{way}/{cut}"));
        let put = cut.apply(put(&bench, name("put").as_str(), &body)).await;
        let written = cut.apply(upload(&bench, name("upload").as_str(), &body)).await;
        let copied =
            cut.apply(bench.files.copy(&key("source"), &name("copy"), WriteOptions::default())).await;
        let taken = cut.apply(bench.files.ingest(&name("file"), &path, WriteOptions::default())).await;
        if done(put) && done(written) && done(copied) && done(taken) {
            break;
        }
    }
    let only_objects = eventually(|| async {
        bench.files.sweep(Duration::ZERO).await.expect("swept");
        let stored = bench.fixture.raw_entries().await.expect("offered before");
        stored.len() == bench.list_all().await.len()
    });
    let swept = only_objects.await;
    assert!(
        swept,
        "left behind: {:?} beside {:?}",
        bench.fixture.raw_entries().await?,
        bench.list_all().await
    );
    Ok(())
}

/// A runtime that ends takes its calls with it, wherever they are; the store goes on in others.
async fn a_runtime_that_ends_during_an_upload_harms_nobody(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let body = noise(1, 900_000);
    for step in 0..5 {
        let name = format!("cut/{step}");
        let (files, sent, target) = (Arc::clone(&bench.files), body.clone(), key(&name));
        on_a_thread(move || {
            let (reached, reach) = std::sync::mpsc::channel();
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            let runtime = runtime.expect("a runtime can be built");
            runtime.spawn(async move {
                let mut upload = files.writer(&target, WriteOptions::default()).await.expect("an upload");
                for (nth, piece) in sent.chunks(300_000).enumerate() {
                    if nth == step {
                        reached.send(()).expect("somebody waits");
                        std::future::pending::<()>().await;
                    }
                    upload.write(piece.to_vec().into()).await.expect("written");
                }
                reached.send(()).expect("somebody waits");
                if step == 4 {
                    return upload.finish().await.is_ok();
                }
                std::future::pending().await
            });
            reach.recv().expect("the upload gets there");
        })
        .await;
        match bench.read(&name, ReadOptions::default()).await {
            Ok(read) => assert!(read == body, "{name} is torn"),
            Err(error) => assert!(error.is_not_found(), "{error:?}"),
        }
        goes_on(&bench, &name, &body).await;
        bench.files.delete(&key(&name)).await.expect("deleted");
    }
    Ok(())
}

async fn put(bench: &Bench, name: &str, body: &[u8]) -> Result<Meta> {
    bench.files.put(&key(name), body.to_vec().into(), WriteOptions::default()).await
}

async fn upload(bench: &Bench, name: &str, body: &[u8]) -> Result<Meta> {
    let mut upload = bench.files.writer(&key(name), WriteOptions::default()).await?;
    for piece in body.chunks(300_000) {
        upload.write(piece.to_vec().into()).await?;
    }
    upload.finish().await
}

/// Whether the call came to its end, which must then have been a good one.
fn done<T>(ended: Option<Result<T>>) -> bool {
    ended.map(|answer| answer.map(drop).expect("it was not dropped")).is_some()
}

/// Demands that the object is one of these, in full.
async fn stands(bench: &Bench, name: &str, allowed: &[&[u8]]) {
    let download = bench.files.read(&key(name), ReadOptions::default()).await.expect(name);
    let size = download.meta.size;
    let body = collect(download.body).await.expect(name);
    assert!(allowed.contains(&body.as_slice()), "{name} is torn: {} bytes of {size}", body.len());
}

/// Demands that the key can be written to. What was dropped may still arrive after it, in full.
async fn goes_on(bench: &Bench, name: &str, late: &[u8]) {
    bench.files.put(&key(name), "next".into(), WriteOptions::default()).await.expect("the next write works");
    stands(bench, name, &[b"next", late]).await;
}
