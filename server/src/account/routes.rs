//! `/api/accounts`.

use axum::Router;
use axum::extract::State;
use axum::routing::{delete, get, post, put};
use serde_json::{Value, json};

use super::wire::{
    AvatarRequest, KdfRequest, KeysRequest, PasswordRequest, ProfileRequest, ProfileResponse,
    PublicKeyResponse, UserKeyIdRequest, VerificationRequest, no_password_policy,
};
use super::{service, store};
use crate::app::AppState;
use crate::error::Error;
use crate::http::guards::{Caller, Ids};
use crate::http::json::Json;
use crate::ids::UserId;

/// Routes below `/api`.
pub fn router() -> Router<AppState> {
    Router::new()
        .route("/accounts", delete(remove))
        .route("/accounts/delete", post(remove))
        .route("/accounts/profile", get(profile).put(set_profile).post(set_profile))
        .route("/accounts/avatar", put(set_avatar).post(set_avatar))
        .route("/accounts/revision-date", get(revision_date))
        .route("/accounts/keys", get(keys).post(set_keys))
        .route("/accounts/key-management/user-key-id", post(set_user_key_id))
        .route("/accounts/password", post(set_password))
        .route("/accounts/kdf", post(set_kdf))
        .route("/accounts/security-stamp", post(renew_stamp))
        .route("/accounts/verify-password", post(verify_password))
        .route("/users/{id}/public-key", get(public_key))
}

async fn profile(caller: Caller) -> Json<ProfileResponse> {
    Json((&caller.user).into())
}

async fn set_profile(
    State(app): State<AppState>,
    Caller { mut user, .. }: Caller,
    Json(body): Json<ProfileRequest>,
) -> Result<Json<ProfileResponse>, Error> {
    if body.name.as_ref().is_some_and(|name| name.chars().count() > 50) {
        return Err(Error::invalid("name", "The name is longer than 50 characters."));
    }
    user.name = body.name;
    user.culture = body.culture.unwrap_or(user.culture);
    let (changed, now) = (user.clone(), app.clock.now());
    app.db
        .write(async move |conn| {
            store::set_profile(conn, &changed.id, changed.name.as_deref(), &changed.culture, now).await
        })
        .await?;
    Ok(Json((&user).into()))
}

async fn set_avatar(
    State(app): State<AppState>,
    Caller { mut user, .. }: Caller,
    Json(body): Json<AvatarRequest>,
) -> Result<Json<ProfileResponse>, Error> {
    let is_color =
        |c: &str| c.len() == 7 && c.starts_with('#') && c[1..].chars().all(|c| c.is_ascii_hexdigit());
    if body.avatar_color.as_deref().is_some_and(|color| !is_color(color)) {
        return Err(Error::invalid("avatarColor", "The colour must be given as #rrggbb."));
    }
    user.avatar_color = body.avatar_color;
    let (changed, now) = (user.clone(), app.clock.now());
    app.db
        .write(async move |conn| {
            store::set_avatar(conn, &changed.id, changed.avatar_color.as_deref(), now).await
        })
        .await?;
    Ok(Json((&user).into()))
}

/// Milliseconds since 1970, as a bare number: clients sync when it is newer than their last sync.
async fn revision_date(caller: Caller) -> Json<i64> {
    Json(caller.user.revised_at.unix_millis())
}

async fn keys(caller: Caller) -> Json<Value> {
    Json(json!({
        "key": caller.user.user_key,
        "publicKey": caller.user.public_key,
        "privateKey": caller.user.private_key,
        "object": "keys",
    }))
}

async fn set_keys(
    State(app): State<AppState>,
    caller: Caller,
    Json(body): Json<KeysRequest>,
) -> Result<Json<Value>, Error> {
    service::check_enc_string("encryptedPrivateKey", &body.encrypted_private_key)?;
    let (id, now) = (caller.user.id, app.clock.now());
    let user = app
        .db
        .write(async move |conn| {
            service::set_keys(conn, &id, &body.public_key, &body.encrypted_private_key, now).await
        })
        .await?;
    Ok(Json(json!({
        "privateKey": user.private_key,
        "publicKey": user.public_key,
        "object": "keys",
    })))
}

/// Newest clients send it after the first login and give up when the route is missing.
async fn set_user_key_id(
    State(app): State<AppState>,
    caller: Caller,
    Json(body): Json<UserKeyIdRequest>,
) -> Result<(), Error> {
    let key_id = body.user_key_id;
    if key_id.len() != 32 || !key_id.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(Error::invalid("userKeyId", "The id must have 32 hexadecimal digits."));
    }
    let id = caller.user.id;
    app.db.write(async move |conn| store::set_user_key_id(conn, &id, &key_id).await).await?;
    Ok(())
}

async fn set_password(
    State(app): State<AppState>,
    caller: Caller,
    Json(mut body): Json<PasswordRequest>,
) -> Result<(), Error> {
    let proof = std::mem::take(&mut body.master_password_hash);
    let hint = body.master_password_hint.take();
    service::prove(&app, &caller.user, Some(proof)).await?;
    let new = body.into_new(&caller.user)?;
    service::change_secrets(&app, &caller.user, new, hint).await
}

async fn set_kdf(
    State(app): State<AppState>,
    caller: Caller,
    Json(mut body): Json<KdfRequest>,
) -> Result<(), Error> {
    let proof = std::mem::take(&mut body.master_password_hash);
    service::prove(&app, &caller.user, Some(proof)).await?;
    let new = body.into_new(&caller.user)?;
    service::change_secrets(&app, &caller.user, new, None).await
}

async fn renew_stamp(
    State(app): State<AppState>,
    caller: Caller,
    Json(body): Json<VerificationRequest>,
) -> Result<(), Error> {
    service::prove(&app, &caller.user, body.master_password_hash).await?;
    service::renew_stamp(&app, caller.user.id).await
}

async fn verify_password(
    State(app): State<AppState>,
    caller: Caller,
    Json(body): Json<VerificationRequest>,
) -> Result<Json<Value>, Error> {
    service::prove(&app, &caller.user, body.master_password_hash).await?;
    Ok(Json(no_password_policy()))
}

async fn remove(
    State(app): State<AppState>,
    caller: Caller,
    Json(body): Json<VerificationRequest>,
) -> Result<(), Error> {
    service::prove(&app, &caller.user, body.master_password_hash).await?;
    let (id, now) = (caller.user.id, app.clock.now());
    app.db.write(async move |conn| service::delete(conn, &id, now).await).await?;
    app.jobs.kick();
    Ok(())
}

async fn public_key(
    State(app): State<AppState>,
    _caller: Caller,
    Ids(id): Ids<UserId>,
) -> Result<Json<PublicKeyResponse>, Error> {
    let user = app.db.read(async move |conn| store::find(conn, &id).await).await?.ok_or(Error::NotFound)?;
    Ok(Json(PublicKeyResponse { user_id: user.id, public_key: user.public_key, object: "userKey" }))
}
