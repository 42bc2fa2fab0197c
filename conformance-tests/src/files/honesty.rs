//! A backend is what it says it is.

use std::time::Duration;

use futures_util::StreamExt;
use persistent_fs::{ETag, Error, ErrorKind, Outcome, Prefix, PutLinks, ReadOptions, WriteOptions};

use super::{
    Harness,
    bench::{Bench, first, key, noise, prefix, refused},
    tools::file,
};
use crate::{Case, Checked, cases};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["files::honesty";
        capabilities_do_not_change,
        capabilities_fit_together,
        what_is_not_declared_is_refused_by_every_way_in,
        the_largest_size_is_kept_to,
        a_sweep_spares_objects_and_uploads_under_way,
        a_broken_backend_says_so_and_claims_nothing,
        a_listing_ends_after_its_error,
        no_debug_text_shows_a_body,
    ]
}

/// Constant for the lifetime of a backend, whatever happens to it.
async fn capabilities_do_not_change(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let before = bench.files.capabilities();
    bench.put("a", "a").await;
    drop(bench.files.head(&key("b")).await);
    assert_eq!(bench.files.capabilities(), before);
    assert_eq!(bench.fixture.backend().capabilities(), before);
    Ok(())
}

/// To swap by version there must be versions; to upload by link, uploads of a known size must be possible.
async fn capabilities_fit_together(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let can = bench.files.capabilities();
    assert!(can.etag || !can.compare_and_swap, "compare and swap without an etag");
    assert!(can.put_links == PutLinks::No || can.max_size != Some(0), "upload links without room for a byte");
    assert_eq!(
        bench.put("a", "a").await.etag.is_some(),
        can.etag,
        "an etag is declared or returned, not both"
    );
    Ok(())
}

/// `Unsupported`, and nothing happens: by put, upload, copy and ingest alike, whichever option is not declared.
async fn what_is_not_declared_is_refused_by_every_way_in(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let can = bench.files.capabilities();
    bench.put("from", "from").await;
    let undeclared = [
        (!can.create).then(WriteOptions::create),
        (!can.compare_and_swap).then(|| WriteOptions::matching(ETag::new("none"))),
        (!can.content_type).then(|| WriteOptions::default().typed("text/plain")),
    ];
    let (_folder, path) = file(b"hello");
    for options in undeclared.into_iter().flatten() {
        refused(bench.files.put(&key("a"), "new".into(), options.clone()).await, ErrorKind::Unsupported);
        refused(bench.files.writer(&key("a"), options.clone()).await, ErrorKind::Unsupported);
        refused(bench.files.copy(&key("from"), &key("a"), options.clone()).await, ErrorKind::Unsupported);
        refused(bench.files.ingest(&key("a"), &path, options).await, ErrorKind::Unsupported);
        assert_eq!(std::fs::read(&path).expect("still there"), b"hello");
        bench.assert_absent("a").await;
    }
    if !can.etag {
        let only = ReadOptions { if_match: Some(ETag::new("none")), ..ReadOptions::default() };
        refused(bench.files.read(&key("from"), only).await, ErrorKind::Unsupported);
        let but = ReadOptions { if_none_match: Some(ETag::new("none")), ..ReadOptions::default() };
        refused(bench.files.read(&key("from"), but).await, ErrorKind::Unsupported);
    }
    Ok(())
}

/// An object of the largest size is taken and a larger one refused with `TooLarge`, by put and by upload.
async fn the_largest_size_is_kept_to(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let Some(max) = bench.files.capabilities().max_size.filter(|max| *max <= 64 << 20) else {
        // There is no limit, or none that a test can reach; what is declared is then refused by size alone.
        return declared_size_is_checked(&bench).await;
    };
    let max = usize::try_from(max).expect("at most 64 MiB");
    bench.put("fits", noise(1, max)).await;
    let body = noise(2, max + 1);
    refused(
        bench.files.put(&key("large"), body.clone().into(), WriteOptions::default()).await,
        ErrorKind::TooLarge,
    );
    let mut upload = bench.files.writer(&key("large"), WriteOptions::default()).await.expect("an upload");
    let written = match upload.write(body.into()).await {
        Ok(()) => upload.finish().await.map(drop),
        error => error,
    };
    refused(written, ErrorKind::TooLarge);
    bench.assert_absent("large").await;
    Ok(())
}

