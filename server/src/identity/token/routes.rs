//! `/identity/connect/token`.

use axum::extract::State;
use axum::routing::post;
use axum::{Form as AxumForm, Router};
use serde_json::Value;

use super::service;
use super::wire::{self, DeviceInfo, Form};
use crate::app::AppState;
use crate::error::Error;
use crate::http::json::Json;

/// Routes below `/identity`.
pub fn router() -> Router<AppState> {
    Router::new().route("/connect/token", post(token))
}

async fn token(
    State(app): State<AppState>,
    form: Result<AxumForm<Vec<(String, String)>>, axum::extract::rejection::FormRejection>,
) -> Result<Json<Value>, Error> {
    let AxumForm(pairs) = form.map_err(|_| Error::refused("The form could not be read."))?;
    let mut form = Form::new(pairs);
    match form.required("grant_type")?.as_str() {
        "password" => password(&app, form).await,
        "refresh_token" => refresh(&app, form).await,
        _ => Err(Error::invalid("grant_type", "This grant is not supported.")),
    }
}

async fn password(app: &AppState, mut form: Form) -> Result<Json<Value>, Error> {
    let email = form.required("username")?;
    let password = form.required("password")?;
    let device = DeviceInfo::from_form(&mut form)?;
    let session = service::login(app, &email, password, device).await?;
    Ok(Json(wire::login(&session.user, &session.access, &session.refresh)))
}

async fn refresh(app: &AppState, mut form: Form) -> Result<Json<Value>, Error> {
    let token = form.required("refresh_token")?;
    let session = service::refresh(app, token).await?;
    Ok(Json(wire::tokens(&session.access, &session.refresh).into()))
}
