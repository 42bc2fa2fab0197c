//! Ranges and conditions.

use persistent_fs::{ByteRange, ETag, ErrorKind, ReadOptions};

use super::{
    Harness,
    bench::{Bench, ETAGS, key, noise, refused},
    tools::Dice,
};
use crate::{Case, Checked, cases};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    let mut all = cases!["files::reads";
        a_range_is_the_slice,
        ranges_of_a_large_object_are_the_slices,
        a_range_without_a_byte_is_refused,
    ];
    all.extend(cases!["files::reads" needs ETAGS;
        the_etag_changes_with_the_content,
        if_match_demands_this_version,
        if_none_match_demands_another_version,
        conditions_come_before_ranges,
        conditions_hold_for_ranges_too,
        an_etag_is_fit_for_a_header,
    ]);
    all
}

/// First, middle and last byte, open ends, suffixes, cut at the end; and the announced range is the one delivered.
async fn a_range_is_the_slice(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("a", "0123456789").await;
    for (range, slice, offsets) in [
        (ByteRange::Span(0, 1), "0", 0..1),
        (ByteRange::Span(4, 6), "45", 4..6),
        (ByteRange::Span(9, 10), "9", 9..10),
        (ByteRange::Span(7, 999), "789", 7..10),
        (ByteRange::Span(8, u64::MAX), "89", 8..10),
        (ByteRange::From(0), "0123456789", 0..10),
        (ByteRange::From(9), "9", 9..10),
        (ByteRange::Last(1), "9", 9..10),
        (ByteRange::Last(99), "0123456789", 0..10),
    ] {
        let download = bench.files.read(&key("a"), ReadOptions::range(range)).await.expect("a range");
        assert_eq!((download.range, download.meta.size), (offsets, 10), "{range:?}");
        assert_eq!(
            bench.read("a", ReadOptions::range(range)).await.expect("a range"),
            slice.as_bytes(),
            "{range:?}"
        );
    }
    Ok(())
}

/// 100 random ranges of all three forms, in an object of many pieces, equal its slices.
async fn ranges_of_a_large_object_are_the_slices(harness: &dyn Harness) -> Checked {
    let (bench, mut dice) = (Bench::open(harness).await?, Dice::of(harness));
    let body = dice.bytes(3_000_000);
    bench.put("a", body.clone()).await;
    for _ in 0..100 {
        let start = dice.below(body.len());
        let limit = body.len() >> dice.below(12);
        let length = 1 + dice.below(limit);
        let (range, slice) = match dice.below(4) {
            0 => (ByteRange::From(start as u64), start..body.len()),
            1 => (ByteRange::Last(length as u64), body.len() - length.min(body.len())..body.len()),
            _ => {
                let end = (start + length) as u64;
                (ByteRange::Span(start as u64, end), start..(start + length).min(body.len()))
            }
        };
        let read = bench.read("a", ReadOptions::range(range)).await.expect("a range");
        assert!(read == body[slice], "{range:?} {dice}");
    }
    Ok(())
}

/// `InvalidRange` if no byte is left, as always with an empty object.
async fn a_range_without_a_byte_is_refused(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("a", "0123456789").await;
    bench.put("empty", "").await;
    let backwards = ByteRange::Span(6, 4);
    for (name, range) in [
        ("a", ByteRange::From(10)),
        ("a", ByteRange::Span(10, 11)),
        ("a", ByteRange::Span(3, 3)),
        ("a", backwards),
        ("a", ByteRange::Last(0)),
        ("empty", ByteRange::From(0)),
        ("empty", ByteRange::Last(1)),
    ] {
        refused(bench.read(name, ReadOptions::range(range)).await, ErrorKind::InvalidRange);
    }
    Ok(())
}

/// A version changes whenever the content changes; also back to what it was, and through a delete.
async fn the_etag_changes_with_the_content(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let mut last = None;
    for round in 0..bench.scaled(300, 20) {
        let body = if round % 2 == 0 { "even" } else { "odd!" };
        let etag = bench.put("a", body).await.etag.expect("an etag");
        assert_ne!(Some(&etag), last.as_ref(), "round {round}");
        assert_eq!(
            bench.files.head(&key("a")).await.expect("there").etag.as_ref(),
            Some(&etag),
            "it did not last"
        );
        if round % 3 == 0 {
            bench.files.delete(&key("a")).await.expect("deleted");
        }
        last = Some(etag);
    }
    Ok(())
}

/// Only this version, else `Precondition`.
async fn if_match_demands_this_version(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let old = bench.put("a", "old").await.etag;
    let only = |etag: Option<ETag>| ReadOptions { if_match: etag, ..ReadOptions::default() };
    assert_eq!(bench.read("a", only(old.clone())).await.expect("this version"), b"old");
    let new = bench.put("a", "new").await.etag;
    refused(bench.read("a", only(old)).await, ErrorKind::Precondition);
    assert_eq!(bench.read("a", only(new)).await.expect("this version"), b"new");
    Ok(())
}

/// Any version but this, else `NotModified`.
async fn if_none_match_demands_another_version(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let old = bench.put("a", "old").await.etag;
    let but = |etag: Option<ETag>| ReadOptions { if_none_match: etag, ..ReadOptions::default() };
    refused(bench.read("a", but(old.clone())).await, ErrorKind::NotModified);
    bench.put("a", "new").await;
    assert_eq!(bench.read("a", but(old)).await.expect("another version"), b"new");
    Ok(())
}

/// `NotFound`, then `Precondition`, `NotModified` and `InvalidRange`, in this order.
async fn conditions_come_before_ranges(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let beyond = ReadOptions::range(ByteRange::From(99));
    let other = Some(ETag::new("other"));
    let etag = bench.put("a", "body").await.etag;
    refused(
        bench.read("b", ReadOptions { if_match: other.clone(), ..beyond.clone() }).await,
        ErrorKind::NotFound,
    );
    let both = ReadOptions { if_match: other, if_none_match: etag.clone(), ..beyond.clone() };
    refused(bench.read("a", both).await, ErrorKind::Precondition);
    refused(bench.read("a", ReadOptions { if_none_match: etag, ..beyond }).await, ErrorKind::NotModified);
    Ok(())
}

/// A part of one version: with its etag it is read, and with another it is refused, so that a download can be resumed.
async fn conditions_hold_for_ranges_too(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let old = bench.put("a", "0123456789").await.etag;
    let part = |etag: &Option<ETag>| ReadOptions {
        if_match: etag.clone(),
        ..ReadOptions::range(ByteRange::Span(2, 4))
    };
    assert_eq!(bench.read("a", part(&old)).await.expect("this version"), b"23");
    let new = bench.put("a", "abcdefghij").await.etag;
    refused(bench.read("a", part(&old)).await, ErrorKind::Precondition);
    assert_eq!(bench.read("a", part(&new)).await.expect("this version"), b"cd");
    let unchanged = ReadOptions { if_none_match: new, ..ReadOptions::range(ByteRange::From(0)) };
    refused(bench.read("a", unchanged).await, ErrorKind::NotModified);
    Ok(())
}

/// Without quotation marks, and of characters that an HTTP entity tag may have; and not one of the weak ones.
async fn an_etag_is_fit_for_a_header(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    for (name, body) in [("a", noise(1, 0)), ("b/c", noise(2, 10)), ("d", noise(3, 6_000_000))] {
        let etag = bench.put(name, body).await.etag.expect("an etag");
        let text = etag.as_str();
        assert!(!text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && c != '"'), "{text:?}");
        assert!(!text.starts_with("W/"), "{text:?}");
    }
    Ok(())
}
