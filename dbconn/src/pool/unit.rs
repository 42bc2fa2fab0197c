//! One attempt at a unit of work on one connection.

use std::{future::Future, pin::pin};

use futures_util::{
    FutureExt,
    future::{Either, select},
};

use super::conn::Conn;
use crate::{Dialect, Error, ErrorKind, Outcome};

/// What a unit of work may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Statements one by one.
    Read,
    /// One consistent, read-only view.
    Snapshot,
    /// All or nothing.
    Write,
}

/// What a unit of work fails with: an error of the application's own, which may wrap one of the database.
///
/// The pool asks [`database`](WorkError::database) whether the failure is a conflict or a lost connection, and then
/// runs the body again. A body that must not run again, because it has begun to stream its result to somebody, wraps
/// the error so that this answers `None`.
///
/// ```
/// use dbconn::{Error, WorkError};
///
/// /// What can go wrong when somebody takes a seat.
/// #[derive(Debug)]
/// enum Refused {
///     Taken,
///     Database(Error),
/// }
///
/// impl From<Error> for Refused {
///     fn from(error: Error) -> Self {
///         Self::Database(error)
///     }
/// }
///
/// impl WorkError for Refused {
///     fn database(&self) -> Option<&Error> {
///         match self {
///             Self::Taken => None,
///             Self::Database(error) => Some(error),
///         }
///     }
/// }
/// ```
pub trait WorkError: From<Error> + Send + 'static {
    /// The database's error, if that is the reason. `Conflict` and `Unavailable` lead to another attempt.
    fn database(&self) -> Option<&Error>;
}

impl WorkError for Error {
    fn database(&self) -> Option<&Error> {
        Some(self)
    }
}

/// The body of a unit of work: an asynchronous closure, with a name for its future so that this can be asked to be
/// `Send`. Implemented for all of them.
#[doc(hidden)]
pub trait Work<'c, T, E>:
    AsyncFnOnce(&'c mut Conn) -> Result<T, E> + FnOnce(&'c mut Conn) -> <Self as Work<'c, T, E>>::Fut
{
    type Fut: Future<Output = Result<T, E>>;
}

impl<'c, T, E, F, Fut> Work<'c, T, E> for F
where
    F: AsyncFnOnce(&'c mut Conn) -> Result<T, E> + FnOnce(&'c mut Conn) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Fut = Fut;
}

/// A failed attempt.
#[derive(Debug)]
pub(crate) struct Failure<E> {
    pub(crate) error: E,
    pub(crate) again: Again,
}

/// Whether the attempt may be repeated, because it certainly had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// No.
    No,
    /// Others got in the way.
    AfterConflict,
    /// The connection turned out to be dead.
    OnAnotherConnection,
}

/// What became of an attempt, and whether the connection can be used for another.
pub(crate) struct Attempt<T, E> {
    /// `None` if the caller went away.
    pub(crate) result: Option<Result<T, Failure<E>>>,
    pub(crate) clean: bool,
}

impl<E: WorkError> Failure<E> {
    fn of_body(error: E) -> Self {
        let again = error.database().map_or(Again::No, |error| match error.kind() {
            ErrorKind::Conflict => Again::AfterConflict,
            ErrorKind::Unavailable => Again::OnAnotherConnection,
            _ => Again::No,
        });
        Self { error, again }
    }

    fn of_pool(error: Error) -> Self {
        Self::of_body(E::from(error))
    }

    /// The pool's own error, final.
    pub(crate) fn last(error: Error) -> Self {
        Self { error: E::from(error), again: Again::No }
    }
}

impl Mode {
    /// The statements that begin a unit.
    fn begin(self, dialect: Dialect) -> Option<&'static str> {
        match (self, dialect) {
            (Self::Read, _) => None,
            (Self::Snapshot, Dialect::Sqlite) => Some("PRAGMA query_only = ON; BEGIN DEFERRED"),
            (Self::Snapshot, Dialect::Postgres) => Some("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
            // The lock is taken first, so that two writers wait here and not in the middle.
            (Self::Write, Dialect::Sqlite) => Some("BEGIN IMMEDIATE"),
            // Snapshot isolation: the level that every Postgres-like engine has, and at which a row that somebody
            // else changed since we read it is a conflict instead of a lost update.
            (Self::Write, Dialect::Postgres) => Some("BEGIN ISOLATION LEVEL REPEATABLE READ"),
        }
    }
}

