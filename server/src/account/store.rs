//! Queries about users.

use dbconn::{Conn, Error, insert_all, on_conn};
use diesel::prelude::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, SelectableHelper as _};
use diesel_async::RunQueryDsl;

use super::model::{Kdf, NewSecrets, User};
use crate::ids::UserId;
use crate::schema::users;
use crate::time::Timestamp;

/// The user with this address.
pub async fn by_email(conn: &mut Conn, email: &str) -> Result<Option<User>, Error> {
    on_conn!(conn, |c| users::table
        .filter(users::email.eq(email))
        .select(User::as_select())
        .first(c)
        .await
        .optional())
}

/// The user with this id.
pub async fn find(conn: &mut Conn, id: &UserId) -> Result<Option<User>, Error> {
    on_conn!(conn, |c| users::table.find(id).select(User::as_select()).first(c).await.optional())
}

/// A new row. A taken address is a constraint violation.
pub async fn insert(conn: &mut Conn, user: &User) -> Result<usize, Error> {
    insert_all!(conn, users::table, std::slice::from_ref(user))
}

/// Says that something the user can see has changed.
pub async fn touch(conn: &mut Conn, id: &UserId, now: Timestamp) -> Result<usize, Error> {
    on_conn!(conn, |c| diesel::update(users::table.find(id)).set(users::revised_at.eq(now)).execute(c).await)
}

/// New name, hint and language.
pub async fn set_profile(
    conn: &mut Conn,
    id: &UserId,
    name: Option<&str>,
    culture: &str,
    now: Timestamp,
) -> Result<usize, Error> {
    on_conn!(conn, |c| diesel::update(users::table.find(id))
        .set((users::name.eq(name), users::culture.eq(culture), users::revised_at.eq(now)))
        .execute(c)
        .await)
}

/// New colour of the avatar.
pub async fn set_avatar(
    conn: &mut Conn,
    id: &UserId,
    color: Option<&str>,
    now: Timestamp,
) -> Result<usize, Error> {
    on_conn!(conn, |c| diesel::update(users::table.find(id))
        .set((users::avatar_color.eq(color), users::revised_at.eq(now)))
        .execute(c)
        .await)
}

/// The key pair.
pub async fn set_keys(
    conn: &mut Conn,
    id: &UserId,
    public_key: &str,
    private_key: &str,
    now: Timestamp,
) -> Result<usize, Error> {
    on_conn!(conn, |c| diesel::update(users::table.find(id))
        .set((
            users::public_key.eq(public_key),
            users::private_key.eq(private_key),
            users::revised_at.eq(now),
        ))
        .execute(c)
        .await)
}

/// The id of the user key.
pub async fn set_user_key_id(conn: &mut Conn, id: &UserId, key_id: &str) -> Result<usize, Error> {
    on_conn!(conn, |c| diesel::update(users::table.find(id))
        .set(users::user_key_id.eq(key_id))
        .execute(c)
        .await)
}

/// Everything that a new password changes, the stamp included.
pub async fn set_secrets(
    conn: &mut Conn,
    id: &UserId,
    secrets: &NewSecrets,
    stamp: &str,
    now: Timestamp,
) -> Result<usize, Error> {
    let kdf: &Kdf = &secrets.kdf;
    on_conn!(conn, |c| diesel::update(users::table.find(id))
        .set((
            kdf,
            users::password_hash.eq(&secrets.password_hash),
            users::user_key.eq(&secrets.user_key),
            users::password_hint.eq(secrets.password_hint.as_deref()),
            users::security_stamp.eq(stamp),
            users::revised_at.eq(now),
        ))
        .execute(c)
        .await)
}

/// A hash of the same password under today's cost.
pub async fn set_password_hash(
    conn: &mut Conn,
    id: &UserId,
    hash: &super::model::PasswordHash,
) -> Result<usize, Error> {
    on_conn!(conn, |c| diesel::update(users::table.find(id))
        .set(users::password_hash.eq(hash))
        .execute(c)
        .await)
}

/// A new stamp, which ends all sessions.
pub async fn set_stamp(conn: &mut Conn, id: &UserId, stamp: &str, now: Timestamp) -> Result<usize, Error> {
    on_conn!(conn, |c| diesel::update(users::table.find(id))
        .set((users::security_stamp.eq(stamp), users::revised_at.eq(now)))
        .execute(c)
        .await)
}

/// Removes the row; what hangs on it must be gone or goes with it.
pub async fn delete(conn: &mut Conn, id: &UserId) -> Result<usize, Error> {
    on_conn!(conn, |c| diesel::delete(users::table.find(id)).execute(c).await)
}
