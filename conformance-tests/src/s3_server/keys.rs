//! Who may sign requests.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use s3s::{
    S3Result,
    auth::{S3Auth, SecretKey},
    s3_error,
};

/// One pair of keys, which can expire.
pub(super) struct Keys {
    access: String,
    secret: String,
    expired: AtomicBool,
}

/// The same, as the protocol asks for them.
pub(super) struct Provider(Arc<Keys>);

impl Keys {
    pub(super) fn new(access: String, secret: String) -> Self {
        Self { access, secret, expired: AtomicBool::new(false) }
    }

    pub(super) fn expire(&self, expired: bool) {
        self.expired.store(expired, Ordering::SeqCst);
    }

    pub(super) fn provider(self: Arc<Self>) -> Provider {
        Provider(self)
    }
}

#[async_trait]
impl S3Auth for Provider {
    async fn get_secret_key(&self, access: &str) -> S3Result<SecretKey> {
        if access != self.0.access {
            return Err(s3_error!(InvalidAccessKeyId, "The AWS Access Key Id you provided does not exist."));
        }
        if self.0.expired.load(Ordering::SeqCst) {
            return Err(s3_error!(ExpiredToken, "The provided token has expired."));
        }
        Ok(self.0.secret.as_str().into())
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("access", &self.access).finish_non_exhaustive()
    }
}
