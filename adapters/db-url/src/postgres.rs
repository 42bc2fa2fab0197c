//! A Postgres server with a password.

use async_trait::async_trait;
use dbconn::{Ask, Backend, Credentials, Error, ErrorKind, Refusal, Retry, Secret, Server, Target, Verdict};
use url::Url;

use crate::config::{Password, PostgresOptions};

/// Opens `postgres://…`. For [`dbconn::Registry::with`].
pub async fn open_postgres(url: Url) -> Result<Postgres, Error> {
    Postgres::from_url(&url)
}

/// A Postgres server with a password.
#[derive(Debug, Clone)]
pub struct Postgres {
    target: Target,
    user: String,
    password: Password,
}

impl Postgres {
    /// The server that the options describe.
    pub fn new(options: PostgresOptions) -> Self {
        let target = Target::postgres(Server {
            host: options.host,
            port: options.port,
            database: options.database,
            tls: options.tls,
            application_name: options.application_name,
        });
        Self { target, user: options.user, password: options.password }
    }

    /// Reads `postgres://user:password@host:port/database?…`; see the crate's documentation for the options.
    ///
    /// `Config`, naming the part or option that is wrong. Certificates are read now.
    pub fn from_url(url: &Url) -> Result<Self, Error> {
        Ok(Self::new(PostgresOptions::from_url(url)?))
    }
}

#[async_trait]
impl Backend for Postgres {
    fn target(&self) -> &Target {
        &self.target
    }

    async fn credentials(&self, _ask: &Ask<'_>) -> Result<Credentials, Error> {
        let password = match &self.password {
            Password::Known(secret) => secret.clone(),
            Password::File(path) => {
                let mut bytes = tokio::fs::read(path).await.map_err(|error| {
                    let what = format!("the password file cannot be read: {}", error.kind());
                    Error::new(ErrorKind::Unavailable, "credentials", what).with_retry(Retry::Backoff)
                })?;
                // Editors and `echo` end the line; no password ends in a line break.
                while bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
                    bytes.pop();
                }
                Secret::new(bytes)
            }
        };
        Ok(Credentials::new(&self.user, password))
    }

    async fn refused(&self, _credentials: &Credentials, _refusal: &Refusal) -> Verdict {
        // The file may have been replaced between our reading and the server's.
        match self.password {
            Password::Known(_) => Verdict::GiveUp,
            Password::File(_) => Verdict::Renew,
        }
    }
}
