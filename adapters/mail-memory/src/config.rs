//! How much a [`Memory`](crate::Memory) keeps and takes.

use mailer::{BackendUrl, Error};

/// How much is kept and taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Mails kept; the oldest makes room for the newest.
    pub capacity: usize,
    /// Declared as [`Capabilities::max_recipients`](mailer::Capabilities::max_recipients).
    pub max_recipients: Option<usize>,
    /// Declared as [`Capabilities::max_bytes`](mailer::Capabilities::max_bytes).
    pub max_bytes: Option<u64>,
}

impl Options {
    /// Reads `memory:` with the optional keys `capacity`, `max_recipients` and `max_bytes`.
    ///
    /// A value that is no number answers [`Config`](mailer::ErrorKind::Config) and names the key.
    pub fn from_url(url: &mut BackendUrl) -> Result<Self, Error> {
        let defaults = Self::default();
        Ok(Self {
            capacity: url.take_number("capacity")?.unwrap_or(defaults.capacity),
            max_recipients: url.take_number("max_recipients")?,
            max_bytes: url.take_number("max_bytes")?,
        })
    }
}

impl Default for Options {
    /// 1000 mails, and no limit on a single one.
    fn default() -> Self {
        Self { capacity: 1000, max_recipients: None, max_bytes: None }
    }
}
