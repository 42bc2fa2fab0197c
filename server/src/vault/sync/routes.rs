//! `/api/sync`.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use tokio::sync::oneshot;

use super::service::{self, Request};
use crate::app::AppState;
use crate::error::Error;
use crate::http::guards::Caller;
use crate::http::stream::{self, JsonWriter};

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

/// Answers as soon as the database has; the rest of the body follows from the same view of it.
async fn sync(
    State(app): State<AppState>,
    caller: Caller,
    query: Result<Query<SyncQuery>, QueryRejection>,
) -> Result<Response, Error> {
    let request = Arc::new(Request {
        user: caller.user,
        base: app.settings.base().to_owned(),
        exclude_domains: query.is_ok_and(|Query(query)| query.exclude_domains),
    });
    let (answer, answered) = oneshot::channel();
    // Taken once: by the attempt that begins to write, or by the error that keeps all from it.
    let answer = Arc::new(Mutex::new(Some(answer)));
    let db = app.db.clone();
    tokio::spawn(async move {
        let waiting = answer.clone();
        let written =
            db.snapshot(async move |conn| service::write(conn, &request, || begin(&waiting)).await).await;
        let Err(error) = written else { return };
        let Some(answer) = take(&answer) else {
            tracing::warn!(%error, "a sync broke off");
            return;
        };
        drop(answer.send(Err(error)));
    });
    let body = answered.await.map_err(Error::internal)??;
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

type Answer = oneshot::Sender<Result<Body, Error>>;

/// Lets the client read what is written from now on.
fn begin(waiting: &Mutex<Option<Answer>>) -> Result<JsonWriter, Error> {
    let answer = take(waiting).ok_or_else(|| Error::internal("a sync cannot begin twice"))?;
    let (writer, body) = stream::json();
    // A client that has gone is noticed at the first flush.
    drop(answer.send(Ok(body)));
    Ok(writer)
}

fn take(waiting: &Mutex<Option<Answer>>) -> Option<Answer> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).take()
}
