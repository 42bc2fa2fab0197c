//! Many at once, and every one of them sees a store that could have been used one after another.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures_util::{TryStreamExt, future::join_all, join};
use persistent_fs::{Backend, Prefix, ReadOptions, Result, WriteOptions};
use tokio::task::yield_now;

use super::{
    Harness,
    bench::{Bench, collect, key, noise, prefix},
    history,
    tools::{Dice, file, on_a_thread},
};
use crate::{Case, Checked, cases};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["files::concurrency";
        random_operations_could_have_happened_one_after_another,
        reads_beside_deletes_see_all_or_nothing,
        writes_beside_a_prefix_delete_are_whole_or_gone,
        listings_beside_writers_have_every_staying_key_once,
        the_last_of_two_uploads_to_finish_wins,
        single_threaded_runtimes_share_a_store,
    ]
}

/// Four tasks write, create, swap, delete, read and describe three objects at random: for each object there is an order
/// of the calls, none before it began or after it ended, in which every answer is right.
async fn random_operations_could_have_happened_one_after_another(harness: &dyn Harness) -> Checked {
    let (bench, dice) = (Bench::open(harness).await?, Dice::of(harness));
    for round in 0..bench.scaled(12, 2) {
        let keys = ["a", "b/c", "b/d"].map(|name| key(&format!("{round}/{name}")));
        let clock = history::Clock::default();
        let tasks = (0..4).map(|task| {
            let dice = dice.fork(1 + task + 4 * round as u64);
            tokio::spawn(history::act(Arc::clone(&bench.files), keys.to_vec(), clock.clone(), dice, 28, task))
        });
        let mut events = vec![Vec::new(); keys.len()];
        for task in tasks.collect::<Vec<_>>() {
            for (nth, event) in task.await.expect("no panic") {
                events[nth].push(event);
            }
        }
        for (key, events) in keys.iter().zip(&events) {
            assert!(history::is_explained(events), "{key} {dice}: no order explains {events:#?}");
        }
    }
    Ok(())
}

/// A reader beside a delete reads the whole body or is told that there is no object.
async fn reads_beside_deletes_see_all_or_nothing(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let (target, body) = (key("a/b"), noise(1, 400_000));
    let read = || async {
        for _ in 0..4 {
            match bench.files.read(&target, ReadOptions::default()).await {
                Ok(download) => {
                    assert!(collect(download.body).await.expect("a body") == body, "a torn body");
                }
                Err(error) => assert!(error.is_not_found(), "{error:?}"),
            }
            yield_now().await;
        }
    };
    for _ in 0..bench.scaled(60, 6) {
        bench.put("a/b", body.clone()).await;
        let (_, deleted) = join!(join_all((0..3).map(|_| read())), bench.files.delete(&target));
        deleted.expect("deleted");
    }
    Ok(())
}

/// What is written while its prefix is deleted survives in full or is gone; what lies outside stays; nobody fails.
async fn writes_beside_a_prefix_delete_are_whole_or_gone(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("b", "stays").await;
    let done = AtomicBool::new(false);
    let write = async |writer: usize| {
        for round in 0.. {
            let name = format!("a/{writer}/{}", round % 5);
            bench.put(&name, name.clone()).await;
            match bench.read(&name, ReadOptions::default()).await {
                Ok(body) => assert_eq!(body, name.as_bytes()),
                Err(error) => assert!(error.is_not_found(), "{error:?}"),
            }
            if done.load(Ordering::Relaxed) {
                break;
            }
            yield_now().await;
        }
    };
    let delete = async {
        for _ in 0..bench.scaled(40, 5) {
            bench.files.delete_prefix(&prefix("a/")).await.expect("deleted");
            yield_now().await;
        }
        done.store(true, Ordering::Relaxed);
    };
    join!(write(0), write(1), write(2), delete);
    for name in bench.list(&prefix("a/"), None).await {
        assert_eq!(bench.body(&name).await, name.as_bytes());
    }
    bench.files.delete_prefix(&prefix("a/")).await.expect("deleted");
    assert_eq!(bench.list_all().await, ["b"]);
    Ok(())
}

