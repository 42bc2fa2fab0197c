//! The vault: what users store.

pub mod attachments;
pub mod ciphers;
pub mod folders;
pub mod import;
pub mod service;
pub mod sync;

use axum::Router;

use crate::app::AppState;

/// Ids in one statement: both databases limit the number of values.
const IDS: usize = 500;

/// Routes below `/api`.
pub fn router() -> Router<AppState> {
    Router::new()
        .merge(attachments::routes::router())
        .merge(ciphers::routes::router())
        .merge(folders::routes::router())
        .merge(import::routes::router())
        .merge(sync::routes::router())
}
