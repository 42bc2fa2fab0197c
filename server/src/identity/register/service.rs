//! Who may register, and what a registration writes.

use super::wire::Registration;
use crate::account::model::{PasswordHash, User};
use crate::account::service::{check_enc_string, fresh_stamp};
use crate::account::store;
use crate::app::{App, AppState, Signups};
use crate::error::Error;
use crate::ids::UserId;
use crate::mail;

/// What the verification step answers.
#[derive(Debug)]
pub enum Verification {
    /// A mail is on its way; the token is in it.
    Mailed,
    /// There is no mail: the token itself.
    Token(String),
}

/// Sends the mail with which a registration goes on, or hands out its token where mail is off.
///
/// The answer is the same for an address that has an account, which gets no mail.
pub async fn begin(app: &AppState, email: String, name: Option<String>) -> Result<Verification, Error> {
    if app.settings.signups == Signups::Closed {
        return Err(closed());
    }
    let now = app.clock.now();
    let Some(mailer) = &app.mailer else {
        return Ok(Verification::Token(app.tokens.registration(&email, name.as_deref(), false, now)?));
    };
    let token = app.tokens.registration(&email, name.as_deref(), true, now)?;
    let mail = mail::verify_registration(&app.settings, &email, &token, now)?;
    let queued = mail::queue(mailer, &mail, &app.rng, now)?;
    app.db
        .write(async move |conn| {
            if store::by_email(conn, &email).await?.is_none() {
                mail::store::enqueue(conn, &queued).await?;
            }
            Ok::<_, dbconn::Error>(())
        })
        .await?;
    app.jobs.kick();
    Ok(Verification::Mailed)
}

/// Whether the token from the mail is still good for this address.
pub fn check_token(app: &App, email: &str, token: &str) -> Result<(), Error> {
    match app.tokens.verify_registration(token, app.clock.now()) {
        Some(claims) if claims.email == email => Ok(()),
        _ => Err(bad_token()),
    }
}

/// Registers by request: under the operator's rules.
pub async fn finish(app: &AppState, registration: Registration) -> Result<User, Error> {
    let claims = match &registration.token {
        None => None,
        Some(token) => {
            let claims = app.tokens.verify_registration(token, app.clock.now());
            Some(claims.filter(|claims| claims.email == registration.email).ok_or_else(bad_token)?)
        }
    };
    let verified = claims.as_ref().is_some_and(|claims| claims.verified);
    match app.settings.signups {
        Signups::Open => {}
        Signups::Verified if verified => {}
        Signups::Verified => {
            return Err(Error::invalid(
                "emailVerificationToken",
                "The e-mail address must be verified first.",
            ));
        }
        Signups::Closed => return Err(closed()),
    }
    let name = registration.name.clone().or_else(|| claims.and_then(|claims| claims.name));
    create(app, Registration { name, ..registration }, verified).await
}

/// Writes the account. The caller has decided that it may exist.
pub async fn create(app: &AppState, registration: Registration, email_verified: bool) -> Result<User, Error> {
    check_enc_string("userSymmetricKey", &registration.password.user_key)?;
    if let Some(keys) = &registration.keys {
        check_enc_string("userAsymmetricKeys.encryptedPrivateKey", &keys.encrypted_private_key)?;
    }
    let password_hash = app.passwords.hash(registration.password.hash, &app.rng).await?;
    let now = app.clock.now();
    let (public_key, private_key) =
        registration.keys.map(|keys| (keys.public_key, keys.encrypted_private_key)).unzip();
    let user = User {
        id: UserId::random(&app.rng),
        email: registration.email,
        email_verified,
        name: registration.name,
        password_hash: PasswordHash(password_hash),
        password_hint: registration.hint,
        kdf: registration.password.kdf,
        user_key: registration.password.user_key,
        user_key_id: None,
        public_key,
        private_key,
        security_stamp: fresh_stamp(app),
        culture: "en-US".to_owned(),
        avatar_color: None,
        created_at: now,
        revised_at: now,
    };
    let row = user.clone();
    match app.db.write(async move |conn| store::insert(conn, &row).await).await {
        Ok(_) => Ok(user),
        // Two registrations of one address at once: the unique index lets one pass.
        Err(error) if error.is_unique_violation() => {
            Err(Error::invalid("email", "This e-mail address cannot be registered."))
        }
        Err(error) => Err(error.into()),
    }
}

fn closed() -> Error {
    Error::refused("Registration is closed on this server.")
}

fn bad_token() -> Error {
    Error::invalid("emailVerificationToken", "The link has expired or is not valid.")
}
