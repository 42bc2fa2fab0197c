//! Uploads in parts: what is on its way, what is held, and what is left.

use std::{pin::pin, task::Poll, time::Duration};

use bytes::Bytes;
use conformance_tests::s3_server::S3Server;
use fs_s3::S3;
use futures_util::poll;
use persistent_fs::{Backend, ErrorKind, Key, Swept, WriteOptions};

use crate::{
    harness,
    stub::{BEGUN, Reply, Stub},
};

const PART: usize = 5 << 20;

fn key(text: &str) -> Key {
    Key::parse(text).expect("a key")
}

async fn store(server: &S3Server) -> S3 {
    let mut config = harness::config(server.account());
    config.part_size = PART as u64;
    S3::open(config).await.expect("a store")
}

/// Bytes without a pattern of the length of a part.
fn body(length: usize) -> Vec<u8> {
    (0..length).map(|n| u8::try_from(n % 251).expect("small")).collect()
}

#[tokio::test]
async fn bodies_around_the_border_arrive_whole_however_they_are_cut() {
    let server = S3Server::start().await.expect("a server");
    let store = store(&server).await;
    for length in [PART - 1, PART, PART + 1, 3 * PART, 3 * PART + 7] {
        let whole = body(length);
        for piece in [70_001, PART, PART + 3, length] {
            let mut upload = store.writer(&key("a"), WriteOptions::default()).await.expect("an upload");
            for piece in whole.chunks(piece) {
                upload.write(Bytes::copy_from_slice(piece)).await.expect("written");
            }
            let meta = upload.finish().await.expect("finished");
            assert_eq!(meta.size, length as u64);
            assert!(server.object("a").expect("there") == whole, "{length} bytes in pieces of {piece}");
        }
        let put = store.put(&key("a"), whole.into(), WriteOptions::default()).await.expect("written");
        assert_eq!(put.etag, store.head(&key("a")).await.expect("there").etag);
    }
    assert!(server.open_uploads().is_empty());
}

#[tokio::test]
async fn a_body_of_a_part_or_less_is_one_request_and_never_an_upload() {
    let server = S3Server::start().await.expect("a server");
    let store = store(&server).await;
    let mut upload = store.writer(&key("a"), WriteOptions::default()).await.expect("an upload");
    upload.write(body(PART).into()).await.expect("written");
    assert!(server.open_uploads().is_empty(), "the parts were begun before they were needed");
    upload.finish().await.expect("finished");
    let etag = store.head(&key("a")).await.expect("there").etag.expect("an etag");
    assert!(!etag.as_str().contains('-'), "{etag:?} is that of an upload in parts");
}

#[tokio::test]
async fn dropped_uploads_give_their_parts_up() {
    let server = S3Server::start().await.expect("a server");
    let store = store(&server).await;
    let mut upload = store.writer(&key("a"), WriteOptions::default()).await.expect("an upload");
    upload.write(body(3 * PART).into()).await.expect("written");
    assert_eq!(server.open_uploads().len(), 1);
    drop(upload);
    while !server.open_uploads().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(server.raw_entries().is_empty());
}

#[tokio::test]
async fn large_creates_and_swaps_are_refused_at_their_end_and_leave_nothing() {
    let server = S3Server::start().await.expect("a server");
    let store = store(&server).await;
    let large = || Bytes::from(body(2 * PART));
    let first = store.put(&key("a"), large(), WriteOptions::create()).await.expect("created");
    let second = store.put(&key("a"), large(), WriteOptions::create()).await.expect_err("there");
    assert_eq!(second.kind(), ErrorKind::AlreadyExists);
    let etag = first.etag.expect("an etag");
    let swapped =
        store.put(&key("a"), large(), WriteOptions::matching(etag.clone()).typed("text/plain")).await;
    // The same bytes have the same version here, so this is the first one still.
    swapped.expect("swapped");
    store.put(&key("a"), "another".into(), WriteOptions::default()).await.expect("replaced");
    let stale = store.put(&key("a"), large(), WriteOptions::matching(etag)).await.expect_err("stale");
    assert_eq!(stale.kind(), ErrorKind::Precondition);
    assert_eq!(server.raw_entries(), ["a"]);
}

#[tokio::test]
async fn a_sweep_spares_the_uploads_of_this_process_and_gives_up_those_of_others() {
    let server = S3Server::start().await.expect("a server");
    let (ours, theirs) = (store(&server).await, store(&server).await);
    let mut upload = theirs.writer(&key("a"), WriteOptions::default()).await.expect("an upload");
    upload.write(body(2 * PART + 1).into()).await.expect("written");
    let none = theirs.sweep(Duration::ZERO).await.expect("swept");
    assert_eq!((none.uploads, server.open_uploads().len()), (0, 1));
    // As if the other process had died.
    let swept = ours.sweep(Duration::ZERO).await.expect("swept");
    assert_eq!((swept.uploads, server.open_uploads().len()), (1, 0));
    assert!(upload.finish().await.is_err(), "an upload without parts was published");
    assert!(server.raw_entries().is_empty());
}

#[tokio::test]
async fn a_sweep_removes_what_an_opening_left_behind_and_no_object() {
    let server = S3Server::start().await.expect("a server");
    let whole = store(&server).await;
    let mut config = harness::config(server.account());
    config.prefix = "vault".to_owned();
    let below = S3::open(config).await.expect("a store");
    // As if an opening below the prefix had been dropped; beside it lie objects that only look alike.
    let probe = "vault/.persistent-fs/probe-0123456789abcdef";
    let objects = ["probe-0", "vault/a", "vault/probe-0"];
    for name in objects.iter().chain([&probe]) {
        whole.put(&key(name), "body".into(), WriteOptions::default()).await.expect("written");
    }
    below.sweep(Duration::from_hours(1)).await.expect("swept");
    assert!(server.object(probe).is_some(), "it may be that of an opening under way");
    let swept = below.sweep(Duration::ZERO).await.expect("swept");
    assert_eq!(swept, Swept::default(), "a probe is no upload");
    assert_eq!(server.raw_entries(), objects);
}

/// No more than the parts on their way and the one being filled: the writer waits, and what is held is bounded.
#[tokio::test]
async fn a_server_that_takes_no_part_holds_the_writer_up() {
    let stub = Stub::answering([BEGUN, Reply::Silence]).await;
    let mut config = stub.config();
    config.concurrency = 2;
    let store = S3::open(config).await.expect("nothing is asked yet");
    let mut upload = store.writer(&key("a"), WriteOptions::default()).await.expect("an upload");
    for _ in 0..3 {
        upload.write(body(PART).into()).await.expect("room for two on their way and one more");
    }
    let mut fourth = pin!(upload.write(body(PART).into()));
    for _ in 0..1000 {
        assert!(matches!(poll!(fourth.as_mut()), Poll::Pending), "a fourth part was taken");
        tokio::task::yield_now().await;
    }
}
