//! What requests are signed with.

use std::fmt;

/// A pair of keys, and with it a token if they are temporary. `Debug` shows none of it but the identifier.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Keys {
    /// Who asks.
    pub id: String,
    /// What is signed with.
    pub secret: String,
    /// What comes with temporary keys.
    pub session_token: Option<String>,
    pub(super) expired: bool,
}

impl Keys {
    /// Keys that no server has issued, unless it has issued the same.
    pub fn new(id: impl Into<String>, secret: impl Into<String>, session_token: Option<String>) -> Self {
        Self { id: id.into(), secret: secret.into(), session_token, expired: false }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("id", &self.id).finish_non_exhaustive()
    }
}
