//! A store that is open for reading. The suite writes before it looks, so these cases stand in for it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use conformance_tests::{
    Case, Checked, cases,
    files::{Fixture, Harness},
};
use futures_util::TryStreamExt;
use persistent_fs::{
    Backend, ByteRange, Capabilities, ErrorKind, Files, Key, LinkRequest, Meta, Method, Outcome, Prefix,
    PutLinks, ReadOptions, Result, WriteOptions, layers::ReadOnly,
};

pub(crate) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["files";
        it_shows_what_is_there,
        it_refuses_all_that_writes_before_any_effect,
        it_promises_nothing_about_writing_and_keeps_the_rest,
    ]
}

/// A store with two objects, and the same for reading.
struct Shelf {
    fixture: Box<dyn Fixture>,
    inner: Files,
    store: Files,
    capabilities: Capabilities,
}

impl Shelf {
    async fn fill(harness: &dyn Harness) -> std::result::Result<Self, conformance_tests::Absent> {
        let fixture = harness.open().await?;
        let inner = Files::new(fixture.backend());
        for name in ["a", "b/c"] {
            let options = WriteOptions::default().typed("text/plain");
            inner.put(&key(name), format!("body of {name}").into(), options).await.expect("written");
        }
        let layer = ReadOnly::new(fixture.backend());
        let capabilities = layer.capabilities();
        Ok(Self { fixture, inner, store: Files::new(Arc::new(layer)), capabilities })
    }
}

fn key(text: &str) -> Key {
    Key::parse(text).expect("a key")
}

async fn listed(files: &Files) -> Vec<Meta> {
    files.list(&Prefix::all(), None).try_collect().await.expect("listed")
}

/// Head, read, range and list answer as the inner backend does, also after somebody else has written.
async fn it_shows_what_is_there(harness: &dyn Harness) -> Checked {
    let shelf = Shelf::fill(harness).await?;
    for round in ["first", "second"] {
        shelf.inner.put(&key("new"), round.into(), WriteOptions::default()).await.expect("written");
        assert_eq!(shelf.store.read_all(&key("new"), 100).await.expect("there"), round);
        assert_eq!(listed(&shelf.store).await, listed(&shelf.inner).await);
        let (inner, outer) = (shelf.inner.head(&key("a")).await, shelf.store.head(&key("a")).await);
        assert_eq!(inner.expect("there"), outer.expect("there"));
    }
    let part = ReadOptions::range(ByteRange::Span(0, 4));
    let body = shelf.store.read(&key("a"), part).await.expect("a range").body;
    assert_eq!(body.try_collect::<Vec<Bytes>>().await.expect("a body").concat(), b"body");
    let missing = shelf.store.head(&key("missing")).await.expect_err("missing");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    Ok(())
}

/// Each way to write is `Unsupported`, and neither the storage nor a file that was to be moved has changed.
async fn it_refuses_all_that_writes_before_any_effect(harness: &dyn Harness) -> Checked {
    let shelf = Shelf::fill(harness).await?;
    let before = listed(&shelf.inner).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "body").expect("written");
    let (a, d, options) = (key("a"), key("d"), WriteOptions::default);
    let store = &shelf.store;
    let attempts: [(&str, Result<()>); 11] = [
        ("put", store.put(&a, "new".into(), options()).await.map(drop)),
        ("create", store.put(&d, "new".into(), WriteOptions::create()).await.map(drop)),
        ("writer", store.writer(&d, options()).await.map(drop)),
        ("ingest", store.ingest(&d, &file, options()).await.map(drop)),
        ("copy", store.copy(&a, &d, options()).await.map(drop)),
        ("copy of nothing", store.copy(&d, &a, options()).await.map(drop)),
        ("delete", store.delete(&a).await),
        ("delete nothing", store.delete(&d).await),
        ("delete_prefix", store.delete_prefix(&Prefix::all()).await.map(drop)),
        ("sweep", store.sweep(Duration::ZERO).await.map(drop)),
        ("link", store.link(&a, LinkRequest::put(Duration::from_mins(1))).await.map(drop)),
    ];
    for (what, attempt) in attempts {
        let error = attempt.expect_err(what);
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unsupported, Outcome::NotApplied), "{what}");
    }
    assert_eq!(listed(&shelf.inner).await, before);
    assert_eq!(shelf.fixture.raw_entries().await?.len(), before.len());
    assert_eq!(std::fs::read(&file).expect("still there"), b"body");
    Ok(())
}

/// What is declared holds: versions, types, links to read. What is about writing is not declared.
async fn it_promises_nothing_about_writing_and_keeps_the_rest(harness: &dyn Harness) -> Checked {
    let shelf = Shelf::fill(harness).await?;
    let (can, could) = (shelf.capabilities, shelf.inner.capabilities());
    assert!(!can.durable && !can.create && !can.compare_and_swap && can.put_links == PutLinks::No);
    let kept = (can.etag, can.content_type, can.case_sensitive, can.get_links, can.max_size);
    assert_eq!(kept, (could.etag, could.content_type, could.case_sensitive, could.get_links, could.max_size));

    let meta = shelf.store.head(&key("a")).await.expect("there");
    assert_eq!(meta.content_type.as_deref(), Some("text/plain"));
    let unless = ReadOptions { if_none_match: meta.etag, ..ReadOptions::default() };
    let unchanged = shelf.store.read(&key("a"), unless).await.expect_err("it has not changed");
    assert_eq!(unchanged.kind(), ErrorKind::NotModified);
    let request = LinkRequest::get(Duration::from_mins(1));
    let link = shelf.store.link(&key("a"), request).await.expect("a link");
    assert_eq!(link.method, Method::Get);
    Ok(())
}
