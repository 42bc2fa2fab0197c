//! Credentials by the AWS SDK's own chain.

use std::fmt;

use aws_config::{
    default_provider::credentials::DefaultCredentialsChain, profile::ProfileFileCredentialsProvider,
    provider_config::ProviderConfig,
};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use tokio::sync::OnceCell;

use crate::backend::http_client;

/// Keys as the AWS SDK finds them for every program, or those of one profile. Reads the environment, the home directory
/// and what they name, when keys are first needed.
pub(crate) struct SdkCredentials {
    profile: Option<String>,
    chain: OnceCell<SharedCredentialsProvider>,
}

impl SdkCredentials {
    /// Reads nothing yet.
    pub(crate) fn new(profile: Option<String>) -> Self {
        Self { profile, chain: OnceCell::new() }
    }

    async fn load(&self) -> SharedCredentialsProvider {
        let surroundings = ProviderConfig::without_region().with_http_client(http_client());
        if let Some(profile) = &self.profile {
            // The chain would prefer keys in variables to those of the profile that was asked for.
            let keys = ProfileFileCredentialsProvider::builder().configure(&surroundings);
            return SharedCredentialsProvider::new(keys.profile_name(profile).build());
        }
        let chain = DefaultCredentialsChain::builder().configure(surroundings);
        SharedCredentialsProvider::new(chain.build().await)
    }
}

impl ProvideCredentials for SdkCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let chain = self.chain.get_or_init(|| self.load()).await;
            chain.provide_credentials().await
        })
    }
}

impl fmt::Debug for SdkCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SdkCredentials").field("profile", &self.profile).finish_non_exhaustive()
    }
}
