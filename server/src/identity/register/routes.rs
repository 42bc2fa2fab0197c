//! `/identity/accounts/register`.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};

use super::service::{self, Verification};
use super::wire::{ClickedRequest, RegisterRequest, VerificationMailRequest};
use crate::account::model::normalize_email;
use crate::app::AppState;
use crate::error::Error;
use crate::http::json::Json;

/// Routes below `/identity`.
pub fn router() -> Router<AppState> {
    Router::new()
        .route("/accounts/register", post(finish))
        .route("/accounts/register/finish", post(finish))
        .route("/accounts/register/send-verification-email", post(send_verification_mail))
        .route("/accounts/register/verification-email-clicked", post(clicked))
}

/// 204 when a mail went out; where mail is off, 200 with the token as a JSON string, and the client goes on.
async fn send_verification_mail(
    State(app): State<AppState>,
    Json(body): Json<VerificationMailRequest>,
) -> Result<Response, Error> {
    let email = normalize_email(&body.email)?;
    match service::begin(&app, email, body.name).await? {
        Verification::Mailed => Ok(StatusCode::NO_CONTENT.into_response()),
        Verification::Token(token) => Ok(Json(token).into_response()),
    }
}

async fn clicked(State(app): State<AppState>, Json(body): Json<ClickedRequest>) -> Result<(), Error> {
    let email = normalize_email(&body.email)?;
    service::check_token(&app, &email, &body.email_verification_token)
}

async fn finish(
    State(app): State<AppState>,
    Json(body): Json<RegisterRequest>,
) -> Result<Json<Value>, Error> {
    service::finish(&app, body.try_into()?).await?;
    Ok(Json(json!({ "object": "register", "captchaBypassToken": "" })))
}
