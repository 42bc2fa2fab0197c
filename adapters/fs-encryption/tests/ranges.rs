//! A range is what it says, costs what it covers, and is of one version.

mod common;

use std::sync::Arc;

use common::{
    HEADER, Random, SEGMENT, STORED_SEGMENT, Watched, key, noise, read, refused, ring, sealed, store, stored,
};
use fs_encryption::Encrypted;
use fs_memory::Memory;
use persistent_fs::{ByteRange, ErrorKind, Files, ReadOptions, WriteOptions};

fn watched(raw: &Memory, change: impl FnOnce(&mut Watched)) -> (Arc<Watched>, Files) {
    let mut watched = Watched::new(raw);
    change(&mut watched);
    let watched = Arc::new(watched);
    (Arc::clone(&watched), Files::new(Encrypted::new(watched, "store", ring()).expect("a good name")))
}

/// Any range of any object is the slice of what was written, with and without entity tags below.
#[tokio::test]
async fn any_range_of_any_object_is_the_slice() {
    let seed = 7_032_026;
    println!("seed {seed}");
    let mut random = Random(seed);
    let raw = Memory::new();
    let stores = [true, false].map(|etags| watched(&raw, |watched| watched.etags = etags).1);
    for round in 0..40 {
        // As often at the border of a segment as anywhere.
        let edge = random.below(4) * SEGMENT;
        let length = if round % 2 == 0 { edge + random.below(3) } else { random.below(4 * SEGMENT) };
        let body = noise(round, length);
        stores[0].put(&key("a"), body.clone().into(), WriteOptions::default()).await.expect("written");
        for _ in 0..20 {
            let mut offset =
                || (random.below(5) * SEGMENT + random.below(3)).saturating_sub(1).min(length + 2);
            let (start, end) = (offset(), offset());
            for range in [
                ByteRange::Span(start as u64, end as u64),
                ByteRange::From(start as u64),
                ByteRange::Last(end as u64),
            ] {
                for files in &stores {
                    let what = format!("{range:?} of {length}");
                    let (got, ended) = read(files, "a", Some(range)).await;
                    match range.within(length as u64) {
                        Ok(within) => {
                            ended.expect(&what);
                            let bounds =
                                [within.start, within.end].map(|n| usize::try_from(n).expect("small"));
                            assert!(got == body[bounds[0]..bounds[1]], "{what}");
                        }
                        Err(_) => drop(refused(ended, ErrorKind::InvalidRange)),
                    }
                }
            }
        }
    }
}

/// The header, the segments that cover the range, and the last one to prove the size; nothing twice.
#[tokio::test]
async fn a_range_reads_what_it_covers() {
    let raw = Memory::new();
    let (watched, files) = watched(&raw, |_| ());
    let length = 40 * SEGMENT + 100;
    let meta = files.put(&key("a"), noise(1, length).into(), WriteOptions::default()).await.expect("written");
    let segment = |n: usize| (n * SEGMENT) as u64;
    let last = 132;
    for (range, covered) in [
        (ByteRange::Span(0, 1), STORED_SEGMENT + last),
        (ByteRange::Span(segment(3), segment(4)), STORED_SEGMENT + last),
        (ByteRange::Span(segment(3) - 1, segment(4) + 1), 3 * STORED_SEGMENT + last),
        (ByteRange::Span(segment(7) + 5, segment(8) + 5), 2 * STORED_SEGMENT + last),
        (ByteRange::Last(1), last),
        (ByteRange::Last(101), STORED_SEGMENT + last),
        (ByteRange::From(segment(39)), STORED_SEGMENT + last),
    ] {
        watched.seen();
        read(&files, "a", Some(range)).await.1.expect("read");
        let seen = watched.seen();
        let total = seen.iter().map(|(_, length)| length).sum::<u64>();
        assert_eq!(total, (HEADER + covered) as u64, "{range:?}");
        assert!(seen.len() <= 3, "{range:?}: {} reads", seen.len());
        let pinned = seen[1..].iter().all(|(options, _)| options.if_match == meta.etag);
        assert!(pinned, "{range:?}: the reads after the first may be of another version");
    }
    watched.seen();
    read(&files, "a", None).await.1.expect("read");
    assert_eq!(watched.seen().len(), 1, "a whole object takes one read");
}

/// A replace between the reads of a range shows neither as an error nor as a mixture.
#[tokio::test]
async fn a_range_is_of_one_version_while_the_object_is_replaced() {
    let raw = Memory::new();
    let plain = sealed(&raw, "store", ring());
    let [old, new] = [1, 2].map(|seed| noise(seed, 4 * SEGMENT));
    plain.put(&key("a"), new.clone().into(), WriteOptions::default()).await.expect("written");
    let replacement = stored(&raw, "a").await;
    plain.put(&key("a"), old.into(), WriteOptions::default()).await.expect("written");

    let (watched, files) = watched(&raw, |_| ());
    *watched.replace.lock().expect("no panic") = Some((replacement.clone(), false));
    let (got, ended) = read(&files, "a", Some(ByteRange::Span(10, 20))).await;
    ended.expect("read");
    assert_eq!(got, new[10..20]);

    // Who never stops replacing keeps nobody here for ever.
    *watched.replace.lock().expect("no panic") = Some((replacement, true));
    refused(read(&files, "a", Some(ByteRange::Span(10, 20))).await.1, ErrorKind::Unavailable);
}

#[tokio::test]
async fn an_object_that_vanishes_between_the_reads_is_not_found() {
    let raw = Memory::new();
    let (_, files) = watched(&raw, |_| ());
    refused(read(&files, "a", Some(ByteRange::Span(0, 1))).await.1, ErrorKind::NotFound);
    store(&raw, "a", Vec::new()).await;
    refused(read(&files, "a", Some(ByteRange::Span(0, 1))).await.1, ErrorKind::Integrity);
}

/// Without entity tags below there are none above.
#[tokio::test]
async fn no_condition_is_offered_that_the_inner_store_does_not_offer() {
    let raw = Memory::new();
    let (_, files) = watched(&raw, |watched| watched.etags = false);
    assert!(!files.capabilities().etag && !files.capabilities().compare_and_swap);
    let etag = Some(persistent_fs::ETag::new("any"));
    let options = ReadOptions { if_match: etag, ..ReadOptions::range(ByteRange::Span(0, 1)) };
    refused(files.read(&key("a"), options).await.map(drop), ErrorKind::Unsupported);
}
