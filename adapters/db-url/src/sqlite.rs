//! A SQLite file.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use dbconn::{Ask, Backend, Credentials, Error, Location, Target};

use crate::config;

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

    /// Opens `sqlite:///absolute/path`, for a [`dbconn::Registry`]. `Config` for anything else.
    pub fn open(url: &str) -> Result<Arc<dyn Backend>, Error> {
        Ok(Arc::new(Self::file(config::sqlite_path(url)?)))
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
