//! The system's errors as the contract's.

use persistent_fs::{Error, ErrorKind, Retry};
use rustix::io::Errno;

/// The error for a failed system call. `step` says what it was for.
///
/// A missing file is no [`ErrorKind::NotFound`] here: who looks for an object knows that and says so. Anywhere else a
/// path that is gone means that the root is.
pub(crate) fn system(errno: Errno, step: &str) -> Error {
    let kind = kind(errno);
    // A failed disk must not be asked again: the kernel may have dropped the data and report success.
    let retry = if errno == Errno::MFILE || errno == Errno::NFILE { Retry::Backoff } else { Retry::Never };
    Error::new(kind, step).with_retry(retry).with_source(std::io::Error::from(errno))
}

/// The same for what `std` reports.
pub(crate) fn io(error: &std::io::Error, step: &str) -> Error {
    system(Errno::from_io_error(error).unwrap_or(Errno::IO), step)
}

fn kind(errno: Errno) -> ErrorKind {
    match errno {
        Errno::ACCESS | Errno::PERM | Errno::ROFS => ErrorKind::Denied,
        Errno::NOSPC | Errno::DQUOT => ErrorKind::NoSpace,
        Errno::FBIG => ErrorKind::TooLarge,
        Errno::NOTDIR | Errno::ISDIR | Errno::LOOP | Errno::NAMETOOLONG | Errno::ILSEQ => {
            ErrorKind::InvalidKey
        }
        Errno::NOENT | Errno::STALE | Errno::IO | Errno::MFILE | Errno::NFILE | Errno::NODEV => {
            ErrorKind::Unavailable
        }
        _ => ErrorKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_its_kind() {
        for (errno, kind) in [
            (Errno::ACCESS, ErrorKind::Denied),
            (Errno::ROFS, ErrorKind::Denied),
            (Errno::NOSPC, ErrorKind::NoSpace),
            (Errno::DQUOT, ErrorKind::NoSpace),
            (Errno::FBIG, ErrorKind::TooLarge),
            (Errno::LOOP, ErrorKind::InvalidKey),
            (Errno::ISDIR, ErrorKind::InvalidKey),
            (Errno::NOENT, ErrorKind::Unavailable),
            (Errno::IO, ErrorKind::Unavailable),
            (Errno::BADF, ErrorKind::Other),
        ] {
            assert_eq!(system(errno, "step").kind(), kind, "{errno:?}");
        }
    }

    #[test]
    fn a_failed_disk_is_not_asked_again() {
        assert_eq!(system(Errno::IO, "step").retry(), Retry::Never);
        assert_eq!(system(Errno::MFILE, "step").retry(), Retry::Backoff);
    }
}
