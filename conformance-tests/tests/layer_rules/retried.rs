//! Calls are made again where that is harmless, nowhere else, and not for ever.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use fs_memory::Memory;
use futures_util::FutureExt;
use persistent_fs::{
    Backend, ErrorKind, LinkRequest, Outcome, Prefix, ReadOptions, WriteOptions,
    layers::{Fault, Faults, Faulty, Jitter, Operation, Retried, RetryPolicy},
};
use sha2::{Digest, Sha256};

use crate::bench::{REFUSED, UNANSWERED, UNHEARD, body, key, names, policy, replace, retried, upload};

#[tokio::test]
async fn what_was_surely_not_applied_is_tried_again() {
    let all = [
        Operation::Head,
        Operation::Read,
        Operation::Writer,
        Operation::Delete,
        Operation::List,
        Operation::Put,
        Operation::Ingest,
        Operation::Copy,
        Operation::DeletePrefix,
        Operation::Sweep,
    ];
    let plan = all
        .iter()
        .fold(Faults::none(), |plan, operation| plan.nth(*operation, 1, REFUSED).nth(*operation, 2, REFUSED));
    let (_memory, faulty, store) = retried(plan);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "file").expect("written");

    store.put(&key("a"), "put".into(), WriteOptions::create()).await.expect("put");
    upload(&store, "b", b"uploaded", WriteOptions::create()).await.expect("upload");
    store.ingest(&key("c"), &file, WriteOptions::create()).await.expect("ingest");
    store.copy(&key("a"), &key("d"), WriteOptions::create()).await.expect("copy");
    store.head(&key("a")).await.expect("head");
    assert_eq!(body(&store, "b").await.expect("read"), b"uploaded");
    assert_eq!(names(&store).await, ["a", "b", "c", "d"]);
    store.delete(&key("a")).await.expect("delete");
    assert_eq!(store.delete_prefix(&Prefix::all()).await.expect("delete_prefix"), 3);
    store.sweep(Duration::ZERO).await.expect("sweep");
    for operation in all {
        assert_eq!(faulty.calls(operation), 3, "{operation}");
    }
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_found_and_never_repeated() {
    let (memory, faulty, store) = retried(Faults::none().nth(Operation::Put, 1, UNANSWERED));
    let meta = store.put(&key("a"), "mine".into(), WriteOptions::create()).await.expect("found");
    assert_eq!(meta, memory.head(&key("a")).await.expect("there"));
    assert_eq!(faulty.calls(Operation::Put), 1);
}

/// Whoever took the object away meanwhile must not find it again.
#[tokio::test]
async fn a_create_that_cannot_be_found_is_not_repeated_either() {
    let (memory, faulty, store) = retried(Faults::none().nth(Operation::Put, 1, UNHEARD));
    let lost = store.put(&key("a"), "mine".into(), WriteOptions::create()).await.expect_err("lost");
    assert_eq!((lost.kind(), lost.outcome()), (ErrorKind::Timeout, Outcome::Unknown));
    assert_eq!(faulty.calls(Operation::Put), 1);
    assert!(names(&memory).await.is_empty());
}

#[tokio::test]
async fn the_object_of_somebody_else_is_nobodys_own() {
    let types = |text: &str| WriteOptions::create().typed(text);
    for (theirs, other, mine, options) in [
        ("other", types("text/plain"), "mine!", types("text/plain")),
        ("longer than mine", types("text/plain"), "mine", types("text/plain")),
        ("same", types("text/html"), "same", types("text/plain")),
        // Two that write nothing cannot be told apart.
        ("", WriteOptions::create(), "", WriteOptions::create()),
    ] {
        let (memory, faulty, store) = retried(Faults::none().nth(Operation::Put, 1, UNHEARD));
        memory.put(&key("a"), theirs.into(), other).await.expect("written");
        let lost = store.put(&key("a"), mine.into(), options).await.expect_err(theirs);
        assert_eq!((lost.kind(), lost.outcome()), (ErrorKind::Timeout, Outcome::Unknown), "{theirs}");
        assert_eq!(faulty.calls(Operation::Put), 1);
        assert_eq!(body(&memory, "a").await.expect("theirs"), theirs.as_bytes());
    }
}

#[tokio::test]
async fn a_swap_whose_answer_was_lost_is_found_and_never_repeated() {
    let (memory, faulty, store) = retried(Faults::none().nth(Operation::Put, 1, UNANSWERED));
    let etag = memory.put(&key("a"), "old".into(), replace()).await.expect("written").etag.expect("an etag");
    store.put(&key("a"), "new".into(), WriteOptions::matching(etag.clone())).await.expect("found");
    assert_eq!(faulty.calls(Operation::Put), 1);
    // A swap that is refused is refused at once.
    let stale = store.put(&key("a"), "newer".into(), WriteOptions::matching(etag)).await.expect_err("stale");
    assert_eq!((stale.kind(), stale.outcome()), (ErrorKind::Precondition, Outcome::NotApplied));
    assert_eq!(faulty.calls(Operation::Put), 2);
}

