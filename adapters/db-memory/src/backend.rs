//! The backend: nothing but a target.

use async_trait::async_trait;
use dbconn::{Ask, Backend, Credentials, Error, ErrorKind, Location, Target};
use url::Url;

/// Opens `memory:`, a database of its own each time. For [`dbconn::Registry::with`].
pub async fn open(url: Url) -> Result<Memory, Error> {
    Memory::from_url(&url)
}

/// SQLite in memory.
#[derive(Debug, Clone)]
pub struct Memory {
    target: Target,
}

impl Memory {
    /// A database that is made, empty, when a pool over it opens its connection.
    pub fn new() -> Self {
        Self { target: Target::sqlite(Location::Memory) }
    }

    /// Reads `memory:`. `Config` if anything follows.
    pub fn from_url(url: &Url) -> Result<Self, Error> {
        if url.as_str() != "memory:" {
            let why = "a database in memory takes no options: `memory:`";
            return Err(Error::new(ErrorKind::Config, "open", why));
        }
        Ok(Self::new())
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Backend for Memory {
    fn target(&self) -> &Target {
        &self.target
    }

    async fn credentials(&self, _ask: &Ask<'_>) -> Result<Credentials, Error> {
        Ok(Credentials::none())
    }
}
