//! Who asks: where the keys come from that requests are signed with.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use object_store::{
    CredentialProvider, RetryConfig,
    aws::{AmazonS3Builder, AwsCredential, AwsCredentialProvider},
};
use persistent_fs::{Clock, Error, Result};
use url::Url;

use crate::{
    config::{Config, config},
    connect::Connector,
    error::retell,
};

/// Keys are asked for again when they have less than this to live, so that requests outlive their signature.
const MARGIN: Duration = Duration::from_mins(5);

/// Where the keys come from. Whatever is not static is asked for when it is first needed, kept, and renewed in time.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Credentials {
    /// These, for good.
    Static(Keys),
    /// A role that is assumed with the token in a file, as in Kubernetes on EKS.
    WebIdentity {
        /// The role.
        role_arn: String,
        /// The file, read at each renewal.
        token_file: String,
        /// How the session is called in logs.
        session_name: String,
    },
    /// The role of the container, asked from an address that its orchestrator has given it.
    Container(ContainerEndpoint),
    /// The role of the virtual machine, asked from its metadata service (version 2).
    Instance,
    /// Something else.
    Source(Arc<dyn CredentialSource>),
}

/// Where a container asks for its role.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContainerEndpoint {
    /// A path at the fixed address of ECS.
    Relative(String),
    /// A URL, and a file with what to present there, as in EKS Pod Identity.
    Full {
        /// The URL.
        uri: String,
        /// The file, read at each renewal.
        token_file: String,
    },
}

/// A pair of keys, and with it a token if they are temporary. `Debug` shows none of it but the identifier.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// Who asks. Not a secret; it is in every link.
    pub access_key_id: String,
    /// What is signed with.
    pub secret_access_key: String,
    /// What comes with temporary keys.
    pub session_token: Option<String>,
    /// When they die, if they do and if it is known. Links do not outlive it.
    pub expires_at: Option<SystemTime>,
}

/// Hands out keys, for what is not among [`Credentials`]. It is asked again when they are about to expire.
#[async_trait]
pub trait CredentialSource: fmt::Debug + Send + Sync + 'static {
    /// Keys that are good now. An error is what the caller's operation ends with.
    async fn keys(&self) -> Result<Keys>;

    /// The region that goes with them, if one is known. Asked when a store is opened whose [`Config::region`] is empty.
    async fn region(&self) -> Result<Option<String>> {
        Ok(None)
    }
}

/// The variables of an environment that S3 clients know, taken from one that was passed in. `Debug` shows no value.
///
/// | Variables | For |
/// |---|---|
/// | `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_CREDENTIAL_EXPIRATION` | keys, as on Lambda |
/// | `AWS_WEB_IDENTITY_TOKEN_FILE`, `AWS_ROLE_ARN`, `AWS_ROLE_SESSION_NAME` | a role in Kubernetes |
/// | `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` | a role in ECS |
/// | `AWS_CONTAINER_CREDENTIALS_FULL_URI`, `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE` | a role by EKS Pod Identity |
/// | `AWS_EC2_METADATA_DISABLED` | whether to ask the virtual machine when nothing else is there |
/// | `AWS_REGION`, `AWS_DEFAULT_REGION` | the region, if the URL names none |
/// | `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL` | the endpoint, if the URL names none |
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

/// The keys of a store at work.
#[derive(Debug)]
pub(crate) struct Signing {
    provider: AwsCredentialProvider,
    expiry: Arc<Expiry>,
}

/// When the keys in use die, as far as it is known.
#[derive(Debug, Default)]
pub(crate) struct Expiry(Mutex<Option<SystemTime>>);

/// A [`CredentialSource`] as `object_store` wants it.
#[derive(Debug)]
struct Kept {
    source: Arc<dyn CredentialSource>,
    clock: Clock,
    expiry: Arc<Expiry>,
    last: tokio::sync::Mutex<Option<(Arc<AwsCredential>, Option<SystemTime>)>>,
}

impl Keys {
    /// Keys that do not expire.
    pub fn new(access_key_id: impl Into<String>, secret_access_key: impl Into<String>) -> Self {
        let (access_key_id, secret_access_key) = (access_key_id.into(), secret_access_key.into());
        Self { access_key_id, secret_access_key, session_token: None, expires_at: None }
    }

