//! Every call, byte and error is counted once, and nothing is told that should not be.

mod recorder;

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use fs_memory::Memory;
use futures_util::{FutureExt, TryStreamExt};
use persistent_fs::{
    Backend, Files, Prefix, ReadOptions, WriteOptions,
    layers::{Fault, Faults, Faulty, Observed, Operation, Prefixed},
};
use tracing_subscriber::fmt::format::FmtSpan;

use crate::bench::{REFUSED, UNANSWERED, body, collect, key, names, noise, replace, upload};
use recorder::{Recorder, counts};

#[tokio::test]
async fn each_call_is_counted_once_with_its_bytes() {
    let recorder = Recorder::default();
    let _here = metrics::set_default_local_recorder(&recorder);
    let store = Observed::new(Memory::new(), "s");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, [0; 7]).expect("written");

    store.put(&key("a"), vec![0; 300_000].into(), replace()).await.expect("put");
    upload(&store, "b", b"0123456789", replace()).await.expect("uploaded");
    store.ingest(&key("c"), &file, replace()).await.expect("ingested");
    store.copy(&key("a"), &key("d"), replace()).await.expect("copied");
    store.head(&key("a")).await.expect("head");
    body(&store, "a").await.expect("read");
    assert_eq!(names(&store).await.len(), 4);
    store.delete(&key("a")).await.expect("deleted");
    store.delete_prefix(&Prefix::all()).await.expect("deleted");
    store.sweep(std::time::Duration::ZERO).await.expect("swept");

    let calls =
        ["copy", "delete", "delete_prefix", "head", "ingest", "list", "put", "read", "sweep", "writer"];
    let each = calls.map(|operation| (format!("persistent_fs_calls_total operation={operation} store=s"), 1));
    let timed =
        calls.map(|operation| (format!("persistent_fs_duration_seconds operation={operation} store=s"), 1));
    let bytes = [
        ("persistent_fs_bytes_in_total store=s".to_owned(), 300_000 + 10 + 7),
        ("persistent_fs_bytes_out_total store=s".to_owned(), 300_000),
    ];
    assert_eq!(recorder.counted(), each.into_iter().chain(timed).chain(bytes).collect::<BTreeMap<_, _>>());
}

#[tokio::test]
async fn each_error_is_counted_once_by_its_kind() {
    let recorder = Recorder::default();
    let _here = metrics::set_default_local_recorder(&recorder);
    let plan = Faults::none()
        .nth(Operation::Put, 1, UNANSWERED)
        .nth(Operation::Read, 1, Fault::Broken(3))
        .nth(Operation::List, 1, Fault::Broken(0))
        .nth(Operation::Write, 2, REFUSED)
        .nth(Operation::Finish, 1, REFUSED);
    let store = Observed::new(Faulty::new(Memory::new(), plan), "s");
    store.put(&key("a"), "body".into(), replace()).await.expect_err("unanswered");
    store.head(&key("missing")).await.expect_err("missing");
    body(&store, "a").await.expect_err("broken");
    store.list(&Prefix::all(), None).try_collect::<Vec<_>>().await.expect_err("broken");
    let mut lost = store.writer(&key("b"), replace()).await.expect("an upload");
    lost.write("012".into()).await.expect("written");
    lost.write("345".into()).await.expect_err("a failed write");
    lost.finish().await.expect_err("lost already, and counted");
    upload(&store, "b", b"012", replace()).await.expect_err("a failed finish");
    store.put(&key("a"), "".into(), WriteOptions::create()).await.expect_err("it is there");
    let error =
        |operation, kind| format!("persistent_fs_errors_total kind={kind} operation={operation} store=s");
    let call = |operation| format!("persistent_fs_calls_total operation={operation} store=s");
    let counted = recorder.counted();
    let expected = [
        (error("put", "timeout"), 1),
        (error("put", "already_exists"), 1),
        (error("head", "not_found"), 1),
        (error("read", "unavailable"), 1),
        (error("list", "unavailable"), 1),
        (error("writer", "unavailable"), 2),
        (call("put"), 2),
        (call("head"), 1),
        (call("read"), 1),
        (call("list"), 1),
        (call("writer"), 2),
        ("persistent_fs_bytes_in_total store=s".to_owned(), 3 + 3),
        ("persistent_fs_bytes_out_total store=s".to_owned(), 3),
    ];
    assert_eq!(counts(&counted), expected.into_iter().collect::<BTreeMap<_, _>>());
}

