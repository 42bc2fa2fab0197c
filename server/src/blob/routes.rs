//! `/blob/{token}`: the token says which file, what may be done with it, and until when.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderName, Method as HttpMethod, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::routing::get;
use futures_util::TryStreamExt;
use persistent_fs::links::{Access, Grant, Method};
use persistent_fs::{ErrorKind, ReadOptions};
use tower_http::cors::{Any, CorsLayer};

use super::wire;
use crate::app::{App, AppState};
use crate::error::Error;
use crate::files::Blob;
use crate::vault::attachments;

/// Routes below `/blob`. The name behind the token is for browsers to save the file under.
pub fn router() -> Router<AppState> {
    let file = get(download).put(upload);
    Router::new()
        .route("/{token}", file.clone())
        .route("/{token}/{name}", file)
        // Set here, so that the layer surrounds it: the answer to a preflight comes from the layer.
        .method_not_allowed_fallback(async || Error::NotFound)
        .layer(cors())
}

/// Pages of any origin may use a link that they hold: the token is the only proof, no cookie is looked at.
fn cors() -> CorsLayer {
    let headers = ["content-type", "range", "x-ms-blob-type", "x-ms-date", "x-ms-version"];
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([HttpMethod::GET, HttpMethod::HEAD, HttpMethod::PUT])
        .allow_headers(headers.map(HeaderName::from_static))
}

/// Answers GET and HEAD, whole or in part.
async fn download(
    State(app): State<AppState>,
    Path(path): Path<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let grant = verified(&app, &path, Method::Get)?;
    let known = wire::if_none_match(&headers);
    let options =
        ReadOptions { range: wire::range(&headers), if_none_match: known.clone(), ..ReadOptions::default() };
    let is_partial = options.range.is_some();
    let download = match app.files.read(&grant.key, options).await {
        Ok(download) => download,
        Err(error) if error.kind() == ErrorKind::NotModified => {
            let tag = known.as_ref().and_then(wire::etag).map(|tag| (header::ETAG, tag));
            return Ok((StatusCode::NOT_MODIFIED, AppendHeaders(tag)).into_response());
        }
        Err(error) if error.kind() == ErrorKind::InvalidRange => return unsatisfiable(&app, &grant).await,
        Err(error) => return Err(error.into()),
    };
    let length = download.range.end - download.range.start;
    let mut response = Response::builder()
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::CONTENT_LENGTH, length)
        .header(header::CONTENT_TYPE, content_type(&grant))
        // Whatever the file is, it must not run as a page of this origin.
        .header(header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'");
    if let Some(disposition) = grant.content_disposition() {
        response = response.header(header::CONTENT_DISPOSITION, disposition);
    }
    if let Some(tag) = download.meta.etag.as_ref().and_then(wire::etag) {
        response = response.header(header::ETAG, tag);
    }
    if is_partial {
        let (first, last, size) =
            (download.range.start, download.range.end.saturating_sub(1), download.meta.size);
        response = response
            .status(StatusCode::PARTIAL_CONTENT)
            .header(header::CONTENT_RANGE, format!("bytes {first}-{last}/{size}"));
    }
    response.body(Body::from_stream(download.body)).map_err(Error::internal)
}

/// Stores the body under the grant's conditions. 201, which is the one status that JavaScript clients take.
///
/// Above 256 MiB those clients speak of blocks: one block that is the whole file, then a list of blocks, which has
/// nothing to add.
async fn upload(
    State(app): State<AppState>,
    Path(path): Path<Vec<(String, String)>>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<StatusCode, Error> {
    let grant = verified(&app, &path, Method::Put)?;
    if query.is_some_and(|query| query.split('&').any(|pair| pair == "comp=blocklist")) {
        return Ok(StatusCode::CREATED);
    }
    let options = grant.write_options().ok_or(Error::NotFound)?;
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if let (Some(size), Some(announced)) = (options.size, announced.and_then(|text| text.parse::<u64>().ok()))
    {
        // Refused before a byte is read.
        if announced != size {
            return Err(wrong_length());
        }
    }
    let body = request.into_body().into_data_stream();
    let body = body.map_err(|_| Error::refused("The upload broke off."));
    let stored = app.files.put_stream(&grant.key, body, options).await;
    let meta = stored.map_err(|error| match error {
        Error::Internal(source) => refused(source),
        other => other,
    })?;
    if let Some(Blob::Attachment { id, .. }) = Blob::from_key(&grant.key) {
        attachments::service::uploaded(&app, &grant.key, &id, meta.size).await?;
    }
    Ok(StatusCode::CREATED)
}

/// What the token in the path allows. Every bad token, and every file that is not there, looks the same.
fn verified(app: &App, path: &[(String, String)], method: Method) -> Result<Grant, Error> {
    let verifier = app.links.as_ref().ok_or(Error::NotFound)?;
    let (_, token) = path.first().ok_or(Error::NotFound)?;
    verifier.verify(method, token, app.clock.system_time()).map_err(|_| Error::NotFound)
}

async fn unsatisfiable(app: &App, grant: &Grant) -> Result<Response, Error> {
    let size = app.files.head(&grant.key).await?.size;
    let range = [(header::CONTENT_RANGE, format!("bytes */{size}"))];
    Ok((StatusCode::RANGE_NOT_SATISFIABLE, range).into_response())
}

fn content_type(grant: &Grant) -> &str {
    match &grant.access {
        Access::Get { content_type: Some(content_type), .. } => content_type,
        _ => "application/octet-stream",
    }
}

/// The store's refusal of a body that is not what the token says.
fn refused(source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    match source.downcast_ref::<persistent_fs::Error>().map(persistent_fs::Error::kind) {
        Some(ErrorKind::Integrity) => wrong_length(),
        _ => Error::Internal(source),
    }
}

fn wrong_length() -> Error {
    Error::refused("The upload is not as long as announced.")
}
