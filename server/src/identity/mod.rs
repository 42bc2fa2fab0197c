//! Who are you: everything below `/identity`.

pub mod prelogin;
pub mod register;
pub mod token;

use axum::Router;

use crate::app::AppState;

/// Routes below `/identity`.
pub fn router() -> Router<AppState> {
    Router::new()
        .merge(prelogin::routes::router())
        .merge(register::routes::router())
        .merge(token::routes::router())
}
