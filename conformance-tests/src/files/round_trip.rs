//! What is written is what is read.

use bytes::Bytes;
use persistent_fs::{ErrorKind, ReadOptions, WriteOptions};
use sha2::{Digest, Sha256};

use super::{
    Harness,
    bench::{Bench, TYPES, but_for_time, key, noise, refused},
    tools::Dice,
};
use crate::{Case, Checked, cases};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    let mut all = cases!["files::round_trip";
        bodies_of_every_size_come_back,
        every_byte_value_comes_back,
        bodies_of_random_sizes_in_random_pieces_come_back,
        larger_and_smaller_bodies_replace_each_other,
        small_and_empty_pieces_make_one_body,
        one_huge_piece_is_one_body,
        an_object_is_read_any_number_of_times,
        put_and_writer_mean_the_same,
        head_and_read_agree,
        a_missing_object_is_not_found,
        a_right_size_and_hash_are_accepted,
        no_object_is_dated_before_an_earlier_one,
        two_openings_are_the_same_store,
        it_is_still_there_after_a_reopen,
    ];
    all.extend(cases!["files::round_trip" needs TYPES;
        a_content_type_comes_back,
        an_unusual_content_type_comes_back_or_is_refused,
    ]);
    all
}

/// Bodies of any size: empty, one byte, and around each size at which an implementation might cut.
async fn bodies_of_every_size_come_back(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    for edge in [0, 4 << 10, 64 << 10, 256 << 10, 1 << 20, 5 << 20, 8 << 20] {
        for length in [edge, edge + 1, usize::saturating_sub(edge, 1)] {
            let body = noise(length as u64, length);
            let meta = bench.put("body", body.clone()).await;
            assert_eq!(meta.size, length as u64);
            assert!(bench.body("body").await == body, "{length} bytes came back changed");
        }
    }
    Ok(())
}

/// A body is bytes, not text.
async fn every_byte_value_comes_back(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let body = (0..=u8::MAX).chain((0..=u8::MAX).rev()).collect::<Vec<_>>();
    bench.put("body", body.clone()).await;
    assert_eq!(bench.body("body").await, body);
    Ok(())
}

/// Bodies of 25 random sizes, cut into random pieces, are described and read as they were written.
async fn bodies_of_random_sizes_in_random_pieces_come_back(harness: &dyn Harness) -> Checked {
    let (bench, mut dice) = (Bench::open(harness).await?, Dice::of(harness));
    for round in 0..25 {
        let length = dice.below(400_000) >> dice.below(8);
        let body = dice.bytes(length);
        let options = WriteOptions::default().atomic();
        let mut upload = bench.files.writer(&key("body"), options).await.expect("an upload");
        let mut rest = body.as_slice();
        while !rest.is_empty() {
            let cut = 1 + dice.below(rest.len().min(70_000));
            let (piece, behind) = rest.split_at(cut);
            upload.write(Bytes::copy_from_slice(piece)).await.expect("written");
            rest = behind;
        }
        let meta = upload.finish().await.expect("finished");
        assert_eq!(meta.size, length as u64, "round {round} {dice}");
        assert!(bench.body("body").await == body, "round {round} {dice}");
    }
    Ok(())
}

/// What replaces a longer body has nothing of its end, and what replaces a shorter one is not cut.
async fn larger_and_smaller_bodies_replace_each_other(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    for length in [10, 300_000, 9, 0, 400_000, 299_999, 1] {
        let body = noise(length as u64, length);
        let meta = bench.put("a", body.clone()).await;
        assert_eq!((meta.size, bench.body("a").await.len()), (length as u64, length));
        assert!(bench.body("a").await == body, "{length} bytes came back changed");
    }
    Ok(())
}

