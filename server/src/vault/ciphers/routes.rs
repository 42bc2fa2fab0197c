//! `/api/ciphers`.

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::routing::{get, post, put};

use super::wire::{CipherRequest, CipherResponse, CreateRequest, IdsRequest, MoveRequest, PartialRequest};
use super::{service, store};
use crate::account;
use crate::account::wire::VerificationRequest;
use crate::app::AppState;
use crate::error::Error;
use crate::http::guards::{Caller, Ids};
use crate::http::json::{Json, List};
use crate::ids::{CipherId, UserId};
use crate::vault;

type One = Result<Json<CipherResponse>, Error>;
type Many = Result<Json<List<CipherResponse>>, Error>;

/// Routes below `/api`.
pub fn router() -> Router<AppState> {
    Router::new()
        .route("/ciphers", get(list).post(create).delete(delete_many))
        .route("/ciphers/create", post(create_in_organization))
        .route("/ciphers/delete", put(trash_many).post(delete_many))
        .route("/ciphers/restore", put(restore_many))
        .route("/ciphers/archive", put(archive_many))
        .route("/ciphers/unarchive", put(unarchive_many))
        .route("/ciphers/move", put(relocate).post(relocate))
        .route("/ciphers/purge", post(purge))
        .route("/ciphers/{id}", get(show).put(edit).post(edit).delete(delete))
        .route("/ciphers/{id}/details", get(show))
        .route("/ciphers/{id}/partial", put(edit_partial).post(edit_partial))
        .route("/ciphers/{id}/delete", put(trash).post(delete))
        .route("/ciphers/{id}/restore", put(restore))
        .route("/ciphers/{id}/archive", put(archive))
        .route("/ciphers/{id}/unarchive", put(unarchive))
}

async fn list(State(app): State<AppState>, caller: Caller) -> Many {
    let user = caller.user.id;
    let views = app.db.read(async move |conn| store::by_user(conn, &user).await).await?;
    Ok(Json(List::new(CipherResponse::all(views, app.settings.base())?)))
}

async fn show(State(app): State<AppState>, caller: Caller, Ids(id): Ids<CipherId>) -> One {
    let user = caller.user.id;
    let view = app.db.read(async move |conn| store::find(conn, &user, &id).await).await?;
    Ok(Json(CipherResponse::new(view.ok_or(Error::NotFound)?, app.settings.base())?))
}

async fn create(State(app): State<AppState>, caller: Caller, Json(body): Json<CipherRequest>) -> One {
    let (cipher, mark) = body.into_rows(CipherId::random(&app.rng), &caller.user.id, app.clock.now())?;
    let view = app.db.write(async move |conn| service::create(conn, &cipher, &mark).await).await?;
    Ok(Json(CipherResponse::new(view, app.settings.base())?))
}

/// There are no organizations yet: an item that names one is refused like one of a foreign organization.
async fn create_in_organization(
    state: State<AppState>,
    caller: Caller,
    Json(body): Json<CreateRequest>,
) -> One {
    create(state, caller, Json(body.cipher)).await
}

async fn edit(
    State(app): State<AppState>,
    caller: Caller,
    Ids(id): Ids<CipherId>,
    Json(body): Json<CipherRequest>,
) -> One {
    let last_known = body.last_known_revision_date;
    let (cipher, mark) = body.into_rows(id, &caller.user.id, app.clock.now())?;
    let view = app.db.write(async move |conn| service::edit(conn, &cipher, &mark, last_known).await).await?;
    Ok(Json(CipherResponse::new(view, app.settings.base())?))
}

async fn edit_partial(
    State(app): State<AppState>,
    caller: Caller,
    Ids(id): Ids<CipherId>,
    Json(body): Json<PartialRequest>,
) -> One {
    let (user, now) = (caller.user.id, app.clock.now());
    let view =
        app.db.write(async move |conn| service::edit_partial(conn, &user, &id, &body, now).await).await?;
    Ok(Json(CipherResponse::new(view, app.settings.base())?))
}

async fn trash(State(app): State<AppState>, caller: Caller, Ids(id): Ids<CipherId>) -> Result<(), Error> {
    let (user, now) = (caller.user.id, app.clock.now());
    one_of(
        app.db
            .write(async move |conn| service::trash(conn, &user, std::slice::from_ref(&id), now).await)
            .await?,
    )
}

