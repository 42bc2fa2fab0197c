//! What is written is what is read.

use bytes::Bytes;
use persistent_fs::{ErrorKind, ReadOptions, WriteOptions};
use sha2::{Digest, Sha256};

use super::{
    Harness,
    bench::{Bench, TYPES, key, noise, refused},
};
use crate::{Case, Checked, cases};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    let mut all = cases!["files::round_trip";
        bodies_of_every_size_come_back,
        every_byte_value_comes_back,
        small_and_empty_pieces_make_one_body,
        put_and_writer_mean_the_same,
        head_and_read_agree,
        a_missing_object_is_not_found,
        a_right_size_and_hash_are_accepted,
        it_is_still_there_after_a_reopen,
    ];
    all.extend(cases!["files::round_trip" needs TYPES; a_content_type_comes_back]);
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

/// Head equals what the write, a read and a listing say about the same version.
async fn head_and_read_agree(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let written = bench.put("folder/body", "hello").await;
    let head = bench.files.head(&key("folder/body")).await.expect("there");
    let read = bench.files.read(&key("folder/body"), ReadOptions::default()).await.expect("there").meta;
    let listed = super::bench::first(bench.files.list(&persistent_fs::Prefix::all(), None)).await;
    assert_eq!(head, written);
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

/// Objects, with all that is known about them, outlive the process that wrote them.
async fn it_is_still_there_after_a_reopen(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let written =
        bench.files.put(&key("a/b"), "kept".into(), WriteOptions::default()).await.expect("written durably");
    let reopened = bench.fixture.reopen().await?;
    assert_eq!(reopened.head(&key("a/b")).await.expect("still there"), written);
    Ok(())
}

/// A media type is stored with the object and comes back from head, read and list.
async fn a_content_type_comes_back(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let options = WriteOptions::default().typed("text/plain; charset=utf-8");
    bench.files.put(&key("a"), "hello".into(), options).await.expect("written");
    let head = bench.files.head(&key("a")).await.expect("there");
    assert_eq!(head.content_type.as_deref(), Some("text/plain; charset=utf-8"));
    bench.put("a", "untyped").await;
    assert_eq!(bench.files.head(&key("a")).await.expect("there").content_type, None, "the old type stayed");
    Ok(())
}
