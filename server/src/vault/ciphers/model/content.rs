//! What each kind of item holds besides what all items hold.
//!
//! The server stores it as the client sent it, so that fields of newer clients survive, but checks the shape of
//! what it knows: a single value of the wrong type makes strict clients refuse the whole sync.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::account::service::check_enc_string;
use crate::error::Error;
use crate::http::json::from_value;

/// The kinds of items, in Bitwarden's numbering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A login to a site.
    Login = 1,
    /// A note.
    SecureNote = 2,
    /// A payment card.
    Card = 3,
    /// A person's data.
    Identity = 4,
    /// An SSH key pair.
    SshKey = 5,
    /// A bank account.
    BankAccount = 6,
    /// A driver's licence.
    DriversLicense = 7,
    /// A passport.
    Passport = 8,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Login,
        Self::SecureNote,
        Self::Card,
        Self::Identity,
        Self::SshKey,
        Self::BankAccount,
        Self::DriversLicense,
        Self::Passport,
    ];

    /// The kind with this number.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as i32 == number)
    }

    /// The JSON property that holds the content.
    pub fn property(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::SecureNote => "secureNote",
            Self::Card => "card",
            Self::Identity => "identity",
            Self::SshKey => "sshKey",
            Self::BankAccount => "bankAccount",
            Self::DriversLicense => "driversLicense",
            Self::Passport => "passport",
        }
    }
}

/// Checks the content of an item and completes what clients expect to find. The result is what is stored.
pub fn normalize(kind: Kind, content: Value) -> Result<String, Error> {
    let at = |error: Error| under(kind.property(), error);
    let Value::Object(mut content) = content else {
        return Err(Error::invalid(kind.property(), "The item has no content of its type."));
    };
    // The JavaScript clients send their own bookkeeping along.
    content.remove("response");
    match kind {
        Kind::Login => login(&mut content).map_err(at)?,
        Kind::SecureNote => {
            content.entry("type").or_insert(json!(0));
            number(&content, "type").map_err(at)?;
        }
        Kind::SshKey => {
            for field in ["privateKey", "publicKey", "keyFingerprint"] {
                let text = content.get(field).and_then(Value::as_str).unwrap_or_default();
                check_enc_string(field, text).map_err(at)?;
            }
        }
        Kind::Card | Kind::Identity | Kind::BankAccount | Kind::DriversLicense | Kind::Passport => {
            texts(&content).map_err(at)?;
        }
    }
    Ok(Value::Object(content).to_string())
}

/// Checks custom fields; an empty list is none.
pub fn normalize_fields(fields: Option<Value>) -> Result<Option<String>, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    #[expect(dead_code, reason = "only the shape is checked")]
    struct Field {
        name: Option<String>,
        value: Option<String>,
        #[serde(rename = "type")]
        kind: FieldKind,
        linked_id: Option<i64>,
    }
    list::<Field>("fields", fields)
}

/// 0 text, 1 hidden, 2 boolean, 3 linked to another field.
#[derive(Deserialize)]
#[serde(try_from = "u8")]
struct FieldKind;

impl TryFrom<u8> for FieldKind {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        if number <= 3 { Ok(Self) } else { Err("there are four types of fields, 0 to 3") }
    }
}

/// Checks earlier passwords; an empty list is none.
pub fn normalize_history(history: Option<Value>) -> Result<Option<String>, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    #[expect(dead_code, reason = "only the shape is checked")]
    struct Entry {
        password: String,
        last_used_date: crate::time::Timestamp,
    }
    list::<Entry>("passwordHistory", history)
}

