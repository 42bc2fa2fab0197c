//! Brings a schema up to date, step by step, however many nodes start at once.
//!
//! A [`Migration`] is a list of [`Step`]s, and a step is one statement. Each step is carried out in one transaction
//! together with its row in the ledger, so that a process killed at any point leaves a database that the next one
//! carries on with. What has been applied is never changed afterwards: the ledger keeps a digest of each step.
//!
//! ```
//! # use std::sync::Arc;
//! # use async_trait::async_trait;
//! # use dbconn::{Ask, Backend, Clock, Credentials, Error, Location, Pool, PoolOptions, Target};
//! # #[derive(Debug)]
//! # struct InMemory(Target);
//! # #[async_trait]
//! # impl Backend for InMemory {
//! #     fn target(&self) -> &Target { &self.0 }
//! #     async fn credentials(&self, _: &Ask<'_>) -> Result<Credentials, Error> { Ok(Credentials::none()) }
//! # }
//! use dbconn::migrate::{self, Migration, Sql, Step};
//!
//! const SCHEMA: &[Migration] = &[Migration {
//!     name: "0001_notes",
//!     steps: &[
//!         Step {
//!             name: "01_notes",
//!             sql: Sql::PerDialect {
//!                 sqlite: "CREATE TABLE notes (id TEXT PRIMARY KEY, body BLOB NOT NULL)",
//!                 postgres: "CREATE TABLE notes (id TEXT PRIMARY KEY, body BYTEA NOT NULL)",
//!             },
//!         },
//!         Step { name: "02_first", sql: Sql::Common("INSERT INTO notes VALUES ('welcome', '')") },
//!     ],
//! }];
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Error> {
//! # let backend = InMemory(Target::sqlite(Location::Memory));
//! # let pool = Pool::open(Arc::new(backend), PoolOptions::default())?;
//! assert_eq!(migrate::status(&pool, SCHEMA).await?.pending, ["0001_notes/01_notes", "0001_notes/02_first"]);
//! assert_eq!(migrate::up(&pool, SCHEMA, &Clock::system()).await?.len(), 2);
//! assert_eq!(migrate::up(&pool, SCHEMA, &Clock::system()).await?, [], "nothing is left to do");
//! # Ok(())
//! # }
//! ```
//!
//! There is no way down. A step that turned out wrong is followed by one that puts it right, since a
//! dropped column does not come back with its data, and an older program on a newer schema is
//! refused. To take back a release, restore the backup that was made before it.
//!
//! While nodes of two releases run side by side, as they do during a rolling start, the older ones
//! work on the newer schema. So a release adds what it needs, and only a later one removes what
//! nobody uses any more.
//!
//! The ledger is the table `dbconn_ledger`: migration, step, SHA-256 of the step's text for the
//! dialect, and when it was applied, in microseconds since 1970.

mod ledger;

use std::{collections::BTreeMap, fmt::Write, time::SystemTime};

use sha2::{Digest, Sha256};

use self::ledger::Row;
use crate::{Clock, Conn, Dialect, Error, ErrorKind, Pool};

/// A named change of the schema, in steps.
///
/// Migrations are carried out in the order of the slice they are in; the names are for the ledger and
/// for people, and their order means nothing.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Unique among the migrations, such as `0001_accounts`.
    pub name: &'static str,
    /// In order.
    pub steps: &'static [Step],
}

/// One statement, carried out in a transaction of its own together with its row in the ledger.
///
/// Several statements in one text happen to work on both engines, and would be lost on one that
/// takes a single schema change per transaction. So does a step that changes data take as long as
/// it takes, with the tables it touches locked: cut a large one into several.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Unique within the migration, such as `01_users`.
    pub name: &'static str,
    /// What to run.
    pub sql: Sql,
}

/// The text of a step.
#[derive(Debug, Clone, Copy)]
pub enum Sql {
    /// The same for every dialect.
    Common(&'static str),
    /// One for each. An empty text does nothing there, and is entered in the ledger all the same. The
    /// digest is of the text for the dialect at hand, so the other one may still be corrected.
    PerDialect {
        /// For SQLite.
        sqlite: &'static str,
        /// For Postgres.
        postgres: &'static str,
    },
}

/// A step that was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The migration's name.
    pub migration: String,
    /// The step's name.
    pub step: String,
    /// When, by the clock of the node that carried it out, to the microsecond.
    pub at: SystemTime,
}

/// How the database and the program's migrations compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Steps in the ledger that the program has, in the program's order.
    pub applied: Vec<Applied>,
    /// `migration/step` of steps that the ledger lacks, in order.
    pub pending: Vec<String>,
    /// `migration/step` of steps in the ledger that the program lacks: the database is newer than the program.
    pub unknown: Vec<String>,
    /// `migration/step` of steps that were edited after they had been applied.
    pub edited: Vec<String>,
}

