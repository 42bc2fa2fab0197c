//! Opening a session, and refreshing it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dbconn::Conn;
use sha2::{Digest, Sha256};

use super::wire::DeviceInfo;
use crate::account::model::{User, normalize_email};
use crate::account::store as users;
use crate::app::AppState;
use crate::devices::model::Device;
use crate::devices::store as devices;
use crate::error::Error;
use crate::ids::DeviceId;
use crate::mail;

/// An open session.
#[derive(Debug)]
pub struct Session {
    /// Whose it is.
    pub user: User,
    /// The bearer token.
    pub access: String,
    /// What gets the next bearer token.
    pub refresh: String,
}

/// Opens a session for whoever knows the password. A new device is told to the user by mail.
pub async fn login(
    app: &AppState,
    email: &str,
    password: String,
    info: DeviceInfo,
) -> Result<Session, Error> {
    // An address that cannot exist must look like one that does not.
    let email = normalize_email(email).unwrap_or_default();
    let user = app.db.read(async move |conn| users::by_email(conn, &email).await).await?;
    let hash = user.as_ref().map(|user| user.password_hash.0.clone());
    let proved = app.passwords.verify(password, hash).await?;
    let user = user.filter(|_| proved).ok_or(Error::BadCredentials)?;

    let refresh = URL_SAFE_NO_PAD.encode(app.rng.bytes::<48>());
    let now = app.clock.now();
    let device = Device {
        id: DeviceId::random(&app.rng),
        user_id: user.id.clone(),
        identifier: info.identifier,
        name: info.name,
        kind: info.kind,
        push_token: None,
        refresh_hash: Some(hash_of(&refresh)),
        created_at: now,
        used_at: now,
    };
    let notice = match &app.mailer {
        None => None,
        Some(mailer) => {
            let mail = mail::new_device(&app.settings, &user, &device)?;
            Some(mail::queue(mailer, &mail, &app.rng, now)?)
        }
    };
    let session = app
        .db
        .write(async move |conn| {
            let (session, is_new) = open(conn, device.clone()).await?;
            if let Some(notice) = notice.as_ref().filter(|_| is_new) {
                mail::store::enqueue(conn, notice).await?;
            }
            Ok::<_, Error>(session)
        })
        .await?;
    app.jobs.kick();
    let access = app.tokens.access(&user, &session.id, &session.identifier, now)?;
    Ok(Session { user, access, refresh })
}

/// Gives the session of `refresh` another bearer token. The refresh token stays: a client that runs two
/// refreshes at once must not lose its session.
pub async fn refresh(app: &AppState, refresh: String) -> Result<Session, Error> {
    let (hash, now) = (hash_of(&refresh), app.clock.now());
    let (device, user) = app
        .db
        .write(async move |conn| {
            let (device, user) = devices::by_refresh_hash(conn, &hash).await?.ok_or(Error::SessionEnded)?;
            if device.used_at.plus(Device::lifetime(device.kind)) < now {
                return Err(Error::SessionEnded);
            }
            devices::touch(conn, &device.id, now).await?;
            Ok((device, user))
        })
        .await?;
    let access = app.tokens.access(&user, &device.id, &device.identifier, now)?;
    Ok(Session { user, access, refresh })
}

/// The user's session on this device: the one that is there, renewed, or `fresh`. True when it is a new one.
async fn open(conn: &mut Conn, fresh: Device) -> Result<(Device, bool), dbconn::Error> {
    let Some(known) = devices::by_identifier(conn, &fresh.user_id, &fresh.identifier).await? else {
        devices::insert(conn, &fresh).await?;
        return Ok((fresh, true));
    };
    let device = Device { id: known.id, created_at: known.created_at, ..fresh };
    devices::renew(conn, &device).await?;
    Ok((device, false))
}

fn hash_of(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(token))
}