    fn into_theirs(self) -> AwsCredential {
        let Self { access_key_id: key_id, secret_access_key: secret_key, session_token: token, .. } = self;
        AwsCredential { key_id, secret_key, token }
    }
}

impl Credentials {
    /// What an environment names, in the order of [`Environment`]'s table. Nothing:
    /// [`ErrorKind::Config`](persistent_fs::ErrorKind::Config).
    pub fn from_environment(environment: &Environment) -> Result<Self> {
        if let Some(id) = environment.get("AWS_ACCESS_KEY_ID") {
            let secret = environment.get("AWS_SECRET_ACCESS_KEY");
            let secret = secret.ok_or_else(|| config("`AWS_SECRET_ACCESS_KEY` is missing"))?;
            let session_token = environment.get("AWS_SESSION_TOKEN").map(str::to_owned);
            let expires_at = match environment.get("AWS_CREDENTIAL_EXPIRATION") {
                None => None,
                Some(text) => {
                    Some(moment(text).ok_or_else(|| config("`AWS_CREDENTIAL_EXPIRATION` is no time"))?)
                }
            };
            return Ok(Self::Static(Keys { session_token, expires_at, ..Keys::new(id, secret) }));
        }
        if let (Some(file), Some(role)) =
            (environment.get("AWS_WEB_IDENTITY_TOKEN_FILE"), environment.get("AWS_ROLE_ARN"))
        {
            let session_name = environment.get("AWS_ROLE_SESSION_NAME").unwrap_or("persistent-fs");
            let (role_arn, token_file) = (role.to_owned(), file.to_owned());
            return Ok(Self::WebIdentity { role_arn, token_file, session_name: session_name.to_owned() });
        }
        Self::of_container(environment).or_else(|error| match environment.get("AWS_EC2_METADATA_DISABLED") {
            Some(disabled) if disabled.eq_ignore_ascii_case("true") => Err(error),
            _ => Ok(Self::Instance),
        })
    }

    /// The container's role, if the environment names where to ask for it.
    pub(crate) fn of_container(environment: &Environment) -> Result<Self> {
        if let Some(path) = environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
            return Ok(Self::Container(ContainerEndpoint::Relative(path.to_owned())));
        }
        let uri = environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI");
        match (uri, environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")) {
            (Some(uri), Some(file)) => {
                let (uri, token_file) = (uri.to_owned(), file.to_owned());
                Ok(Self::Container(ContainerEndpoint::Full { uri, token_file }))
            }
            (Some(_), None) => Err(config("`AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE` is missing")),
            (None, _) => Err(config("the environment names no credentials")),
        }
    }
}

impl Environment {
    /// Takes the variables whose names begin with `AWS_`, and drops the others. An empty one counts as absent.
    pub fn from_vars(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let known = |(name, value): &(String, String)| name.starts_with("AWS_") && !value.is_empty();
        Self(variables.into_iter().filter(known).collect())
    }

    pub(crate) fn region(&self) -> Option<&str> {
        self.get("AWS_REGION").or_else(|| self.get("AWS_DEFAULT_REGION"))
    }

