//! HTTP: the router, what surrounds every request, and how errors look.

pub mod error;
pub mod guards;
pub mod json;
pub mod stream;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use tower_http::trace::TraceLayer;

use crate::app::AppState;
use crate::error::Error;
use crate::{account, blob, devices, identity, mail, meta, vault};

/// The largest body outside of file uploads: an import of a large vault fits.
pub const MAX_BODY: usize = 20 * 1024 * 1024;

/// The whole server.
pub fn router(app: AppState) -> Router {
    let api = Router::new()
        .merge(account::routes::router())
        .merge(devices::routes::router())
        .merge(meta::routes::router())
        .merge(vault::router())
        .merge(identity::prelogin::routes::router());
    Router::new()
        .nest("/api", api)
        .nest("/identity", identity::router())
        .nest("/events", meta::routes::events_router())
        .nest("/blob", blob::routes::router())
        .merge(mail::routes::router())
        .route("/alive", get(meta::routes::alive))
        .fallback(async || Error::NotFound)
        .method_not_allowed_fallback(async || Error::NotFound)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(security_headers))
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .with_state(app)
}

/// The path as routed, not as sent: a path may hold a token.
fn span(request: &Request) -> tracing::Span {
    let route = request.extensions().get::<axum::extract::MatchedPath>().map_or("-", |path| path.as_str());
    tracing::info_span!("request", method = %request.method(), route)
}

/// Headers that tell browsers to trust nothing more than they need.
async fn security_headers(request: Request, next: Next) -> Response {
    const HEADERS: [(&str, &str); 4] = [
        ("cache-control", "no-store"),
        ("referrer-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "SAMEORIGIN"),
    ];
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .entry(HeaderName::from_static(name))
            .or_insert(HeaderValue::from_static(value));
    }
    response
}
