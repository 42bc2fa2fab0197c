//! The account as clients see it. The same objects are part of `/api/sync` and of the token answer.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::model::{Kdf, User};
use crate::error::Error;
use crate::ids::UserId;
use crate::time::Timestamp;

/// `GET /api/accounts/profile`, and the `profile` of a sync.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "clients ask for each by its name")]
pub struct ProfileResponse {
    id: UserId,
    name: Option<String>,
    email: String,
    email_verified: bool,
    premium: bool,
    premium_from_organization: bool,
    culture: String,
    two_factor_enabled: bool,
    key: String,
    private_key: Option<String>,
    account_keys: Option<AccountKeys>,
    security_stamp: String,
    force_password_reset: bool,
    uses_key_connector: bool,
    avatar_color: Option<String>,
    creation_date: Timestamp,
    verify_devices: bool,
    organizations: [(); 0],
    providers: [(); 0],
    provider_organizations: [(); 0],
    object: &'static str,
}

impl From<&User> for ProfileResponse {
    fn from(user: &User) -> Self {
        Self {
            id: user.id.clone(),
            name: user.name.clone(),
            email: user.email.clone(),
            email_verified: user.email_verified,
            premium: true,
            premium_from_organization: false,
            culture: user.culture.clone(),
            two_factor_enabled: false,
            key: user.user_key.clone(),
            private_key: user.private_key.clone(),
            account_keys: AccountKeys::of(user),
            security_stamp: user.security_stamp.clone(),
            force_password_reset: false,
            uses_key_connector: false,
            avatar_color: user.avatar_color.clone(),
            creation_date: user.created_at,
            verify_devices: false,
            organizations: [],
            providers: [],
            provider_organizations: [],
            object: "profile",
        }
    }
}

/// The user's key pairs; clients throw when the first is missing, so there is no such object without it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountKeys {
    public_key_encryption_key_pair: KeyPair,
    signature_key_pair: Option<()>,
    security_state: Option<()>,
    object: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyPair {
    wrapped_private_key: String,
    public_key: String,
    signed_public_key: Option<()>,
    object: &'static str,
}

impl AccountKeys {
    /// The key pairs of a user who has them.
    pub fn of(user: &User) -> Option<Self> {
        Some(Self {
            public_key_encryption_key_pair: KeyPair {
                wrapped_private_key: user.private_key.clone()?,
                public_key: user.public_key.clone()?,
                signed_public_key: None,
                object: "publicKeyEncryptionKeyPair",
            },
            signature_key_pair: None,
            security_state: None,
            object: "privateKeys",
        })
    }
}

/// How the master password opens the user key, in the spelling of `/api/sync`.
pub fn master_password_unlock(user: &User) -> Value {
    let mut unlock = json!({
        "kdf": {
            "kdfType": user.kdf.kind,
            "iterations": user.kdf.iterations,
            "memory": user.kdf.memory,
            "parallelism": user.kdf.parallelism,
        },
        // The name is being changed in clients: both are read.
        "masterKeyEncryptedUserKey": user.user_key,
        "masterKeyWrappedUserKey": user.user_key,
        "salt": user.email,
    });
    if let Some(id) = &user.user_key_id {
        unlock["containedKeyId"] = json!(id);
    }
    unlock
}

/// Key derivation parameters in a request: the flat spelling.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlatKdf {
    kdf: i32,
    kdf_iterations: i32,
    kdf_memory: Option<i32>,
    kdf_parallelism: Option<i32>,
}

impl FlatKdf {
    /// The parameters, checked.
    pub fn into_kdf(self) -> Result<Kdf, Error> {
        let kdf = Kdf {
            kind: self.kdf,
            iterations: self.kdf_iterations,
            memory: self.kdf_memory,
            parallelism: self.kdf_parallelism,
        };
        kdf.check()?;
        Ok(kdf)
    }
}

/// Key derivation parameters in a request: the nested spelling of newest clients.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NestedKdf {
    kdf_type: i32,
    iterations: i32,
    memory: Option<i32>,
    parallelism: Option<i32>,
}

/// What proves a new master password.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthenticationData {
    kdf: NestedKdf,
    salt: String,
    master_password_authentication_hash: String,
}