/// Every object that is there throughout appears exactly once, whatever others write and delete between and beside.
async fn listings_beside_writers_have_every_staying_key_once(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let folders = 4;
    let mut staying =
        (0..bench.scaled(400, 60)).map(|n| format!("{}/{n:03}/stays", n % folders)).collect::<Vec<_>>();
    bench.put_all(staying.iter().map(|name| (name.as_str(), ""))).await;
    staying.sort();
    let done = AtomicBool::new(false);
    let write = async |writer: usize| {
        for n in 0.. {
            // Into folders of their own, and into those of the others.
            let folder = n % folders;
            let names = [format!("{folder}/{n}-{writer}"), format!("{folder}/{:03}/goes-{writer}", n % 400)];
            for name in &names {
                bench.put(name, "").await;
                yield_now().await;
            }
            for name in &names {
                bench.files.delete(&key(name)).await.expect("deleted");
            }
            if done.load(Ordering::Relaxed) {
                break;
            }
        }
    };
    let list = async {
        for _ in 0..bench.scaled(20, 3) {
            let mut listed = bench.list_all().await;
            assert!(listed.is_sorted(), "out of order");
            listed.retain(|name| name.ends_with("/stays"));
            assert_eq!(listed, staying);
        }
        done.store(true, Ordering::Relaxed);
    };
    join!(write(0), write(1), list);
    Ok(())
}

/// Of two uploads under way to one key the one that finishes last stands, whichever began first.
async fn the_last_of_two_uploads_to_finish_wins(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let target = key("a/b");
    for first_begun_is_last in [true, false] {
        let mut one = bench.files.writer(&target, WriteOptions::default()).await.expect("an upload");
        let mut two = bench.files.writer(&target, WriteOptions::default()).await.expect("an upload");
        for nth in 0..3 {
            one.write(noise(nth, 200_000).into()).await.expect("written");
            two.write(noise(9 + nth, 200_000).into()).await.expect("written");
        }
        let (early, late, seed) = if first_begun_is_last { (two, one, 0) } else { (one, two, 9) };
        early.finish().await.expect("finished");
        late.finish().await.expect("finished");
        let whole = (seed..seed + 3).flat_map(|seed| noise(seed, 200_000)).collect::<Vec<_>>();
        assert!(bench.body("a/b").await == whole, "the earlier one stands, or a mixture");
    }
    Ok(())
}

/// A store needs no second thread of its caller's runtime, and may be used from several runtimes at once.
async fn single_threaded_runtimes_share_a_store(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let tours = (0..3).map(|thread| {
        let files = Arc::clone(&bench.files);
        on_a_thread(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let tours = (0..4).map(|nth| tour(&*files, format!("{thread}/{nth}")));
            runtime
                .expect("a runtime can be built")
                .block_on(futures_util::future::try_join_all(tours))
                .map(drop)
        })
    });
    for tour in join_all(tours).await {
        tour.expect("every call succeeds");
    }
    assert_eq!(bench.list_all().await.len(), 3 * 4 * 2);
    Ok(())
}

/// Every operation once, of which two objects remain.
async fn tour(files: &dyn Backend, folder: String) -> Result<()> {
    let name = |name: &str| key(&format!("{folder}/{name}"));
    let body = noise(1, 400_000);
    files.put(&name("put"), body.clone().into(), WriteOptions::default()).await?;
    let mut upload = files.writer(&name("upload"), WriteOptions::default()).await?;
    for piece in body.chunks(150_000) {
        upload.write(piece.to_vec().into()).await?;
    }
    upload.finish().await?;
    files.copy(&name("put"), &name("copy"), WriteOptions::default()).await?;
    let (_folder, path) = file(&body);
    files.ingest(&name("file"), &path, WriteOptions::default()).await?;
    for each in ["put", "upload", "copy", "file"] {
        let download = files.read(&name(each), ReadOptions::default()).await?;
        assert!(collect(download.body).await? == body, "{each}");
        files.head(&name(each)).await?;
    }
    let inside = Prefix::parse(&format!("{folder}/"))?;
    assert_eq!(files.list(&inside, None).try_collect::<Vec<_>>().await?.len(), 4);
    files.delete(&name("put")).await?;
    files.delete_prefix(&Prefix::parse(&format!("{folder}/c"))?).await?;
    Ok(())
}