async fn declared_size_is_checked(bench: &Bench) -> Checked {
    if let Some(max) = bench.files.capabilities().max_size {
        let options = WriteOptions::default().sized(max + 1);
        refused(bench.files.writer(&key("large"), options).await, ErrorKind::TooLarge);
    }
    Ok(())
}

/// Objects are never swept, whatever their age; an upload that is younger than asked for goes on.
async fn a_sweep_spares_objects_and_uploads_under_way(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("a/b", "kept").await;
    let mut upload = bench.files.writer(&key("c"), WriteOptions::default()).await.expect("an upload");
    upload.write(noise(1, 1_000_000).into()).await.expect("written");
    let swept = bench.files.sweep(Duration::from_hours(1)).await.expect("swept");
    assert_eq!(swept.uploads, 0);
    upload.finish().await.expect("not swept away");
    bench.files.sweep(Duration::ZERO).await.expect("swept");
    assert_eq!(bench.list_all().await, ["a/b", "c"]);
    assert_eq!(bench.body("a/b").await, b"kept");
    Ok(())
}

/// No operation of a broken backend succeeds, none mistakes the trouble for an answer, and none claims an effect.
async fn a_broken_backend_says_so_and_claims_nothing(harness: &dyn Harness) -> Checked {
    let broken = harness.open_broken().await?;
    let told = |error: Error| {
        let trouble = [
            ErrorKind::Denied,
            ErrorKind::Unauthenticated,
            ErrorKind::Unavailable,
            ErrorKind::Timeout,
            ErrorKind::Config,
            ErrorKind::Other,
        ];
        assert!(trouble.contains(&error.kind()), "{error:?}");
        assert_ne!(error.outcome(), Outcome::Applied, "{error:?}");
    };
    told(broken.put(&key("a"), "a".into(), WriteOptions::default()).await.expect_err("put"));
    let written = match broken.writer(&key("a/b"), WriteOptions::default()).await {
        Ok(upload) => upload.finish().await.map(drop),
        Err(error) => Err(error),
    };
    told(written.expect_err("writer"));
    told(broken.delete(&key("a")).await.expect_err("delete"));
    told(broken.head(&key("a")).await.expect_err("head"));
    told(broken.read(&key("a"), ReadOptions::default()).await.expect_err("read"));
    told(first(broken.list(&Prefix::all(), None)).await.expect("an item").expect_err("list"));
    told(broken.copy(&key("a"), &key("b"), WriteOptions::default()).await.expect_err("copy"));
    told(broken.delete_prefix(&prefix("a/")).await.expect_err("delete_prefix"));
    let (_folder, path) = file(b"hello");
    told(broken.ingest(&key("a"), &path, WriteOptions::default()).await.expect_err("ingest"));
    assert_eq!(std::fs::read(&path).expect("still there"), b"hello");
    Ok(())
}

/// Errors come as the last item: a listing that fails is over, and does not go on failing or begin anew.
async fn a_listing_ends_after_its_error(harness: &dyn Harness) -> Checked {
    let broken = harness.open_broken().await?;
    for prefix in [Prefix::all(), prefix("a/")] {
        let mut listing = broken.list(&prefix, None);
        assert!(listing.next().await.expect("an item").is_err());
        assert!(listing.next().await.is_none(), "it goes on after its error");
    }
    Ok(())
}

/// `Debug` ends up in logs, and shows no part of a body: neither of an object nor of one on its way in.
async fn no_debug_text_shows_a_body(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let body = "hidden in the body";
    bench.put("a", body).await;
    let mut upload = bench.files.writer(&key("b"), WriteOptions::default()).await.expect("an upload");
    upload.write(body.into()).await.expect("written");
    let told = format!("{:?} {upload:?}", bench.files);
    upload.abort().await.expect("aborted");
    // As text, and as the list of numbers that a vector shows.
    for shown in ["hidden in", "104, 105, 100, 100, 101, 110"] {
        assert!(!told.contains(shown), "{told}");
    }
    Ok(())
}
