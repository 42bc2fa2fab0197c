//! Names of objects, validated once, so that all backends agree on them by construction.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use crate::{Error, ErrorKind, Result};

/// The first segment that no key may have. Backends keep what is theirs below it.
pub const RESERVED: &str = ".persistent-fs";

const MAX_LENGTH: usize = 1024;
const MAX_SEGMENT: usize = 255;

/// The name of an object: segments separated by `/`.
///
/// Between 1 and 1024 bytes of UTF-8; each segment has 1 to 255 bytes and is neither `.` nor `..`; no control
/// character, no backslash; the first segment is not [`RESERVED`]. Nothing is normalised or percent-encoded: what is
/// written is what a human sees on disk or in a bucket. Keys are ordered by their bytes.
///
/// ```
/// # use persistent_fs::{ErrorKind, Key};
/// let key = Key::parse("invoices/2026/März.pdf").expect("a key");
/// assert_eq!(key.file_name(), "März.pdf");
/// for text in ["", "/a", "a/", "a//b", "a/../b", "a\\b", "a\0"] {
///     assert_eq!(Key::parse(text).unwrap_err().kind(), ErrorKind::InvalidKey);
/// }
/// ```
///
/// A valid key is safe to join to a directory, and cheap to clone. It is still not the place for what users type:
/// name objects yourself, and keep the users' names in your own records or in the link.
///
/// A backend that has directories cannot hold `a` beside `a/b`. It refuses the second of the two with
/// [`ErrorKind::InvalidKey`], so do not rely on having both.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// The beginning of keys, as text: `a/b` covers `a/b`, `a/bc` and `a/b/c`. To mean a folder, end it with `/`.
///
/// The characters are restricted as in a [`Key`]; it may end in the middle of a segment or with a slash.
///
/// ```
/// # use persistent_fs::{Key, Prefix};
/// let (text, folder) = (Prefix::parse("a/b").unwrap(), Prefix::parse("a/b/").unwrap());
/// let neighbour = Key::parse("a/bc").unwrap();
/// assert!(neighbour.starts_with(&text) && !neighbour.starts_with(&folder));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(Arc<str>);

impl Key {
    /// Takes a text as a key, or says with [`ErrorKind::InvalidKey`] why it is none.
    pub fn parse(text: &str) -> Result<Self> {
        check_text("a key", text)?;
        text.split('/').try_for_each(|segment| check_segment("a key", segment))?;
        Ok(Self(text.into()))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last segment.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// All segments, first to last. There is at least one.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// Whether the key begins with the prefix, as text.
    pub fn starts_with(&self, prefix: &Prefix) -> bool {
        self.0.starts_with(prefix.as_str())
    }

    /// Whether `other` lies below this key, as `a/b` lies below `a`.
    pub fn contains(&self, other: &Self) -> bool {
        other.0.strip_prefix(&*self.0).is_some_and(|rest| rest.starts_with('/'))
    }
}

impl Prefix {
    /// Takes a text as a prefix, or says with [`ErrorKind::InvalidKey`] why it is none.
    ///
    /// The empty text is refused: who means everything says [`Prefix::all`].
    pub fn parse(text: &str) -> Result<Self> {
        check_text("a prefix", text)?;
        let (complete, last) = text.rsplit_once('/').map_or((None, text), |(head, tail)| (Some(head), tail));
        complete
            .into_iter()
            .flat_map(|head| head.split('/'))
            .try_for_each(|part| check_segment("a prefix", part))?;
        if last.len() > MAX_SEGMENT {
            return Err(invalid("a prefix", "has a segment of more than 255 bytes"));
        }
        Ok(Self(text.into()))
    }

    /// The prefix of every key.
    pub fn all() -> Self {
        Self("".into())
    }

    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the prefix of every key.
    pub fn is_all(&self) -> bool {
        self.0.is_empty()
    }
}

fn check_text(what: &str, text: &str) -> Result<()> {
    if text.is_empty() {
        return Err(invalid(what, "is empty"));
    }
    if text.len() > MAX_LENGTH {
        return Err(invalid(what, "has more than 1024 bytes"));
    }
    if text.chars().any(|c| c == '\\' || c.is_control()) {
        return Err(invalid(what, "has a backslash or a control character"));
    }
    if text.split('/').next() == Some(RESERVED) {
        return Err(invalid(what, "begins with the reserved name"));
    }
    Ok(())
}

fn check_segment(what: &str, segment: &str) -> Result<()> {
    match segment {
        "" => Err(invalid(what, "has an empty segment")),
        "." | ".." => Err(invalid(what, "has a segment that is `.` or `..`")),
        long if long.len() > MAX_SEGMENT => Err(invalid(what, "has a segment of more than 255 bytes")),
        _ => Ok(()),
    }
}

/// The text itself stays out of the message: it is somebody's input and may be anything.
fn invalid(what: &str, why: &str) -> Error {
    Error::new(ErrorKind::InvalidKey, format!("{what} that {why} is not valid"))
}

/// Keys compare like their texts, so a sorted map of keys can be searched by text.
impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for Key {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl FromStr for Prefix {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_any_readable_path() {
        for text in
            ["a", "a/b", "a b", "ä/日本/🙂", "a%2Fb", "x.tmp", "name#1", "..a", "a/.persistent-fs", "CON"]
        {
            assert_eq!(Key::parse(text).expect(text).as_str(), text);
        }
        assert!(Key::parse(&"x".repeat(255)).is_ok());
        assert!(Key::parse(&vec!["x".repeat(127); 8].join("/")).is_ok());
    }

    #[test]
    fn a_key_that_could_mean_something_else_is_refused() {
        let long_segment = "x".repeat(256);
        let long_key = vec!["x".repeat(200); 6].join("/");
        for text in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "a/./b",
            "a/../b",
            "../a",
            "a\\b",
            "a\0b",
            "a\nb",
            "a\u{7f}",
            "a\u{85}b",
            RESERVED,
            ".persistent-fs/staging/x",
            &long_segment,
            &long_key,
        ] {
            let error = Key::parse(text).expect_err(text);
            assert_eq!(error.kind(), ErrorKind::InvalidKey, "{text:?}");
        }
    }

    #[test]
    fn a_prefix_is_text_that_some_key_could_begin_with() {
        for text in ["a", "a/", "a/b", "a/.", "a/.."] {
            assert_eq!(Prefix::parse(text).expect(text).as_str(), text);
        }
        for text in ["", "/", "/a", "a//", "a/../", "./", ".persistent-fs/"] {
            assert!(Prefix::parse(text).is_err(), "{text:?}");
        }
        assert!(Prefix::all().is_all());
    }

    #[test]
    fn below_means_a_slash_follows() {
        let key = |text| Key::parse(text).expect(text);
        assert!(key("a").contains(&key("a/b")));
        assert!(!key("a").contains(&key("ab")));
        assert!(!key("a").contains(&key("a")));
    }
}
