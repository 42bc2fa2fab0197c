//! Bodies on their way out.

use std::{
    fs::File,
    io::Read,
    ops::Range,
    os::unix::fs::FileExt,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures_util::stream;
use persistent_fs::{Download, Error, ErrorKind, Key, ReadOptions, Result};

use crate::{
    blocking::{Ahead, Source},
    error::io,
    root::Root,
};

/// Large enough that the cost of a call does not matter, small enough to stay in a processor's cache.
pub(crate) const PIECE: usize = 256 * 1024;

/// How many pieces are read ahead of the consumer.
const AHEAD: usize = 4;

/// Opens an object. One that is no longer than a piece is read in the same visit to the blocking pool.
pub(crate) fn read(root: &Root, key: &Key, options: &ReadOptions) -> Result<Download> {
    let (file, meta) = root.open_object(key)?;
    let range = options.resolve(&meta).map_err(|error| error.with_key(key))?;
    let left = range.clone();
    if range.end - range.start <= PIECE as u64 {
        let body = stream::iter(whole(&file, &left)?.map(Ok));
        return Ok(Download::new(meta, range, Box::pin(body)));
    }
    let reader = Reader { file, left, spare: Spare::default() };
    Ok(Download::new(meta, range, Box::pin(Ahead::new(reader, AHEAD))))
}

/// A range that fits into one piece, or nothing if it is empty.
fn whole(file: &File, range: &Range<u64>) -> Result<Option<Bytes>> {
    if range.is_empty() {
        return Ok(None);
    }
    let wanted = usize::try_from(range.end - range.start).expect("a piece at most");
    let mut piece = Vec::with_capacity(wanted);
    if range.start > 0 {
        piece.resize(wanted, 0);
        file.read_exact_at(&mut piece, range.start).map_err(|error| failed(&error))?;
    } else {
        // Into fresh memory, which need not be cleared first.
        file.take(wanted as u64).read_to_end(&mut piece).map_err(|error| failed(&error))?;
    }
    if piece.len() < wanted {
        return Err(cut_short());
    }
    Ok(Some(piece.into()))
}

struct Reader {
    file: File,
    left: Range<u64>,
    spare: Spare,
}

impl Source for Reader {
    type Item = Bytes;

    fn next(&mut self) -> Option<Result<Bytes>> {
        if self.left.is_empty() {
            return None;
        }
        let length = usize::try_from(self.left.end - self.left.start).map_or(PIECE, |left| left.min(PIECE));
        let mut piece = self.spare.take(length);
        let read = self.file.read_exact_at(&mut piece.buffer[..length], self.left.start);
        self.left.start += length as u64;
        Some(read.map(|()| Bytes::from_owner(piece)).map_err(|error| failed(&error)))
    }
}

/// Buffers to be used again. Memory that is new to the process costs more than reading into it.
#[derive(Clone, Default)]
struct Spare(Arc<Mutex<Vec<Vec<u8>>>>);

/// A part of a body in a buffer that goes back when its last reader is done with it.
struct Piece {
    buffer: Vec<u8>,
    length: usize,
    home: Spare,
}

impl Spare {
    fn take(&self, length: usize) -> Piece {
        let spare = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Piece { buffer: spare.unwrap_or_else(|| vec![0; PIECE]), length, home: self.clone() }
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let mut spare = self.home.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A consumer that let many pieces pile up does not keep them all.
        if spare.len() <= AHEAD {
            spare.push(std::mem::take(&mut self.buffer));
        }
    }
}

fn failed(error: &std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => cut_short(),
        _ => io(error, "read the object"),
    }
}

fn cut_short() -> Error {
    Error::new(ErrorKind::Integrity, "the file was cut short while it was read")
}
