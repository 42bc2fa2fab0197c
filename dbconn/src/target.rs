//! Where connections lead, and what the engine at the other end can do.

use std::{path::PathBuf, time::Duration};

/// One database: dialect, endpoint, and the limits of its engine.
#[derive(Debug, Clone)]
pub struct Target {
    /// How to get there.
    pub endpoint: Endpoint,
    /// What the engine can do.
    pub profile: Profile,
}

/// The SQL dialects that exist here. A closed set: queries are compiled for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// SQLite 3.35 or newer, built in.
    Sqlite,
    /// PostgreSQL 12 or newer, and what speaks its protocol.
    Postgres,
}

/// How to get to a database.
#[derive(Debug, Clone)]
pub enum Endpoint {
    /// SQLite in this process.
    Sqlite(Location),
    /// A server that speaks the PostgreSQL protocol.
    Postgres(Server),
}

/// Where SQLite keeps the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// Nowhere: the data lives as long as the pool.
    Memory,
    /// In this file, which is created if it is not there. Its folder must exist.
    File(PathBuf),
}

/// A server that speaks the PostgreSQL protocol.
#[derive(Debug, Clone)]
pub struct Server {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Database name.
    pub database: String,
    /// Whether and how the connection is protected.
    pub tls: Tls,
    /// What the server's activity list shows for our sessions.
    pub application_name: String,
}

/// How a connection is protected. There is no encryption without verification: whoever sits in the middle of such a
/// connection is handed the password.
#[derive(Debug, Clone)]
pub enum Tls {
    /// Not at all.
    Off,
    /// TLS with the certificate's chain and host name verified.
    VerifyFull(Roots),
}

/// Whose signature on the server's certificate is believed.
#[derive(Debug, Clone)]
pub enum Roots {
    /// The certificate authorities that browsers trust, built in.
    Web,
    /// The certificates in this PEM text only.
    Pem(Vec<u8>),
}

/// What an engine can do, as dated data: engines change, and a limit hidden in code is not found when they do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Profile {
    /// The day on which the rest was true, as `YYYY-MM-DD`.
    pub as_of: &'static str,
    /// Whether part of a transaction can be rolled back.
    pub savepoints: bool,
    /// Whether several transactions can write at the same time.
    pub concurrent_writers: bool,
    /// How schema changes and transactions go together.
    pub ddl: Ddl,
    /// The age at which the engine cuts a session, if it does.
    pub max_session: Option<Duration>,
    /// How many new connections per second the engine accepts, if it counts.
    pub connect_rate: Option<u32>,
    /// How many rows one transaction may change, if there is a limit.
    pub rows_per_transaction: Option<u32>,
}

/// How schema changes and transactions go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ddl {
    /// Like any other statement.
    Transactional,
    /// One schema change per transaction, and nothing else in it.
    OnePerTransaction,
}

/// What the database behind a [`Target`] promises. Declared means: holds in full. Not declared means: is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "each is a promise of its own, kept or not made")]
pub struct Capabilities {
    /// Part of a transaction can be rolled back.
    pub savepoints: bool,
    /// Several transactions can write at the same time.
    pub concurrent_writers: bool,
    /// What was committed is there after the last connection closed.
    pub survives_reopen: bool,
    /// A schema change and its bookkeeping can share a transaction.
    pub transactional_ddl: bool,
}

impl Target {
    /// A target with the profile of plain SQLite.
    pub fn sqlite(location: Location) -> Self {
        Self { endpoint: Endpoint::Sqlite(location), profile: Profile::sqlite() }
    }

    /// A target with the profile of plain PostgreSQL.
    pub fn postgres(server: Server) -> Self {
        Self { endpoint: Endpoint::Postgres(server), profile: Profile::postgres() }
    }

    /// The dialect spoken there.
    pub fn dialect(&self) -> Dialect {
        match self.endpoint {
            Endpoint::Sqlite(_) => Dialect::Sqlite,
            Endpoint::Postgres(_) => Dialect::Postgres,
        }
    }

    /// What the database promises.
    pub fn capabilities(&self) -> Capabilities {
        Capabilities {
            savepoints: self.profile.savepoints,
            concurrent_writers: self.profile.concurrent_writers,
            survives_reopen: !matches!(self.endpoint, Endpoint::Sqlite(Location::Memory)),
            transactional_ddl: self.profile.ddl == Ddl::Transactional,
        }
    }
}

impl Profile {
    /// SQLite as built into this crate.
    pub fn sqlite() -> Self {
        Self {
            as_of: "2026-11-22",
            savepoints: true,
            concurrent_writers: false,
            ddl: Ddl::Transactional,
            max_session: None,
            connect_rate: None,
            rows_per_transaction: None,
        }
    }

    /// PostgreSQL as its own project ships it.
    pub fn postgres() -> Self {
        Self { concurrent_writers: true, ..Self::sqlite() }
    }
}
