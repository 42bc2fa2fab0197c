//! Data keys wrapped by AWS KMS.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use aws_sdk_kms::{
    Client,
    config::{
        BehaviorVersion, Region, SharedCredentialsProvider, retry::RetryConfig, timeout::TimeoutConfig,
    },
    error::{ProvideErrorMetadata, SdkError},
    primitives::Blob,
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use persistent_fs::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

use crate::{Context, DataKey, KeyWrapper, WrappedKey};

/// Wraps data keys under a symmetric key of AWS KMS, which never leaves it.
///
/// One `Encrypt` for each object that is written and one `Decrypt` for each that is read, each repeated twice at most
/// when it fails for a reason that may pass. Over a [`KeyChain`](crate::KeyChain), it is one per key of the chain.
///
/// The encryption context is `store` and `object`; policies may demand it, and `CloudTrail` records it in the clear. The
/// stored key id is the ARN that KMS answers with, so an alias may be pointed to another key at any time. KMS's own yearly
/// rotation needs nothing here.
///
/// | KMS says | Kind |
/// |---|---|
/// | nothing, or that it is broken | [`Unavailable`](ErrorKind::Unavailable), [`Timeout`](ErrorKind::Timeout) |
/// | too many requests | [`Throttled`](ErrorKind::Throttled) |
/// | not allowed; unknown or expired credentials | [`Denied`](ErrorKind::Denied); [`Unauthenticated`](ErrorKind::Unauthenticated) |
/// | no such key; disabled, to be deleted, or of another kind | [`Config`](ErrorKind::Config), naming the key |
/// | another key or context, or altered | [`Integrity`](ErrorKind::Integrity) |
#[derive(Clone)]
pub struct KmsKeyWrapper {
    client: Client,
    key_id: String,
}

/// How to reach KMS. `Debug` shows no credentials.
#[derive(Debug, Clone)]
pub struct KmsOptions {
    /// The key: its id, its ARN, or an alias such as `alias/files`.
    pub key_id: String,
    /// The region it lies in.
    pub region: String,
    /// Who asks.
    pub credentials: SharedCredentialsProvider,
    /// Where to ask, in place of the region's usual address.
    pub endpoint: Option<String>,
}

impl KmsKeyWrapper {
    /// Asks through a client that the application has made, which brings its own credentials, retries and timeouts.
    pub fn new(client: Client, key_id: impl Into<String>) -> Self {
        Self { client, key_id: key_id.into() }
    }

    /// Asks through a client of its own: rustls with ring, three attempts, ten seconds for all of them together.
    ///
    /// Nothing is asked yet, and nothing is read from the environment.
    pub fn open(options: KmsOptions) -> Self {
        let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(3))
            .operation_attempt_timeout(Duration::from_secs(4))
            .operation_timeout(Duration::from_secs(10));
        let mut config = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http)
            .region(Region::new(options.region))
            .credentials_provider(options.credentials)
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .timeout_config(timeouts.build());
        config.set_endpoint_url(options.endpoint);
        Self::new(Client::from_conf(config.build()), options.key_id)
    }
}

impl fmt::Debug for KmsKeyWrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KmsKeyWrapper").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

#[async_trait]
impl KeyWrapper for KmsKeyWrapper {
    fn current(&self) -> String {
        self.key_id.clone()
    }

    async fn wrap(&self, key: &DataKey, context: Context<'_>) -> Result<WrappedKey> {
        let asked = self.client.encrypt().key_id(&self.key_id).plaintext(Blob::new(*key.expose()));
        let asked = asked.encryption_context("store", context.store);
        let answer = asked.encryption_context("object", context.object.as_str()).send().await;
        let answer = answer.map_err(|error| translate(&error, &self.key_id))?;
        match (answer.key_id, answer.ciphertext_blob) {
            (Some(id), Some(blob)) => WrappedKey::new(&id, blob.into_inner()),
            _ => Err(Error::new(ErrorKind::Unavailable, "KMS answered without a wrapped key")),
        }
    }

    async fn unwrap(&self, wrapped: &WrappedKey, context: Context<'_>) -> Result<DataKey> {
        let blob = Blob::new(wrapped.blob.as_slice());
        let asked = self.client.decrypt().key_id(&wrapped.key_id).ciphertext_blob(blob);
        let asked = asked.encryption_context("store", context.store);
        let answer = asked.encryption_context("object", context.object.as_str()).send().await;
        let answer = answer.map_err(|error| translate(&error, &wrapped.key_id))?;
        let secret = answer.plaintext.map(|blob| Zeroizing::new(blob.into_inner()));
        let missing = || Error::new(ErrorKind::Unavailable, "KMS answered without a key");
        DataKey::from_slice(&secret.ok_or_else(missing)?)
    }
}

/// In our own words and with KMS's code: its messages name who asked.
fn translate<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>, key_id: &str) -> Error {
    let (kind, what) = match error {
        SdkError::ServiceError(answer) => {
            let code = answer.err().code().unwrap_or("an error without a code");
            return Error::new(kind_of(code), format!("KMS refused key `{key_id}`: {code}"));
        }
        SdkError::TimeoutError(_) => (ErrorKind::Timeout, "KMS did not answer in time"),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            (ErrorKind::Timeout, "KMS could not be reached in time")
        }
        SdkError::ConstructionFailure(_) => {
            (ErrorKind::Config, "no request to KMS can be made of these options")
        }
        _ => (ErrorKind::Unavailable, "KMS cannot be reached"),
    };
    Error::new(kind, what)
}

fn kind_of(code: &str) -> ErrorKind {
    match code {
        "AccessDeniedException" | "AccessDenied" => ErrorKind::Denied,
        "ExpiredTokenException"
        | "IncompleteSignature"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "MissingAuthenticationTokenException"
        | "UnrecognizedClientException" => ErrorKind::Unauthenticated,
        "LimitExceededException" | "ThrottlingException" | "RequestLimitExceeded" => ErrorKind::Throttled,
        "DisabledException"
        | "InvalidArnException"
        | "InvalidKeyUsageException"
        | "KMSInvalidStateException"
        | "NotFoundException"
        | "ValidationException" => ErrorKind::Config,
        "IncorrectKeyException" | "InvalidCiphertextException" => ErrorKind::Integrity,
        _ => ErrorKind::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_the_kind_that_somebody_can_act_on() {
        for (code, kind) in [
            ("AccessDeniedException", ErrorKind::Denied),
            ("ExpiredTokenException", ErrorKind::Unauthenticated),
            ("UnrecognizedClientException", ErrorKind::Unauthenticated),
            ("ThrottlingException", ErrorKind::Throttled),
            ("LimitExceededException", ErrorKind::Throttled),
            ("NotFoundException", ErrorKind::Config),
            ("DisabledException", ErrorKind::Config),
            ("KMSInvalidStateException", ErrorKind::Config),
            ("InvalidCiphertextException", ErrorKind::Integrity),
            ("IncorrectKeyException", ErrorKind::Integrity),
            ("KMSInternalException", ErrorKind::Unavailable),
            ("DependencyTimeoutException", ErrorKind::Unavailable),
            ("KeyUnavailableException", ErrorKind::Unavailable),
            ("SomethingNewException", ErrorKind::Unavailable),
        ] {
            assert_eq!(kind_of(code), kind, "{code}");
        }
    }
}
