//! Passwords as the server stores them.
//!
//! What clients send as "password" is itself a slow hash of the master password; it is hashed again here, so
//! that a copy of the database logs nobody in.

use std::sync::Arc;

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};

use crate::error::Error;
use crate::rng::Rng;

/// Hashes with Argon2id, off the asynchronous threads. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PasswordHasher {
    params: Params,
    /// Stands in for the hash of a user who does not exist, so that both answers cost the same.
    decoy: Arc<str>,
}

impl PasswordHasher {
    /// The cost that OWASP's password storage sheet gives as its minimum: 19 MiB, two passes, one lane.
    pub fn new(rng: &Rng) -> Self {
        Self::with_params(Params::default(), rng)
    }

    /// A cost of the caller's; tests take the smallest.
    pub fn with_params(params: Params, rng: &Rng) -> Self {
        let mut hasher = Self { params, decoy: "".into() };
        hasher.decoy = hasher.hash_now(b"", rng.bytes()).unwrap_or_default().into();
        hasher
    }

    /// A PHC string with a fresh salt.
    pub async fn hash(&self, password: String, rng: &Rng) -> Result<String, Error> {
        let (hasher, salt) = (self.clone(), rng.bytes());
        tokio::task::spawn_blocking(move || hasher.hash_now(password.as_bytes(), salt))
            .await
            .map_err(Error::internal)?
    }

    /// Whether `password` is the one behind `hash`. No hash (no such user) costs the same and says no.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, Error> {
        let hasher = self.clone();
        tokio::task::spawn_blocking(move || {
            let known = hash.is_some();
            let hash = hash.unwrap_or_else(|| hasher.decoy.to_string());
            let parsed = PasswordHash::new(&hash).map_err(|error| Error::internal(error.to_string()))?;
            let same = hasher.argon2().verify_password(password.as_bytes(), &parsed).is_ok();
            Ok(known & same)
        })
        .await
        .map_err(Error::internal)?
    }

    fn hash_now(&self, password: &[u8], salt: [u8; 16]) -> Result<String, Error> {
        let failed = |error: argon2::password_hash::Error| Error::internal(error.to_string());
        let salt = SaltString::encode_b64(&salt).map_err(failed)?;
        let hash = self.argon2().hash_password(password, &salt).map_err(failed)?;
        Ok(hash.to_string())
    }

    fn argon2(&self) -> Argon2<'static> {
        Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tells_right_from_wrong_and_unknown() {
        let rng = Rng::seeded(1);
        let hasher = PasswordHasher::with_params(Params::new(8, 1, 1, None).unwrap(), &rng);
        let hash = hasher.hash("right".into(), &rng).await.unwrap();
        assert!(hasher.verify("right".into(), Some(hash.clone())).await.unwrap());
        assert!(!hasher.verify("wrong".into(), Some(hash)).await.unwrap());
        // The decoy is the hash of the empty password: it must not let anybody in.
        assert!(!hasher.verify(String::new(), None).await.unwrap());
    }
}
