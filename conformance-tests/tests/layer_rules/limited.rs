//! Limits hold to the byte, whoever races, and whatever became of a call.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use fs_memory::Memory;
use futures_util::{FutureExt, TryStreamExt};
use persistent_fs::{
    Backend, ErrorKind, LinkRequest, Outcome, Prefix, PutLinks, ReadOptions, Result, WriteOptions,
    layers::{Fault, Faults, Faulty, Limited, Limits, Operation},
};
use tokio::sync::Barrier;

use crate::bench::{REFUSED, UNANSWERED, UNHEARD, body, collect, key, names, replace, upload};

async fn with_quota<B: Backend>(inner: B, quota: u64) -> Limited<B> {
    Limited::open(inner, Limits { quota: Some(quota), ..Limits::default() }).await.expect("listed")
}

async fn put(store: &dyn Backend, name: &str, size: usize) -> Result<()> {
    store.put(&key(name), vec![7; size].into(), replace()).await.map(drop)
}

/// What is stored in truth.
async fn stored(memory: &Memory) -> u64 {
    memory
        .list(&Prefix::all(), None)
        .map_ok(|meta| meta.size)
        .try_fold(0, |a, b| async move { Ok(a + b) })
        .await
        .expect("listed")
}

#[track_caller]
fn no_space<T: std::fmt::Debug>(result: Result<T>) {
    let error = result.expect_err("there is no room");
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::NoSpace, Outcome::NotApplied));
}

#[tokio::test]
async fn a_quota_is_kept_to_the_byte() {
    let memory = Memory::new();
    put(&memory, "old", 40).await.expect("written");
    let store = with_quota(memory.clone(), 100).await;
    assert_eq!(store.used(), Some(40), "what was there counts");
    no_space(put(&store, "new", 61).await);
    put(&store, "new", 60).await.expect("it fits exactly");
    no_space(put(&store, "more", 1).await);
    put(&store, "nothing", 0).await.expect("nothing always fits");
    put(&store, "new", 60).await.expect("a replacement of equal size fits");
    no_space(put(&store, "new", 61).await);
    put(&store, "new", 50).await.expect("a smaller one does");
    no_space(put(&store, "more", 11).await);
    put(&store, "more", 10).await.expect("what it left");
    store.delete(&key("old")).await.expect("deleted");
    store.delete(&key("old")).await.expect("and only once");
    assert_eq!(store.used(), Some(60));
    assert_eq!(stored(&memory).await, 60);
}

#[tokio::test]
async fn every_way_in_and_out_is_counted() {
    let memory = Memory::new();
    let store = with_quota(memory.clone(), 100).await;
    upload(&store, "f/a", b"0123456789", replace()).await.expect("uploaded");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, [0; 20]).expect("written");
    store.ingest(&key("f/b"), &file, replace()).await.expect("ingested");
    store.copy(&key("f/b"), &key("c"), replace()).await.expect("copied");
    store.copy(&key("c"), &key("c"), replace()).await.expect("copied onto itself");
    assert_eq!((store.used(), stored(&memory).await), (Some(50), 50));

    put(&store, "d", 45).await.expect("written");
    std::fs::write(&file, [0; 6]).expect("written");
    no_space(store.ingest(&key("e"), &file, replace()).await);
    assert!(file.exists(), "a refused file stays");
    no_space(store.copy(&key("c"), &key("e"), replace()).await);
    no_space(upload(&store, "e", b"012345", replace()).await);
    store.copy(&key("f/a"), &key("c"), replace()).await.expect("smaller than what it replaces");
    assert_eq!(store.delete_prefix(&Prefix::parse("f/").expect("a prefix")).await.expect("deleted"), 2);
    assert_eq!((store.used(), stored(&memory).await), (Some(55), 55));
    assert_eq!(names(&memory).await, ["c", "d"]);
}

#[tokio::test]
async fn a_body_that_cannot_fit_is_refused_on_the_way() {
    let store = with_quota(Memory::new(), 10).await;
    let mut growing = store.writer(&key("a"), replace()).await.expect("an upload");
    growing.write(Bytes::from_static(&[0; 10])).await.expect("it could fit");
    no_space(growing.write(Bytes::from_static(&[0])).await);
    assert!(growing.finish().await.is_err(), "a lost upload stays lost");
    // Room is taken at the finish, by whoever finishes first.
    let mut late = store.writer(&key("b"), replace()).await.expect("an upload");
    late.write(Bytes::from_static(&[0; 10])).await.expect("it could fit");
    put(&store, "c", 1).await.expect("written");
    no_space(late.finish().await);
    assert_eq!(store.used(), Some(1));
    assert_eq!(names(&store).await, ["c"]);
}

#[tokio::test]
async fn an_object_in_the_way_is_the_better_answer() {
    let store = with_quota(Memory::new(), 10).await;
    put(&store, "a", 10).await.expect("written");
    let refused = store.put(&key("a"), vec![0; 11].into(), WriteOptions::create()).await;
    assert_eq!(refused.expect_err("it is there").kind(), ErrorKind::AlreadyExists);
}

