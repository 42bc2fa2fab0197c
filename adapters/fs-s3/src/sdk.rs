//! Keys by the AWS SDK's own chain, for whoever has them in profiles.

use std::fmt;

use async_trait::async_trait;
use aws_config::{
    BehaviorVersion, SdkConfig, profile::ProfileFileCredentialsProvider, provider_config::ProviderConfig,
};
use aws_credential_types::provider::{
    ProvideCredentials, SharedCredentialsProvider, error::CredentialsError,
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use persistent_fs::{Error, ErrorKind, Result};
use tokio::sync::Mutex;

use crate::credentials::{CredentialSource, Keys};

/// Keys and region as the AWS SDK finds them for every program: in variables, in the files of the AWS command line with
/// their roles, single sign-on and programs, by web identity, from the container, from the virtual machine.
///
/// With a profile named it is that profile alone, as with `--profile` of the command line; the region may still come
/// from `AWS_REGION`.
///
/// This is the one part of the crate that reads the process's environment and home directory, and that runs a program
/// if a profile names one (`credential_process`). It does so when keys are first needed, or the region. Roots of trust
/// for the services that it asks are those of the operating system.
///
/// | The SDK says | Kind |
/// |---|---|
/// | nobody has keys; the profile is not there | [`Unauthenticated`](ErrorKind::Unauthenticated) |
/// | a file or a profile cannot be understood | [`Config`](ErrorKind::Config) |
/// | who should have keys did not answer, in time or at all | [`Timeout`](ErrorKind::Timeout), [`Unavailable`](ErrorKind::Unavailable) |
///
/// After an error the files are read anew, so that what was mended is seen.
pub struct SdkCredentials {
    profile: Option<String>,
    // `None` until it is first asked, and after an error.
    loaded: Mutex<Option<SdkConfig>>,
}

impl SdkCredentials {
    /// The whole chain, or one profile of it. Reads nothing yet.
    pub fn new(profile: Option<String>) -> Self {
        Self { profile, loaded: Mutex::default() }
    }

    /// What the SDK makes of its surroundings.
    async fn load(&self) -> SdkConfig {
        let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http.clone());
        let Some(profile) = &self.profile else { return loader.load().await };
        let config = loader.profile_name(profile).load().await;
        // The chain would prefer keys in variables to those of the profile that was asked for.
        let surroundings =
            ProviderConfig::without_region().with_http_client(http).with_region(config.region().cloned());
        let keys = ProfileFileCredentialsProvider::builder().configure(&surroundings).profile_name(profile);
        config.into_builder().credentials_provider(SharedCredentialsProvider::new(keys.build())).build()
    }
}

#[async_trait]
impl CredentialSource for SdkCredentials {
    async fn keys(&self) -> Result<Keys> {
        let mut loaded = self.loaded.lock().await;
        let config = match loaded.take() {
            Some(config) => config,
            None => self.load().await,
        };
        let provider = config.credentials_provider();
        let provider = provider.ok_or_else(|| Error::new(ErrorKind::Config, "the AWS SDK has no chain"))?;
        let found = provider.provide_credentials().await.map_err(|error| translate(&error))?;
        *loaded = Some(config);
        Ok(Keys {
            session_token: found.session_token().map(str::to_owned),
            expires_at: found.expiry(),
            ..Keys::new(found.access_key_id(), found.secret_access_key())
        })
    }

    async fn region(&self) -> Result<Option<String>> {
        let mut loaded = self.loaded.lock().await;
        if loaded.is_none() {
            *loaded = Some(self.load().await);
        }
        let region = loaded.as_ref().and_then(SdkConfig::region);
        Ok(region.map(ToString::to_string))
    }
}

/// In our own words: those of the SDK may hold what a program or a service said.
fn translate(error: &CredentialsError) -> Error {
    let (kind, detail) = match error {
        CredentialsError::CredentialsNotLoaded(_) => {
            (ErrorKind::Unauthenticated, "the AWS SDK finds no credentials")
        }
        CredentialsError::ProviderTimedOut(_) => {
            (ErrorKind::Timeout, "the AWS SDK got no credentials in time")
        }
        CredentialsError::InvalidConfiguration(_) => {
            (ErrorKind::Config, "the AWS SDK cannot use its configuration")
        }
        _ => (ErrorKind::Unavailable, "the AWS SDK could not get credentials"),
    };
    Error::new(kind, detail)
}

impl fmt::Debug for SdkCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SdkCredentials").field("profile", &self.profile).finish_non_exhaustive()
    }
}
