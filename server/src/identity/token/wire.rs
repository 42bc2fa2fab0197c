//! The token endpoint's form and answers: OAuth's spelling beside Bitwarden's.

use std::collections::HashMap;
use std::fmt;

use serde_json::{Map, Value, json};

use crate::account::model::User;
use crate::account::wire::AccountKeys;
use crate::error::Error;
use crate::tokens::ACCESS_LIFE;

/// The fields of a token request. Clients spell them with and without underscores, in any case.
///
/// Holds a password: no `Debug` shows it.
pub struct Form(HashMap<String, String>);

impl Form {
    /// From the pairs of the form; of a repeated field the last counts.
    pub fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (plain(&name), value)).collect())
    }

    /// A field that must be there.
    pub fn required(&mut self, name: &'static str) -> Result<String, Error> {
        self.optional(name).ok_or_else(|| Error::invalid(name, "The field is missing."))
    }

    /// A field that may be missing; empty counts as missing.
    pub fn optional(&mut self, name: &'static str) -> Option<String> {
        self.0.remove(&plain(name)).filter(|value| !value.is_empty())
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| *c != '_').map(|c| c.to_ascii_lowercase()).collect()
}

/// Which device asks for a session.
#[derive(Debug)]
pub struct DeviceInfo {
    /// The client's own id.
    pub identifier: String,
    /// What the client calls it.
    pub name: String,
    /// The kind of client.
    pub kind: i32,
}

impl DeviceInfo {
    /// Reads the fields that come with each login.
    pub fn from_form(form: &mut Form) -> Result<Self, Error> {
        let identifier = form.required("deviceIdentifier")?;
        let name = form.required("deviceName")?;
        let kind = form.required("deviceType")?;
        let kind = kind.parse().map_err(|_| Error::invalid("deviceType", "The field must be a number."))?;
        if identifier.len() > 64 {
            return Err(Error::invalid("deviceIdentifier", "The field is longer than 64 bytes."));
        }
        Ok(Self { identifier, name: name.chars().take(100).collect(), kind })
    }
}

/// The part that every grant answers.
pub fn tokens(access: &str, refresh: &str) -> Map<String, Value> {
    let mut answer = Map::new();
    answer.insert("access_token".into(), json!(access));
    answer.insert("expires_in".into(), json!(ACCESS_LIFE.as_secs()));
    answer.insert("token_type".into(), json!("Bearer"));
    answer.insert("refresh_token".into(), json!(refresh));
    answer.insert("scope".into(), json!("api offline_access"));
    answer
}

/// The answer to a password: tokens, and all that the client needs to open the vault.
pub fn login(user: &User, access: &str, refresh: &str) -> Value {
    let mut answer = tokens(access, refresh);
    answer.insert("Key".into(), json!(user.user_key));
    answer.insert("PrivateKey".into(), json!(user.private_key));
    answer.insert("AccountKeys".into(), json!(AccountKeys::of(user)));
    answer.insert("Kdf".into(), json!(user.kdf.kind));
    answer.insert("KdfIterations".into(), json!(user.kdf.iterations));
    answer.insert("KdfMemory".into(), json!(user.kdf.memory));
    answer.insert("KdfParallelism".into(), json!(user.kdf.parallelism));
    answer.insert("ResetMasterPassword".into(), json!(false));
    answer.insert("ForcePasswordReset".into(), json!(false));
    answer.insert("MasterPasswordPolicy".into(), json!({ "Object": "masterPasswordPolicy" }));
    answer.insert("UserDecryptionOptions".into(), decryption_options(user));
    answer.into()
}

/// How the client may open the user key. Newest clients use this object instead of `Key` and `Kdf…`.
fn decryption_options(user: &User) -> Value {
    let mut unlock = json!({
        "Kdf": {
            "KdfType": user.kdf.kind,
            "Iterations": user.kdf.iterations,
            "Memory": user.kdf.memory,
            "Parallelism": user.kdf.parallelism,
        },
        // The name is being changed in clients: both are read.
        "MasterKeyEncryptedUserKey": user.user_key,
        "MasterKeyWrappedUserKey": user.user_key,
        "Salt": user.email,
    });
    if let Some(id) = &user.user_key_id {
        unlock["ContainedKeyId"] = json!(id);
    }
    json!({
        "HasMasterPassword": true,
        "MasterPasswordUnlock": unlock,
        "Object": "userDecryptionOptions",
    })
}
