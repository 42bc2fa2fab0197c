//! `/hooks/mail`, where the mail provider tells what became of mails, and `/dev/mail`, where mails can be read that have
//! not left this machine.

use std::net::IpAddr;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::uri::Authority;
use axum::http::{StatusCode, header};
use axum::response::Response;
use axum::routing::{any, post};
use mailer::ErrorKind;

use super::events;
use crate::app::AppState;
use crate::error::Error;

/// A notification holds one event and quotes at most a header.
const MAX_BODY: usize = 256 * 1024;

/// Where the mails can be read.
pub const PREVIEW: &str = "/dev/mail";

/// Both.
pub fn router() -> Router<AppState> {
    Router::new()
        .route("/hooks/mail", post(told).layer(DefaultBodyLimit::max(MAX_BODY)))
        .route("/dev/mail", any(shown))
        .route("/dev/mail/", any(shown))
        .route("/dev/mail/{*path}", any(shown))
}

/// 204 once it is written down, so that the provider does not repeat it; anything else makes it come again.
async fn told(State(app): State<AppState>, body: Bytes) -> Result<StatusCode, Error> {
    let hook = app.mail_hook.as_ref().ok_or(Error::NotFound)?;
    let events = hook.read(body).await.map_err(|error| {
        tracing::warn!(error_kind = error.kind().as_str(), %error, "a call to the hook for mail events");
        match error.kind() {
            ErrorKind::Auth => Error::Unauthorized,
            ErrorKind::Unavailable | ErrorKind::Timeout => Error::Unavailable(error.into()),
            _ => Error::refused("This is no event."),
        }
    })?;
    for event in events {
        events::hear(&app, event).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Not found unless the operator has asked for it, and the browser for this machine.
async fn shown(State(app): State<AppState>, request: Request) -> Result<Response, Error> {
    let page = app.mail_preview.as_ref().filter(|_| is_for_this_machine(&request)).ok_or(Error::NotFound)?;
    let (head, _) = request.into_parts();
    Ok(page.handle(&head).await.map(Body::from))
}

/// A page of a stranger can have its own name lead to this machine, and read what it finds; but the name is still its own.
fn is_for_this_machine(request: &Request) -> bool {
    let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()?.parse().ok());
    let Some(named) = request.uri().authority().cloned().or(named) else { return false };
    let host = Authority::host(&named).trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
