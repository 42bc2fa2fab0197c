//! Where a drop box lies.

use std::path::PathBuf;

use mailer::{BackendUrl, Error, ErrorKind};

/// The folder in `scheme:///absolute/path`, percent-decoded.
///
/// A host, a user, a port or a missing path answers [`Config`](ErrorKind::Config).
pub(crate) fn folder(url: &BackendUrl) -> Result<PathBuf, Error> {
    let scheme = url.url().scheme();
    if url.url().has_host() || url.url().path().len() < 2 {
        return Err(Error::new(ErrorKind::Config, format!("write {scheme}:///absolute/path")));
    }
    decode(url.url().path())
        .map(PathBuf::from)
        .ok_or_else(|| Error::new(ErrorKind::Config, format!("the path in {scheme}:/// is wrongly encoded")))
}

/// Percent-decodes UTF-8; nothing if an escape is cut short, not UTF-8, or a NUL.
fn decode(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(byte);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok().filter(|path| !path.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_paths_are_folders() {
        for (text, path) in [
            ("maildir:///var/mail", Some("/var/mail")),
            ("maildir:///var/a%20b%C3%A4", Some("/var/a bä")),
            ("maildir:///a%2", None),
            ("maildir:///a%00", None),
            ("maildir:///a%ff", None),
            ("maildir://var/mail", None),
            ("maildir:///", None),
            ("maildir:", None),
        ] {
            let url = BackendUrl::parse(text).unwrap();
            assert_eq!(folder(&url).ok(), path.map(PathBuf::from), "{text}");
        }
    }
}
