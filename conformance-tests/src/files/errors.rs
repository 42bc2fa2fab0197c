//! What is refused is told apart by its kind, and told without what must stay secret.

use std::error::Error as _;

use persistent_fs::{
    Backend, ByteRange, ETag, Error, ErrorKind, Meta, Outcome, ReadOptions, Result, Retry, WriteOptions,
};

use super::{
    Harness,
    bench::{Bench, CREATE, key, refused},
    tools::file,
};
use crate::{Case, Checked, cases};

/// What no error may show of a body.
const BODY: &str = "the-body-is-nobodys-business";

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    let mut all = cases!["files::errors";
        every_refusal_has_its_kind_and_changes_nothing,
        what_can_never_succeed_is_not_worth_a_retry,
        no_error_shows_a_body_or_names_a_stranger,
    ];
    all.extend(cases!["files::errors" needs CREATE; the_body_is_checked_before_what_is_there]);
    all
}

/// Each operation, on what is missing, present, too short, too long or another version: the kind that says so, nothing
/// applied, and the store as it was.
async fn every_refusal_has_its_kind_and_changes_nothing(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("present", BODY).await;
    let present = bench.head("present").await;
    for (what, expected, error) in refusals(&bench, &present).await {
        assert_eq!((error.kind(), error.outcome()), (expected, Outcome::NotApplied), "{what}: {error:?}");
    }
    assert_eq!(bench.list_all().await, ["present"]);
    assert_eq!(bench.head("present").await, present);
    assert_eq!(bench.body("present").await, BODY.as_bytes());
    Ok(())
}

/// A refusal stands until something else changes, so the hint is `Never`: whoever retried would retry for ever.
async fn what_can_never_succeed_is_not_worth_a_retry(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let present = bench.put("present", BODY).await;
    for (what, _, error) in refusals(&bench, &present).await {
        assert_eq!(error.retry(), Retry::Never, "{what}: {error:?}");
    }
    Ok(())
}

/// Neither message nor cause, printed either way, shows any part of a body; and the key, where there is one, is the one
/// that was asked for.
async fn no_error_shows_a_body_or_names_a_stranger(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let present = bench.put("present", BODY).await;
    for (what, _, error) in refusals(&bench, &present).await {
        let causes = std::iter::successors(error.source(), |cause| (*cause).source());
        let causes = causes.map(|cause| format!("{cause} {cause:?}")).collect::<Vec<_>>();
        let shown = format!("{error} {error:?} {}", causes.join(" "));
        assert!(!shown.contains(&BODY[..12]) && !shown.contains(&BODY[12..]), "{what}: {shown}");
        let named = error.key().map_or("absent", |key| key.as_str());
        assert!(["present", "absent"].contains(&named), "{what}: {named}");
    }
    Ok(())
}

/// First what the backend does not declare, then size and hash of the body, then what is already there.
async fn the_body_is_checked_before_what_is_there(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("a", "old").await;
    for wrong in [WriteOptions::create().sized(99), WriteOptions::create().hashed([7; 32])] {
        refused(bench.files.put(&key("a"), BODY.into(), wrong.clone()).await, ErrorKind::Integrity);
        refused(upload(&*bench.files, "a", wrong.clone()).await, ErrorKind::Integrity);
        let (_folder, path) = file(BODY.as_bytes());
        refused(bench.files.ingest(&key("a"), &path, wrong).await, ErrorKind::Integrity);
    }
    if !bench.files.capabilities().content_type {
        let options = WriteOptions::create().typed("text/plain").sized(99);
        refused(bench.files.put(&key("a"), BODY.into(), options).await, ErrorKind::Unsupported);
    }
    assert_eq!(bench.body("a").await, b"old");
    Ok(())
}

