//! `/blob/{token}`: the token says which file, what may be done with it, and until when.

use std::error::Error as StdError;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, Method as HttpMethod, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use persistent_fs::links::serve::LinkServer;
use persistent_fs::links::{LinkVerifier, Method};
use persistent_fs::{Clock, ErrorKind, Meta};
use tower_http::cors::{Any, CorsLayer};

use crate::app::AppState;
use crate::error::Error;
use crate::files::Blob;
use crate::vault::attachments;

/// Routes below `/blob`. The name behind the token is for browsers to save the file under.
pub fn router() -> Router<AppState> {
    Router::new()
        .route("/{token}", any(answer))
        .route("/{token}/{name}", any(answer))
        // Around our own errors too, so that a page of another origin hears of them.
        .layer(cors())
}

/// Pages of any origin may use a link that they hold: the token is the only proof, no cookie is looked at.
fn cors() -> CorsLayer {
    let sent = ["content-type", "if-range", "range", "x-ms-blob-type", "x-ms-date", "x-ms-version"];
    let seen = [header::ACCEPT_RANGES, header::CONTENT_DISPOSITION, header::CONTENT_RANGE, header::ETAG];
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([HttpMethod::GET, HttpMethod::HEAD, HttpMethod::PUT])
        .allow_headers(sent.map(HeaderName::from_static))
        .expose_headers(seen)
}

/// Reads or writes the file. What clients of other makers see, they get from here: 201 for an upload, which is the one
/// status that JavaScript clients take, and their own shape of errors.
async fn answer(State(app): State<AppState>, request: Request) -> Result<Response, Error> {
    let verifier = app.links.verifier();
    if is_list_of_blocks(&request) {
        return end_of_blocks(&verifier, &request, app.clock.system_time());
    }
    let clock = app.clock.clone();
    let clock = Clock::new(move || clock.system_time());
    let server = LinkServer::new(app.files.clone(), verifier, clock);
    let response = server.answer(request.map(Body::into_data_stream)).await;
    if let Some(error) = failure(&response) {
        return Err(error);
    }
    if let Some(meta) = response.extensions().get::<Meta>()
        && let Some(Blob::Attachment { id, .. }) = Blob::from_key(&meta.key)
    {
        attachments::service::uploaded(&app, &meta.key, &id, meta.size).await?;
    }
    Ok(response.map(Body::from_stream))
}

/// Above 256 MiB, JavaScript clients speak of blocks: one block that is the whole file, then a list of blocks.
fn is_list_of_blocks(request: &Request) -> bool {
    let mut pairs = request.uri().query().unwrap_or_default().split('&');
    request.method() == HttpMethod::PUT && pairs.any(|pair| pair == "comp=blocklist")
}

/// The list has nothing to add to the file that has come before it.
fn end_of_blocks(
    verifier: &LinkVerifier,
    request: &Request,
    now: std::time::SystemTime,
) -> Result<Response, Error> {
    let token = request.uri().path().split('/').nth(1).unwrap_or_default();
    verifier.verify(Method::Put, token, now).map_err(|_| Error::NotFound)?;
    Ok(StatusCode::CREATED.into_response())
}

/// What clients are to hear in our own words, and the log in the store's.
fn failure<B>(response: &axum::http::Response<B>) -> Option<Error> {
    match response.status() {
        StatusCode::NOT_FOUND => Some(Error::NotFound),
        StatusCode::PAYLOAD_TOO_LARGE => Some(Error::TooLarge),
        StatusCode::UNPROCESSABLE_ENTITY => Some(Error::refused("The upload is not as long as announced.")),
        StatusCode::BAD_REQUEST => Some(Error::refused("The upload broke off.")),
        status if status.is_server_error() => {
            let cause = response.extensions().get::<Arc<persistent_fs::Error>>();
            let kind = cause.map(|error| error.kind());
            let source: Box<dyn StdError + Send + Sync> = match cause {
                Some(error) => Box::new(Arc::clone(error)),
                None => "the file could not be served".into(),
            };
            Some(match kind {
                Some(ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Timeout) => {
                    Error::Unavailable(source)
                }
                _ => Error::Internal(source),
            })
        }
        _ => None,
    }
}
