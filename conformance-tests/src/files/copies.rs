//! Copying within the store, and taking files in.

use persistent_fs::{ErrorKind, WriteOptions};
use sha2::{Digest, Sha256};

use super::{
    Harness,
    bench::{Bench, CREATE, TYPES, but_for_time, key, noise, refused},
    tools::file,
};
use crate::{Case, Checked, cases};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    let mut all = cases!["files::copies";
        a_copy_has_the_same_bytes_and_a_life_of_its_own,
        copying_onto_itself_keeps_the_content,
        copying_what_is_missing_is_not_found,
        a_copy_of_an_object_that_is_replaced_is_of_one_version,
        copies_and_files_are_held_to_what_was_declared,
        files_of_every_size_are_ingested,
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

/// A copy has the bytes of one version of its source, whoever replaces that meanwhile.
async fn a_copy_of_an_object_that_is_replaced_is_of_one_version(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let version = |id: usize| vec![u8::try_from(id % 250).expect("small"); 600_000 + id % 3 * 100_000];
    bench.put("from", version(0)).await;
    let (from, to) = (key("from"), key("to"));
    for round in 1..bench.scaled(60, 8) {
        let copy = bench.files.copy(&from, &to, WriteOptions::default().atomic());
        let (copied, _) = futures_util::join!(copy, bench.put("from", version(round)));
        let body = bench.body("to").await;
        assert!([version(round - 1), version(round)].contains(&body), "round {round}: a torn copy");
        assert_eq!(copied.expect("copied").size, body.len() as u64);
    }
    Ok(())
}

/// With a wrong size or hash declared: `Integrity`, and the target stands; with the right ones they are done.
async fn copies_and_files_are_held_to_what_was_declared(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("from", "hello").await;
    bench.put("to", "old").await;
    let (from, to) = (key("from"), key("to"));
    for wrong in [
        WriteOptions::default().sized(4),
        WriteOptions::default().sized(6),
        WriteOptions::default().hashed([7; 32]),
    ] {
        refused(bench.files.copy(&from, &to, wrong.clone()).await, ErrorKind::Integrity);
        refused(bench.files.copy(&from, &key("new"), wrong).await, ErrorKind::Integrity);
    }
    assert_eq!(bench.body("to").await, b"old");
    bench.assert_absent("new").await;
    let right = WriteOptions::default().sized(5).hashed(Sha256::digest(b"hello").into());
    bench.files.copy(&from, &to, right.clone()).await.expect("copied");
    assert_eq!(bench.body("to").await, b"hello");
    let (_folder, path) = file(b"hello");
    bench.files.ingest(&key("new"), &path, right).await.expect("ingested");
    assert_eq!(bench.body("new").await, b"hello");
    Ok(())
}

/// Files that are empty, of one piece or of many, onto nothing and onto objects that are longer and shorter.
async fn files_of_every_size_are_ingested(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    for (seed, length) in (1..).zip([1, 256 << 10, (256 << 10) + 1, 0, (8 << 20) + 1, 5 << 20, 17]) {
        let body = noise(seed, length);
        let (_folder, path) = file(&body);
        let meta =
            bench.files.ingest(&key("a"), &path, WriteOptions::default().atomic()).await.expect("ingested");
        assert_eq!(meta.size, length as u64);
        assert!(bench.body("a").await == body, "{length} bytes came in changed");
    }
    assert_eq!(bench.list_all().await, ["a"]);
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
        assert_eq!(but_for_time(meta), but_for_time(bench.head("a/b").await));
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
    #[cfg(unix)]
    {
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        refused(
            bench.files.ingest(&key("a"), &link, WriteOptions::default()).await,
            ErrorKind::InvalidOption,
        );
        assert!(link.symlink_metadata().is_ok(), "the link is gone");
    }
    bench.assert_absent("a").await;
    assert_eq!(std::fs::read(&file).expect("still there"), b"hello");
    Ok(())
}

/// A copy and an ingested file may be asked to create only.
async fn copies_and_files_obey_create(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("from", "from").await;
    bench.put("to", "old").await;
    let copied = bench.files.copy(&key("from"), &key("to"), WriteOptions::create()).await;
    refused(copied, ErrorKind::AlreadyExists);
    let onto_itself = bench.files.copy(&key("from"), &key("from"), WriteOptions::create()).await;
    refused(onto_itself, ErrorKind::AlreadyExists);
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