type Refusal = (&'static str, ErrorKind, Error);

/// Everything that can be refused, as far as the backend declares it, with the kind it must be refused with.
async fn refusals(bench: &Bench, present: &Meta) -> Vec<Refusal> {
    let mut all = refused_reads(bench, present).await;
    all.extend(refused_writes(bench).await);
    all
}

async fn refused_reads(bench: &Bench, meta: &Meta) -> Vec<Refusal> {
    let (files, present, absent) = (&bench.files, key("present"), key("absent"));
    let range = |range| ReadOptions::range(range);
    let beyond = meta.size + 1;
    let mut all = vec![
        ("head of nothing", ErrorKind::NotFound, error(files.head(&absent).await)),
        ("read of nothing", ErrorKind::NotFound, error(files.read(&absent, ReadOptions::default()).await)),
        (
            "a range of nothing",
            ErrorKind::NotFound,
            error(files.read(&absent, range(ByteRange::From(9))).await),
        ),
        (
            "a range behind the end",
            ErrorKind::InvalidRange,
            error(files.read(&present, range(ByteRange::From(beyond))).await),
        ),
        (
            "an empty range",
            ErrorKind::InvalidRange,
            error(files.read(&present, range(ByteRange::Last(0))).await),
        ),
    ];
    if files.capabilities().etag {
        let only = ReadOptions { if_match: Some(ETag::new("another")), ..ReadOptions::default() };
        let but = ReadOptions { if_none_match: meta.etag.clone(), ..ReadOptions::default() };
        all.push(("another version", ErrorKind::Precondition, error(files.read(&present, only).await)));
        all.push(("the same version", ErrorKind::NotModified, error(files.read(&present, but).await)));
    }
    all
}

async fn refused_writes(bench: &Bench) -> Vec<Refusal> {
    let (files, present, absent) = (&*bench.files, key("present"), key("absent"));
    let (_folder, path) = file(BODY.as_bytes());
    let missing = path.with_file_name("missing");
    let mut options = vec![
        ("a longer body", ErrorKind::Integrity, WriteOptions::default().sized(3)),
        ("a shorter body", ErrorKind::Integrity, WriteOptions::default().sized(3000)),
        ("another hash", ErrorKind::Integrity, WriteOptions::default().hashed([7; 32])),
    ];
    if files.capabilities().create {
        options.push(("a second create", ErrorKind::AlreadyExists, WriteOptions::create()));
    }
    if files.capabilities().compare_and_swap {
        let stale = WriteOptions::matching(ETag::new("another"));
        options.push(("a stale swap", ErrorKind::Precondition, stale));
    }
    let mut all = Vec::new();
    for (what, kind, options) in options {
        all.push((what, kind, error(files.put(&present, BODY.into(), options.clone()).await)));
        all.push((what, kind, error(upload(files, "present", options.clone()).await)));
        all.push((what, kind, error(files.copy(&present, &present, options.clone()).await)));
        all.push((what, kind, error(files.ingest(&present, &path, options).await)));
    }
    let plain = WriteOptions::default;
    let copied = files.copy(&absent, &present, plain()).await;
    all.push(("a copy of nothing", ErrorKind::NotFound, error(copied)));
    let onto_itself = files.copy(&absent, &absent, plain()).await;
    all.push(("a copy of nothing onto itself", ErrorKind::NotFound, error(onto_itself)));
    let ingested = files.ingest(&present, &missing, plain()).await;
    all.push(("a file that is not there", ErrorKind::InvalidOption, error(ingested)));
    all
}

fn error<T: std::fmt::Debug>(answer: Result<T>) -> Error {
    answer.expect_err("this should have been refused")
}

/// An upload in three pieces, whose error may come with any of them or at the finish.
async fn upload(files: &dyn Backend, name: &str, options: WriteOptions) -> Result<Meta> {
    let mut upload = files.writer(&key(name), options).await?;
    for piece in [&BODY[..5], &BODY[5..20], &BODY[20..]] {
        upload.write(piece.into()).await?;
    }
    upload.finish().await
}