#[tokio::test]
async fn an_upload_of_declared_hash_is_found() {
    let declared = WriteOptions::create().hashed(Sha256::digest(b"uploaded").into());
    for (options, found) in [(declared, true), (WriteOptions::create(), false)] {
        let (memory, faulty, store) = retried(Faults::none().nth(Operation::Finish, 1, UNANSWERED));
        assert_eq!(upload(&store, "a", b"uploaded", options).await.is_ok(), found);
        assert_eq!(faulty.calls(Operation::Finish), 1);
        assert_eq!(names(&memory).await, ["a"]);
    }
}

#[tokio::test]
async fn what_was_handed_to_an_upload_is_not_sent_again() {
    for operation in [Operation::Write, Operation::Finish] {
        let (memory, faulty, store) = retried(Faults::none().nth(operation, 1, REFUSED));
        let failed = upload(&store, "a", b"abc", WriteOptions::create()).await.expect_err("failed");
        assert_eq!((failed.kind(), failed.outcome()), (ErrorKind::Unavailable, Outcome::NotApplied));
        assert_eq!((faulty.calls(Operation::Writer), faulty.calls(operation)), (1, 1));
        assert!(names(&memory).await.is_empty());
    }
}

#[tokio::test]
async fn reading_back_can_be_switched_off() {
    let faulty = Faulty::new(Memory::new(), Faults::none().nth(Operation::Put, 1, UNANSWERED));
    let store = Retried::new(faulty, RetryPolicy { read_back: false, ..policy() }, Jitter::new(|| 0.0));
    let lost = store.put(&key("a"), "lock".into(), WriteOptions::create()).await.expect_err("lost");
    assert_eq!(lost.outcome(), Outcome::Unknown);
}

/// A failed sync is not made good by seeing the object.
#[tokio::test]
async fn an_error_that_forbids_a_retry_is_passed_on_although_the_object_is_there() {
    let failed_sync = Fault::After(ErrorKind::Other, Outcome::Unknown);
    for options in [WriteOptions::create(), replace()] {
        let (_memory, faulty, store) = retried(Faults::none().always(Operation::Put, failed_sync));
        let failed = store.put(&key("a"), "body".into(), options).await.expect_err("not durable");
        assert_eq!((failed.kind(), failed.outcome()), (ErrorKind::Other, Outcome::Unknown));
        assert_eq!(faulty.calls(Operation::Put), 1);
    }
}

#[tokio::test]
async fn a_replace_is_repeated_until_its_answer_comes() {
    let (memory, faulty, store) =
        retried(Faults::none().nth(Operation::Put, 1, UNANSWERED).nth(Operation::Put, 2, UNHEARD));
    store.put(&key("a"), "new".into(), replace()).await.expect("replaced");
    assert_eq!(faulty.calls(Operation::Put), 3);
    assert_eq!(body(&memory, "a").await.expect("there"), b"new");
}

/// A copy that only creates has no bytes to be known by, and an ingested file may be gone with the answer.
#[tokio::test]
async fn copies_and_files_whose_answer_was_lost_are_not_repeated() {
    let plan = Faults::none().nth(Operation::Copy, 1, UNANSWERED).nth(Operation::Ingest, 1, UNANSWERED);
    let (memory, faulty, store) = retried(plan);
    memory.put(&key("a"), "body".into(), replace()).await.expect("written");
    let copied = store.copy(&key("a"), &key("b"), WriteOptions::create()).await.expect_err("lost");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "file").expect("written");
    let ingested = store.ingest(&key("c"), &file, replace()).await.expect_err("lost");
    for error in [copied, ingested] {
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::Unknown));
    }
    assert_eq!((faulty.calls(Operation::Copy), faulty.calls(Operation::Ingest)), (1, 1));
    assert_eq!(names(&memory).await, ["a", "b", "c"]);
}

#[tokio::test]
async fn a_copy_that_replaces_is_repeated() {
    let (memory, faulty, store) = retried(Faults::none().nth(Operation::Copy, 1, UNANSWERED));
    memory.put(&key("a"), "body".into(), replace()).await.expect("written");
    store.copy(&key("a"), &key("b"), replace()).await.expect("copied");
    assert_eq!(faulty.calls(Operation::Copy), 2);
}

/// The last attempt surely did nothing; the first may have.
#[tokio::test]
async fn an_error_tells_what_all_attempts_have_done() {
    let plan = Faults::none().nth(Operation::Put, 1, UNANSWERED).always(Operation::Put, REFUSED);
    let (memory, _faulty, store) = retried(plan);
    let failed = store.put(&key("a"), "new".into(), replace()).await.expect_err("four attempts");
    assert_eq!((failed.kind(), failed.outcome()), (ErrorKind::Unavailable, Outcome::Unknown));
    assert_eq!(body(&memory, "a").await.expect("applied"), b"new");

    let applied = Fault::After(ErrorKind::Timeout, Outcome::Applied);
    let plan = Faults::none().nth(Operation::Delete, 1, applied).always(Operation::Delete, REFUSED);
    let (_memory, _faulty, store) = retried(plan);
    assert_eq!(store.delete(&key("a")).await.expect_err("four attempts").outcome(), Outcome::Applied);
}