/// What a new master password opens.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnlockData {
    kdf: NestedKdf,
    salt: String,
    master_key_wrapped_user_key: String,
}

/// A new master password, however the client spelt it.
#[derive(Debug)]
pub struct NewMasterPassword {
    /// The client's hash.
    pub hash: String,
    /// The user key, wrapped by the new master key.
    pub user_key: String,
    /// The derivation of the new master key.
    pub kdf: Kdf,
}

impl NewMasterPassword {
    /// From the two objects of newest clients, which must agree with each other and with the address.
    pub fn from_data(
        authentication: AuthenticationData,
        unlock: UnlockData,
        email: &str,
    ) -> Result<Self, Error> {
        if authentication.kdf != unlock.kdf {
            return Err(Error::invalid("unlockData.kdf", "Both key derivations must be the same."));
        }
        if authentication.salt != email || unlock.salt != email {
            return Err(Error::invalid("unlockData.salt", "The salt must be the e-mail address."));
        }
        let NestedKdf { kdf_type: kind, iterations, memory, parallelism } = unlock.kdf;
        let kdf = Kdf { kind, iterations, memory, parallelism };
        kdf.check()?;
        Ok(Self {
            hash: authentication.master_password_authentication_hash,
            user_key: unlock.master_key_wrapped_user_key,
            kdf,
        })
    }
}

/// `PUT /api/accounts/profile`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProfileRequest {
    /// New name.
    pub name: Option<String>,
    /// New language.
    pub culture: Option<String>,
}

/// `PUT /api/accounts/avatar`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AvatarRequest {
    /// `#rrggbb`, or none.
    pub avatar_color: Option<String>,
}

/// `POST /api/accounts/keys`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeysRequest {
    /// The private key, wrapped by the user key.
    pub encrypted_private_key: String,
    /// The public key.
    pub public_key: String,
}

/// `POST /api/accounts/key-management/user-key-id`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserKeyIdRequest {
    /// 32 hexadecimal digits.
    pub user_key_id: String,
}

/// The proof that the user himself is at the keyboard.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerificationRequest {
    /// The client's hash of the master password.
    pub master_password_hash: Option<String>,
}

/// `POST /api/accounts/password`, in both spellings.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PasswordRequest {
    /// Proof of the old password.
    pub master_password_hash: String,
    new_master_password_hash: Option<String>,
    key: Option<String>,
    /// A new hint.
    pub master_password_hint: Option<String>,
    authentication_data: Option<AuthenticationData>,
    unlock_data: Option<UnlockData>,
}

impl PasswordRequest {
    /// The new password; its derivation must stay the user's.
    pub fn into_new(self, user: &User) -> Result<NewMasterPassword, Error> {
        let new = match (self.authentication_data, self.unlock_data) {
            (Some(authentication), Some(unlock)) => {
                NewMasterPassword::from_data(authentication, unlock, &user.email)?
            }
            _ => NewMasterPassword {
                hash: self.new_master_password_hash.ok_or_else(|| missing("newMasterPasswordHash"))?,
                user_key: self.key.ok_or_else(|| missing("key"))?,
                kdf: user.kdf.clone(),
            },
        };
        if new.kdf == user.kdf {
            Ok(new)
        } else {
            Err(Error::invalid(
                "authenticationData.kdf",
                "A new password does not change the key derivation.",
            ))
        }
    }
}

/// `POST /api/accounts/kdf`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KdfRequest {
    /// Proof of the old password.
    pub master_password_hash: String,
    authentication_data: AuthenticationData,
    unlock_data: UnlockData,
}

impl KdfRequest {
    /// The same password under a new derivation.
    pub fn into_new(self, user: &User) -> Result<NewMasterPassword, Error> {
        NewMasterPassword::from_data(self.authentication_data, self.unlock_data, &user.email)
    }
}

/// The answer to `verify-password`: no policy applies.
pub fn no_password_policy() -> Value {
    json!({ "object": "masterPasswordPolicy" })
}

/// `GET /api/users/{id}/public-key`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicKeyResponse {
    /// Whose key it is.
    pub user_id: UserId,
    /// The key.
    pub public_key: Option<String>,
    /// Always `userKey`.
    pub object: &'static str,
}

fn missing(field: &str) -> Error {
    Error::invalid(field, "The field is missing.")
}
