//! What somebody can do who sees and changes the stored bytes: nothing but destroy.

mod common;

use std::collections::HashSet;

use common::{
    HEADER, Random, SEGMENT, STORED_SEGMENT, key, master, noise, read, refused, ring, sealed, store, stored,
};
use fs_encryption::KeyRing;
use fs_memory::Memory;
use futures_util::TryStreamExt;
use persistent_fs::{ByteRange, ErrorKind, Files, Prefix, WriteOptions};

/// Two segments that are full, and a third.
const LENGTH: usize = 2 * SEGMENT + 1000;

/// A store with an object `a`, and that object's plaintext and stored bytes.
async fn bench() -> (Memory, Files, Vec<u8>, Vec<u8>) {
    let raw = Memory::new();
    let files = sealed(&raw, "store", ring());
    let plain = noise(1, LENGTH);
    files.put(&key("a"), plain.clone().into(), WriteOptions::default()).await.expect("written");
    let bytes = stored(&raw, "a").await;
    assert_eq!(bytes.len(), HEADER + LENGTH + 3 * 32);
    (raw, files, plain, bytes)
}

/// Demands that these bytes in the place of `a` are refused, whole and by range, and that nothing else is handed on
/// before that than what was written.
async fn assert_refused(raw: &Memory, files: &Files, plain: &[u8], bytes: Vec<u8>, what: &str) {
    store(raw, "a", bytes).await;
    let (begun, ended) = read(files, "a", None).await;
    assert!(plain.starts_with(&begun), "{what}: bytes that nobody wrote");
    let error = ended.expect_err(what);
    // A header may also name a key that does not exist.
    assert!(matches!(error.kind(), ErrorKind::Integrity | ErrorKind::Config), "{what}: {error:?}");
    assert_eq!(error.key(), Some(&key("a")));
}

#[tokio::test]
async fn no_plaintext_is_stored() {
    let (raw, files, plain, bytes) = bench().await;
    let text = "the same words again and again, ".repeat(5000);
    files.put(&key("text"), text.clone().into(), WriteOptions::default()).await.expect("written");
    files.put(&key("again"), text.clone().into(), WriteOptions::default()).await.expect("written");
    let (text_bytes, again) = (stored(&raw, "text").await, stored(&raw, "again").await);
    for (plain, bytes) in [(plain.as_slice(), &bytes), (text.as_bytes(), &text_bytes)] {
        let parts = plain.chunks_exact(8).collect::<HashSet<_>>();
        assert!(!bytes.windows(8).any(|window| parts.contains(window)));
    }
    // The same plaintext under a new data key has nothing in common with itself but the clear part of the header.
    let same =
        text_bytes[HEADER..].chunks_exact(8).zip(again[HEADER..].chunks_exact(8)).filter(|(a, b)| a == b);
    assert_eq!(same.count(), 0);
}

#[tokio::test]
async fn every_flipped_bit_of_the_header_is_found() {
    let (raw, files, plain, bytes) = bench().await;
    for position in 0..HEADER {
        for bit in [1, 128] {
            let mut flipped = bytes.clone();
            flipped[position] ^= bit;
            assert_refused(&raw, &files, &plain, flipped, &format!("bit {bit} of byte {position}")).await;
        }
    }
}

#[tokio::test]
async fn a_flipped_bit_anywhere_in_the_body_is_found() {
    let (raw, files, plain, bytes) = bench().await;
    let seed = 20_261_122;
    println!("seed {seed}");
    let mut random = Random(seed);
    for segment in 0..3 {
        let start = HEADER + segment * STORED_SEGMENT;
        let end = bytes.len().min(start + STORED_SEGMENT);
        // Length and nonce, the beginning of the ciphertext, the tag, and anything between.
        let edges = (start..start + 24).chain(end - 24..end);
        for position in edges.chain((0..40).map(|_| start + random.below(end - start))).collect::<Vec<_>>() {
            let mut flipped = bytes.clone();
            flipped[position] ^= 1 << random.below(8);
            assert_refused(&raw, &files, &plain, flipped, &format!("byte {position}")).await;
            // A range that has nothing to do with the damage may be read, unless the size is in doubt.
            let (range, elsewhere) = match segment {
                0 => (ByteRange::Span(0, 10), ByteRange::From(SEGMENT as u64)),
                1 => (ByteRange::Span(SEGMENT as u64, SEGMENT as u64 + 10), ByteRange::Span(0, 10)),
                _ => (ByteRange::Last(10), ByteRange::Last(10)),
            };
            refused(read(&files, "a", Some(range)).await.1, ErrorKind::Integrity);
            assert_eq!(read(&files, "a", Some(elsewhere)).await.1.is_ok(), segment != 2);
        }
    }
}

#[tokio::test]
async fn an_object_that_was_cut_or_extended_is_found() {
    let (raw, files, plain, bytes) = bench().await;
    let mut lengths = vec![0, 1, HEADER - 1, HEADER, HEADER + 31, HEADER + 32];
    for border in (0..4).map(|segments| (HEADER + segments * STORED_SEGMENT).min(bytes.len())) {
        lengths.extend((border - 33..border + 33).filter(|length| *length < bytes.len()));
    }
    for length in lengths {
        let what = format!("{length} of {} bytes", bytes.len());
        assert_refused(&raw, &files, &plain, bytes[..length].to_vec(), &what).await;
        // Also where the range lies in what is still there.
        refused(read(&files, "a", Some(ByteRange::Span(0, 1))).await.1, ErrorKind::Integrity);
    }
    for more in [1, 31, 32, 33, STORED_SEGMENT] {
        let longer = [bytes.clone(), noise(2, more)].concat();
        assert_refused(&raw, &files, &plain, longer, &format!("{more} bytes more")).await;
        refused(read(&files, "a", Some(ByteRange::Span(0, 1))).await.1, ErrorKind::Integrity);
    }
}