/// `Upload::write` appends pieces of any size.
async fn small_and_empty_pieces_make_one_body(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let body = noise(7, 700_000);
    let mut upload =
        bench.files.writer(&key("body"), WriteOptions::default().atomic()).await.expect("an upload");
    let (single, rest) = body.split_at(1000);
    for byte in single {
        upload.write(Bytes::copy_from_slice(&[*byte])).await.expect("a byte");
        upload.write(Bytes::new()).await.expect("nothing");
    }
    upload.write(Bytes::copy_from_slice(rest)).await.expect("the rest");
    let meta = upload.finish().await.expect("finished");
    assert_eq!(meta.size, 700_000);
    assert!(bench.body("body").await == body);
    Ok(())
}

/// A piece may be larger than whatever the backend sends or stores at once.
async fn one_huge_piece_is_one_body(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let body = Bytes::from(noise(1, bench.fitting(bench.scaled(20 << 20, 9 << 20) + 1)));
    let mut upload =
        bench.files.writer(&key("a"), WriteOptions::default().atomic()).await.expect("an upload");
    upload.write(body.clone()).await.expect("written");
    assert_eq!(upload.finish().await.expect("finished").size, body.len() as u64);
    assert!(bench.body("a").await == body);
    Ok(())
}

/// Reading takes nothing away, be it one reader after another or several at once.
async fn an_object_is_read_any_number_of_times(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let (small, large) = (b"small", noise(1, 700_000));
    bench.put("small", &small[..]).await;
    bench.put("large", large.clone()).await;
    for _ in 0..3 {
        assert_eq!(bench.body("small").await, small);
        assert!(bench.body("large").await == large);
    }
    let at_once = futures_util::future::join_all((0..8).map(|_| bench.body("large"))).await;
    assert!(at_once.iter().all(|body| *body == large));
    Ok(())
}

/// `put` means the same as `writer`, one write and a finish.
async fn put_and_writer_mean_the_same(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let put = bench.put("put", "same").await;
    let mut upload = bench.files.writer(&key("written"), WriteOptions::default()).await.expect("an upload");
    upload.write("same".into()).await.expect("written");
    let written = upload.finish().await.expect("finished");
    assert_eq!((put.size, &put.content_type), (written.size, &written.content_type));
    assert_eq!(put.etag.is_some(), written.etag.is_some());
    assert_eq!(bench.body("put").await, bench.body("written").await);
    Ok(())
}

/// Head equals what a read and a listing say about the same version, and but for the time what the write said.
async fn head_and_read_agree(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let written = bench.put("folder/body", "hello").await;
    let head = bench.head("folder/body").await;
    let read = bench.files.read(&key("folder/body"), ReadOptions::default()).await.expect("there").meta;
    let listed = super::bench::first(bench.files.list(&persistent_fs::Prefix::all(), None)).await;
    assert_eq!(but_for_time(head.clone()), but_for_time(written));
    assert_eq!(head, read);
    assert_eq!(head, listed.expect("one object").expect("listed"));
    assert_eq!(head.key, key("folder/body"));
    assert_eq!(head.etag.is_some(), bench.files.capabilities().etag);
    Ok(())
}

/// No such object: `NotFound`, from head and read alike; also where a part of the path exists.
async fn a_missing_object_is_not_found(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.assert_absent("a").await;
    bench.put("a/b", "below").await;
    bench.assert_absent("a").await;
    bench.assert_absent("a/b/c").await;
    bench.assert_absent("a/x/y").await;
    let error = refused(bench.files.head(&key("a/x")).await, ErrorKind::NotFound);
    assert_eq!(error.retry(), persistent_fs::Retry::Never);
    Ok(())
}

/// A body that is what it was declared to be is taken.
async fn a_right_size_and_hash_are_accepted(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let options = WriteOptions::default().sized(5).hashed(Sha256::digest(b"hello").into());
    bench.files.put(&key("a"), "hello".into(), options).await.expect("accepted");
    assert_eq!(bench.body("a").await, b"hello");
    Ok(())
}

