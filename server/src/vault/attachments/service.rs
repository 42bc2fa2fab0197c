//! Announcing, storing and removing attachments.
//!
//! The row comes first and is invisible; the file is written; then the row says that the file is there. On removal
//! the row goes first, together with a note about the file, which the jobs remove.

use std::time::Duration;

use bytes::Bytes;
use dbconn::Conn;
use futures_util::{Stream, StreamExt, stream};
use persistent_fs::links::LinkRequest;
use persistent_fs::{Key, WriteOptions};

use super::model::{Attachment, MAX_SIZE, check_size};
use super::store;
use super::wire::UploadRequest;
use crate::account::model::User;
use crate::account::store as users;
use crate::app::{App, AppState, Uploads};
use crate::error::Error;
use crate::files::Blob;
use crate::ids::{AttachmentId, CipherId, UserId};
use crate::time::Timestamp;
use crate::vault::ciphers::model::View;
use crate::vault::ciphers::store as ciphers;

/// How long an upload may begin after it was announced; clients renew.
const UPLOAD_LIFE: Duration = Duration::from_mins(15);
/// How long a download may begin.
const DOWNLOAD_LIFE: Duration = Duration::from_mins(5);
/// By how much a multipart upload may differ from what was announced, as with Bitwarden's own server.
const LEEWAY: u64 = 1024 * 1024;
/// The version of Azure's protocol that JavaScript clients are to speak: from 2019-12-12 on they send any file in
/// one piece.
const AZURE_VERSION: &str = "2020-10-02";

/// Where a client is to send a file.
#[derive(Debug)]
pub struct Ticket {
    /// 0: a multipart form to the API; 1: one PUT to the URL.
    pub kind: u8,
    /// Where to.
    pub url: String,
}

/// Announces a file: writes its row, and answers the item with its new attachment.
pub async fn announce(
    app: &AppState,
    user: &User,
    cipher: CipherId,
    request: UploadRequest,
) -> Result<(Attachment, View), Error> {
    let size = check_size(request.file_size)?;
    let (file_name, item_key) = request.into_texts()?;
    let attachment = Attachment {
        id: AttachmentId::random(&app.rng),
        cipher_id: cipher,
        file_name,
        item_key,
        size,
        created_at: app.clock.now(),
        uploaded_at: None,
    };
    let mut view = add(app, user, &attachment).await?;
    view.attachments.push(attachment.clone());
    Ok((attachment, view))
}

/// Writes the row of an attachment to an item of the user.
async fn add(app: &App, user: &User, attachment: &Attachment) -> Result<View, Error> {
    let (owner, row) = (user.id.clone(), attachment.clone());
    app.db
        .write(async move |conn| {
            let view = ciphers::find(conn, &owner, &row.cipher_id).await?.ok_or(Error::NotFound)?;
            store::insert(conn, &row).await?;
            Ok(view)
        })
        .await
}

/// Where the client is to send an announced file.
pub fn ticket(app: &App, attachment: &Attachment) -> Result<Ticket, Error> {
    if app.settings.uploads == Uploads::Multipart {
        let url = format!("/ciphers/{}/attachment/{}", attachment.cipher_id, attachment.id);
        return Ok(Ticket { kind: 0, url });
    }
    let request = LinkRequest::Put {
        expires_in: UPLOAD_LIFE,
        size: Some(attachment.size()),
        sha256: None,
        content_type: None,
        create_only: false,
    };
    let link = app.links.mint(&key(attachment)?, &request)?;
    let mut url = link.url;
    // Clients read these two, and send the first back as a header; they have no part in the signature.
    url.query_pairs_mut()
        .append_pair("sv", AZURE_VERSION)
        .append_pair("se", &Timestamp::from_system(link.expires_at).to_rfc3339());
    Ok(Ticket { kind: 1, url: url.into() })
}

/// Stores the file of an announced attachment from a multipart form.
///
/// Nothing is visible until the whole file is there. One that differs too much from what was announced, or that
/// breaks off, is refused, and the announcement with it. A file that was there before stays.
pub async fn receive<S, E>(app: &AppState, attachment: &Attachment, body: S) -> Result<(), Error>
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: Into<Error>,
{
    let announced = attachment.size();
    let allowed = announced.saturating_sub(LEEWAY)..=announced.saturating_add(LEEWAY).min(MAX_SIZE);
    let (body, key) = (within(body, *allowed.start(), *allowed.end()), key(attachment)?);
    match app.files.put_stream(&key, body, WriteOptions::default()).await {
        Ok(meta) => uploaded(app, &key, &attachment.id, meta.size).await,
        Err(error) => {
            if matches!(error, Error::Invalid { .. }) {
                let id = attachment.id.clone();
                app.db.write(async move |conn| store::delete_unfinished(conn, &id).await).await?;
            }
            Err(error)
        }
    }
}