/// Carries out what is pending, and gives what this call carried out.
///
/// Idempotent, and safe to call on several nodes at once: each step is carried out once, and everybody returns when all
/// are done. `Invalid`, with nothing carried out, if the database is newer than the program or an applied step was
/// edited; the error names the steps. A step that fails is rolled back with its row in the ledger, and the error names
/// it; the steps before it stay. Its kind is that of the failure: `Constraint` if the data broke a
/// rule, `Denied` if the role may not change the schema, `Invalid` if the statement is wrong. If the
/// connection was lost while a step was committed, the outcome is `Unknown`, and another call finds
/// out: it carries out the step only if the ledger lacks it.
///
/// Nodes do not wait for a lock of their own making. Each inserts the ledger's row first; the second
/// one waits there for the first one's transaction, finds the row, and goes on to the next step.
///
/// Dropping the future rolls back the step under way, unless its commit was; the steps before it stay.
pub async fn up(pool: &Pool, migrations: &[Migration], clock: &Clock) -> Result<Vec<Applied>, Error> {
    ledger::create(pool).await?;
    let status = status(pool, migrations).await?;
    status.acceptable()?;
    let mut applied = Vec::new();
    for (migration, step) in steps(migrations) {
        if !status.pending.contains(&full_name(migration, step)) {
            continue;
        }
        let at = clock.now();
        let row = Row::new(migration, step, pool.dialect(), at);
        if carry_out(pool, row, step.sql.text(pool.dialect())).await? {
            applied.push(Applied { migration: migration.name.to_owned(), step: step.name.to_owned(), at });
        }
    }
    Ok(applied)
}

/// Compares without changing anything. A database that was never migrated has everything pending.
///
/// For a node's readiness check, and for a dry run before a release. What it says may be out of date
/// by the time it returns, if others migrate.
pub async fn status(pool: &Pool, migrations: &[Migration]) -> Result<Status, Error> {
    let mut ledger: BTreeMap<(String, String), Row> = ledger::rows(pool)
        .await?
        .into_iter()
        .map(|row| ((row.migration.clone(), row.step.clone()), row))
        .collect();
    let mut status =
        Status { applied: Vec::new(), pending: Vec::new(), unknown: Vec::new(), edited: Vec::new() };
    for (migration, step) in steps(migrations) {
        match ledger.remove(&(migration.name.to_owned(), step.name.to_owned())) {
            None => status.pending.push(full_name(migration, step)),
            Some(row) => {
                if row.digest != step.digest(pool.dialect()) {
                    status.edited.push(full_name(migration, step));
                }
                status.applied.push(row.into());
            }
        }
    }
    status.unknown = ledger.into_keys().map(|(migration, step)| format!("{migration}/{step}")).collect();
    Ok(status)
}

impl Status {
    /// Whether the program can work with this database as it is: nothing pending, unknown or edited.
    pub fn is_current(&self) -> bool {
        self.pending.is_empty() && self.unknown.is_empty() && self.edited.is_empty()
    }

    /// `Invalid` if the database is newer than the program, or an applied step was edited.
    fn acceptable(&self) -> Result<(), Error> {
        let refused = |why: &str, steps: &[String]| {
            Err(Error::new(ErrorKind::Invalid, "migrate", format!("{why}: {}", steps.join(", "))))
        };
        if !self.unknown.is_empty() {
            return refused("the database is newer than this program, which does not know", &self.unknown);
        }
        if !self.edited.is_empty() {
            return refused("changed after they had been applied", &self.edited);
        }
        Ok(())
    }
}

impl Step {
    /// What the ledger keeps of the text.
    fn digest(&self, dialect: Dialect) -> String {
        let digest = Sha256::digest(self.sql.text(dialect));
        digest.iter().fold(String::new(), |mut hex, byte| {
            // Writing to a `String` cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

impl Sql {
    /// The text for a dialect.
    pub fn text(&self, dialect: Dialect) -> &'static str {
        match (self, dialect) {
            (Self::Common(sql), _)
            | (Self::PerDialect { sqlite: sql, .. }, Dialect::Sqlite)
            | (Self::PerDialect { postgres: sql, .. }, Dialect::Postgres) => sql,
        }
    }
}

/// Runs the step unless somebody else did, and says whether it was us.
///
/// The row comes first: a second node that inserts the same row waits for us, and then finds it there.
async fn carry_out(pool: &Pool, row: Row, sql: &'static str) -> Result<bool, Error> {
    let name = format!("{}/{}", row.migration, row.step);
    pool.write(async move |conn: &mut Conn| -> Result<bool, Error> {
        if !ledger::insert(conn, &row).await? {
            return Ok(false);
        }
        if !sql.is_empty() {
            conn.batch_execute(sql).await?;
        }
        Ok(true)
    })
    .await
    .map_err(|error| error.named(&name))
}

fn steps(migrations: &[Migration]) -> impl Iterator<Item = (&Migration, &Step)> {
    migrations.iter().flat_map(|migration| migration.steps.iter().map(move |step| (migration, step)))
}

fn full_name(migration: &Migration, step: &Step) -> String {
    format!("{}/{}", migration.name, step.name)
}
