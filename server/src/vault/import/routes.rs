//! `/api/ciphers/import`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::post;

use super::service;
use super::wire::ImportRequest;
use crate::app::AppState;
use crate::error::Error;
use crate::http::guards::Caller;
use crate::http::json::Json;

/// Routes below `/api`.
pub fn router() -> Router<AppState> {
    Router::new().route("/ciphers/import", post(import))
}

async fn import(
    State(app): State<AppState>,
    caller: Caller,
    Json(body): Json<ImportRequest>,
) -> Result<(), Error> {
    let (user, now) = (caller.user.id, app.clock.now());
    // Shared, because each attempt to write takes a copy of what it writes.
    let import = Arc::new(body.into_import(&user, &app.rng, now)?);
    app.db.write(async move |conn| service::write(conn, &user, &import, now).await).await?;
    Ok(())
}