/// Runs the body once, in the transaction that `mode` wants, unless `cancelled` becomes ready before it is committed.
pub(crate) async fn attempt<T, E, F>(
    conn: &mut Conn,
    mode: Mode,
    work: F,
    cancelled: impl Future<Output = ()> + Send,
) -> Attempt<T, E>
where
    for<'c> F: AsyncFnOnce(&'c mut Conn) -> Result<T, E> + Work<'c, T, E, Fut: Send>,
    E: WorkError,
{
    let mut cancelled = pin!(cancelled);
    if let Err(error) = begin(conn, mode).await {
        // A writer that did not get its turn has changed nothing about the connection.
        let clean = mode == Mode::Write && *error.kind() == ErrorKind::Conflict;
        return Attempt { result: Some(Err(Failure::of_pool(error))), clean };
    }
    let done = {
        let body = pin!(work(conn));
        match select(cancelled.as_mut(), body).await {
            Either::Left(_) => None,
            Either::Right((done, _)) => Some(done),
        }
    };
    let result = match done {
        None => None,
        Some(_) if cancelled.now_or_never().is_some() => None,
        Some(Err(error)) => Some(Err(Failure::of_body(error))),
        Some(Ok(value)) => match whole(conn, mode) {
            Err(error) => Some(Err(Failure::last(error))),
            Ok(()) => match commit(conn, mode).await {
                Ok(()) => return Attempt { result: Some(Ok(value)), clean: true },
                Err(failure) => Some(Err(failure)),
            },
        },
    };
    Attempt { result, clean: roll_back(conn, mode).await }
}

async fn begin(conn: &mut Conn, mode: Mode) -> Result<(), Error> {
    conn.nesting().ended();
    if let Some(sql) = mode.begin(conn.dialect()) {
        // A lost connection has no effect yet, whatever it looks like from outside of a transaction.
        conn.control("begin", sql).await.map_err(|error| {
            let retry = error.retry();
            error.with_outcome(Outcome::NotApplied).with_retry(retry)
        })?;
        conn.nesting().begun();
    }
    Ok(())
}

/// Refuses to commit the rest of a unit of which a part failed, whatever the body made of the failure.
fn whole(conn: &mut Conn, mode: Mode) -> Result<(), Error> {
    if mode != Mode::Write {
        return Ok(());
    }
    let nesting = conn.nesting();
    if nesting.failed().get() {
        return Err(Error::new(
            ErrorKind::Invalid,
            "commit",
            "a statement failed and the body went on, so the unit of work is rolled back",
        ));
    }
    if nesting.depth() != 1 {
        return Err(Error::new(ErrorKind::Invalid, "commit", "a savepoint was left open"));
    }
    Ok(())
}

async fn commit<E: WorkError>(conn: &mut Conn, mode: Mode) -> Result<(), Failure<E>> {
    match mode {
        Mode::Read | Mode::Snapshot => {
            return if roll_back(conn, mode).await {
                Ok(())
            } else {
                let why = "the connection was lost after the last row was read";
                Err(Failure::of_pool(Error::new(ErrorKind::Unavailable, "commit", why)))
            };
        }
        Mode::Write => {}
    }
    let committed = conn.control("commit", "COMMIT").await;
    match committed {
        Ok(()) => {
            conn.nesting().ended();
            Ok(())
        }
        Err(error) if *error.kind() == ErrorKind::Conflict => Err(Failure::of_pool(error)),
        Err(error) if *error.kind() == ErrorKind::Unavailable => {
            Err(Failure::last(error.with_outcome(Outcome::Unknown)))
        }
        Err(error) => Err(Failure::last(error)),
    }
}

/// Ends the unit without effect, and says whether the connection is as new.
pub(crate) async fn roll_back(conn: &mut Conn, mode: Mode) -> bool {
    let ended = mode == Mode::Read || rolled_back(&conn.control("rollback", "ROLLBACK").await);
    let writable = mode != Mode::Snapshot
        || conn.dialect() != Dialect::Sqlite
        || conn.control("rollback", "PRAGMA query_only = OFF").await.is_ok();
    conn.nesting().ended();
    ended && writable && !conn.is_closed()
}

/// After some failures SQLite has already rolled back by itself.
fn rolled_back(answer: &Result<(), Error>) -> bool {
    answer.as_ref().map_or_else(|error| error.to_string().ends_with("no transaction is active"), |()| true)
}
