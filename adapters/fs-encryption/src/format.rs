//! What a sealed object looks like, and how its size follows from that of its plaintext.
//!
//! | Bytes | |
//! |---|---|
//! | 0..8 | `ucsealed` |
//! | 8 | the version of this table, `1` |
//! | 9 | the algorithm: `1` for FLOE with AES-256-GCM, HKDF-SHA-384 and 64 KiB of plaintext in a segment |
//! | 10 | the length of the key's id |
//! | 11..13 | the length of the wrapped data key, the greater byte first |
//! | 13..438 | the key's id, the wrapped data key, zeros |
//! | 438..512 | FLOE's own header: parameters, 32 random bytes, a tag that commits to the data key |
//! | 512.. | FLOE's segments: 4 + 12 + 16 bytes more than their plaintext each; at least one, and only the last may be short |
//!
//! The first 438 bytes are the prelude. FLOE authenticates them as associated data, together with the store's name and
//! the object's, so a prelude serves the one object it was written for.

use fast_floe::{Header, Parameters, random_access::MessageLayout};
use persistent_fs::{Error, ErrorKind, Result};

use crate::{Context, WrappedKey};

/// How much plaintext a segment holds.
pub(crate) const SEGMENT: usize = 64 * 1024;

/// Where FLOE's header begins.
pub(crate) const PRELUDE: usize = HEADER - Header::LEN;

/// Where the segments begin.
pub(crate) const HEADER: usize = 512;

const MAGIC: &[u8; 8] = b"ucsealed";
const VERSION: u8 = 1;
const FLOE_64_KIB: u8 = 1;

/// Where the key's id begins, behind the lengths.
const TEXT: usize = 13;

/// What a segment has beside its plaintext: length, nonce and tag.
const OVERHEAD: usize = 4 + 12 + 16;

/// The part of an object that says how its data key is wrapped.
pub(crate) struct Prelude([u8; PRELUDE]);

impl Prelude {
    /// [`ErrorKind::Config`] if id and wrapped key together do not fit.
    pub(crate) fn new(wrapped: &WrappedKey) -> Result<Self> {
        let (id, blob) = (wrapped.key_id.as_bytes(), wrapped.blob.as_slice());
        let end = TEXT + id.len() + blob.len();
        let lengths = u8::try_from(id.len()).ok().zip(u16::try_from(blob.len()).ok());
        let Some((id_length, blob_length)) = lengths.filter(|_| end <= PRELUDE) else {
            let detail = format!("a wrapped key and its id have at most {} bytes", PRELUDE - TEXT);
            return Err(Error::new(ErrorKind::Config, detail));
        };
        let mut bytes = [0; PRELUDE];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..11].copy_from_slice(&[VERSION, FLOE_64_KIB, id_length]);
        bytes[11..TEXT].copy_from_slice(&blob_length.to_be_bytes());
        bytes[TEXT..TEXT + id.len()].copy_from_slice(id);
        bytes[TEXT + id.len()..end].copy_from_slice(blob);
        Ok(Self(bytes))
    }

    /// Reads what nobody has authenticated yet: it says which key to ask for, and is believed once that key's data key
    /// has opened FLOE's header. [`ErrorKind::Integrity`] if it cannot be a prelude.
    pub(crate) fn parse(bytes: &[u8]) -> Result<(Self, WrappedKey)> {
        let bytes: [u8; PRELUDE] = bytes.try_into().map_err(|_| no_object_of_ours())?;
        if !bytes.starts_with(MAGIC) || bytes[8..10] != [VERSION, FLOE_64_KIB] {
            return Err(no_object_of_ours());
        }
        let (id_length, blob_length) = (usize::from(bytes[10]), u16::from_be_bytes([bytes[11], bytes[12]]));
        let text = &bytes[TEXT..];
        let (id, rest) = text.split_at_checked(id_length).ok_or_else(no_object_of_ours)?;
        let blob = rest.get(..usize::from(blob_length)).ok_or_else(no_object_of_ours)?;
        let id = std::str::from_utf8(id).map_err(|_| no_object_of_ours())?;
        let wrapped = WrappedKey::new(id, blob.to_vec()).map_err(|_| no_object_of_ours())?;
        Ok((Self(bytes), wrapped))
    }

    pub(crate) fn bytes(&self) -> &[u8; PRELUDE] {
        &self.0
    }

    /// What FLOE authenticates beside the plaintext: where the object belongs, and the prelude.
    pub(crate) fn associated_data(&self, context: Context<'_>) -> Vec<u8> {
        let mut data = context.bytes("object");
        data.extend_from_slice(&self.0);
        data
    }
}

