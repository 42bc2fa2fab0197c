//! The one place that turns a meaning into a status and the body that clients parse.

use std::error::Error as StdError;
use std::fmt::Write as _;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::error::Error;

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        match self {
            Self::NotFound => envelope(StatusCode::NOT_FOUND, "", "Resource not found."),
            Self::Unauthorized => envelope(StatusCode::UNAUTHORIZED, "", "Please log in again."),
            Self::BadCredentials => {
                grant_refused("invalid_username_or_password", "Username or password is incorrect. Try again.")
            }
            // 400, not 401: on a 401 clients try to refresh again, on this they log out.
            Self::SessionEnded => {
                grant_refused("invalid_grant", "The session has ended. Please log in again.")
            }
            Self::Invalid { field, message } => envelope(StatusCode::BAD_REQUEST, &field, &message),
            Self::TooLarge => envelope(StatusCode::PAYLOAD_TOO_LARGE, "", "The request is too large."),
            Self::Unavailable(source) => unavailable(&*source),
            Self::Internal(source) => internal(&*source),
            Self::Database(error) => database(&error),
        }
    }
}

/// The envelope of an ordinary refusal. Clients show the first validation message, else `message`.
fn envelope(status: StatusCode, field: &str, message: &str) -> Response {
    (status, Json(body(field, message))).into_response()
}

fn body(field: &str, message: &str) -> Value {
    let mut fields = Map::new();
    fields.insert(field.to_owned(), json!([message]));
    json!({
        "message": message,
        "validationErrors": fields,
        "errorModel": { "message": message, "object": "error" },
        "error": "",
        "error_description": "",
        "exceptionMessage": null,
        "exceptionStackTrace": null,
        "innerExceptionMessage": null,
        "object": "error",
    })
}

/// The token endpoint's refusal: the envelope and OAuth's fields (RFC 6749, section 5.2) in one body.
fn grant_refused(description: &str, message: &str) -> Response {
    let mut body = body("", message);
    body["error"] = json!("invalid_grant");
    body["error_description"] = json!(description);
    body["ErrorModel"] = json!({ "Message": message, "Object": "error" });
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

fn database(error: &dbconn::Error) -> Response {
    use dbconn::ErrorKind;
    match error.kind() {
        ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Conflict => unavailable(error),
        _ => internal(error),
    }
}

fn unavailable(source: &(dyn StdError + 'static)) -> Response {
    tracing::warn!(cause = %chain(source), "a request could not be served now");
    envelope(StatusCode::SERVICE_UNAVAILABLE, "", "The server is busy. Please try again.")
}

fn internal(source: &(dyn StdError + 'static)) -> Response {
    tracing::error!(cause = %chain(source), "a request failed");
    envelope(StatusCode::INTERNAL_SERVER_ERROR, "", "An error has occurred.")
}

/// The error and its causes on one line.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
