//! Copying within the store, and taking files in.

use std::path::PathBuf;

use persistent_fs::{ErrorKind, WriteOptions};
use tempfile::TempDir;

use super::{
    Harness,
    bench::{Bench, CREATE, TYPES, key, noise, refused},
};
use crate::{Case, Checked, cases};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    let mut all = cases!["files::copies";
        a_copy_has_the_same_bytes_and_a_life_of_its_own,
        copying_onto_itself_keeps_the_content,
        copying_what_is_missing_is_not_found,
        an_ingested_file_is_gone_from_where_it_was,
        a_file_that_is_refused_stays_where_it_was,
        what_is_no_file_is_not_ingested,
    ];
    all.extend(cases!["files::copies" needs CREATE; copies_and_files_obey_create]);
    all.extend(cases!["files::copies" needs TYPES; a_copy_keeps_the_content_type]);
    all
}

/// The copy is independent of its source afterwards.
async fn a_copy_has_the_same_bytes_and_a_life_of_its_own(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let body = noise(1, 700_000);
    bench.put("from", body.clone()).await;
    let meta = bench.files.copy(&key("from"), &key("to/it"), WriteOptions::default()).await.expect("copied");
    assert_eq!((meta.key, meta.size), (key("to/it"), 700_000));
    bench.put("from", "changed").await;
    assert!(bench.body("to/it").await == body);
    bench.files.delete(&key("from")).await.expect("deleted");
    assert!(bench.body("to/it").await == body);
    Ok(())
}

/// Copying onto itself succeeds and keeps the content.
async fn copying_onto_itself_keeps_the_content(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("a", "body").await;
    bench.files.copy(&key("a"), &key("a"), WriteOptions::default()).await.expect("copied");
    assert_eq!(bench.body("a").await, b"body");
    Ok(())
}

/// No source: `NotFound`, and the target is as it was.
async fn copying_what_is_missing_is_not_found(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("to", "old").await;
    let copied = bench.files.copy(&key("from"), &key("to"), WriteOptions::default()).await;
    refused(copied, ErrorKind::NotFound);
    assert_eq!(bench.body("to").await, b"old");
    Ok(())
}

/// On success the file is gone, and the object has its bytes.
async fn an_ingested_file_is_gone_from_where_it_was(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("a/b", "old").await;
    for length in [0, 700_000] {
        let (_folder, file) = file(&noise(1, length));
        let meta = bench.files.ingest(&key("a/b"), &file, WriteOptions::default()).await.expect("ingested");
        assert_eq!(meta.size, length as u64);
        assert_eq!(meta, bench.files.head(&key("a/b")).await.expect("there"));
        assert!(!file.exists(), "the file is still there");
        assert!(bench.body("a/b").await == noise(1, length));
    }
    Ok(())
}

/// On an error the file is still where it was, with its bytes, and the old object stands.
async fn a_file_that_is_refused_stays_where_it_was(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("a", "old").await;
    for options in [
        WriteOptions::default().sized(4),
        WriteOptions::default().sized(6),
        WriteOptions::default().hashed([7; 32]),
    ] {
        let (_folder, file) = file(b"hello");
        refused(bench.files.ingest(&key("a"), &file, options).await, ErrorKind::Integrity);
        assert_eq!(std::fs::read(&file).expect("still there"), b"hello");
    }
    assert_eq!(bench.body("a").await, b"old");
    assert_eq!(bench.fixture.raw_entries().await?.len(), 1, "something was left behind");
    Ok(())
}

/// No such file, or not a regular one: `InvalidOption`.
async fn what_is_no_file_is_not_ingested(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let (folder, file) = file(b"hello");
    let missing = folder.path().join("missing");
    for path in [missing.as_path(), folder.path()] {
        refused(bench.files.ingest(&key("a"), path, WriteOptions::default()).await, ErrorKind::InvalidOption);
    }
    bench.assert_absent("a").await;
    assert!(file.exists());
    Ok(())
}

/// A copy and an ingested file may be asked to create only.
async fn copies_and_files_obey_create(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("from", "from").await;
    bench.put("to", "old").await;
    let copied = bench.files.copy(&key("from"), &key("to"), WriteOptions::create()).await;
    refused(copied, ErrorKind::AlreadyExists);
    let (_folder, file) = file(b"hello");
    refused(bench.files.ingest(&key("to"), &file, WriteOptions::create()).await, ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read(&file).expect("still there"), b"hello");
    assert_eq!(bench.body("to").await, b"old");
    bench.files.ingest(&key("new"), &file, WriteOptions::create()).await.expect("created");
    assert_eq!(bench.body("new").await, b"hello");
    Ok(())
}

/// A copy keeps the content type unless the options name one.
async fn a_copy_keeps_the_content_type(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let html = WriteOptions::default().typed("text/html");
    bench.files.put(&key("from"), "body".into(), html).await.expect("written");
    let kept = bench.files.copy(&key("from"), &key("kept"), WriteOptions::default()).await.expect("copied");
    assert_eq!(kept.content_type.as_deref(), Some("text/html"));
    let plain = WriteOptions::default().typed("text/plain");
    let named = bench.files.copy(&key("from"), &key("named"), plain).await.expect("copied");
    assert_eq!(named.content_type.as_deref(), Some("text/plain"));
    Ok(())
}

fn file(body: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    std::fs::write(&path, body).expect("written");
    (folder, path)
}
