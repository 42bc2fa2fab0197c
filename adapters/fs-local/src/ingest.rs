//! Files that become objects as they are.

use std::{fs::File, io::Read, path::Path};

use persistent_fs::{Error, ErrorKind, Key, Meta, Result, Tally, WriteOptions};
use rustix::{
    fs::{CWD, Mode, OFlags, fchmod, openat},
    io::Errno,
};

use crate::{
    error::{io, system},
    publish::{Body, publish},
    read::PIECE,
    root::PRIVATE_FILE,
    stage::seal,
    upload::{LocalUpload, Target},
};

/// Without `NONBLOCK`, opening a named pipe would wait for somebody to write into it.
const SOURCE: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// Renames a file into the store, or copies it if it lies on another file system. Blocks.
pub(crate) fn ingest(target: &Target, key: &Key, path: &Path, mut options: WriteOptions) -> Result<Meta> {
    let file = open(path)?;
    let size = file.metadata().map_err(unusable)?.len();
    if options.size.is_some_and(|declared| declared != size) {
        return Err(Error::new(ErrorKind::Integrity, "the file has another size than declared"));
    }
    options.size = Some(size);
    if options.sha256.is_some() {
        let mut tally = Tally::expecting(&options);
        for_each_piece(&file, |piece| tally.add(piece))?;
        tally.finish()?;
    }
    fchmod(&file, PRIVATE_FILE).map_err(|errno| system(errno, "take over the file"))?;
    seal(&file, &target.stamps, target.durable)?;
    match publish(&target.root, key, Body::Outside(&file, path), &options, target.durable) {
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            let mut upload = LocalUpload::new(target.clone(), key.clone(), options)?;
            for_each_piece(&open(path)?, |piece| upload.append(piece))?;
            let meta = upload.put(&[])?;
            // The object is there: a file that cannot be removed is the caller's litter, not a failed write.
            drop(std::fs::remove_file(path));
            Ok(meta)
        }
        published => published,
    }
}

fn open(path: &Path) -> Result<File> {
    let file = match openat(CWD, path, SOURCE, Mode::empty()) {
        Err(Errno::LOOP) => return Err(no_file()),
        opened => File::from(opened.map_err(|errno| unusable(errno.into()))?),
    };
    let is_file = file.metadata().map_err(unusable)?.is_file();
    if is_file { Ok(file) } else { Err(no_file()) }
}

fn for_each_piece(mut file: &File, mut act: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let read = file.read(&mut piece).map_err(|error| io(&error, "read the file to ingest"))?;
        if read == 0 {
            return Ok(());
        }
        act(&piece[..read])?;
    }
}

fn unusable(error: std::io::Error) -> Error {
    Error::new(ErrorKind::InvalidOption, "the file to ingest cannot be opened").with_source(error)
}

fn no_file() -> Error {
    Error::new(ErrorKind::InvalidOption, "what is to be ingested is no regular file")
}
