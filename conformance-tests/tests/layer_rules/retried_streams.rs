//! Bodies and listings go on where they broke off, in the version they began with or not at all.

use fs_memory::Memory;
use futures_util::TryStreamExt;
use persistent_fs::{
    Backend, ByteRange, ErrorKind, Prefix, ReadOptions, Retry,
    layers::{Fault, Faults, Faulty, Jitter, Operation, Retried},
};

use crate::bench::{REFUSED, body, collect, key, names, noise, policy, replace, retried};

#[tokio::test]
async fn a_body_goes_on_where_it_broke_off() {
    // Broken in the middle of a piece, at its end, with a resumption that is refused, and again at once.
    let plan = Faults::none()
        .nth(Operation::Read, 1, Fault::Broken(100_001))
        .nth(Operation::Read, 2, REFUSED)
        .nth(Operation::Read, 3, Fault::Broken(0))
        .nth(Operation::Read, 4, Fault::Broken(262_144));
    let (memory, faulty, store) = retried(plan);
    let whole = noise(1_000_000);
    memory.put(&key("a"), whole.clone().into(), replace()).await.expect("written");
    assert!(body(&store, "a").await.expect("read") == whole);
    assert_eq!(faulty.calls(Operation::Read), 5);
}

#[tokio::test]
async fn a_range_goes_on_to_its_own_end() {
    let plan =
        Faults::none().nth(Operation::Read, 1, Fault::Broken(5)).nth(Operation::Read, 2, Fault::Broken(20));
    let (memory, faulty, store) = retried(plan);
    let whole = noise(1000);
    memory.put(&key("a"), whole.clone().into(), replace()).await.expect("written");
    for (range, expected) in [(ByteRange::Span(10, 40), &whole[10..40]), (ByteRange::Last(30), &whole[970..])]
    {
        let part = store.read(&key("a"), ReadOptions::range(range)).await.expect("begun");
        assert_eq!(collect(part.body).await.expect("read"), expected);
    }
    assert_eq!(faulty.calls(Operation::Read), 4);
}

#[tokio::test]
async fn a_body_that_broke_off_behind_its_last_byte_is_whole() {
    let (memory, faulty, store) = retried(Faults::none().nth(Operation::Read, 1, Fault::Broken(9)));
    memory.put(&key("a"), "body".into(), replace()).await.expect("written");
    assert_eq!(body(&store, "a").await.expect("read"), b"body");
    assert_eq!(faulty.calls(Operation::Read), 1);
}

#[tokio::test]
async fn two_versions_are_never_mixed() {
    for deleted in [false, true] {
        let (memory, faulty, store) = retried(Faults::none().nth(Operation::Read, 1, Fault::Broken(300_000)));
        memory.put(&key("a"), noise(600_000).into(), replace()).await.expect("written");
        let mut download = store.read(&key("a"), ReadOptions::default()).await.expect("begun");
        assert!(download.body.try_next().await.expect("a piece").is_some());
        if deleted {
            memory.delete(&key("a")).await.expect("deleted");
        } else {
            memory.put(&key("a"), vec![0; 600_000].into(), replace()).await.expect("replaced");
        }
        let error = collect(download.body).await.expect_err("the version is gone");
        // The whole read may be made again, and then yields the new version.
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Backoff));
        assert_eq!(faulty.calls(Operation::Read), 2);
    }
}

#[tokio::test]
async fn a_body_that_gets_on_may_break_often_and_one_that_does_not_may_not() {
    let store_with = |fault| {
        let memory = Memory::new();
        let faulty = Faulty::new(memory.clone(), Faults::none().always(Operation::Read, fault));
        (memory, faulty.clone(), Retried::new(faulty, policy(), Jitter::new(|| 0.0)))
    };
    let (memory, faulty, store) = store_with(Fault::Broken(100));
    memory.put(&key("a"), noise(1000).into(), replace()).await.expect("written");
    assert_eq!(body(&store, "a").await.expect("read"), noise(1000));
    assert_eq!(faulty.calls(Operation::Read), 10);

    let (memory, faulty, store) = store_with(Fault::Broken(0));
    memory.put(&key("a"), noise(1000).into(), replace()).await.expect("written");
    assert_eq!(body(&store, "a").await.expect_err("it never gets on").kind(), ErrorKind::Unavailable);
    assert_eq!(faulty.calls(Operation::Read), 4);
}

#[tokio::test]
async fn a_listing_goes_on_behind_its_last_key() {
    let plan = Faults::none().nth(Operation::List, 1, Fault::Broken(3)).nth(Operation::List, 2, REFUSED).nth(
        Operation::List,
        3,
        Fault::Broken(4),
    );
    let (memory, faulty, store) = retried(plan);
    let all = (10..30).map(|n| format!("f/{n}")).collect::<Vec<_>>();
    for name in &all {
        memory.put(&key(name), "".into(), replace()).await.expect("written");
    }
    assert_eq!(names(&store).await, all);
    assert_eq!(faulty.calls(Operation::List), 4);
}

#[tokio::test]
async fn a_listing_that_never_gets_on_ends_in_its_error() {
    let (memory, faulty, store) = retried(Faults::none().always(Operation::List, Fault::Broken(0)));
    memory.put(&key("a"), "".into(), replace()).await.expect("written");
    let listed = store.list(&Prefix::all(), None).try_collect::<Vec<_>>().await;
    assert_eq!(listed.expect_err("down").kind(), ErrorKind::Unavailable);
    assert_eq!(faulty.calls(Operation::List), 4);
}
