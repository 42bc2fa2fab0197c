//! What the choice of FLOE rests on: another implementation agrees, headers commit to their key, and what was sealed
//! with the first version of the format is read for ever.

mod common;

use common::{HEADER, SEGMENT, key, noise, read, refused, ring, sealed, store, stored};
use fast_floe::{
    Error, Header, Key as FloeKey, Parameters, Provider,
    low_level::{start_decryption, start_encryption},
};
use floe_rs::gcm;
use fs_encryption::{Context, DataKey, KeyWrapper};
use fs_memory::Memory;
use persistent_fs::{ErrorKind, WriteOptions};
use zerocopy::IntoBytes;

const AAD: &[u8] = b"this is authenticated too";

/// Lengths around the borders of segments, for segments of this length.
fn lengths(parameters: Parameters) -> Vec<usize> {
    let segment = parameters.plaintext_segment_length();
    vec![0, 1, segment - 1, segment, segment + 1, 2 * segment, 3 * segment + 7]
}

fn floe_key(byte: u8) -> FloeKey {
    FloeKey::from_bytes_with_provider([byte; 32], Provider::RING)
}

/// Another author's implementation, on other primitives, opens what ours has sealed.
fn assert_other_opens<const SEGMENT: u32>() {
    let parameters = Parameters::with_segment_length(SEGMENT).expect("a length of the specification");
    for length in lengths(parameters) {
        let plain = noise(1, length);
        let sealed = fast_floe::encrypt(&floe_key(5), AAD, parameters, &plain).expect("sealed");
        let (header, body) = sealed.split_at(Header::LEN);
        let header = gcm::Header::from_bytes(header).expect("a header");
        let other = gcm::FloeDecryptor::<SEGMENT>::new(&[5; 32].into(), AAD, &header).expect("the same key");
        let mut opened = Vec::new();
        let segments = body.chunks(SEGMENT as usize);
        let last = segments.len() - 1;
        for (position, segment) in segments.enumerate() {
            let segment = gcm::Segment::from_bytes(segment).expect("a segment");
            let mut part = vec![0; segment.plaintext_size()];
            other.decrypt_segment(&segment, &mut part, position as u64, position == last).expect("authentic");
            opened.extend_from_slice(&part);
        }
        assert!(opened == plain, "{length} bytes in segments of {SEGMENT}");
    }
}

/// And ours opens what that one has sealed.
fn assert_ours_opens<const SEGMENT: u32>() {
    let parameters = Parameters::with_segment_length(SEGMENT).expect("a length of the specification");
    for length in lengths(parameters) {
        let plain = noise(2, length);
        let other_key = [6; 32].into();
        let other = gcm::FloeEncryptor::<SEGMENT>::new(&other_key, AAD);
        let mut sealed = other.header().as_bytes().to_vec();
        let layout = parameters.plaintext_layout(length as u64).expect("small");
        for segment in layout {
            let start = usize::try_from(segment.plaintext_offset()).expect("small");
            let part = &plain[start..start + segment.plaintext_length()];
            let mut room = vec![0; other.output_size(part)];
            let sealing = other.encrypt_segment(part, &mut room, segment.position(), segment.is_final());
            sealing.expect("sealed");
            sealed.extend_from_slice(&room);
        }
        let opened = fast_floe::decrypt(&floe_key(6), AAD, &sealed).expect("opened");
        assert!(opened == plain, "{length} bytes in segments of {SEGMENT}");
    }
}

#[test]
fn two_implementations_open_what_the_other_has_sealed() {
    assert_other_opens::<64>();
    assert_other_opens::<4096>();
    assert_other_opens::<65568>();
    assert_ours_opens::<64>();
    assert_ours_opens::<4096>();
    assert_ours_opens::<65568>();
}