/// Stores a file that was not announced: its row is written first all the same.
pub async fn receive_unannounced<S, E>(
    app: &AppState,
    user: &User,
    cipher: CipherId,
    file_name: String,
    item_key: Option<String>,
    body: S,
) -> Result<AttachmentId, Error>
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: Into<Error>,
{
    let attachment = Attachment {
        id: AttachmentId::random(&app.rng),
        cipher_id: cipher,
        file_name,
        item_key,
        size: 0,
        created_at: app.clock.now(),
        uploaded_at: None,
    };
    add(app, user, &attachment).await?;
    let (body, key) = (within(body, 0, MAX_SIZE), key(&attachment)?);
    let meta = app.files.put_stream(&key, body, WriteOptions::default()).await?;
    uploaded(app, &key, &attachment.id, meta.size).await?;
    Ok(attachment.id)
}

/// The file of an attachment is in the store, as `key`: from now on the user's other clients see it.
///
/// The attachment may have been removed in the meantime, and the jobs may have looked for its file before it came:
/// then the file is stranded once more, and the attachment is not found.
pub async fn uploaded(app: &AppState, key: &Key, id: &AttachmentId, size: u64) -> Result<(), Error> {
    let (key, id, size, now) = (key.clone(), id.clone(), check_size(size)?, app.clock.now());
    let is_wanted = app
        .db
        .write(async move |conn| {
            let Some(attachment) = store::set_uploaded(conn, &id, size, now).await? else {
                store::strand(conn, key.as_str(), now).await?;
                return Ok(false);
            };
            ciphers::touch(conn, &attachment.cipher_id, now).await?;
            if let Some(owner) = ciphers::owner(conn, &attachment.cipher_id).await? {
                users::touch(conn, &owner, now).await?;
            }
            Ok::<_, Error>(true)
        })
        .await?;
    if is_wanted {
        return Ok(());
    }
    app.jobs.kick();
    Err(Error::NotFound)
}

/// A link to the file, good for some minutes, that needs no further proof.
pub async fn download_link(app: &App, attachment: &Attachment) -> Result<String, Error> {
    let (key, request) = (key(attachment)?, LinkRequest::get(DOWNLOAD_LIFE));
    let link = if app.files.capabilities().get_links {
        app.files.link(&key, request).await?
    } else {
        app.links.mint(&key, &request)?
    };
    Ok(link.url.into())
}

/// Removes an attachment of the user and answers the item without it.
pub async fn remove(
    conn: &mut Conn,
    user: &UserId,
    cipher: &CipherId,
    id: &AttachmentId,
    now: Timestamp,
) -> Result<View, Error> {
    let attachment = store::find(conn, user, cipher, id).await?.ok_or(Error::NotFound)?;
    store::strand(conn, key(&attachment)?.as_str(), now).await?;
    store::delete(conn, id).await?;
    ciphers::touch(conn, cipher, now).await?;
    users::touch(conn, user, now).await?;
    ciphers::find(conn, user, cipher).await?.ok_or(Error::NotFound)
}

/// Removes files that nothing refers to. Safe to run twice, and on several nodes. A file that cannot be removed now is
/// tried again in the next round, and does not keep the others.
pub async fn remove_strays(app: &App, limit: usize) -> Result<(), Error> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let strays = app.db.read(async move |conn| store::strays(conn, limit).await).await?;
    let mut removed = Vec::with_capacity(strays.len());
    let mut failure = None;
    for (path, since) in strays {
        match app.files.delete(&Key::parse(&path)?).await {
            Ok(()) => removed.push((path, since)),
            Err(error) => failure = Some(error),
        }
    }
    if !removed.is_empty() {
        app.db
            .write(async move |conn| {
                for (path, since) in &removed {
                    store::forget_stray(conn, path, *since).await?;
                }
                Ok::<_, dbconn::Error>(())
            })
            .await?;
    }
    failure.map_or(Ok(()), |error| Err(error.into()))
}

/// Removes announcements to which no file came within `patience`.
pub async fn forget_unfinished(app: &App, patience: Duration) -> Result<(), Error> {
    let now = app.clock.now();
    app.db
        .write(async move |conn| {
            for attachment in store::unfinished(conn, now.minus(patience)).await? {
                store::strand(conn, key(&attachment)?.as_str(), now).await?;
                store::delete(conn, &attachment.id).await?;
            }
            Ok(())
        })
        .await
}

fn key(attachment: &Attachment) -> Result<Key, Error> {
    Blob::Attachment { cipher: attachment.cipher_id.clone(), id: attachment.id.clone() }.key()
}

/// The body, ended by an error as soon as it is longer than `most`, or when it is shorter than `least`.
fn within<S, E>(body: S, least: u64, most: u64) -> impl Stream<Item = Result<Bytes, Error>> + Send
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: Into<Error>,
{
    let differs = || Error::invalid("fileSize", "The file is not as long as announced.");
    body.map(Some).chain(stream::once(async { None })).scan(0_u64, move |seen, piece| {
        let checked = match piece {
            None if *seen < least => Some(Err(differs())),
            None => None,
            Some(Err(error)) => Some(Err(error.into())),
            Some(Ok(piece)) => {
                *seen += piece.len() as u64;
                Some(if *seen > most { Err(differs()) } else { Ok(piece) })
            }
        };
        std::future::ready(checked)
    })
}
