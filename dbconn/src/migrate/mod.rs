//! Brings a schema up to date, step by step, however many nodes start at once.
//!
//! A [`Migration`] is a list of [`Step`]s, and a step is one statement. Each step is carried out in one transaction
//! together with its row in the ledger, so that a process killed at any point leaves a database that the next one
//! carries on with. What has been applied is never changed afterwards: the ledger keeps a digest of each step.

mod ledger;

use std::{collections::BTreeMap, fmt::Write, time::SystemTime};

use sha2::{Digest, Sha256};

use self::ledger::Row;
use crate::{Clock, Conn, Dialect, Error, ErrorKind, Pool};

/// A named change of the schema, in steps.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Unique among the migrations, such as `0001_accounts`.
    pub name: &'static str,
    /// In order.
    pub steps: &'static [Step],
}

/// One statement.
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
    /// One for each. An empty text does nothing there.
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
    /// When.
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
/// it; the steps before it stay.
///
/// Dropping the future rolls back the step under way.
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
    /// Whether the program can work with this database as it is.
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