/// 32 writers of 10 bytes each want into a quota of 95: nine get in, and nobody sees more than 95.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_those_win_a_race_that_fit() {
    for round in 0..20 {
        let memory = Memory::new();
        let store = with_quota(memory.clone(), 95).await;
        let start = Arc::new(Barrier::new(32));
        let writers = (0..32).map(|id| {
            let (store, start) = (store.clone(), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                let name = format!("k/{id}");
                if id % 2 == 0 {
                    return put(&store, &name, 10).await.is_ok();
                }
                upload(&store, &name, b"0123456789", replace()).await.is_ok()
            })
        });
        let mut winners = 0;
        for writer in writers.collect::<Vec<_>>() {
            winners += usize::from(writer.await.expect("no panic"));
        }
        assert_eq!((winners, stored(&memory).await, store.used()), (9, 90, Some(90)), "round {round}");
    }
}

/// A store whose every second call waits a little, each operation for another time; so calls overlap in every way.
fn slow(memory: &Memory, seed: u64) -> Faulty<Memory> {
    let operations = [
        Operation::Head,
        Operation::Put,
        Operation::Finish,
        Operation::Copy,
        Operation::Delete,
        Operation::DeletePrefix,
        Operation::List,
    ];
    let plan = (1..).zip(operations).fold(Faults::none(), |plan, (wait, operation)| {
        plan.random(seed, 2, operation, Fault::Delayed(Duration::from_millis(wait)))
    });
    Faulty::new(memory.clone(), plan)
}

/// Writers, copiers and deleters of a few keys: never is more stored than the quota, and afterwards the count is the
/// truth. The clock stands still while somebody works, so each seed is a course of events that can be repeated.
#[tokio::test(start_paused = true)]
async fn racing_replaces_and_deletes_of_the_same_keys_are_counted_right() {
    for seed in 0..10 {
        let memory = Memory::new();
        let store = with_quota(slow(&memory, seed), 700).await;
        let workers = (0..8_usize).map(|worker| {
            let (store, memory) = (store.clone(), memory.clone());
            tokio::spawn(async move {
                for step in 0..60 {
                    let (name, other) = (format!("k/{}", step % 3), format!("k/{}", (step + worker) % 3));
                    let size = (worker * 37 + step * 11) % 400;
                    drop(put(&store, &name, size).await);
                    drop(store.copy(&key(&name), &key(&other), replace()).await);
                    drop(upload(&store, &other, b"0123456789", replace()).await);
                    match (step + worker) % 5 {
                        0 => store.delete(&key(&name)).await.expect("deleted"),
                        1 if step % 20 == 0 => {
                            store.delete_prefix(&Prefix::all()).await.expect("deleted");
                        }
                        _ => {}
                    }
                    assert!(stored(&memory).await <= 700, "seed {seed}: more is stored than the quota");
                }
            })
        });
        for worker in workers.collect::<Vec<_>>() {
            worker.await.expect("the quota held");
        }
        assert_eq!(store.used(), Some(stored(&memory).await), "seed {seed}");
    }
}

/// Counted as the larger of the two until it matters; then the layer looks.
#[tokio::test]
async fn a_call_of_unknown_outcome_is_counted_anew_when_it_matters() {
    for (fault, really) in [(UNANSWERED, 60), (UNHEARD, 0)] {
        let memory = Memory::new();
        let plan = Faults::none().nth(Operation::Put, 1, fault);
        let store = with_quota(Faulty::new(memory.clone(), plan), 100).await;
        put(&store, "a", 60).await.expect_err("unanswered");
        assert_eq!((store.used(), stored(&memory).await), (Some(60), really));
        assert_eq!(
            put(&store, "b", 100 - usize::try_from(really).expect("small")).await.err().map(|e| e.kind()),
            None
        );
        assert_eq!(store.used(), Some(100));
        no_space(put(&store, "c", 1).await);
    }
}

#[tokio::test]
async fn a_call_that_failed_or_was_dropped_takes_no_room() {
    let plan = Faults::none()
        .nth(Operation::Put, 1, REFUSED)
        .nth(Operation::Put, 2, Fault::Stalled)
        .nth(Operation::Delete, 1, Fault::Stalled)
        .nth(Operation::DeletePrefix, 1, REFUSED);
    let memory = Memory::new();
    let store = with_quota(Faulty::new(memory.clone(), plan), 100).await;
    put(&store, "a", 100).await.expect_err("refused");
    assert_eq!(store.used(), Some(0), "surely not applied");
    assert!(put(&store, "a", 100).now_or_never().is_none(), "it stalls");
    assert_eq!(store.used(), Some(100), "in doubt");
    put(&store, "b", 100).await.expect("nothing was written");
    assert!(store.delete(&key("b")).now_or_never().is_none(), "it stalls");
    assert_eq!(store.used(), Some(100), "in doubt");
    store.delete_prefix(&Prefix::all()).await.expect_err("refused");
    memory.delete(&key("b")).await.expect("deleted by somebody else");
    put(&store, "c", 100).await.expect("counted anew");
    let dropped = store.writer(&key("d"), replace()).await.expect("an upload");
    drop(dropped);
    assert_eq!(store.used(), Some(100));
}

