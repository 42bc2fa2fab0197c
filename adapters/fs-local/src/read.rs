//! Bodies on their way out.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    ops::Range,
};

use bytes::Bytes;
use persistent_fs::{Download, Error, ErrorKind, Key, ReadOptions, Result};

use crate::{
    blocking::{Source, batches},
    error::io,
    root::Root,
};

/// Large enough that the cost of a call does not matter, small enough to stay in a processor's cache.
pub(crate) const PIECE: usize = 256 * 1024;

/// How many pieces are read in one go. Two batches can be in memory at once.
const BATCH: usize = 4;

/// Opens an object and reads the first pieces in the same visit to the blocking pool; small objects are complete then.
pub(crate) fn read(root: &Root, key: &Key, options: &ReadOptions) -> Result<Download> {
    let (mut file, meta) = root.open_object(key)?;
    let range = options.resolve(&meta).map_err(|error| error.with_key(key))?;
    file.seek(SeekFrom::Start(range.start)).map_err(|error| io(&error, "find the range"))?;
    let mut reader = Reader { file, left: range.clone() };
    let (first, more) = if reader.is_short() { reader.batch() } else { (Vec::new(), true) };
    let body = batches(first, more.then_some(reader));
    Ok(Download::new(meta, range, Box::pin(body)))
}

struct Reader {
    file: File,
    left: Range<u64>,
}

impl Reader {
    fn is_short(&self) -> bool {
        self.left.end - self.left.start <= PIECE as u64
    }

    fn piece(&mut self) -> Result<Bytes> {
        let wanted = (self.left.end - self.left.start).min(PIECE as u64);
        let mut piece = Vec::with_capacity(usize::try_from(wanted).unwrap_or(PIECE));
        let read = (&self.file)
            .take(wanted)
            .read_to_end(&mut piece)
            .map_err(|error| io(&error, "read the object"))?;
        if (read as u64) < wanted {
            return Err(Error::new(ErrorKind::Integrity, "the file was cut short while it was read"));
        }
        self.left.start += wanted;
        Ok(piece.into())
    }
}

impl Source for Reader {
    type Item = Bytes;

    fn batch(&mut self) -> (Vec<Result<Bytes>>, bool) {
        let mut pieces = Vec::with_capacity(BATCH);
        while !self.left.is_empty() && pieces.len() < BATCH {
            let piece = self.piece();
            let failed = piece.is_err();
            pieces.push(piece);
            if failed {
                return (pieces, false);
            }
        }
        (pieces, !self.left.is_empty())
    }
}
