//! Faults strike where and when they were planned, in every run.

use std::time::Duration;

use fs_memory::Memory;
use futures_util::{FutureExt, TryStreamExt};
use persistent_fs::{
    Backend, ErrorKind, Files, Outcome, Prefix, ReadOptions, Result, Retry,
    layers::{Fault, Faults, Faulty, Operation},
};

use crate::bench::{REFUSED, UNANSWERED, UNHEARD, body, key, names, noise, replace, upload};

/// Which of 200 calls of each of two operations fail.
async fn course(seed: u64, interleaved: bool) -> (Vec<u32>, Vec<u32>) {
    let plan = Faults::none().random(seed, 4, Operation::Put, REFUSED).random(
        seed,
        4,
        Operation::Delete,
        UNANSWERED,
    );
    let store = Faulty::new(Memory::new(), plan);
    let (mut puts, mut deletes) = (Vec::new(), Vec::new());
    for n in 0..200 {
        puts.extend(store.put(&key("a"), "".into(), replace()).await.is_err().then_some(n));
        if interleaved {
            deletes.extend(store.delete(&key("a")).await.is_err().then_some(n));
        }
    }
    for n in 0..if interleaved { 0 } else { 200 } {
        deletes.extend(store.delete(&key("a")).await.is_err().then_some(n));
    }
    (puts, deletes)
}

#[tokio::test]
async fn a_seed_gives_the_same_faults_whatever_runs_beside() {
    let (puts, deletes) = course(7, true).await;
    assert!(puts.len() > 20 && deletes.len() > 20 && puts != deletes, "{puts:?} {deletes:?}");
    assert_eq!(course(7, true).await, (puts.clone(), deletes.clone()));
    assert_eq!(course(7, false).await, (puts.clone(), deletes));
    assert_ne!(course(8, true).await.0, puts);
}

#[tokio::test]
async fn a_fault_is_before_or_after_the_effect_and_says_what_it_was_told_to() {
    let applied = Fault::After(ErrorKind::Other, Outcome::Applied);
    for (fault, there, outcome) in [
        (REFUSED, false, Outcome::NotApplied),
        (UNHEARD, false, Outcome::Unknown),
        (UNANSWERED, true, Outcome::Unknown),
        (applied, true, Outcome::Applied),
    ] {
        for operation in [Operation::Put, Operation::Finish] {
            let memory = Memory::new();
            let store = Faulty::new(memory.clone(), Faults::none().nth(operation, 1, fault));
            let written = match operation {
                Operation::Put => store.put(&key("a"), "abc".into(), replace()).await.map(drop),
                _ => upload(&store, "a", b"abc", replace()).await,
            };
            assert_eq!(written.expect_err("a fault").outcome(), outcome, "{fault:?}");
            assert_eq!(!names(&memory).await.is_empty(), there, "{fault:?}");
            upload(&store, "a", b"abc", replace()).await.expect("only once");
        }
    }
}

#[tokio::test]
async fn the_inner_backends_own_refusal_is_passed_on() {
    let store = Faulty::new(Memory::new(), Faults::none().always(Operation::Head, UNANSWERED));
    assert_eq!(store.head(&key("a")).await.expect_err("missing").kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn bodies_and_listings_end_early_in_silence_or_with_an_error() {
    let memory = Memory::new();
    memory.put(&key("a"), noise(300_000).into(), replace()).await.expect("written");
    memory.put(&key("b"), "".into(), replace()).await.expect("written");
    let plan = Faults::none()
        .nth(Operation::Read, 1, Fault::Truncated(270_000))
        .nth(Operation::Read, 2, Fault::Truncated(270_000))
        .nth(Operation::Read, 3, Fault::Broken(270_000))
        .nth(Operation::List, 1, Fault::Truncated(1))
        .nth(Operation::List, 2, Fault::Broken(1));
    let store = Faulty::new(memory, plan);
    assert!(body(&store, "a").await.expect("it ends in silence") == noise(300_000)[..270_000]);
    let noticed = Files::new(store.clone()).read_all(&key("a"), 1 << 20).await;
    assert_eq!(noticed.expect_err("the handle counts").kind(), ErrorKind::Integrity);
    assert_eq!(body(&store, "a").await.expect_err("broken").kind(), ErrorKind::Unavailable);
    assert_eq!(names(&store).await, ["a"]);
    let listed = store.list(&Prefix::all(), None).try_collect::<Vec<_>>().await;
    assert_eq!(listed.expect_err("broken").kind(), ErrorKind::Unavailable);
    assert_eq!(body(&store, "a").await.expect("the fourth is whole").len(), 300_000);
}

#[tokio::test(start_paused = true)]
async fn calls_are_delayed_stalled_and_dropped_midway() {
    let minute = Duration::from_mins(1);
    let plan = Faults::none()
        .nth(Operation::Head, 1, Fault::Delayed(minute))
        .nth(Operation::Head, 2, Fault::Stalled)
        .nth(Operation::Head, 3, Fault::Throttled(minute))
        .nth(Operation::List, 1, Fault::Delayed(minute))
        .nth(Operation::Put, 1, Fault::Dropped(0))
        .nth(Operation::Put, 2, Fault::Dropped(1));
    let memory = Memory::new();
    let store = Faulty::new(memory.clone(), plan);
    let began = tokio::time::Instant::now();
    store.head(&key("a")).await.expect_err("missing");
    assert_eq!(began.elapsed(), minute);
    assert!(store.head(&key("a")).now_or_never().is_none(), "it stalls");
    assert_eq!(store.head(&key("a")).await.expect_err("throttled").retry(), Retry::After(minute));
    assert!(names(&store).await.is_empty());
    assert_eq!(began.elapsed(), minute * 2);

    let a = key("a");
    let put = || store.put(&a, "body".into(), replace());
    assert_eq!(put().await.expect_err("never polled").outcome(), Outcome::Unknown);
    assert!(names(&memory).await.is_empty());
    put().await.expect("memory is done with the first poll");
    assert_eq!(store.calls(Operation::Put), 2);
}

/// A call that needs several polls is really cut in the middle.
#[tokio::test]
async fn a_dropped_call_ends_where_it_was() {
    let memory = Memory::new();
    let slow =
        Faulty::new(memory.clone(), Faults::none().always(Operation::Put, Fault::Delayed(Duration::MAX)));
    let store = Faulty::new(slow.clone(), Faults::none().nth(Operation::Put, 1, Fault::Dropped(1)));
    let cut = store.put(&key("a"), "body".into(), replace()).await;
    assert_eq!(cut.expect_err("cut").outcome(), Outcome::Unknown);
    assert_eq!(slow.calls(Operation::Put), 1, "it had begun");
    assert!(names(&memory).await.is_empty());
}

#[tokio::test]
async fn an_upload_with_a_failed_write_is_lost() -> Result<()> {
    let memory = Memory::new();
    let store = Faulty::new(memory.clone(), Faults::none().nth(Operation::Write, 2, REFUSED));
    let mut upload = store.writer(&key("a"), replace()).await?;
    upload.write("one".into()).await?;
    assert!(upload.write("two".into()).await.is_err());
    assert!(upload.write("three".into()).await.is_err(), "lost is lost");
    assert!(upload.finish().await.is_err());
    assert!(memory.read(&key("a"), ReadOptions::default()).await.is_err());
    Ok(())
}
