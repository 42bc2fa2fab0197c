//! `/alive`, `/api/config` and answers that are the same for everybody.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::wire::{self, API_VERSION};
use crate::app::AppState;
use crate::error::Error;
use crate::http::guards::Caller;
use crate::http::json::{Json, List};
use crate::time::Timestamp;

/// Routes below `/api`.
pub fn router() -> Router<AppState> {
    Router::new()
        .route("/alive", get(alive))
        .route("/now", get(now))
        .route("/version", get(version))
        .route("/config", get(config))
        .route("/settings/domains", get(domains))
        .merge(empty_lists())
        .route("/two-factor/get-device-verification-settings", get(device_verification))
}

/// Whether the server can serve: that includes its database.
pub async fn alive(State(app): State<AppState>) -> Result<Json<Timestamp>, Error> {
    app.db.check().await?;
    Ok(Json(app.clock.now()))
}

/// Clients report what the user did; nothing is recorded yet.
pub async fn collect_events(_caller: Caller) {}

async fn now(State(app): State<AppState>) -> Json<Timestamp> {
    Json(app.clock.now())
}

async fn version() -> Json<&'static str> {
    Json(API_VERSION)
}

async fn config(State(app): State<AppState>) -> Json<Value> {
    Json(wire::config(&app.settings))
}

/// No domains are equivalent yet.
async fn domains(_caller: Caller) -> Json<Value> {
    Json(no_domains())
}

/// The `domains` of a sync, and of their own route.
pub fn no_domains() -> Value {
    json!({ "equivalentDomains": [], "globalEquivalentDomains": [], "object": "domains" })
}

/// Features that are not here yet, whose lists clients load all the same: missing routes break their pages.
fn empty_lists() -> Router<AppState> {
    let paths = [
        "/auth-requests",
        "/auth-requests/pending",
        "/collections",
        "/emergency-access/granted",
        "/emergency-access/trusted",
        "/sends",
        "/tasks",
        "/two-factor",
        "/webauthn",
    ];
    paths.into_iter().fold(Router::new(), |router, path| router.route(path, get(empty_list)))
}

async fn empty_list(_caller: Caller) -> Json<List<()>> {
    Json(List::new(Vec::new()))
}

async fn device_verification(_caller: Caller) -> Json<Value> {
    Json(json!({
        "isDeviceVerificationSectionEnabled": false,
        "unknownDeviceVerificationEnabled": false,
        "object": "deviceVerificationSettings",
    }))
}

/// Routes below `/events`.
pub fn events_router() -> Router<AppState> {
    Router::new().route("/collect", post(collect_events))
}
