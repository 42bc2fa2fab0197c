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
///
/// A dialect says how to write a statement, a [`Profile`] what the engine behind it can do. Several
/// engines share the Postgres dialect and differ in their profiles.
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
    /// Nowhere: the data lives as long as the pool, which has exactly one connection and never retires
    /// it. A second pool sees a database of its own.
    Memory,
    /// In this file, which is created if it is not there. Its folder must exist, on a local disk: the
    /// write-ahead log beside the file (`-wal`, `-shm`) needs shared memory, which network file
    /// systems do not have. The path is UTF-8, and does not begin with `file:` or a colon.
    File(PathBuf),
}

/// A server that speaks the PostgreSQL protocol.
///
/// These, the user and the password are all that a session is started with. No other start-up
/// parameter is sent, since some poolers and engines refuse those they do not know; so the role's
/// and the database's own settings apply, such as `statement_timeout`.
#[derive(Debug, Clone)]
pub struct Server {
    /// Host name or address, an IPv6 one without brackets. The server's certificate must name it.
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
/// connection is handed the password. Nor is there "if the server can": that is the attacker's choice.
#[derive(Debug, Clone)]
pub enum Tls {
    /// Not at all. For a server on the same machine, or behind something else that encrypts.
    Off,
    /// TLS with the certificate's chain and host name verified.
    VerifyFull(Roots),
}

/// Whose signature on the server's certificate is believed.
#[derive(Debug, Clone)]
pub enum Roots {
    /// The certificate authorities that browsers trust, built in.
    Web,
    /// The certificates in this PEM text only. `Pool::open` answers `Config` if there is none in it or
    /// one cannot be used.
    Pem(Vec<u8>),
}

/// What an engine can do, as dated data: engines change, and a limit hidden in code is not found when they do.
///
/// | Field | `sqlite()` | `postgres()` | Source |
/// |---|---|---|---|
/// | `savepoints` | yes | yes | their `SAVEPOINT` pages |
/// | `concurrent_writers` | no | yes | "Isolation In SQLite"; "Concurrency Control" |
/// | `ddl` | transactional | transactional | as the suite shows on both |
/// | `max_session` | none | none | neither ends a session by its age |
/// | `connect_rate` | none | none | neither counts; `max_connections` is a size, not a rate |
/// | `rows_per_transaction` | none | none | bounded by the disk |
///
/// An adapter for an engine that speaks one of the dialects starts from the nearer profile and
/// changes what its vendor documents, with the day on which that was read:
///
/// ```
/// use std::time::Duration;
///
/// use dbconn::{Ddl, Profile};
///
/// let mut profile = Profile::postgres();
/// profile.as_of = "2026-11-22";
/// profile.savepoints = false;
/// profile.ddl = Ddl::OnePerTransaction;
/// profile.max_session = Some(Duration::from_hours(1));
/// profile.rows_per_transaction = Some(3000);
/// ```
///
/// The pool acts on `savepoints` and `concurrent_writers`. The other fields are for whoever sets
/// its options and cuts work into pieces: nothing is enforced by them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Profile {
    /// The day on which the rest was true, as `YYYY-MM-DD`. Read the vendor's pages again when it is old.
    pub as_of: &'static str,
    /// Whether part of a transaction can be rolled back. Without, a nested transaction is refused as
    /// `Unsupported` before anything is sent.
    pub savepoints: bool,
    /// Whether several transactions can write at the same time. Without, the pool lets its writers in
    /// one by one, in the order in which they came; writers of other processes are met as conflicts.
    pub concurrent_writers: bool,
    /// How schema changes and transactions go together. The migrator runs each step in a transaction
    /// with its row in the ledger, which needs `Transactional`.
    pub ddl: Ddl,
    /// The age at which the engine cuts a session, if it does, busy or not. The pool's `max_age` has to
    /// be below it by the length of the longest unit of work; its default is 55 minutes.
    pub max_session: Option<Duration>,
    /// How many new connections per second the engine accepts, if it counts. A pool spreads the ends of
    /// its connections over time for the sake of such engines; so that a restart of many nodes stays
    /// below it, choose `max_size` accordingly.
    pub connect_rate: Option<u32>,
    /// How many rows one transaction may change, if there is a limit. Beyond it the engine's answer is
    /// the error kind `Limit`, so a larger import has to be several units of work.
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
///
/// Computed from endpoint and profile, so that a promise has one place. The conformance suite asks
/// for it, and checks either the promise or the refusal.
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
    ///
    /// ```
    /// use dbconn::{Location, Target};
    ///
    /// let file = Target::sqlite(Location::File("/srv/app/data.db".into()));
    /// assert!(file.capabilities().survives_reopen && !file.capabilities().concurrent_writers);
    /// assert!(!Target::sqlite(Location::Memory).capabilities().survives_reopen);
    /// ```
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
    /// SQLite as built into this crate: one writer at a time beside any number of readers.
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

    /// PostgreSQL as its own project ships it. Hosted offers of it may cut sessions or count connections.
    pub fn postgres() -> Self {
        Self { concurrent_writers: true, ..Self::sqlite() }
    }
}
