//! What can be done to an account.

use dbconn::Conn;

use super::model::{NewSecrets, PasswordHash, User};
use super::store;
use super::wire::NewMasterPassword;
use crate::app::AppState;
use crate::devices::store as devices;
use crate::error::Error;
use crate::ids::{DeviceId, UserId};
use crate::time::Timestamp;
use crate::vault;

/// Proves that the user knows the master password.
pub async fn prove(app: &AppState, user: &User, hash: Option<String>) -> Result<(), Error> {
    let hash = hash.ok_or_else(|| Error::invalid("masterPasswordHash", "The field is missing."))?;
    if app.passwords.verify(hash, Some(user.password_hash.0.clone())).await? {
        Ok(())
    } else {
        Err(Error::invalid("masterPasswordHash", "The master password is wrong."))
    }
}

/// Replaces the master password, or how its key is derived. Ends every session; the caller logs in again.
pub async fn change_secrets(
    app: &AppState,
    user: &User,
    new: NewMasterPassword,
    hint: Option<String>,
) -> Result<(), Error> {
    check_enc_string("key", &new.user_key)?;
    let hash = app.passwords.hash(new.hash, &app.rng).await?;
    let secrets = NewSecrets {
        password_hash: PasswordHash(hash),
        kdf: new.kdf,
        user_key: new.user_key,
        password_hint: hint.or_else(|| user.password_hint.clone()),
    };
    let (id, stamp, now) = (user.id.clone(), fresh_stamp(app), app.clock.now());
    app.db
        .write(async move |conn| {
            store::set_secrets(conn, &id, &secrets, &stamp, now).await?;
            devices::end_all(conn, &id).await
        })
        .await?;
    Ok(())
}

/// Ends every session of the user.
pub async fn renew_stamp(app: &AppState, id: UserId) -> Result<(), Error> {
    let (stamp, now) = (fresh_stamp(app), app.clock.now());
    app.db
        .write(async move |conn| {
            store::set_stamp(conn, &id, &stamp, now).await?;
            devices::end_all(conn, &id).await
        })
        .await?;
    Ok(())
}

/// Removes the user and everything that is his.
pub async fn delete(conn: &mut Conn, id: &UserId, now: Timestamp) -> Result<(), dbconn::Error> {
    vault::service::delete_all(conn, id, now).await?;
    devices::delete_by_user(conn, id).await?;
    store::delete(conn, id).await?;
    Ok(())
}

/// Stores the first key pair. Sending the same pair again is fine; another one would lose what was shared.
pub async fn set_keys(
    conn: &mut Conn,
    id: &UserId,
    public_key: &str,
    private_key: &str,
    now: Timestamp,
) -> Result<User, Error> {
    let mut user = store::find(conn, id).await?.ok_or(Error::Unauthorized)?;
    match &user.public_key {
        Some(existing) if existing != public_key => {
            Err(Error::invalid("publicKey", "The account has another key pair already."))
        }
        Some(_) => Ok(user),
        None => {
            store::set_keys(conn, id, public_key, private_key, now).await?;
            user.public_key = Some(public_key.to_owned());
            user.private_key = Some(private_key.to_owned());
            Ok(user)
        }
    }
}

/// Refuses what is not an `EncString`: `<type>.<base64>` with one to three parts.
pub fn check_enc_string(field: &str, text: &str) -> Result<(), Error> {
    let valid = text.split_once('.').is_some_and(|(kind, parts)| {
        let kind_known = matches!(kind, "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7");
        let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '-' | '_');
        let parts_fine =
            parts.split('|').count() <= 3 && parts.split('|').all(|p| !p.is_empty() && p.chars().all(base64));
        kind_known && parts_fine
    });
    if valid { Ok(()) } else { Err(Error::invalid(field, "The value is not an encrypted string.")) }
}

/// A stamp that no token carries yet.
pub fn fresh_stamp(app: &AppState) -> String {
    DeviceId::random(&app.rng).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encrypted_strings_are_told_from_plain_text() {
        for good in ["2.aGk=|aGk=|aGk=", "4.aGk=", "7.aGk="] {
            assert!(check_enc_string("name", good).is_ok(), "{good}");
        }
        for bad in ["", "plain", "2.", "2.a|b|c|d", "9.aGk=", "2.a b|c|d", "2.|a|b"] {
            assert!(check_enc_string("name", bad).is_err(), "{bad}");
        }
    }
}