/// The header's tag is derived from the key, so no second key opens a message, whatever its segments are made of: the
/// header alone is refused, before any segment is looked at.
#[test]
fn a_header_commits_to_its_key_and_to_what_is_authenticated_with_it() {
    let parameters = Parameters::SEGMENT_4_KIB;
    let (_, header) = start_encryption(&floe_key(1), AAD, parameters).expect("a header");
    for other in 2..=255 {
        let refusal = start_decryption(&floe_key(other), AAD, parameters, &header).map(drop);
        assert_eq!(refusal, Err(Error::InvalidHeaderTag));
    }
    assert_eq!(
        start_decryption(&floe_key(1), b"other", parameters, &header).map(drop),
        Err(Error::InvalidHeaderTag)
    );
    // The tag is 32 bytes, and all of them count: two keys that share a tag are a collision of 256 bits.
    for position in Header::LEN - 32..Header::LEN {
        let mut bytes = *header.as_bytes();
        bytes[position] ^= 1;
        let refusal = start_decryption(&floe_key(1), AAD, parameters, &Header::from(bytes)).map(drop);
        assert_eq!(refusal, Err(Error::InvalidHeaderTag), "byte {position}");
    }
}

/// A message for two keys at once: segments that were sealed under one key, behind a header that opens under another.
#[test]
fn segments_under_one_key_do_not_follow_a_header_of_another() {
    let parameters = Parameters::SEGMENT_4_KIB;
    let [one, two] =
        [1, 2].map(|key| fast_floe::encrypt(&floe_key(key), AAD, parameters, b"text").expect("sealed"));
    let mixed = [&one[..Header::LEN], &two[Header::LEN..]].concat();
    assert_eq!(fast_floe::decrypt(&floe_key(1), AAD, &mixed), Err(Error::AuthenticationFailed));
    assert_eq!(fast_floe::decrypt(&floe_key(2), AAD, &mixed), Err(Error::InvalidHeaderTag));
}

/// An object that was stored when this format was new. It must be readable as long as there is a version 1.
#[tokio::test]
async fn the_first_version_is_still_read() {
    let raw = Memory::new();
    store(&raw, "frozen/object", include_bytes!("objects/version-1.bin").to_vec()).await;
    let (body, ended) = read(&sealed(&raw, "frozen store", ring()), "frozen/object", None).await;
    ended.expect("read");
    assert_eq!(String::from_utf8_lossy(&body), "Sealed in the first version of the format.\n");
}

/// The layout of `format.rs`, byte by byte, opened with the other implementation and nothing of this crate but the ring.
#[tokio::test]
async fn the_format_is_what_it_is_documented_to_be() {
    let raw = Memory::new();
    let files = sealed(&raw, "store", ring());
    let plain = noise(3, SEGMENT + 100);
    files.put(&key("a/b"), plain.clone().into(), WriteOptions::default()).await.expect("written");
    let bytes = stored(&raw, "a/b").await;
    assert_eq!(&bytes[..11], b"ucsealed\x01\x01\x04");
    assert_eq!(&bytes[13..17], b"2026");
    let length = usize::from(u16::from_be_bytes([bytes[11], bytes[12]]));
    let (prelude, body) = bytes.split_at(HEADER - Header::LEN);
    assert!(prelude[17 + length..].iter().all(|byte| *byte == 0));

    let object = key("a/b");
    let context = Context { store: "store", object: &object };
    let wrapped =
        fs_encryption::WrappedKey::new("2026", prelude[17..17 + length].to_vec()).expect("a good id");
    let data_key = ring().unwrap(&wrapped, context).await.expect("unwrapped");
    let data = [&context.bytes("object"), prelude].concat();
    let header = gcm::Header::from_bytes(&body[..Header::LEN]).expect("a header");
    let floe_key = (*data_key.expose()).into();
    let other = gcm::FloeDecryptor::<65568>::new(&floe_key, &data, &header).expect("the same key");
    let mut opened = Vec::new();
    for (position, segment) in body[Header::LEN..].chunks(65568).enumerate() {
        let segment = gcm::Segment::from_bytes(segment).expect("a segment");
        let mut part = vec![0; segment.plaintext_size()];
        other.decrypt_segment(&segment, &mut part, position as u64, position == 1).expect("authentic");
        opened.extend_from_slice(&part);
    }
    assert!(opened == plain);
}

#[test]
fn a_data_key_has_32_bytes() {
    for length in [0, 31, 33] {
        refused(DataKey::from_slice(&vec![0; length]), ErrorKind::Integrity);
    }
    let [one, two] = [(); 2].map(|()| DataKey::generate().expect("randomness"));
    assert_ne!(one.expose(), two.expose());
}
