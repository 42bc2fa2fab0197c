//! `/api/folders`.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};

use super::model::Folder;
use super::wire::{FolderRequest, FolderResponse, IdsRequest};
use super::{service, store};
use crate::app::AppState;
use crate::error::Error;
use crate::http::guards::{Caller, Ids};
use crate::http::json::{Json, List};
use crate::ids::FolderId;

/// Routes below `/api`.
pub fn router() -> Router<AppState> {
    Router::new()
        .route("/folders", get(list).post(create).delete(remove_many))
        .route("/folders/{id}", get(show).put(rename).post(rename).delete(remove))
        .route("/folders/{id}/delete", post(remove))
}

async fn list(State(app): State<AppState>, caller: Caller) -> Result<Json<List<FolderResponse>>, Error> {
    let user = caller.user.id;
    let folders = app.db.read(async move |conn| store::by_user(conn, &user).await).await?;
    Ok(Json(List::new(folders.into_iter().map(Into::into).collect())))
}

async fn show(
    State(app): State<AppState>,
    caller: Caller,
    Ids(id): Ids<FolderId>,
) -> Result<Json<FolderResponse>, Error> {
    let user = caller.user.id;
    let folder = app.db.read(async move |conn| store::find(conn, &user, &id).await).await?;
    folder.map(|folder| Json(folder.into())).ok_or(Error::NotFound)
}

async fn create(
    State(app): State<AppState>,
    caller: Caller,
    Json(body): Json<FolderRequest>,
) -> Result<Json<FolderResponse>, Error> {
    let now = app.clock.now();
    let folder = Folder {
        id: FolderId::random(&app.rng),
        user_id: caller.user.id,
        name: body.into_name()?,
        created_at: now,
        revised_at: now,
    };
    let row = folder.clone();
    app.db.write(async move |conn| service::create(conn, &row).await).await?;
    Ok(Json(folder.into()))
}

/// Answers 404 for a folder of another user.
async fn rename(
    State(app): State<AppState>,
    caller: Caller,
    Ids(id): Ids<FolderId>,
    Json(body): Json<FolderRequest>,
) -> Result<Json<FolderResponse>, Error> {
    let (user, name, now) = (caller.user.id, body.into_name()?, app.clock.now());
    let folder = app.db.write(async move |conn| service::rename(conn, &user, &id, &name, now).await).await?;
    Ok(Json(folder.into()))
}

async fn remove(State(app): State<AppState>, caller: Caller, Ids(id): Ids<FolderId>) -> Result<(), Error> {
    if delete(&app, caller, vec![id]).await? == 0 { Err(Error::NotFound) } else { Ok(()) }
}

async fn remove_many(
    State(app): State<AppState>,
    caller: Caller,
    Json(body): Json<IdsRequest>,
) -> Result<(), Error> {
    delete(&app, caller, body.ids).await?;
    Ok(())
}

async fn delete(app: &AppState, caller: Caller, ids: Vec<FolderId>) -> Result<usize, Error> {
    let (user, now) = (caller.user.id, app.clock.now());
    Ok(app.db.write(async move |conn| service::delete(conn, &user, &ids, now).await).await?)
}
