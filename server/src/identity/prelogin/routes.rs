//! `/identity/accounts/prelogin`.

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::account::model::{Kdf, normalize_email};
use crate::account::store;
use crate::app::AppState;
use crate::error::Error;
use crate::http::json::Json;

/// Routes below `/identity`; old clients ask below `/api` as well.
pub fn router() -> Router<AppState> {
    Router::new()
        .route("/accounts/prelogin", post(prelogin))
        .route("/accounts/prelogin/password", post(prelogin))
}

#[derive(Debug, Deserialize)]
struct PreloginRequest {
    email: String,
}

async fn prelogin(
    State(app): State<AppState>,
    Json(body): Json<PreloginRequest>,
) -> Result<Json<Value>, Error> {
    let email = normalize_email(&body.email)?;
    let asked = email.clone();
    let user = app.db.read(async move |conn| store::by_email(conn, &asked).await).await?;
    let kdf = user.map_or_else(|| invented(app.tokens.disguise(&email)), |user| user.kdf);
    Ok(Json(json!({
        "kdf": kdf.kind,
        "kdfIterations": kdf.iterations,
        "kdfMemory": kdf.memory,
        "kdfParallelism": kdf.parallelism,
        "kdfSettings": {
            "kdfType": kdf.kind,
            "iterations": kdf.iterations,
            "memory": kdf.memory,
            "parallelism": kdf.parallelism,
        },
        "salt": email,
    })))
}

/// Parameters for an address that nobody has: always the same for one address, and as varied as real ones, so
/// that the answer does not tell who has an account.
fn invented(disguise: u8) -> Kdf {
    if disguise.is_multiple_of(8) {
        Kdf { kind: 1, iterations: 3, memory: Some(64), parallelism: Some(4) }
    } else {
        Kdf::DEFAULT
    }
}
