//! Bodies in: JSON as lenient about names, and as clear about mistakes, as clients need.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::error::Error;

/// A JSON body, read into `T`.
///
/// Keys may begin with a capital: old clients send `MasterPasswordHash`. A body that is not JSON, or does not
/// fit, is refused with the path of the offending field.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| unreadable(&rejection))?;
        parse(&bytes).map(Self)
    }
}

/// Reads `T` from JSON text, with the leniency of [`Json`].
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let mut value: Value = serde_json::from_slice(bytes)
        .map_err(|error| Error::refused(format!("The body is not valid JSON: {error}.")))?;
    lower_first_letters(&mut value);
    from_value(value)
}

/// Reads `T` from a parsed value and names the field that does not fit.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        // The whole value is written as a dot.
        let field = match error.path().to_string() {
            path if path == "." => String::new(),
            path => path,
        };
        Error::invalid(field, format!("The request is not valid: {}.", error.inner()))
    })
}

fn unreadable(rejection: &BytesRejection) -> Error {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Error::TooLarge
    } else {
        Error::refused("The body could not be read to its end.")
    }
}

/// `MasterPasswordHash` becomes `masterPasswordHash`, at every depth. A key that is there in both forms keeps
/// the form that clients send today.
fn lower_first_letters(value: &mut Value) {
    match value {
        Value::Object(map) => {
            let capitals: Vec<String> =
                map.keys().filter(|key| key.starts_with(|c: char| c.is_ascii_uppercase())).cloned().collect();
            for key in capitals {
                let Some(value) = map.remove(&key) else { continue };
                let mut lower = key;
                lower[..1].make_ascii_lowercase();
                map.entry(lower).or_insert(value);
            }
            map.values_mut().for_each(lower_first_letters);
        }
        Value::Array(items) => items.iter_mut().for_each(lower_first_letters),
        _ => {}
    }
}

/// A number that some clients send as text: `1024` or `"1024"`.
pub fn number_or_text<'de, D: Deserializer<'de>, N>(deserializer: D) -> Result<N, D::Error>
where
    N: Deserialize<'de> + std::str::FromStr,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either<N> {
        Number(N),
        Text(String),
    }
    match Either::deserialize(deserializer)? {
        Either::Number(number) => Ok(number),
        Either::Text(text) => text.parse().map_err(|_| serde::de::Error::custom("expected a number")),
    }
}

/// An optional text for which clients also send `""`.
pub fn empty_as_none<'de, D: Deserializer<'de>, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: TryFrom<String>,
    T::Error: std::fmt::Display,
{
    match Option::<String>::deserialize(deserializer)? {
        None => Ok(None),
        Some(text) if text.is_empty() => Ok(None),
        Some(text) => T::try_from(text).map(Some).map_err(serde::de::Error::custom),
    }
}

/// The envelope of a list.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct List<T> {
    data: Vec<T>,
    object: &'static str,
    continuation_token: Option<String>,
}

impl<T> List<T> {
    /// A list that is complete.
    pub fn new(data: Vec<T>) -> Self {
        Self { data, object: "list", continuation_token: None }
    }
}

/// Answers a value as JSON.
impl<T: serde::Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> axum::response::Response {
        axum::Json(self.0).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        email: String,
        #[serde(deserialize_with = "number_or_text")]
        file_size: u64,
    }

    #[test]
    fn takes_capitals_and_numbers_as_text() {
        let body: Body = parse(br#"{"Email":"a@b.c","FileSize":"12"}"#).unwrap();
        assert_eq!(body, Body { email: "a@b.c".into(), file_size: 12 });
    }

    #[test]
    fn names_the_field_that_does_not_fit() {
        let error = parse::<Body>(br#"{"email":"a","fileSize":[]}"#).unwrap_err();
        assert!(matches!(error, Error::Invalid { field, .. } if field == "fileSize"));
    }

    #[test]
    fn says_where_the_json_breaks() {
        let error = parse::<Body>(b"{\"email\":").unwrap_err();
        assert!(error.to_string().contains("line 1 column 9"), "{error}");
    }
}
