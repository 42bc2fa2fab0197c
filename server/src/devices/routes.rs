//! `/api/devices`.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::routing::{get, post, put};
use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::store;
use super::wire::{DeviceResponse, PushTokenRequest};
use crate::account::model::normalize_email;
use crate::app::AppState;
use crate::error::Error;
use crate::http::guards::Caller;
use crate::http::json::{Json, List};

/// Routes below `/api`.
pub fn router() -> Router<AppState> {
    Router::new()
        .route("/devices", get(list))
        .route("/devices/knowndevice", get(known))
        .route("/devices/identifier/{identifier}", get(show))
        .route("/devices/identifier/{identifier}/token", put(set_push_token).post(set_push_token))
        .route("/devices/identifier/{identifier}/clear-token", put(clear_push_token).post(clear_push_token))
        .route("/devices/{identifier}/clear-token", post(clear_push_token))
}

/// All sessions of the caller.
async fn list(State(app): State<AppState>, caller: Caller) -> Result<Json<List<DeviceResponse>>, Error> {
    let user = caller.user.id;
    let devices = app.db.read(async move |conn| store::by_user(conn, &user).await).await?;
    Ok(Json(List::new(devices.into_iter().map(Into::into).collect())))
}

/// The caller's session on one device.
async fn show(
    State(app): State<AppState>,
    caller: Caller,
    Path(identifier): Path<String>,
) -> Result<Json<DeviceResponse>, Error> {
    let user = caller.user.id;
    let device = app.db.read(async move |conn| store::by_identifier(conn, &user, &identifier).await).await?;
    device.map(|device| Json(device.into())).ok_or(Error::NotFound)
}

/// Whether the address in `X-Request-Email` has logged in on the device in `X-Device-Identifier`. Asked before
/// the login, so there is no caller.
async fn known(State(app): State<AppState>, headers: HeaderMap) -> Result<Json<bool>, Error> {
    let email = header(&headers, "x-request-email")?;
    let identifier = header(&headers, "x-device-identifier")?.to_owned();
    let email = LENIENT_BASE64
        .decode(email)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| Error::invalid("X-Request-Email", "The header is not valid base64url."))?;
    let email = normalize_email(&email)?;
    let known = app.db.read(async move |conn| store::is_known(conn, &email, &identifier).await).await?;
    Ok(Json(known))
}

async fn set_push_token(
    State(app): State<AppState>,
    caller: Caller,
    Path(identifier): Path<String>,
    Json(body): Json<PushTokenRequest>,
) -> Result<(), Error> {
    push_token(&app, caller, identifier, Some(body.push_token)).await
}

async fn clear_push_token(
    State(app): State<AppState>,
    caller: Caller,
    Path(identifier): Path<String>,
) -> Result<(), Error> {
    push_token(&app, caller, identifier, None).await
}

async fn push_token(
    app: &AppState,
    caller: Caller,
    identifier: String,
    token: Option<String>,
) -> Result<(), Error> {
    let user = caller.user.id;
    let changed = app
        .db
        .write(async move |conn| store::set_push_token(conn, &user, &identifier, token.as_deref()).await)
        .await?;
    if changed == 0 { Err(Error::NotFound) } else { Ok(()) }
}

/// Clients send base64url with and without padding.
const LENIENT_BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Error> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .ok_or_else(|| Error::invalid(name, "The header is missing."))
}
