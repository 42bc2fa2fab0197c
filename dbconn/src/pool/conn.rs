//! One connection of either dialect, and queries written once for both.

use diesel::result::Error as DieselError;
use diesel_async::SimpleAsyncConnection;

use super::{
    classify::{self, Circumstances},
    nesting::{Control, Nesting},
    postgres::PgConn,
    sqlite::SqliteConn,
};
use crate::{Dialect, Error};

/// A connection lent to a unit of work. Queries reach it through [`on_conn!`](crate::on_conn).
///
/// It cannot be kept: the body borrows it. What a session can be set to outlives the unit of work on
/// the connection, so a body sets nothing (`SET`, `PRAGMA`, temporary tables) that others would notice.
///
/// Where the dialects differ in more than Diesel can hide, match on the variants, as for SQL text in
/// [`dialect`](Conn::dialect)'s terms. That is the exception, and each one needs a test on both.
#[derive(Debug)]
pub enum Conn {
    /// To SQLite in this process.
    Sqlite(SqliteConn),
    /// To a server that speaks the PostgreSQL protocol.
    Postgres(PgConn),
}

impl Conn {
    /// The dialect this connection speaks.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Runs SQL text without parameters or results, such as a schema change.
    ///
    /// The text may hold several statements, separated by semicolons. It is sent as it is: never put a
    /// value into it that came from outside.
    ///
    /// `Invalid` if it begins with a word that begins or ends a transaction, which is the pool's
    /// business; only the first word is looked at. Dropping the future loses the connection, and with
    /// it the unit of work.
    pub async fn batch_execute(&mut self, sql: &str) -> Result<(), Error> {
        crate::on_conn!(self, |conn| conn.batch_execute(sql).await)
    }

    pub(crate) async fn control(&mut self, operation: &'static str, sql: &str) -> Result<(), Error> {
        match self {
            Self::Sqlite(conn) => conn.control(sql).await,
            Self::Postgres(conn) => conn.control(sql).await,
        }
        .map_err(|error| classify::statement(operation, self.circumstances(), error))
    }

    pub(crate) fn nesting(&mut self) -> &mut Nesting {
        match self {
            Self::Sqlite(conn) => conn.nesting(),
            Self::Postgres(conn) => conn.nesting(),
        }
    }

    pub(crate) fn is_closed(&mut self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(conn) => conn.is_closed(),
        }
    }

    fn circumstances(&mut self) -> Circumstances {
        Circumstances {
            dialect: self.dialect(),
            in_transaction: self.nesting().depth() > 0,
            closed: self.is_closed(),
        }
    }
}

/// A variant's connection, for [`on_conn!`](crate::on_conn) to turn its errors into ours.
#[doc(hidden)]
pub trait Explain {
    fn explain(&mut self, error: DieselError) -> Error;
}

impl Explain for SqliteConn {
    fn explain(&mut self, error: DieselError) -> Error {
        Self::explain_in(self.nesting().depth() > 0, error)
    }
}

impl SqliteConn {
    /// What [`Explain::explain`] says, for when the connection is borrowed by a cursor.
    pub(crate) fn explain_in(in_transaction: bool, error: DieselError) -> Error {
        let circumstances = Circumstances { dialect: Dialect::Sqlite, in_transaction, closed: false };
        classify::statement("statement", circumstances, error)
    }
}

impl Explain for PgConn {
    fn explain(&mut self, error: DieselError) -> Error {
        let in_transaction = self.nesting().depth() > 0;
        let closed = self.is_closed();
        classify::statement(
            "statement",
            Circumstances { dialect: Dialect::Postgres, in_transaction, closed },
            error,
        )
    }
}

/// Runs a query that is written once on whichever connection is there.
///
/// The body is compiled for each variant of [`Conn`], with `c` bound to that variant's connection, and gives a
/// `QueryResult<T>`; the whole gives `Result<T, dbconn::Error>`. `RunQueryDsl` of `diesel_async` must be in scope.
///
/// The body is one expression that borrows `conn`, not a closure: `return` and `?` in it leave the
/// function around. What it moves out of the function is moved once, since one variant runs.
///
/// ```
/// # use dbconn::{Conn, Error, on_conn};
/// # diesel::table! { folders (id) { id -> Text, name -> Text, } }
/// use diesel::{OptionalExtension, QueryDsl};
/// use diesel_async::RunQueryDsl;
///
/// async fn name_of(conn: &mut Conn, id: &str) -> Result<Option<String>, Error> {
///     on_conn!(conn, |c| folders::table.find(id).select(folders::name).first(c).await.optional())
/// }
/// ```
#[macro_export]
macro_rules! on_conn {
    ($conn:expr, |$c:ident| $body:expr) => {
        match $conn {
            $crate::Conn::Sqlite(variant) => {
                let result = {
                    let $c = &mut *variant;
                    $body
                };
                result.map_err(|error| $crate::pool::Explain::explain(variant, error))
            }
            $crate::Conn::Postgres(variant) => {
                let result = {
                    let $c = &mut *variant;
                    $body
                };
                result.map_err(|error| $crate::pool::Explain::explain(variant, error))
            }
        }
    };
}