#[tokio::test]
async fn what_is_an_answer_is_not_tried_again() {
    let (_memory, faulty, store) = retried(Faults::none());
    store.head(&key("a")).await.expect_err("missing");
    store.read(&key("a"), ReadOptions::default()).await.expect_err("missing");
    store.link(&key("a"), LinkRequest::get(Duration::ZERO)).await.expect_err("no links");
    let operations = [Operation::Head, Operation::Read, Operation::Link];
    assert_eq!(operations.map(|operation| faulty.calls(operation)), [1, 1, 1]);
}

#[tokio::test]
async fn attempts_are_bounded() {
    let (_memory, faulty, store) = retried(Faults::none().always(Operation::Head, REFUSED));
    assert_eq!(store.head(&key("a")).await.expect_err("refused").kind(), ErrorKind::Unavailable);
    assert_eq!(faulty.calls(Operation::Head), 4);
}

/// A backend that is down gets the calls that are made anyway, and a burst of retries; one that works earns them back.
#[tokio::test]
async fn all_calls_together_have_one_budget() {
    let faulty = Faulty::new(Memory::new(), Faults::none().always(Operation::Head, REFUSED));
    let store = Retried::new(faulty.clone(), RetryPolicy { budget: 5, ..policy() }, Jitter::new(|| 0.0));
    let clone = store.clone();
    for n in 0..100 {
        let one_of_both = if n % 2 == 0 { &store } else { &clone };
        one_of_both.head(&key("a")).await.expect_err("refused");
    }
    assert_eq!(faulty.calls(Operation::Head), 105);
    for _ in 0..20 {
        store.put(&key("a"), "works".into(), replace()).await.expect("written");
    }
    for _ in 0..100 {
        store.head(&key("a")).await.expect_err("refused");
    }
    assert_eq!(faulty.calls(Operation::Head), 207);
}

/// The pauses of one call, by a clock that stands still while somebody works.
async fn pauses(plan: Faults, policy: RetryPolicy, drawn: f64) -> Duration {
    let store = Retried::new(Faulty::new(Memory::new(), plan), policy, Jitter::new(move || drawn));
    let began = tokio::time::Instant::now();
    drop(store.head(&key("a")).await);
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_are_drawn_from_and_end() {
    let second = Duration::from_secs(1);
    let policy =
        RetryPolicy { attempts: 5, first_pause: second, longest_pause: second * 3, ..RetryPolicy::default() };
    let down = || Faults::none().always(Operation::Head, REFUSED);
    assert_eq!(pauses(down(), policy, 1.0).await.as_secs(), 1 + 2 + 3 + 3);
    assert_eq!(pauses(down(), policy, 0.5).await.as_millis(), 500 + 1000 + 1500 + 1500);
    assert_eq!(pauses(down(), policy, 0.0).await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_names_a_time_is_heard() {
    let wish = |seconds| Fault::Throttled(Duration::from_secs(seconds));
    let plan = Faults::none().nth(Operation::Head, 1, wish(7));
    assert_eq!(pauses(plan, policy(), 0.0).await.as_secs(), 7);
    // Longer than any pause may be: then it is for the caller to decide.
    let plan = Faults::none().nth(Operation::Head, 1, wish(3600));
    assert_eq!(pauses(plan, policy(), 0.0).await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_call_ends_its_retries() {
    let faulty = Faulty::new(Memory::new(), Faults::none().always(Operation::Put, REFUSED));
    let store = Retried::new(faulty.clone(), RetryPolicy::default(), Jitter::new(|| 1.0));
    assert!(store.put(&key("a"), "body".into(), replace()).now_or_never().is_none(), "it pauses");
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(faulty.calls(Operation::Put), 1);
}

/// 16 creators over a line that loses every third answer: at most one believes to have won, and nobody wins twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_creators_over_a_bad_line_create_once() {
    for seed in 0..50 {
        let memory = Memory::new();
        let plan = Faults::none().random(seed, 3, Operation::Put, UNANSWERED).random(
            seed + 1000,
            3,
            Operation::Put,
            REFUSED,
        );
        let store = Arc::new(Retried::new(Faulty::new(memory.clone(), plan), policy(), Jitter::new(|| 0.0)));
        let winners = Arc::new(Mutex::new(Vec::new()));
        let creators = (0..16_u8).map(|id| {
            let (store, winners) = (Arc::clone(&store), Arc::clone(&winners));
            tokio::spawn(async move {
                if store.put(&key("a"), vec![id; 9].into(), WriteOptions::create()).await.is_ok() {
                    winners.lock().expect("not poisoned").push(id);
                }
            })
        });
        for creator in creators.collect::<Vec<_>>() {
            creator.await.expect("no panic");
        }
        let stored = body(&memory, "a").await.expect("somebody has won");
        assert_eq!(*winners.lock().expect("not poisoned"), [stored[0]], "seed {seed}");
    }
}
