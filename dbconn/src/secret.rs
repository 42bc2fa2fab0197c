//! A password or token that is wiped when dropped and never printed.

use std::fmt;

use zeroize::Zeroizing;

/// Bytes that no `Debug`, log line or error ever shows, and that are overwritten when dropped.
///
/// There is no `Display`, and no way to the bytes but [`expose`](Secret::expose), so that a search
/// for this word finds every place where a password leaves its wrapping. Clones are wiped one by
/// one. The driver makes a copy of its own for the login, which is out of our reach.
///
/// Comparing takes time that depends on the bytes. That is fine between two secrets of our own, as
/// in [`Rotating`](crate::Rotating), and would not be against what a stranger sends.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes over the bytes. They reach the server as they are: nothing is trimmed, encoded or checked.
    ///
    /// A `Vec` or `String` is taken over without a copy; of a `&str` the original stays where it was.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes themselves, for handing to the server and to nobody else.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn debug_shows_nothing() {
        let secret = Secret::new("canary");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(secret.expose(), b"canary");
    }
}
