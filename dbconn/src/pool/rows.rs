//! Many rows at once, in and out.

use std::{future::Future, pin::pin};

use diesel::{
    QueryResult, connection::DefaultLoadingMode, result::Error as DieselError, sqlite::SqliteConnection,
};
use futures_util::{Stream, StreamExt};

use super::sqlite::SqliteConn;
use crate::Error;

/// Rows per statement of [`insert_all!`](crate::insert_all): with 65 columns still below every engine's limit of
/// parameters.
#[doc(hidden)]
pub const ROWS_PER_INSERT: usize = 500;

/// Where [`each_row!`](crate::each_row) puts rows, and where back-pressure comes from.
///
/// For each row `push` is called, and when `is_full` says so one of the two flushes, which waits until there is room
/// again. When the rows have ended, what is left is flushed once. An error ends the query, without
/// a flush, and is the error of the whole.
///
/// The body of a unit of work may run again. A sink that has handed rows to somebody who cannot give
/// them back, such as a client, has to make the error final; see [`WorkError`](crate::WorkError).
///
/// ```
/// use dbconn::{Conn, Error, ErrorKind, RowSink, each_row};
/// use diesel::QueryDsl;
/// use tokio::sync::mpsc;
/// # diesel::table! { folders (id) { id -> Text, } }
///
/// /// Hands names on through a channel, whose capacity is the back-pressure.
/// struct Names {
///     next: Option<String>,
///     to: mpsc::Sender<String>,
/// }
///
/// fn gone<E>(_: E) -> Error {
///     Error::new(ErrorKind::Other, "stream", "nobody reads any more")
/// }
///
/// impl RowSink<String> for Names {
///     fn push(&mut self, row: String) -> Result<(), Error> {
///         self.next = Some(row);
///         Ok(())
///     }
///
///     fn is_full(&self) -> bool {
///         self.next.is_some()
///     }
///
///     async fn flush(&mut self) -> Result<(), Error> {
///         match self.next.take() {
///             Some(row) => self.to.send(row).await.map_err(gone),
///             None => Ok(()),
///         }
///     }
///
///     fn flush_blocking(&mut self) -> Result<(), Error> {
///         match self.next.take() {
///             Some(row) => self.to.blocking_send(row).map_err(gone),
///             None => Ok(()),
///         }
///     }
/// }
///
/// async fn stream(conn: &mut Conn, names: &mut Names) -> Result<(), Error> {
///     each_row!(conn, folders::table.select(folders::id), String, names)
/// }
/// ```
pub trait RowSink<R> {
    /// Takes one row. Does not wait.
    fn push(&mut self, row: R) -> Result<(), Error>;

    /// Whether it is time to flush.
    fn is_full(&self) -> bool;

    /// Hands on what was pushed, waiting for room.
    fn flush(&mut self) -> impl Future<Output = Result<(), Error>> + Send;

    /// The same, blocking the thread: on SQLite the cursor cannot be held across an `await`. The thread is one for
    /// blocking work and drives no runtime, so `blocking_send` and the like are fine.
    fn flush_blocking(&mut self) -> Result<(), Error>;
}

/// [`each_row!`](crate::each_row) on SQLite.
#[doc(hidden)]
pub fn each_row_sqlite<'conn, R, Q, S>(
    conn: &'conn mut SqliteConn,
    query: Q,
    sink: &mut S,
) -> Result<(), Error>
where
    Q: diesel::query_dsl::LoadQuery<'conn, SqliteConnection, R, DefaultLoadingMode>,
    S: RowSink<R>,
{
    let in_transaction = conn.nesting().depth() > 0;
    // The cursor borrows the connection, which therefore cannot explain an error; what it would say is known.
    let failed = |error| SqliteConn::explain_in(in_transaction, error);
    let rows = query.internal_load(conn.sync()).map_err(failed)?;
    for row in rows {
        sink.push(row.map_err(failed)?)?;
        if sink.is_full() {
            sink.flush_blocking()?;
        }
    }
    sink.flush_blocking()
}

/// [`each_row!`](crate::each_row) on Postgres.
#[doc(hidden)]
pub async fn each_row_postgres<R, S>(
    rows: impl Stream<Item = QueryResult<R>> + Send,
    sink: &mut S,
) -> Result<(), RowError>
where
    R: Send,
    S: RowSink<R> + Send,
{
    let mut rows = pin!(rows);
    while let Some(row) = rows.next().await {
        sink.push(row.map_err(RowError::Query)?).map_err(RowError::Sink)?;
        if sink.is_full() {
            sink.flush().await.map_err(RowError::Sink)?;
        }
    }
    sink.flush().await.map_err(RowError::Sink)
}