#[tokio::test]
async fn segments_have_their_places() {
    let (raw, files, plain, bytes) = bench().await;
    let (head, body) = bytes.split_at(HEADER);
    let [first, second, third] =
        [0, 1, 2].map(|n| &body[n * STORED_SEGMENT..body.len().min((n + 1) * STORED_SEGMENT)]);
    for (what, order) in [
        ("swapped", vec![second, first, third]),
        ("repeated", vec![first, first, third]),
        ("left out", vec![first, third]),
        ("the last one first", vec![third, first, second]),
        ("one too many", vec![first, second, second, third]),
    ] {
        assert_refused(&raw, &files, &plain, [&[head], order.as_slice()].concat().concat(), what).await;
    }
}

#[tokio::test]
async fn segments_and_headers_of_another_object_are_refused() {
    let (raw, files, plain, bytes) = bench().await;
    files.put(&key("b"), noise(9, LENGTH).into(), WriteOptions::default()).await.expect("written");
    let other = stored(&raw, "b").await;
    for (what, part) in [
        ("the prelude", 0..HEADER - 74),
        ("FLOE's header", HEADER - 74..HEADER),
        ("the header", 0..HEADER),
        ("the first segment", HEADER..HEADER + STORED_SEGMENT),
        ("the last segment", HEADER + 2 * STORED_SEGMENT..bytes.len()),
        ("all but the prelude", HEADER - 74..bytes.len()),
    ] {
        let mut mixed = bytes.clone();
        mixed[part.clone()].copy_from_slice(&other[part]);
        assert_refused(&raw, &files, &plain, mixed, what).await;
    }
}

#[tokio::test]
async fn an_object_belongs_to_its_name_and_its_store() {
    let (raw, files, plain, bytes) = bench().await;
    store(&raw, "renamed", bytes.clone()).await;
    refused(read(&files, "renamed", None).await.1, ErrorKind::Integrity);
    // The name of the store and that of the object do not run into each other.
    let elsewhere = Memory::new();
    for (name, object) in [("other", "a"), ("stor", "ea"), ("storea", "b")] {
        store(&elsewhere, object, bytes.clone()).await;
        refused(read(&sealed(&elsewhere, name, ring()), object, None).await.1, ErrorKind::Integrity);
    }
    store(&elsewhere, "a", bytes).await;
    assert!(read(&sealed(&elsewhere, "store", ring()), "a", None).await.0 == plain);
}

#[tokio::test]
async fn the_key_decides() {
    let (raw, _, plain, _) = bench().await;
    let wrong = sealed(&raw, "store", KeyRing::new(master("2026", 2)));
    let error = refused(read(&wrong, "a", None).await.1, ErrorKind::Integrity);
    assert!(error.to_string().contains("`2026`"), "{error}");

    let missing = sealed(&raw, "store", KeyRing::new(master("2027", 1)));
    let error = refused(read(&missing, "a", None).await.1, ErrorKind::Config);
    assert!(error.to_string().contains("`2026`"), "{error}");
    refused(read(&missing, "a", Some(ByteRange::Last(1))).await.1, ErrorKind::Config);

    let rotated = KeyRing::new(master("2027", 2)).accepting(master("2026", 1)).expect("two ids");
    let rotated = sealed(&raw, "store", rotated);
    assert!(read(&rotated, "a", None).await.0 == plain);
    rotated.put(&key("new"), "new".into(), WriteOptions::default()).await.expect("written");
    let new = sealed(&raw, "store", KeyRing::new(master("2027", 2)));
    assert_eq!(read(&new, "new", None).await.0, b"new");
}

#[tokio::test]
async fn what_was_not_sealed_is_refused_and_not_handed_on() {
    let (raw, files, _, _) = bench().await;
    for length in [0, 10, HEADER, HEADER + 40, 3 * SEGMENT] {
        store(&raw, "plain", noise(3, length)).await;
        refused(read(&files, "plain", None).await.1, ErrorKind::Integrity);
        refused(read(&files, "plain", Some(ByteRange::Span(0, 1))).await.1, ErrorKind::Integrity);
    }
    store(&raw, "plain", b"short".to_vec()).await;
    refused(files.head(&key("plain")).await, ErrorKind::Integrity);
    let mut listing = files.list(&Prefix::all(), None);
    assert_eq!(listing.try_next().await.expect("listed").expect("an object").key, key("a"));
    let error = refused(listing.try_next().await, ErrorKind::Integrity);
    assert_eq!(error.key(), Some(&key("plain")));
    assert!(listing.try_next().await.expect("it has ended").is_none());
}

#[tokio::test]
async fn names_that_are_none_are_refused() {
    for name in [String::new(), "n".repeat(256)] {
        let layer = fs_encryption::Encrypted::new(Memory::new(), &name, ring());
        refused(layer, ErrorKind::Config);
    }
}

#[tokio::test]
async fn nothing_secret_is_shown() {
    let files = sealed(&Memory::new(), "store", ring());
    let shown = format!("{files:?} {:?} {:?}", master("id", 0xAB), fs_encryption::DataKey::generate());
    assert!(shown.contains("2026") && shown.contains("\"id\"") && shown.contains("DataKey"), "{shown}");
    // Neither as a list of numbers nor as hexadecimal digits.
    assert!(!shown.contains("171") && !shown.to_lowercase().contains("abab"), "{shown}");
}
