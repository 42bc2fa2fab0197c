//! Addresses that are not to be written to: they bounced, or their owners complained.

use async_trait::async_trait;
use dbconn::{Conn, Pool, on_conn};
use diesel::prelude::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl;
use mailer::layers::{SuppressionList, SuppressionReason};
use mailer::{Address, Error, ErrorKind};

use crate::clock::Clock;
use crate::schema::suppressions;
use crate::time::Timestamp;

/// The list in the server's database.
///
/// Addresses that differ in case alone are one: no mail system of today tells them apart.
#[derive(Clone, Debug)]
pub struct Suppressions {
    db: Pool,
    clock: Clock,
}

/// A listed address.
#[derive(Clone, Debug, PartialEq, Eq, diesel::Queryable)]
pub struct Suppression {
    /// The address in lower case.
    pub address: String,
    /// Why it is listed.
    pub reason: String,
    /// Since when.
    pub created_at: Timestamp,
}

impl Suppressions {
    /// Over the server's database.
    pub fn new(db: Pool, clock: Clock) -> Self {
        Self { db, clock }
    }
}

#[async_trait]
impl SuppressionList for Suppressions {
    async fn listed(&self, addresses: &[Address]) -> Result<Vec<Address>, Error> {
        let keys: Vec<String> = addresses.iter().map(key).collect();
        let listed = self.db.read(async move |conn| among(conn, &keys).await).await.map_err(unavailable)?;
        Ok(addresses.iter().filter(|address| listed.contains(&key(address))).cloned().collect())
    }

    async fn add(&self, address: &Address, reason: SuppressionReason) -> Result<(), Error> {
        let (address, now) = (address.clone(), self.clock.now());
        let added = self.db.write(async move |conn| add(conn, &address, reason, now).await);
        added.await.map(drop).map_err(unavailable)
    }
}

/// Lists an address, unless it is listed.
pub async fn add(
    conn: &mut Conn,
    address: &Address,
    reason: SuppressionReason,
    now: Timestamp,
) -> Result<usize, dbconn::Error> {
    let row = (
        suppressions::address.eq(key(address)),
        suppressions::reason.eq(reason.as_str()),
        suppressions::created_at.eq(now),
    );
    on_conn!(conn, |c| diesel::insert_into(suppressions::table)
        .values(row)
        .on_conflict(suppressions::address)
        .do_nothing()
        .execute(c)
        .await)
}

/// Takes an address from the list. True if it was there.
pub async fn remove(conn: &mut Conn, address: &Address) -> Result<bool, dbconn::Error> {
    let listed = suppressions::table.find(key(address));
    let removed = on_conn!(conn, |c| diesel::delete(listed).execute(c).await)?;
    Ok(removed == 1)
}

/// The whole list, newest first.
pub async fn all(conn: &mut Conn, limit: i64) -> Result<Vec<Suppression>, dbconn::Error> {
    let newest = suppressions::table.order(suppressions::created_at.desc()).limit(limit);
    on_conn!(conn, |c| newest.load(c).await)
}

/// Those of the keys that are listed.
async fn among(conn: &mut Conn, keys: &[String]) -> Result<Vec<String>, dbconn::Error> {
    let listed = suppressions::table.filter(suppressions::address.eq_any(keys));
    on_conn!(conn, |c| listed.select(suppressions::address).load(c).await)
}

fn key(address: &Address) -> String {
    address.as_str().to_lowercase()
}

fn unavailable(error: dbconn::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "the list of suppressed addresses cannot be reached")
        .with_source(error)
}