/// Who ended the stream: the database, whose error the connection has to explain, or the sink.
#[doc(hidden)]
#[derive(Debug)]
pub enum RowError {
    Query(DieselError),
    Sink(Error),
}

/// Inserts all rows of a slice, in statements of 500 rows, and gives the number of rows inserted.
///
/// `rows` is a `&[Row]` or `&Vec<Row>` whose `Row` derives `Insertable` with
/// `#[diesel(treat_none_as_default_value = false)]`. No rows: no statement, and 0. Followed by
/// `on_conflict_do_nothing`, rows that break a unique rule are left out and not counted.
///
/// In a `write` all rows are inserted or none. In a `read`, where nobody should insert, the statements
/// before one that fails stay. The error is that of the statement, and the rest is not sent.
///
/// ```
/// use dbconn::{Conn, Error, insert_all};
/// # diesel::table! { folders (id) { id -> Text, name -> Nullable<Text>, } }
///
/// #[derive(diesel::Insertable)]
/// #[diesel(table_name = folders, treat_none_as_default_value = false)]
/// struct Folder {
///     id: String,
///     name: Option<String>,
/// }
///
/// /// How many of them were not there yet.
/// async fn import(conn: &mut Conn, folders: &[Folder]) -> Result<usize, Error> {
///     insert_all!(conn, folders::table, folders, on_conflict_do_nothing)
/// }
/// ```
#[macro_export]
macro_rules! insert_all {
    ($conn:expr, $table:expr, $rows:expr) => {
        $crate::insert_all!(@ $conn, $rows, |chunk| $crate::diesel::insert_into($table).values(chunk))
    };
    ($conn:expr, $table:expr, $rows:expr, on_conflict_do_nothing) => {
        $crate::insert_all!(@ $conn, $rows, |chunk| $crate::diesel::insert_into($table).values(chunk).on_conflict_do_nothing())
    };
    (@ $conn:expr, $rows:expr, |$chunk:ident| $insert:expr) => {{
        let mut inserted = 0_usize;
        let mut result = Ok(());
        for $chunk in $rows.chunks($crate::pool::ROWS_PER_INSERT) {
            // SQLite inserts several rows by one statement through its synchronous connection only.
            let count = match &mut *$conn {
                $crate::Conn::Sqlite(c) => $crate::diesel::RunQueryDsl::execute($insert, c.sync())
                    .map_err(|error| $crate::pool::Explain::explain(c, error)),
                $crate::Conn::Postgres(c) => {
                    let count = $crate::diesel_async::RunQueryDsl::execute($insert, &mut *c).await;
                    count.map_err(|error| $crate::pool::Explain::explain(c, error))
                }
            };
            match count {
                Ok(count) => inserted += count,
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        result.map(|()| inserted)
    }};
}

/// Streams the rows of a query into a [`RowSink`], never holding more than the sink does.
///
/// `each_row!(conn, query, RowType, &mut sink)` gives `Result<(), dbconn::Error>`. The query is written once and
/// compiled for each dialect. Rows come in the order of the query, each once.
///
/// Use it in a `snapshot` for all that is larger than memory should hold; `load` collects. The
/// connection is taken for as long as the sink takes, so a slow reader at its end holds a
/// connection, and on SQLite a thread.
#[macro_export]
macro_rules! each_row {
    ($conn:expr, $query:expr, $row:ty, $sink:expr) => {
        match &mut *$conn {
            $crate::Conn::Sqlite(c) => $crate::pool::each_row_sqlite::<$row, _, _>(c, $query, $sink),
            $crate::Conn::Postgres(c) => {
                let rows = $crate::diesel_async::RunQueryDsl::load_stream::<$row>($query, &mut *c).await;
                let ended = match rows {
                    Ok(rows) => $crate::pool::each_row_postgres::<$row, _>(rows, $sink).await,
                    Err(error) => Err($crate::pool::RowError::Query(error)),
                };
                ended.map_err(|error| match error {
                    $crate::pool::RowError::Query(error) => $crate::pool::Explain::explain(c, error),
                    $crate::pool::RowError::Sink(error) => error,
                })
            }
        }
    };
}
