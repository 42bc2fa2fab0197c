//! `memory:` URLs.

use persistent_fs::{Result, UrlOptions};
use url::Url;

use crate::Memory;

/// Opens `memory:`, an empty store of its own each time. For [`persistent_fs::Registry::with`].
///
/// It knows no options; any is refused with [`persistent_fs::ErrorKind::Config`].
pub async fn open(url: Url) -> Result<Memory> {
    UrlOptions::of(&url)?.finish()?;
    Ok(Memory::new())
}
