//! The backend: nothing but a target.

use std::sync::Arc;

use async_trait::async_trait;
use dbconn::{Ask, Backend, Credentials, Error, ErrorKind, Location, Target};

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

    /// Opens `memory:`, for a [`dbconn::Registry`]. `Config` if anything follows.
    pub fn open(url: &str) -> Result<Arc<dyn Backend>, Error> {
        match url {
            "memory:" => Ok(Arc::new(Self::new())),
            _ => {
                Err(Error::new(ErrorKind::Config, "open", "a database in memory takes no options: `memory:`"))
            }
        }
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