fn login(content: &mut Map<String, Value>) -> Result<(), Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    #[expect(dead_code, reason = "only the shape is checked")]
    struct Login {
        username: Option<String>,
        password: Option<String>,
        totp: Option<String>,
        uris: Option<Vec<Uri>>,
        password_revision_date: Option<crate::time::Timestamp>,
        autofill_on_page_load: Option<bool>,
        fido2_credentials: Option<Vec<Map<String, Value>>>,
    }
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only the shape is checked")]
    struct Uri {
        #[serde(rename = "uri")]
        address: Option<String>,
        #[serde(rename = "uriChecksum")]
        checksum: Option<String>,
        #[serde(rename = "match")]
        matching: Option<i64>,
    }
    from_value::<Login>(Value::Object(content.clone()))?;
    if let Some(Value::Array(uris)) = content.get_mut("uris") {
        for uri in uris.iter_mut().filter_map(Value::as_object_mut) {
            uri.remove("response");
            uri.entry("match").or_insert(Value::Null);
            uri.entry("uriChecksum").or_insert(Value::Null);
        }
    }
    let first = content.get("uris").and_then(|uris| uris.get(0)).and_then(|uri| uri.get("uri")).cloned();
    content.insert("uri".to_owned(), first.unwrap_or_default());
    let known = ["username", "password", "totp", "uris", "passwordRevisionDate", "autofillOnPageLoad"];
    for field in known.into_iter().chain(["fido2Credentials"]) {
        content.entry(field).or_insert(Value::Null);
    }
    Ok(())
}

/// All values are texts or nothing, as in all kinds that are plain lists of fields.
fn texts(content: &Map<String, Value>) -> Result<(), Error> {
    match content.iter().find(|(_, value)| !value.is_string() && !value.is_null()) {
        Some((field, _)) => Err(Error::invalid(field.clone(), "The value must be a text.")),
        None => Ok(()),
    }
}

fn number(content: &Map<String, Value>, field: &str) -> Result<(), Error> {
    if content.get(field).is_some_and(Value::is_i64) {
        Ok(())
    } else {
        Err(Error::invalid(field, "The value must be a number."))
    }
}

fn list<T: serde::de::DeserializeOwned>(field: &str, list: Option<Value>) -> Result<Option<String>, Error> {
    let Some(list) = list.filter(|list| !list.is_null()) else { return Ok(None) };
    let checked: Vec<T> = from_value(list.clone()).map_err(|error| under(field, error))?;
    Ok((!checked.is_empty()).then(|| list.to_string()))
}

/// Puts the property before the path in it.
fn under(property: &str, error: Error) -> Error {
    match error {
        Error::Invalid { field, message } if field.is_empty() => Error::invalid(property, message),
        Error::Invalid { field, message } if field.starts_with('[') => {
            Error::invalid(format!("{property}{field}"), message)
        }
        Error::Invalid { field, message } => Error::invalid(format!("{property}.{field}"), message),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_completed_and_keeps_what_is_unknown() {
        let sent =
            json!({ "uris": [{ "uri": "2.a=|b=|c=", "response": null }], "novelty": 7, "response": null });
        let stored: Value = serde_json::from_str(&normalize(Kind::Login, sent).unwrap()).unwrap();
        assert_eq!(
            stored,
            json!({
                "autofillOnPageLoad": null,
                "fido2Credentials": null,
                "novelty": 7,
                "password": null,
                "passwordRevisionDate": null,
                "totp": null,
                "uri": "2.a=|b=|c=",
                "uris": [{ "uri": "2.a=|b=|c=", "match": null, "uriChecksum": null }],
                "username": null,
            })
        );
    }

    #[test]
    fn wrong_types_are_named_by_their_path() {
        let refused = |kind, content| match normalize(kind, content).unwrap_err() {
            Error::Invalid { field, .. } => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(Kind::Login, json!({ "uris": [{ "match": "x" }] })), "login.uris[0].match");
        assert_eq!(refused(Kind::Card, json!({ "number": 4 })), "card.number");
        assert_eq!(refused(Kind::SshKey, json!({ "privateKey": "2.a=|b=|c=" })), "sshKey.publicKey");
        assert_eq!(refused(Kind::Passport, json!(null)), "passport");
        assert!(matches!(
            normalize_fields(Some(json!([{ "type": "0" }]))),
            Err(Error::Invalid { field, .. }) if field == "fields[0].type"
        ));
        assert!(normalize_fields(Some(json!([{ "type": 3 }]))).is_ok());
        assert!(normalize_fields(Some(json!([{ "type": 4 }]))).is_err());
    }

    #[test]
    fn empty_lists_are_none() {
        assert_eq!(normalize_fields(Some(json!([]))).unwrap(), None);
        assert_eq!(normalize_history(None).unwrap(), None);
    }
}