/// Objects are dated when they are written, and stay so: one that is written later has no earlier time.
async fn no_object_is_dated_before_an_earlier_one(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("a", "first").await;
    let mut last = bench.head("a").await;
    for name in ["b", "a", "c/d", "a", "b"] {
        bench.put(name, "later").await;
        let written = bench.head(name).await;
        assert!(written.modified >= last.modified, "{written:?} was written after {last:?}");
        bench.body(name).await;
        assert_eq!(bench.head(name).await.modified, written.modified);
        last = written;
    }
    Ok(())
}

/// Two backends on the same storage, in use at once, are one store: each sees at once what the other has done.
async fn two_openings_are_the_same_store(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let other = bench.fixture.reopen().await?;
    bench.put("a/b", "one").await;
    assert_eq!(other.head(&key("a/b")).await.expect("seen by the other"), bench.head("a/b").await);
    let replaced = other.put(&key("a/b"), "two".into(), WriteOptions::default()).await.expect("replaced");
    assert_eq!(bench.body("a/b").await, b"two");
    assert_eq!(but_for_time(bench.head("a/b").await), but_for_time(replaced));
    other.put(&key("a/c"), "three".into(), WriteOptions::default()).await.expect("written");
    assert_eq!(bench.list_all().await, ["a/b", "a/c"]);
    bench.files.delete(&key("a/b")).await.expect("deleted");
    refused(other.head(&key("a/b")).await, ErrorKind::NotFound);
    Ok(())
}

/// Objects, with all that is known about them, outlive the process that wrote them.
async fn it_is_still_there_after_a_reopen(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.files.put(&key("a/b"), "kept".into(), WriteOptions::default()).await.expect("written durably");
    let described = bench.head("a/b").await;
    let reopened = bench.fixture.reopen().await?;
    assert_eq!(reopened.head(&key("a/b")).await.expect("still there"), described);
    Ok(())
}

/// A media type is stored with the object and comes back from head and read; a listing says the same or leaves it out.
async fn a_content_type_comes_back(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let options = WriteOptions::default().typed("text/plain; charset=utf-8");
    bench.files.put(&key("a"), "hello".into(), options).await.expect("written");
    let head = bench.files.head(&key("a")).await.expect("there");
    assert_eq!(head.content_type.as_deref(), Some("text/plain; charset=utf-8"));
    let listed = super::bench::first(bench.files.list(&persistent_fs::Prefix::all(), None)).await;
    let listed = listed.expect("one object").expect("listed").content_type;
    assert!(listed.is_none() || listed == head.content_type, "listed as {listed:?}");
    bench.put("a", "untyped").await;
    assert_eq!(bench.files.head(&key("a")).await.expect("there").content_type, None, "the old type stayed");
    Ok(())
}

/// A type is kept as it was given, parameters and case included, or refused with `InvalidOption`; never changed, and
/// never taken for more than a value.
async fn an_unusual_content_type_comes_back_or_is_refused(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let long = format!("text/plain; name=\"{}\"", "x".repeat(200));
    for (nth, given) in [
        "Text/HTML;charset=\"utf-8\"",
        "multipart/mixed; boundary=\"a b;c\"",
        "application/vnd.example+json; version=1; profile=\"https://example.org/a?b=c#d\"",
        long.as_str(),
        "text/plain; name=\"Bericht M\u{e4}rz.txt\"",
        "text/plain\r\nx-injected: yes",
        "no type at all",
        "",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("object/{nth}");
        match bench.files.put(&key(&name), "body".into(), WriteOptions::default().typed(given)).await {
            Ok(_) => {
                let head = bench.files.head(&key(&name)).await.expect("there");
                assert_eq!(head.content_type.as_deref(), Some(given));
                assert_eq!(bench.body(&name).await, b"body");
            }
            error => {
                refused(error, ErrorKind::InvalidOption);
                bench.assert_absent(&name).await;
            }
        }
    }
    Ok(())
}