/// FLOE's parameters of [`FLOE_64_KIB`].
pub(crate) fn parameters() -> Parameters {
    let length = u32::try_from(SEGMENT + OVERHEAD).expect("64 KiB and a little");
    Parameters::with_segment_length(length).expect("FLOE takes segments of any usual length")
}

/// The segments of a stored object of this size. [`ErrorKind::Integrity`] if no sealed object has it.
///
/// The size is the store's word, and is proved when the last segment has been opened as the last.
pub(crate) fn layout(stored: u64) -> Result<MessageLayout> {
    let body = stored.checked_sub(PRELUDE as u64).ok_or_else(no_object_of_ours)?;
    parameters().ciphertext_layout(body).map_err(|_| no_object_of_ours())
}

/// The size of the stored object for a plaintext of this size.
pub(crate) fn stored_size(plain: u64) -> Result<u64> {
    let layout = parameters().plaintext_layout(plain).ok();
    let stored = layout.and_then(|layout| layout.ciphertext_length().checked_add(PRELUDE as u64));
    stored.ok_or_else(|| Error::new(ErrorKind::TooLarge, "more than an object can hold when it is sealed"))
}

/// The largest plaintext whose stored object has at most this size.
pub(crate) fn largest_plain(stored: u64) -> u64 {
    let body = stored.saturating_sub(HEADER as u64);
    let (whole, rest) = (body / (SEGMENT + OVERHEAD) as u64, body % (SEGMENT + OVERHEAD) as u64);
    whole * SEGMENT as u64 + rest.saturating_sub(OVERHEAD as u64)
}

pub(crate) fn no_object_of_ours() -> Error {
    let detail = "this is no sealed object, or its header is damaged, or a newer version wrote it";
    Error::new(ErrorKind::Integrity, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_follow_from_each_other() {
        let edges = (0..4).map(|segments| segments * SEGMENT as u64);
        for plain in edges.flat_map(|edge| [edge.saturating_sub(1), edge, edge + 1]) {
            let stored = stored_size(plain).expect("small");
            assert_eq!(layout(stored).expect("a size of ours").plaintext_length(), plain);
            assert_eq!(largest_plain(stored), plain);
            assert!(stored_size(largest_plain(stored + 1)).expect("small") <= stored + 1);
        }
    }

    #[test]
    fn a_size_that_no_object_has_is_refused() {
        let one = stored_size(0).expect("small");
        let two = stored_size(SEGMENT as u64).expect("small");
        for stored in [0, 1, one - 1, two + 1, two + OVERHEAD as u64 - 1] {
            assert_eq!(layout(stored).expect_err("no size of ours").kind(), ErrorKind::Integrity, "{stored}");
        }
        assert_eq!(stored_size(u64::MAX).expect_err("too large").kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn a_prelude_comes_back_or_does_not_fit() {
        let room = PRELUDE - TEXT;
        for (id, blob) in [(1, 0), (128, room - 128)] {
            let wrapped = WrappedKey::new(&"k".repeat(id), vec![7; blob]).expect("a good id");
            let (_, read) = Prelude::parse(Prelude::new(&wrapped).expect("fits").bytes()).expect("ours");
            assert_eq!((read.key_id, read.blob), (wrapped.key_id, wrapped.blob));
        }
        let large = WrappedKey::new("k", vec![7; room]).expect("a good id");
        assert_eq!(Prelude::new(&large).map(drop).expect_err("too large").kind(), ErrorKind::Config);
    }
}
