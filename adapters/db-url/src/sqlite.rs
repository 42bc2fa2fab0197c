//! A SQLite file.

use std::path::PathBuf;

use async_trait::async_trait;
use dbconn::{Ask, Backend, Credentials, Error, Location, Target};
use url::Url;

use crate::config;

/// Opens `sqlite:///absolute/path`. For [`dbconn::Registry::with`].
pub async fn open_sqlite(url: Url) -> Result<Sqlite, Error> {
    Sqlite::from_url(&url)
}

/// A SQLite file.
#[derive(Debug, Clone)]
pub struct Sqlite {
    target: Target,
}

impl Sqlite {
    /// The file at this path, absolute or relative to the process's folder. It is created if it is not there; its folder
    /// must be.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { target: Target::sqlite(Location::File(path.into())) }
    }

    /// Reads `sqlite:///absolute/path`. `Config` for anything else.
    pub fn from_url(url: &Url) -> Result<Self, Error> {
        Ok(Self::file(config::sqlite_path(url)?))
    }
}

#[async_trait]
impl Backend for Sqlite {
    fn target(&self) -> &Target {
        &self.target
    }

    async fn credentials(&self, _ask: &Ask<'_>) -> Result<Credentials, Error> {
        Ok(Credentials::none())
    }
}