    /// An endpoint that is no URL counts as none here; naming it in the URL tells more.
    pub(crate) fn endpoint(&self) -> Option<Url> {
        let named = self.get("AWS_ENDPOINT_URL_S3").or_else(|| self.get("AWS_ENDPOINT_URL"));
        named.and_then(|url| url.parse().ok())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl Signing {
    /// Sets up whoever hands out the keys; asks nobody yet.
    pub(crate) fn new(config: &Config, connector: Connector) -> Result<Self> {
        let expiry = connector.expiry();
        let builder = AmazonS3Builder::new()
            .with_bucket_name(&config.bucket)
            .with_region(&config.region)
            .with_retry(RetryConfig { max_retries: config.retries, ..RetryConfig::default() });
        let builder = match &config.credentials {
            Credentials::Static(keys) => {
                expiry.set(keys.expires_at);
                let fixed = object_store::StaticCredentialProvider::new(keys.clone().into_theirs());
                return Ok(Self { provider: Arc::new(fixed), expiry });
            }
            Credentials::Source(source) => {
                let (source, clock) = (Arc::clone(source), config.clock.clone());
                let kept =
                    Kept { source, clock, expiry: Arc::clone(&expiry), last: tokio::sync::Mutex::default() };
                return Ok(Self { provider: Arc::new(kept), expiry });
            }
            Credentials::Instance => builder,
            Credentials::WebIdentity { role_arn, token_file, session_name } => builder
                .with_config(object_store::aws::AmazonS3ConfigKey::RoleArn, role_arn)
                .with_config(object_store::aws::AmazonS3ConfigKey::WebIdentityTokenFile, token_file)
                .with_config(object_store::aws::AmazonS3ConfigKey::RoleSessionName, session_name),
            Credentials::Container(ContainerEndpoint::Relative(path)) => builder
                .with_config(object_store::aws::AmazonS3ConfigKey::ContainerCredentialsRelativeUri, path),
            Credentials::Container(ContainerEndpoint::Full { uri, token_file }) => builder
                .with_config(object_store::aws::AmazonS3ConfigKey::ContainerCredentialsFullUri, uri)
                .with_config(
                    object_store::aws::AmazonS3ConfigKey::ContainerAuthorizationTokenFile,
                    token_file,
                ),
        };
        // A store that is never used, for the keys that it would use: their providers are not public.
        let unused = builder.with_http_connector(connector).build().map_err(|error| retell(&error))?;
        Ok(Self { provider: Arc::clone(unused.credentials()), expiry })
    }

    pub(crate) fn provider(&self) -> AwsCredentialProvider {
        Arc::clone(&self.provider)
    }

    /// Keys that are good now.
    pub(crate) async fn keys(&self) -> Result<Arc<AwsCredential>> {
        self.provider.get_credential().await.map_err(|error| unavailable(&error))
    }

    /// Keys that are good now, and when they die.
    pub(crate) async fn keys_and_expiry(&self) -> Result<(Arc<AwsCredential>, Option<SystemTime>)> {
        let mut keys = self.keys().await?;
        loop {
            // What was noted between two equal answers belongs to them, and not to a renewal in between.
            let expires_at = self.expiry.get();
            let again = self.keys().await?;
            if Arc::ptr_eq(&keys, &again) {
                return Ok((keys, expires_at));
            }
            keys = again;
        }
    }
}

/// Not having keys is never an answer about an object.
fn unavailable(error: &object_store::Error) -> Error {
    use persistent_fs::ErrorKind as Kind;
    let told = retell(error);
    let kind = match told.kind() {
        kind @ (Kind::Throttled | Kind::Unavailable | Kind::Timeout | Kind::Config | Kind::Denied) => kind,
        _ => Kind::Unauthenticated,
    };
    Error::new(kind, format!("no credentials to sign with: {told}"))
}

#[async_trait]
impl CredentialProvider for Kept {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        // Held while asking, so that many requests ask once.
        let mut last = self.last.lock().await;
        if let Some((keys, expires_at)) = &*last
            && expires_at.is_none_or(|end| end > self.clock.now() + MARGIN)
        {
            return Ok(Arc::clone(keys));
        }
        let keys = self.source.keys().await;
        let keys =
            keys.map_err(|error| object_store::Error::Generic { store: "S3", source: Box::new(error) })?;
        self.expiry.set(keys.expires_at);
        let expires_at = keys.expires_at;
        let keys = Arc::new(keys.into_theirs());
        *last = Some((Arc::clone(&keys), expires_at));
        Ok(keys)
    }
}

impl Expiry {
    pub(crate) fn get(&self) -> Option<SystemTime> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, expires_at: Option<SystemTime>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = expires_at;
    }

    /// `object_store` does not tell when keys expire; the answer that brought them does, in JSON or in XML.
    pub(crate) fn note(&self, answer: &[u8]) {
        let text = String::from_utf8_lossy(answer);
        let found = text.split_once("Expiration").and_then(|(_, rest)| {
            let rest = rest.trim_start_matches(['"', ':', ' ', '>', '\n', '\t']);
            moment(rest.split(['"', '<']).next()?)
        });
        if found.is_some() {
            self.set(found);
        }
    }
}

fn moment(text: &str) -> Option<SystemTime> {
    chrono::DateTime::parse_from_rfc3339(text).ok().map(SystemTime::from)
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("access_key_id", &self.access_key_id)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
#[path = "credentials_tests.rs"]
mod tests;