#[tokio::test]
async fn what_is_dropped_is_counted_once_as_cancelled() {
    let recorder = Recorder::default();
    let _here = metrics::set_default_local_recorder(&recorder);
    let memory = Memory::new();
    memory.put(&key("a"), noise(600_000).into(), replace()).await.expect("written");
    memory.put(&key("b"), "".into(), replace()).await.expect("written");
    let plan =
        Faults::none().nth(Operation::Head, 1, Fault::Stalled).nth(Operation::Finish, 1, Fault::Stalled);
    let store = Observed::new(Faulty::new(memory, plan), "s");

    assert!(store.head(&key("a")).now_or_never().is_none(), "it stalls");
    let mut half = store.read(&key("a"), ReadOptions::default()).await.expect("begun");
    assert!(half.body.try_next().await.expect("a piece").is_some());
    drop(half);
    let mut begun = store.list(&Prefix::all(), None);
    assert!(begun.try_next().await.expect("an item").is_some());
    drop(begun);
    let mut dropped = store.writer(&key("c"), replace()).await.expect("an upload");
    dropped.write(Bytes::from_static(b"12345")).await.expect("written");
    drop(dropped);
    store.writer(&key("c"), replace()).await.expect("an upload").abort().await.expect("aborted");
    let stalled = store.writer(&key("c"), replace()).await.expect("an upload").finish().now_or_never();
    assert!(stalled.is_none(), "it stalls");

    let named = |what, operation| format!("persistent_fs_{what}_total operation={operation} store=s");
    let both =
        |operation, count| [(named("calls", operation), count), (named("cancelled", operation), count)];
    let bytes = [
        ("persistent_fs_bytes_in_total store=s".to_owned(), 5),
        ("persistent_fs_bytes_out_total store=s".to_owned(), 256 * 1024),
    ];
    let expected = [both("head", 1), both("read", 1), both("list", 1), both("writer", 3), bytes];
    assert_eq!(counts(&recorder.counted()), expected.into_iter().flatten().collect::<BTreeMap<_, _>>());
}

/// A reader who knows the length stops at the last byte, and has read everything all the same.
#[tokio::test]
async fn a_body_that_was_read_to_its_last_byte_is_not_cancelled() {
    let recorder = Recorder::default();
    let _here = metrics::set_default_local_recorder(&recorder);
    let memory = Memory::new();
    memory.put(&key("a"), "body".into(), replace()).await.expect("written");
    memory.put(&key("empty"), "".into(), replace()).await.expect("written");
    let files = Files::new(Observed::new(memory, "s"));
    assert_eq!(files.read_all(&key("a"), 10).await.expect("read"), "body");
    drop(files.read(&key("empty"), ReadOptions::default()).await.expect("begun"));
    let expected = [
        ("persistent_fs_calls_total operation=read store=s".to_owned(), 2),
        ("persistent_fs_bytes_out_total store=s".to_owned(), 4),
    ];
    assert_eq!(counts(&recorder.counted()), expected.into_iter().collect::<BTreeMap<_, _>>());
}

/// What a subscriber has written when spans were closed.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_span_events(FmtSpan::CLOSE)
            .with_ansi(false)
            .without_time()
            .with_writer(move || log.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    fn lines(&self) -> Vec<String> {
        let text = self.0.lock().expect("not poisoned").clone();
        String::from_utf8(text).expect("text").lines().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn each_call_has_a_span_that_tells_what_came_of_it_and_no_key() {
    let log = Log::default();
    let listening = log.listen();
    let plan = Faults::none().nth(Operation::Put, 2, UNANSWERED);
    let store = Observed::new(Faulty::new(Memory::new(), plan), "s");
    store.put(&key("secret/a"), "body".into(), replace()).await.expect("put");
    store.put(&key("secret/a"), "body".into(), replace()).await.expect_err("unanswered");
    collect(store.read(&key("secret/a"), ReadOptions::default()).await.expect("begun").body)
        .await
        .expect("read");
    drop(store.list(&Prefix::parse("secret/").expect("a prefix"), None));
    drop(listening);
    let lines = log.lines();
    let wanted: [&[&str]; 4] = [
        &["store=\"s\"", "operation=\"put\"", "bytes=4", "result=\"ok\""],
        &["operation=\"put\"", "result=\"timeout\"", "outcome=\"unknown\""],
        &["operation=\"read\"", "bytes=4", "result=\"ok\""],
        &["operation=\"list\"", "result=\"cancelled\""],
    ];
    assert_eq!(lines.len(), wanted.len(), "{lines:#?}");
    for (line, parts) in lines.iter().zip(wanted) {
        assert!(parts.iter().all(|part| line.contains(part)), "{line} lacks one of {parts:?}");
        assert!(line.contains("key=") && !line.contains("secret"), "{line}");
    }
    // The same key has the same hash, so that its calls can be found.
    let hash = |line: &str| line.split("key=").nth(1).map(|rest| rest[..16].to_owned());
    assert_eq!(hash(&lines[0]), hash(&lines[2]));
    assert_ne!(hash(&lines[0]), hash(&lines[3]));
}

#[tokio::test]
async fn keys_are_shown_if_somebody_asks_for_it() {
    let log = Log::default();
    let listening = log.listen();
    let store = Prefixed::new(Observed::new(Memory::new(), "s").showing_keys(), key("folder"));
    store.put(&key("a"), "the body".into(), replace()).await.expect("put");
    drop(listening);
    let lines = log.lines();
    assert!(lines.len() == 1 && lines[0].contains("key=\"folder/a\""), "{lines:?}");
    assert!(!lines[0].contains("the body"), "{lines:?}");
}