#[tokio::test]
async fn what_others_write_is_seen_by_a_recount() {
    let memory = Memory::new();
    let store = with_quota(memory.clone(), 100).await;
    put(&memory, "a", 150).await.expect("written");
    assert_eq!(store.used(), Some(0));
    store.recount().await.expect("listed");
    assert_eq!(store.used(), Some(150));
    no_space(put(&store, "b", 1).await);
    put(&store, "a", 90).await.expect("smaller than what it replaces");
    put(&store, "b", 10).await.expect("it fits");
}

#[tokio::test]
async fn a_store_that_cannot_be_counted_is_not_opened() {
    let faulty = Faulty::new(Memory::new(), Faults::none().always(Operation::List, Fault::Broken(0)));
    let limits = Limits { quota: Some(1), ..Limits::default() };
    let refused = Limited::open(faulty, limits).await.expect_err("it cannot be listed");
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn nothing_larger_than_the_largest_gets_in() {
    let memory = Memory::new();
    put(&memory, "large", 11).await.expect("written by somebody else");
    let limits = Limits { max_size: Some(10), ..Limits::default() };
    let store = Limited::open(memory.clone(), limits).await.expect("opened");
    assert_eq!(store.capabilities().max_size, Some(10));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, [0; 11]).expect("written");
    for refused in [
        put(&store, "a", 11).await,
        upload(&store, "a", b"0123456789a", replace()).await,
        upload(&store, "a", b"", replace().sized(11)).await,
        store.ingest(&key("a"), &file, replace()).await.map(drop),
        store.copy(&key("large"), &key("a"), replace()).await.map(drop),
    ] {
        let error = refused.expect_err("too large");
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::TooLarge, Outcome::NotApplied));
    }
    put(&store, "a", 10).await.expect("the largest");
    assert_eq!(body(&store, "large").await.expect("it can be read").len(), 11);
    // A store that takes less takes less.
    let limits = Limits { max_size: Some(20), ..Limits::default() };
    assert_eq!(Limited::open(store, limits).await.expect("opened").capabilities().max_size, Some(10));
}

/// Whoever holds a link to write is not counted here.
#[tokio::test]
async fn what_would_go_round_a_limit_is_not_offered() {
    let memory = || Memory::new().with_links(conformance_tests::files::signer());
    let minute = Duration::from_mins(1);
    for (limits, offered) in [
        (Limits { quota: Some(1), ..Limits::default() }, false),
        (Limits { max_size: Some(1), ..Limits::default() }, false),
        (Limits { max_concurrent: Some(1), ..Limits::default() }, true),
    ] {
        let store = Limited::open(memory(), limits).await.expect("opened");
        assert_eq!(store.capabilities().put_links != PutLinks::No, offered, "{limits:?}");
        assert_eq!(store.link(&key("a"), LinkRequest::put(minute)).await.is_ok(), offered, "{limits:?}");
        store.link(&key("a"), LinkRequest::get(minute)).await.expect("a link to read");
    }
}

#[tokio::test]
async fn only_so_many_run_at_once_and_each_frees_its_place() {
    let limits = Limits { max_concurrent: Some(2), ..Limits::default() };
    let store = Limited::open(Memory::new(), limits).await.expect("opened");
    put(&store, "a", 10).await.expect("written");
    let full = |store: &Limited<Memory>| store.head(&key("a")).now_or_never().is_none();

    let first = store.read(&key("a"), ReadOptions::default()).await.expect("begun");
    assert!(!full(&store));
    let upload = store.writer(&key("b"), replace()).await.expect("an upload");
    assert!(full(&store), "a body and an upload are two");
    let waiting = store.list(&Prefix::all(), None).try_collect::<Vec<_>>().now_or_never();
    assert!(waiting.is_none(), "a listing waits too");
    upload.finish().await.expect("finished");
    assert!(!full(&store), "an upload that ended is none");

    let second = store.read(&key("a"), ReadOptions::default()).await.expect("begun");
    assert!(full(&store));
    drop(second);
    assert!(!full(&store), "a body that was dropped is none");
    collect(first.body).await.expect("read");
    let mut listing = store.list(&Prefix::all(), None);
    assert!(listing.try_next().await.expect("an item").is_some());
    let all = [store.writer(&key("c"), replace()).await, store.writer(&key("d"), replace()).await];
    assert!(all.iter().all(Result::is_ok), "a listing holds no place between its items");
    assert!(full(&store));
    drop(all);
    assert!(!full(&store), "an upload that was dropped is none");
    assert!(store.sweep(Duration::ZERO).await.is_ok());
}
