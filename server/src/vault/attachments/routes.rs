//! `/api/ciphers/{id}/attachment`.

use axum::Router;
use axum::extract::multipart::{Field, MultipartError, MultipartRejection};
use axum::extract::{DefaultBodyLimit, Multipart, State};
use axum::routing::{delete as delete_, get, post};

use super::model::{Attachment, MAX_SIZE};
use super::wire::{AttachmentResponse, RemovedResponse, UploadRequest, UploadResponse, check_file_name};
use super::{service, store};
use crate::account::service::check_enc_string;
use crate::app::AppState;
use crate::error::Error;
use crate::http::guards::{Caller, Ids};
use crate::http::json::Json;
use crate::ids::{AttachmentId, CipherId, UserId};
use crate::vault::ciphers::model::View;
use crate::vault::ciphers::store as ciphers;
use crate::vault::ciphers::wire::CipherResponse;

/// The parts of a form besides the file.
const FORM_OVERHEAD: u64 = 64 * 1024;

/// Routes below `/api`.
pub fn router() -> Router<AppState> {
    let limit = usize::try_from(MAX_SIZE + FORM_OVERHEAD).unwrap_or(usize::MAX);
    let uploads = Router::new()
        .route("/ciphers/{id}/attachment", post(upload_unannounced))
        .route("/ciphers/{id}/attachment/{attachment}", post(upload))
        .layer(DefaultBodyLimit::max(limit));
    Router::new()
        .merge(uploads)
        .route("/ciphers/{id}/attachment/v2", post(announce))
        .route("/ciphers/{id}/attachment/{attachment}", get(show).delete(remove))
        .route("/ciphers/{id}/attachment/{attachment}/delete", post(remove))
        .route("/ciphers/{id}/attachment/{attachment}/admin", delete_(remove))
        .route("/ciphers/{id}/attachment/{attachment}/renew", get(renew))
}

async fn announce(
    State(app): State<AppState>,
    caller: Caller,
    Ids(cipher): Ids<CipherId>,
    Json(body): Json<UploadRequest>,
) -> Result<Json<UploadResponse>, Error> {
    let (attachment, view) = service::announce(&app, &caller.user, cipher, body).await?;
    answer(&app, attachment, view)
}

/// A new ticket for an upload that has not begun in time.
async fn renew(
    State(app): State<AppState>,
    caller: Caller,
    Ids((cipher, id)): Ids<(CipherId, AttachmentId)>,
) -> Result<Json<UploadResponse>, Error> {
    let user = caller.user.id;
    let found = app
        .db
        .read(async move |conn| {
            let attachment = store::find(conn, &user, &cipher, &id).await?;
            let view = ciphers::find(conn, &user, &cipher).await?;
            Ok::<_, dbconn::Error>(attachment.zip(view))
        })
        .await?;
    let (attachment, view) = found.ok_or(Error::NotFound)?;
    answer(&app, attachment, view)
}

fn answer(app: &AppState, attachment: Attachment, view: View) -> Result<Json<UploadResponse>, Error> {
    let ticket = service::ticket(app, &attachment)?;
    Ok(Json(UploadResponse {
        attachment_id: attachment.id,
        url: ticket.url,
        file_upload_type: ticket.kind,
        cipher_response: CipherResponse::new(view, app.settings.base())?,
        cipher_mini_response: None,
        object: "attachment-fileUpload",
    }))
}

/// The file of an announced attachment, as the part `data` of a form.
async fn upload(
    State(app): State<AppState>,
    caller: Caller,
    Ids((cipher, id)): Ids<(CipherId, AttachmentId)>,
    form: Result<Multipart, MultipartRejection>,
) -> Result<(), Error> {
    let attachment = find(&app, caller.user.id, cipher, id).await?;
    let mut form = form.map_err(|_| unreadable())?;
    while let Some(part) = form.next_field().await.map_err(|error| broken(&error))? {
        if part.name() == Some("data") {
            return service::receive(&app, &attachment, stream(part)).await;
        }
    }
    Err(Error::invalid("data", "The form has no file."))
}

/// The way of old clients: file, name and key in one form, not announced before.
async fn upload_unannounced(
    State(app): State<AppState>,
    caller: Caller,
    Ids(cipher): Ids<CipherId>,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Json<CipherResponse>, Error> {
    let mut form = form.map_err(|_| unreadable())?;
    let mut key = None;
    while let Some(part) = form.next_field().await.map_err(|error| broken(&error))? {
        match part.name() {
            Some("key") => {
                let text = short_text(part).await?;
                check_enc_string("key", &text)?;
                key = Some(text);
            }
            Some("data") => {
                let name = part.file_name().unwrap_or_default().to_owned();
                check_file_name("data", &name)?;
                let id =
                    service::receive_unannounced(&app, &caller.user, cipher.clone(), name, key, stream(part))
                        .await?;
                let user = caller.user.id;
                let view = app.db.read(async move |conn| ciphers::find(conn, &user, &cipher).await).await?;
                let view = view.filter(|view| view.attachments.iter().any(|a| a.id == id));
                return Ok(Json(CipherResponse::new(view.ok_or(Error::NotFound)?, app.settings.base())?));
            }
            _ => {}
        }
    }
    Err(Error::invalid("data", "The form has no file."))
}

/// A part of a form that is not a file: at most 4 KiB.
async fn short_text(mut part: Field<'_>) -> Result<String, Error> {
    let mut text = Vec::new();
    while let Some(piece) = part.chunk().await.map_err(|error| broken(&error))? {
        text.extend_from_slice(&piece);
        if text.len() > 4096 {
            return Err(Error::TooLarge);
        }
    }
    String::from_utf8(text).map_err(|_| unreadable())
}

/// The attachment with a link to its file.
async fn show(
    State(app): State<AppState>,
    caller: Caller,
    Ids((cipher, id)): Ids<(CipherId, AttachmentId)>,
) -> Result<Json<AttachmentResponse>, Error> {
    let attachment = find(&app, caller.user.id, cipher, id).await?;
    if attachment.uploaded_at.is_none() {
        return Err(Error::NotFound);
    }
    let url = service::download_link(&app, &attachment).await?;
    Ok(Json(AttachmentResponse::linked(attachment, url)))
}

async fn remove(
    State(app): State<AppState>,
    caller: Caller,
    Ids((cipher, id)): Ids<(CipherId, AttachmentId)>,
) -> Result<Json<RemovedResponse>, Error> {
    let (user, now) = (caller.user.id, app.clock.now());
    let view = app.db.write(async move |conn| service::remove(conn, &user, &cipher, &id, now).await).await?;
    app.jobs.kick();
    Ok(Json(RemovedResponse { cipher: CipherResponse::new(view, app.settings.base())? }))
}

async fn find(app: &AppState, user: UserId, cipher: CipherId, id: AttachmentId) -> Result<Attachment, Error> {
    let found = app.db.read(async move |conn| store::find(conn, &user, &cipher, &id).await).await?;
    found.ok_or(Error::NotFound)
}

fn stream(part: Field<'_>) -> impl futures_util::Stream<Item = Result<bytes::Bytes, Error>> + Send {
    use futures_util::TryStreamExt as _;
    part.map_err(|error| broken(&error))
}

/// The connection broke off, or the form is larger than any file may be.
fn broken(error: &MultipartError) -> Error {
    if error.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE { Error::TooLarge } else { unreadable() }
}

fn unreadable() -> Error {
    Error::refused("The form could not be read to its end.")
}
