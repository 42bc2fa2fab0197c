//! Extractors that prove who is calling: a handler cannot be written without them.

use axum::extract::{FromRequestParts, Path};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::account::model::User;
use crate::app::AppState;
use crate::devices::store as devices;
use crate::error::Error;
use crate::ids::DeviceId;

/// A user with a valid access token of a session that still exists.
#[derive(Debug)]
pub struct Caller {
    /// The user, as stored now.
    pub user: User,
    /// The session.
    pub device: DeviceId,
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Error> {
        let token = bearer(parts).ok_or(Error::Unauthorized)?;
        let claims = app.tokens.verify_access(token, app.clock.now())?;
        let device = claims.session;
        let session = device.clone();
        let user = app.db.read(async move |conn| devices::user(conn, &session).await).await?;
        let user = user.ok_or(Error::Unauthorized)?;
        // A new stamp ends every session that was opened under the old one.
        if user.id != claims.sub || user.security_stamp != claims.sstamp {
            return Err(Error::Unauthorized);
        }
        Ok(Self { user, device })
    }
}

fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Ids in the path. One that is not an id is one that nobody has: 404.
#[derive(Debug)]
pub struct Ids<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<AppState> for Ids<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Error> {
        Path::from_request_parts(parts, app).await.map(|Path(ids)| Self(ids)).map_err(|_| Error::NotFound)
    }
}