async fn trash_many(
    State(app): State<AppState>,
    caller: Caller,
    Json(body): Json<IdsRequest>,
) -> Result<(), Error> {
    let (user, now) = (caller.user.id, app.clock.now());
    app.db.write(async move |conn| service::trash(conn, &user, &body.ids, now).await).await?;
    Ok(())
}

async fn restore(State(app): State<AppState>, caller: Caller, Ids(id): Ids<CipherId>) -> One {
    only(restored(&app, caller.user.id, vec![id]).await?)
}

async fn restore_many(State(app): State<AppState>, caller: Caller, Json(body): Json<IdsRequest>) -> Many {
    Ok(Json(List::new(restored(&app, caller.user.id, body.ids).await?)))
}

async fn restored(app: &AppState, user: UserId, ids: Vec<CipherId>) -> Result<Vec<CipherResponse>, Error> {
    let now = app.clock.now();
    let views = app.db.write(async move |conn| service::restore(conn, &user, &ids, now).await).await?;
    CipherResponse::all(views, app.settings.base())
}

async fn archive(State(app): State<AppState>, caller: Caller, Ids(id): Ids<CipherId>) -> One {
    only(archived(&app, caller.user.id, vec![id], true).await?)
}

async fn unarchive(State(app): State<AppState>, caller: Caller, Ids(id): Ids<CipherId>) -> One {
    only(archived(&app, caller.user.id, vec![id], false).await?)
}

async fn archive_many(State(app): State<AppState>, caller: Caller, Json(body): Json<IdsRequest>) -> Many {
    Ok(Json(List::new(archived(&app, caller.user.id, body.ids, true).await?)))
}

async fn unarchive_many(State(app): State<AppState>, caller: Caller, Json(body): Json<IdsRequest>) -> Many {
    Ok(Json(List::new(archived(&app, caller.user.id, body.ids, false).await?)))
}

async fn archived(
    app: &AppState,
    user: UserId,
    ids: Vec<CipherId>,
    into: bool,
) -> Result<Vec<CipherResponse>, Error> {
    let now = app.clock.now();
    let since = into.then_some(now);
    let views = app.db.write(async move |conn| service::archive(conn, &user, &ids, since, now).await).await?;
    CipherResponse::all(views, app.settings.base())
}

async fn relocate(
    State(app): State<AppState>,
    caller: Caller,
    Json(body): Json<MoveRequest>,
) -> Result<(), Error> {
    let (user, now) = (caller.user.id, app.clock.now());
    app.db
        .write(async move |conn| {
            service::relocate(conn, &user, &body.ids, body.folder_id.as_ref(), now).await
        })
        .await
}

/// Removes the item for good.
async fn delete(State(app): State<AppState>, caller: Caller, Ids(id): Ids<CipherId>) -> Result<(), Error> {
    one_of(deleted(&app, caller.user.id, vec![id]).await?)
}

async fn delete_many(
    State(app): State<AppState>,
    caller: Caller,
    Json(body): Json<IdsRequest>,
) -> Result<(), Error> {
    deleted(&app, caller.user.id, body.ids).await?;
    Ok(())
}

async fn deleted(app: &AppState, user: UserId, ids: Vec<CipherId>) -> Result<usize, Error> {
    let now = app.clock.now();
    let removed = app.db.write(async move |conn| service::delete(conn, &user, &ids, now).await).await?;
    app.jobs.kick();
    Ok(removed)
}

/// Empties the whole vault of the user. The same route with an organization's id means that organization's vault,
/// and there are none yet: the user's own must not be taken for it.
async fn purge(
    State(app): State<AppState>,
    caller: Caller,
    RawQuery(query): RawQuery,
    Json(body): Json<VerificationRequest>,
) -> Result<(), Error> {
    if query.is_some_and(|query| query.split('&').any(|pair| pair.starts_with("organizationId="))) {
        return Err(Error::NotFound);
    }
    account::service::prove(&app, &caller.user, body.master_password_hash).await?;
    let (user, now) = (caller.user.id, app.clock.now());
    app.db
        .write(async move |conn| {
            vault::service::delete_all(conn, &user, now).await?;
            account::store::touch(conn, &user, now).await
        })
        .await?;
    app.jobs.kick();
    Ok(())
}

fn one_of(changed: usize) -> Result<(), Error> {
    if changed == 0 { Err(Error::NotFound) } else { Ok(()) }
}

fn only(mut items: Vec<CipherResponse>) -> One {
    items.pop().map(Json).ok_or(Error::NotFound)
}
