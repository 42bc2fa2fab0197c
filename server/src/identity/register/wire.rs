//! Registration as clients send it: three generations of spelling, one meaning.

use serde::Deserialize;

use crate::account::model::normalize_email;
use crate::account::wire::{AuthenticationData, FlatKdf, NewMasterPassword, UnlockData};
use crate::error::Error;

/// `POST /identity/accounts/register/send-verification-email`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerificationMailRequest {
    /// The address that wants an account.
    pub email: String,
    /// The name that goes with it.
    pub name: Option<String>,
}

/// `POST /identity/accounts/register/verification-email-clicked`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClickedRequest {
    /// The address in the link.
    pub email: String,
    /// The token in the link.
    pub email_verification_token: String,
}

/// `POST /identity/accounts/register` and `…/register/finish`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterRequest {
    email: String,
    name: Option<String>,
    email_verification_token: Option<String>,
    master_password_hint: Option<String>,

    #[serde(flatten)]
    kdf: Option<FlatKdf>,
    master_password_hash: Option<String>,
    #[serde(alias = "key")]
    user_symmetric_key: Option<String>,

    master_password_authentication: Option<AuthenticationData>,
    master_password_unlock: Option<UnlockData>,

    #[serde(alias = "keys")]
    user_asymmetric_keys: Option<KeyPair>,
}

/// The key pair that a client made.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyPair {
    /// Wrapped by the user key.
    pub encrypted_private_key: String,
    /// In the clear.
    pub public_key: String,
}

/// A registration, whatever its spelling was.
#[derive(Debug)]
pub struct Registration {
    /// Trimmed and lower-cased.
    pub email: String,
    /// What to call the user.
    pub name: Option<String>,
    /// A hint for a forgotten password.
    pub hint: Option<String>,
    /// The master password's hash and what it opens.
    pub password: NewMasterPassword,
    /// The key pair, if the client made one already.
    pub keys: Option<KeyPair>,
    /// The token from the verification step.
    pub token: Option<String>,
}

impl TryFrom<RegisterRequest> for Registration {
    type Error = Error;

    fn try_from(request: RegisterRequest) -> Result<Self, Error> {
        let email = normalize_email(&request.email)?;
        let missing = |field: &str| Error::invalid(field, "The field is missing.");
        let password = match (request.master_password_authentication, request.master_password_unlock) {
            (Some(authentication), Some(unlock)) => {
                NewMasterPassword::from_data(authentication, unlock, &email)?
            }
            _ => NewMasterPassword {
                hash: request.master_password_hash.ok_or_else(|| missing("masterPasswordHash"))?,
                user_key: request.user_symmetric_key.ok_or_else(|| missing("userSymmetricKey"))?,
                kdf: request.kdf.ok_or_else(|| missing("kdf"))?.into_kdf()?,
            },
        };
        if request.master_password_hint.as_ref().is_some_and(|hint| hint.chars().count() > 50) {
            return Err(Error::invalid("masterPasswordHint", "The hint is longer than 50 characters."));
        }
        Ok(Self {
            email,
            name: request.name.filter(|name| !name.is_empty()),
            hint: request.master_password_hint.filter(|hint| !hint.is_empty()),
            password,
            keys: request.user_asymmetric_keys,
            token: request.email_verification_token,
        })
    }
}
