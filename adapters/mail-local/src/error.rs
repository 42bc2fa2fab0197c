//! From the operating system's errors to ours.

use std::io;

use mailer::{Disposition, Error, ErrorKind, Stage};

/// What an I/O error means; the mail was surely not made visible unless the caller says otherwise.
pub(crate) fn from_io(doing: &str, error: io::Error) -> Error {
    let (kind, disposition) = classify(error.kind());
    Error::new(kind, doing)
        .with_disposition(disposition)
        .with_outcome(mailer::Outcome::NotApplied)
        .at(Stage::Data)
        .with_source(error)
}

fn classify(kind: io::ErrorKind) -> (ErrorKind, Disposition) {
    use Disposition::{Permanent, Transient};
    match kind {
        io::ErrorKind::QuotaExceeded => (ErrorKind::Quota, Transient),
        io::ErrorKind::FileTooLarge => (ErrorKind::TooLarge, Permanent),
        io::ErrorKind::PermissionDenied
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::InvalidFilename
        | io::ErrorKind::InvalidInput => (ErrorKind::Config, Permanent),
        _ => (ErrorKind::Unavailable, Transient),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_of_the_table() {
        for (io, kind, disposition) in [
            (io::ErrorKind::StorageFull, ErrorKind::Unavailable, Disposition::Transient),
            (io::ErrorKind::QuotaExceeded, ErrorKind::Quota, Disposition::Transient),
            (io::ErrorKind::FileTooLarge, ErrorKind::TooLarge, Disposition::Permanent),
            (io::ErrorKind::PermissionDenied, ErrorKind::Config, Disposition::Permanent),
            (io::ErrorKind::ReadOnlyFilesystem, ErrorKind::Config, Disposition::Permanent),
            (io::ErrorKind::NotADirectory, ErrorKind::Config, Disposition::Permanent),
            (io::ErrorKind::InvalidFilename, ErrorKind::Config, Disposition::Permanent),
            (io::ErrorKind::InvalidInput, ErrorKind::Config, Disposition::Permanent),
            (io::ErrorKind::Other, ErrorKind::Unavailable, Disposition::Transient),
        ] {
            let error = from_io("writing", io.into());
            assert_eq!((error.kind(), error.disposition()), (kind, disposition), "{io}");
            assert_eq!(error.outcome(), mailer::Outcome::NotApplied);
        }
    }
}
