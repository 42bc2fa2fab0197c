//! `/api/sync`.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use super::service::{self, Request};
use crate::app::AppState;
use crate::error::Error;
use crate::http::guards::Caller;
use crate::http::stream;

/// Routes below `/api`.
pub fn router() -> Router<AppState> {
    Router::new().route("/sync", get(sync))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SyncQuery {
    #[serde(default)]
    exclude_domains: bool,
}

/// Answers at once; the body follows from one consistent view of the database. One that is down has made the
/// caller's check fail before.
async fn sync(
    State(app): State<AppState>,
    caller: Caller,
    query: Result<Query<SyncQuery>, QueryRejection>,
) -> Result<Response, Error> {
    let (writer, body) = stream::json();
    let request = Request {
        user: caller.user,
        base: app.settings.base().to_owned(),
        exclude_domains: query.is_ok_and(|Query(query)| query.exclude_domains),
    };
    // In one hand at a time: what was written cannot be written again.
    let writer = Arc::new(Mutex::new(Some(writer)));
    let request = Arc::new(request);
    let db = app.db.clone();
    tokio::spawn(async move {
        let written = db
            .snapshot(async move |conn| {
                let writer = writer.lock().unwrap_or_else(PoisonError::into_inner).take();
                let writer = writer.ok_or_else(|| Error::internal("a sync cannot be written twice"))?;
                service::write(conn, &request, writer).await
            })
            .await;
        if let Err(error) = written {
            tracing::warn!(%error, "a sync broke off");
        }
    });
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}
