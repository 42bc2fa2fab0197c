//! Where the parts are put together: the only place that names adapters. A new one is one line here.

mod mail;
#[cfg(feature = "ses")]
mod notifications;

use std::sync::Arc;

use dbconn::{Pool, PoolOptions};
use mailer::layers::Suppressed;
use persistent_fs::Files;
use persistent_fs::links::{KeyRing, LinkKey, LinkSigner};

pub use mail::mailer;

use crate::app::{App, AppState, Settings};
use crate::clock::Clock;
use crate::config::{Config, Schemes, cloud_variables};
use crate::jobs::Jobs;
use crate::key_files;
use crate::mail::suppressions::Suppressions;
use crate::password::PasswordHasher;
use crate::rng::Rng;
use crate::tokens::Tokens;

/// Names our own stores in links, so that no other store with the same key honours them.
const STORE: &str = "files";

/// Why the parts could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be opened.
    #[error(transparent)]
    Database(#[from] dbconn::Error),
    /// The file store cannot be opened.
    #[error("files: {0}")]
    Files(#[from] persistent_fs::Error),
    /// Mail cannot be sent that way.
    #[error("mail: {0}")]
    Mail(#[from] mailer::Error),
    /// The server's own keys cannot be read or made.
    #[error("the server's keys: {0}")]
    Keys(#[from] crate::error::Error),
}

/// Databases by URL.
fn databases() -> dbconn::Registry {
    dbconn::Registry::new()
        .with("memory", db_memory::open)
        .with("postgres", db_url::open_postgres)
        .with("sqlite", db_url::open_sqlite)
}

/// File stores by URL.
fn stores() -> persistent_fs::Registry {
    let environment = fs_s3::Environment::from_vars(cloud_variables());
    persistent_fs::Registry::new()
        .with("file", fs_local::open)
        .with("memory", fs_memory::open)
        .with("s3", move |url| fs_s3::open_with(url, environment.clone()))
}

/// What a configuration may name.
pub fn schemes() -> Schemes {
    Schemes {
        database: databases().schemes().map(str::to_owned).collect(),
        files: stores().schemes().map(str::to_owned).collect(),
        mail: mail::ways().schemes().map(str::to_owned).collect(),
    }
}

/// The database alone, for commands that need nothing else.
pub async fn database(config: &Config, clock: &Clock) -> Result<Pool, Error> {
    let backend = databases().open(config.database.expose()).await?;
    let max_size = usize::try_from(config.database_connections).unwrap_or(usize::MAX);
    let options = PoolOptions { max_size, clock: database_clock(clock), ..PoolOptions::default() };
    Ok(Pool::open(backend, options)?)
}

/// The whole application over an open database, which must be migrated already.
pub async fn app(
    config: &Config,
    settings: Settings,
    db: Pool,
    clock: Clock,
    rng: Rng,
) -> Result<AppState, Error> {
    let (files, tokens, links) = files(config, &settings, &clock, &rng).await?;
    let suppressions = Suppressions::new(db.clone(), clock.clone());
    let (mailer, mail_preview) = mail::mailer_and_page(config, &clock, &rng)?;
    Ok(Arc::new(App {
        db,
        files,
        links,
        mailer: mailer.map(|mailer| mailer.layer(|backend| Suppressed::new(backend, suppressions))),
        mail_preview,
        mail_hook: mail::hook(config, &clock)?,
        tokens,
        passwords: PasswordHasher::new(&rng),
        jobs: Jobs::default(),
        settings,
        clock,
        rng,
    }))
}

/// The file store, and what its key files are for: tokens and links.
async fn files(
    config: &Config,
    settings: &Settings,
    clock: &Clock,
    rng: &Rng,
) -> Result<(Files, Tokens, LinkSigner), Error> {
    let store = stores().open(config.files.expose()).await?;
    let seed = key_files::load_or_create(&store, "access-token.ed25519", rng).await?;
    let tokens = Tokens::new(&seed, settings.base())?;
    let secret = key_files::load_or_create(&store, "links.hmac", rng).await?;
    let signer = link_signer(&secret, settings, clock)?;
    Ok((store, tokens, signer))
}

fn link_signer(secret: &[u8; 32], settings: &Settings, clock: &Clock) -> Result<LinkSigner, Error> {
    let mut base = settings.domain.clone();
    base.set_path(&format!("{}/blob/", base.path().trim_end_matches('/')));
    let ring = KeyRing::new(LinkKey::new("1", secret)?);
    let clock = clock.clone();
    let clock = persistent_fs::Clock::new(move || clock.system_time());
    Ok(LinkSigner::new(STORE, base, ring, clock)?)
}

/// Our clock, as `dbconn` wants it.
pub fn database_clock(clock: &Clock) -> dbconn::Clock {
    let clock = clock.clone();
    dbconn::Clock::new(move || clock.system_time())
}
