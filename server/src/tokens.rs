//! Tokens: who may do what until when, signed with Ed25519.
//!
//! Clients decode the access token (never check it), so it must be a JWT in three parts.

use std::fmt;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use hmac::{Hmac, Mac};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::account::model::User;
use crate::error::Error;
use crate::ids::{DeviceId, UserId};
use crate::time::Timestamp;

/// How long an access token is good.
pub const ACCESS_LIFE: Duration = Duration::from_hours(1);
/// How long the link in a registration mail is good.
pub const REGISTRATION_LIFE: Duration = Duration::from_mins(30);
/// Clocks of several nodes may differ by this much.
const LEEWAY_SECONDS: i64 = 30;

/// Signs and checks tokens. All nodes share one key.
#[derive(Clone)]
pub struct Tokens {
    signing: EncodingKey,
    verifying: DecodingKey,
    /// Separates this server's tokens from those of another that shares the key by mistake.
    origin: String,
    disguise: [u8; 32],
}

/// Claims of an access token. Names are those that clients read.
#[derive(Debug, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Issuer: the server's origin and the purpose.
    pub iss: String,
    /// The user.
    pub sub: UserId,
    /// Not before, in seconds since 1970.
    pub nbf: i64,
    /// Not after, in seconds since 1970.
    pub exp: i64,
    /// The user's security stamp when the token was made.
    pub sstamp: String,
    /// The session in our table.
    pub session: DeviceId,
    /// The client's own device identifier.
    pub device: String,
    /// The user's name.
    pub name: Option<String>,
    /// The user's address.
    pub email: String,
    /// Whether the address was verified.
    pub email_verified: bool,
    /// Clients enable paid features by it.
    pub premium: bool,
    /// What the token is good for.
    pub scope: Vec<String>,
    /// How the user proved who he is.
    pub amr: Vec<String>,
}

/// Claims of the token in a registration mail.
#[derive(Debug, Serialize, Deserialize)]
pub struct RegistrationClaims {
    iss: String,
    nbf: i64,
    exp: i64,
    /// The address that asked.
    pub email: String,
    /// The name given with it.
    pub name: Option<String>,
    /// Whether the token went to the address by mail, which proves the address.
    pub verified: bool,
}

impl Tokens {
    /// From the 32 secret bytes of an Ed25519 key and the server's origin.
    pub fn new(seed: &[u8; 32], origin: &str) -> Result<Self, Error> {
        let key = SigningKey::from_bytes(seed);
        let der = key.to_pkcs8_der().map_err(|error| Error::internal(error.to_string()))?;
        let mut disguise = [0; 32];
        hkdf::Hkdf::<Sha256>::new(None, seed)
            .expand(b"undercroft prelogin", &mut disguise)
            .map_err(|error| Error::internal(error.to_string()))?;
        Ok(Self {
            signing: EncodingKey::from_ed_der(der.as_bytes()),
            verifying: DecodingKey::from_ed_der(key.verifying_key().as_bytes()),
            origin: origin.to_owned(),
            disguise,
        })
    }

    /// An access token for a session, good for [`ACCESS_LIFE`].
    pub fn access(
        &self,
        user: &User,
        session: &DeviceId,
        device: &str,
        now: Timestamp,
    ) -> Result<String, Error> {
        self.sign(&AccessClaims {
            iss: self.issuer("login"),
            sub: user.id.clone(),
            nbf: now.unix_seconds(),
            exp: now.plus(ACCESS_LIFE).unix_seconds(),
            sstamp: user.security_stamp.clone(),
            session: session.clone(),
            device: device.to_owned(),
            name: user.name.clone(),
            email: user.email.clone(),
            email_verified: user.email_verified,
            premium: true,
            scope: vec!["api".into(), "offline_access".into()],
            amr: vec!["Application".into()],
        })
    }

    /// The claims of a valid access token; everything else is [`Error::Unauthorized`].
    pub fn verify_access(&self, token: &str, now: Timestamp) -> Result<AccessClaims, Error> {
        let claims: AccessClaims = self.check(token, "login").ok_or(Error::Unauthorized)?;
        if in_time(claims.nbf, claims.exp, now) { Ok(claims) } else { Err(Error::Unauthorized) }
    }

    /// A token that lets `email` register within [`REGISTRATION_LIFE`].
    pub fn registration(
        &self,
        email: &str,
        name: Option<&str>,
        verified: bool,
        now: Timestamp,
    ) -> Result<String, Error> {
        self.sign(&RegistrationClaims {
            iss: self.issuer("register_verify"),
            nbf: now.unix_seconds(),
            exp: now.plus(REGISTRATION_LIFE).unix_seconds(),
            email: email.to_owned(),
            name: name.map(str::to_owned),
            verified,
        })
    }

    /// The claims of a registration token, or `None` when it is not valid.
    pub fn verify_registration(&self, token: &str, now: Timestamp) -> Option<RegistrationClaims> {
        let claims: RegistrationClaims = self.check(token, "register_verify")?;
        in_time(claims.nbf, claims.exp, now).then_some(claims)
    }

    /// A byte that is always the same for `email`, and that nobody can compute without our key.
    pub fn disguise(&self, email: &str) -> u8 {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.disguise) else { return 0 };
        mac.update(email.as_bytes());
        mac.finalize().into_bytes()[0]
    }

    fn sign<C: Serialize>(&self, claims: &C) -> Result<String, Error> {
        jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), claims, &self.signing).map_err(Error::internal)
    }

    fn check<C: DeserializeOwned>(&self, token: &str, purpose: &str) -> Option<C> {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[self.issuer(purpose)]);
        // Times are compared by the caller against its own clock.
        validation.validate_exp = false;
        validation.validate_aud = false;
        jsonwebtoken::decode(token, &self.verifying, &validation).ok().map(|token| token.claims)
    }

    fn issuer(&self, purpose: &str) -> String {
        format!("{}|{purpose}", self.origin)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("origin", &self.origin).finish_non_exhaustive()
    }
}

fn in_time(not_before: i64, not_after: i64, now: Timestamp) -> bool {
    let now = now.unix_seconds();
    not_before - LEEWAY_SECONDS <= now && now <= not_after + LEEWAY_SECONDS
}
