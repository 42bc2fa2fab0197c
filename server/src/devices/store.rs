//! Queries about sessions.

use dbconn::{Conn, Error, insert_all, on_conn};
use diesel::prelude::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, SelectableHelper as _};
use diesel_async::RunQueryDsl;

use super::model::Device;
use crate::account::model::User;
use crate::ids::{DeviceId, UserId};
use crate::schema::{devices, users};
use crate::time::Timestamp;

/// Whose session this is, if it still stands.
pub async fn user(conn: &mut Conn, id: &DeviceId) -> Result<Option<User>, Error> {
    on_conn!(conn, |c| devices::table
        .inner_join(users::table)
        .filter(devices::id.eq(id))
        .filter(devices::refresh_hash.is_not_null())
        .select(User::as_select())
        .first(c)
        .await
        .optional())
}

/// The session that holds this refresh token, with its user.
pub async fn by_refresh_hash(conn: &mut Conn, hash: &str) -> Result<Option<(Device, User)>, Error> {
    on_conn!(conn, |c| devices::table
        .inner_join(users::table)
        .filter(devices::refresh_hash.eq(hash))
        .select((Device::as_select(), User::as_select()))
        .first(c)
        .await
        .optional())
}

/// The session of a user on the device that calls itself `identifier`.
pub async fn by_identifier(
    conn: &mut Conn,
    user: &UserId,
    identifier: &str,
) -> Result<Option<Device>, Error> {
    on_conn!(conn, |c| devices::table
        .filter(devices::user_id.eq(user))
        .filter(devices::identifier.eq(identifier))
        .select(Device::as_select())
        .first(c)
        .await
        .optional())
}

/// Whether the user with this address has logged in on this device before.
pub async fn is_known(conn: &mut Conn, email: &str, identifier: &str) -> Result<bool, Error> {
    let found: Option<DeviceId> = on_conn!(conn, |c| devices::table
        .inner_join(users::table)
        .filter(users::email.eq(email))
        .filter(devices::identifier.eq(identifier))
        .select(devices::id)
        .first(c)
        .await
        .optional())?;
    Ok(found.is_some())
}

/// All sessions of a user, newest use first.
pub async fn by_user(conn: &mut Conn, user: &UserId) -> Result<Vec<Device>, Error> {
    on_conn!(conn, |c| devices::table
        .filter(devices::user_id.eq(user))
        .order((devices::used_at.desc(), devices::id.asc()))
        .select(Device::as_select())
        .load(c)
        .await)
}

/// A first login.
pub async fn insert(conn: &mut Conn, device: &Device) -> Result<usize, Error> {
    insert_all!(conn, devices::table, std::slice::from_ref(device))
}

/// A later login: new name, kind, token and time.
pub async fn renew(conn: &mut Conn, device: &Device) -> Result<usize, Error> {
    on_conn!(conn, |c| diesel::update(devices::table.find(&device.id))
        .set((
            devices::name.eq(&device.name),
            devices::kind.eq(device.kind),
            devices::refresh_hash.eq(device.refresh_hash.as_deref()),
            devices::used_at.eq(device.used_at),
        ))
        .execute(c)
        .await)
}

/// The session was refreshed.
pub async fn touch(conn: &mut Conn, id: &DeviceId, now: Timestamp) -> Result<usize, Error> {
    on_conn!(conn, |c| diesel::update(devices::table.find(id)).set(devices::used_at.eq(now)).execute(c).await)
}

/// Where push messages for a device go, or nowhere.
pub async fn set_push_token(
    conn: &mut Conn,
    user: &UserId,
    identifier: &str,
    token: Option<&str>,
) -> Result<usize, Error> {
    on_conn!(conn, |c| diesel::update(
        devices::table.filter(devices::user_id.eq(user)).filter(devices::identifier.eq(identifier))
    )
    .set(devices::push_token.eq(token))
    .execute(c)
    .await)
}

/// Ends all sessions of a user. The rows stay, so that the devices remain known.
pub async fn end_all(conn: &mut Conn, user: &UserId) -> Result<usize, Error> {
    on_conn!(conn, |c| diesel::update(devices::table.filter(devices::user_id.eq(user)))
        .set(devices::refresh_hash.eq(None::<String>))
        .execute(c)
        .await)
}

/// Removes all sessions of a user.
pub async fn delete_by_user(conn: &mut Conn, user: &UserId) -> Result<usize, Error> {
    on_conn!(conn, |c| diesel::delete(devices::table.filter(devices::user_id.eq(user))).execute(c).await)
}
