//! Counting and hashing a body against what was declared about it.

use sha2::{Digest, Sha256};

use crate::{Error, ErrorKind, Result, WriteOptions};

/// Counts a body as it passes, and compares it with the size and SHA-256 that the writer declared.
///
/// Every backend holds one per upload, so that all of them refuse the same bodies with the same error. A hash that
/// nobody declared is not computed.
///
/// ```
/// # use persistent_fs::{ErrorKind, Tally, WriteOptions};
/// let mut tally = Tally::expecting(&WriteOptions::default().sized(5));
/// tally.add(b"hel").unwrap();
/// assert_eq!(tally.clone().finish().unwrap_err().kind(), ErrorKind::Integrity);
/// tally.add(b"lo").unwrap();
/// assert_eq!(tally.counted(), 5);
/// assert_eq!(tally.add(b"!").unwrap_err().kind(), ErrorKind::Integrity);
/// ```
#[derive(Debug, Clone)]
pub struct Tally {
    counted: u64,
    size: Option<u64>,
    sha256: Option<([u8; 32], Sha256)>,
}

impl Tally {
    /// Expects what `options` declares.
    pub fn expecting(options: &WriteOptions) -> Self {
        Self { counted: 0, size: options.size, sha256: options.sha256.map(|sum| (sum, Sha256::new())) }
    }

    /// Counts a piece. [`ErrorKind::Integrity`] as soon as the body is longer than declared.
    pub fn add(&mut self, piece: &[u8]) -> Result<()> {
        self.counted += piece.len() as u64;
        if self.size.is_some_and(|size| self.counted > size) {
            return Err(Error::new(ErrorKind::Integrity, "the body is longer than declared"));
        }
        if let Some((_, hasher)) = &mut self.sha256 {
            hasher.update(piece);
        }
        Ok(())
    }

    /// How many bytes have passed.
    pub fn counted(&self) -> u64 {
        self.counted
    }

    /// Ends the body. [`ErrorKind::Integrity`] if it was shorter than declared or has another hash.
    pub fn finish(self) -> Result<u64> {
        if self.size.is_some_and(|size| self.counted != size) {
            return Err(Error::new(ErrorKind::Integrity, "the body is shorter than declared"));
        }
        if let Some((expected, hasher)) = self.sha256
            && expected != <[u8; 32]>::from(hasher.finalize())
        {
            return Err(Error::new(ErrorKind::Integrity, "the body has another SHA-256 than declared"));
        }
        Ok(self.counted)
    }
}
