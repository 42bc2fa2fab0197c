//! Diesel's and the driver's errors in our terms, without the values they like to quote.

use std::error::Error as StdError;

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error as DieselError};

use super::nesting::Refused;
use crate::{Constraint, Dialect, Error, ErrorKind, Outcome, Refusal, Retry, Rule};

/// What the pool knows about the connection on which a statement failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Circumstances {
    pub(crate) dialect: Dialect,
    pub(crate) in_transaction: bool,
    pub(crate) closed: bool,
}

/// A failed statement. `operation` says which part of the unit of work it belongs to.
pub(crate) fn statement(operation: &'static str, at: Circumstances, error: DieselError) -> Error {
    let error = match error {
        DieselError::NotFound => Error::new(ErrorKind::NotFound, operation, "no such row"),
        DieselError::DatabaseError(kind, info) => {
            let kind = if at.closed { ErrorKind::Unavailable } else { kind_of(at.dialect, kind, &*info) };
            let detail = detail(&kind, info.message());
            Error::new(kind, operation, detail)
        }
        DieselError::QueryBuilderError(error) => match error.downcast_ref::<Refused>() {
            Some(refused) => Error::new(refused.kind.clone(), operation, refused.why),
            None => Error::new(ErrorKind::Invalid, operation, "the query could not be built"),
        },
        DieselError::DeserializationError(error) => {
            Error::new(ErrorKind::Other, operation, unreadable(&error.to_string()))
        }
        DieselError::SerializationError(_) => {
            Error::new(ErrorKind::Invalid, operation, "a value could not be encoded")
        }
        DieselError::InvalidCString(_) => {
            Error::new(ErrorKind::Invalid, operation, "the statement contains a NUL byte")
        }
        _ => Error::new(ErrorKind::Other, operation, "the transaction is not in the expected state"),
    };
    // Inside a transaction a lost connection is a rollback. Outside the statement may have been carried out.
    if *error.kind() == ErrorKind::Unavailable && !at.in_transaction {
        let retry = error.retry();
        return error.with_outcome(Outcome::Unknown).with_retry(retry);
    }
    error
}

fn kind_of(dialect: Dialect, kind: DatabaseErrorKind, info: &dyn DatabaseErrorInformation) -> ErrorKind {
    let constraint = |rule| {
        ErrorKind::Constraint(Constraint {
            rule,
            name: match dialect {
                Dialect::Postgres if rule == Rule::NotNull => column_of(info),
                Dialect::Postgres => info.constraint_name().map(str::to_owned),
                Dialect::Sqlite => info.message().split_once("failed: ").map(|(_, name)| name.to_owned()),
            },
        })
    };
    match kind {
        DatabaseErrorKind::UniqueViolation => constraint(Rule::Unique),
        DatabaseErrorKind::ForeignKeyViolation | DatabaseErrorKind::RestrictViolation => {
            constraint(Rule::ForeignKey)
        }
        DatabaseErrorKind::NotNullViolation => constraint(Rule::NotNull),
        DatabaseErrorKind::CheckViolation | DatabaseErrorKind::ExclusionViolation => constraint(Rule::Check),
        DatabaseErrorKind::SerializationFailure => ErrorKind::Conflict,
        DatabaseErrorKind::ReadOnlyTransaction => ErrorKind::Invalid,
        DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection => {
            ErrorKind::Unavailable
        }
        _ => match dialect {
            Dialect::Sqlite => sqlite_kind(info.message()),
            Dialect::Postgres => postgres_kind(info.message()),
        },
    }
}

/// As SQLite names it: `table.column`.
fn column_of(info: &dyn DatabaseErrorInformation) -> Option<String> {
    Some(format!("{}.{}", info.table_name()?, info.column_name()?))
}

/// Diesel keeps SQLite's message and drops its number; the messages are fixed strings of the built-in version.
fn sqlite_kind(message: &str) -> ErrorKind {
    match message {
        m if m.ends_with("is locked") => ErrorKind::Conflict,
        "database or disk is full" => ErrorKind::Limit,
        m if m.starts_with("attempt to write a readonly database")
            || m.starts_with("no such ")
            || m.ends_with("syntax error")
            || m.starts_with("string or blob too big")
            || m.starts_with("too many SQL variables")
            || m.starts_with("datatype mismatch")
            || m.starts_with("cannot store ") =>
        {
            ErrorKind::Invalid
        }
        _ => ErrorKind::Other,
    }
}

/// Diesel keeps the server's message and drops its code. The messages are those of the C and English locales; in
/// others a deadlock is not recognised, and reported instead of repeated.
fn postgres_kind(message: &str) -> ErrorKind {
    const TABLE: [(&str, ErrorKind); 17] = [
        ("deadlock detected", ErrorKind::Conflict),
        ("could not serialize", ErrorKind::Conflict),
        ("canceling statement due to lock timeout", ErrorKind::Conflict),
        ("canceling statement due to statement timeout", ErrorKind::Timeout),
        ("terminating connection", ErrorKind::Unavailable),
        ("the database system is", ErrorKind::Unavailable),
        ("connection closed", ErrorKind::Unavailable),
        ("permission denied", ErrorKind::Denied),
        ("must be owner", ErrorKind::Denied),
        ("could not extend file", ErrorKind::Limit),
        ("invalid byte sequence", ErrorKind::Invalid),
        ("invalid input syntax", ErrorKind::Invalid),
        ("syntax error", ErrorKind::Invalid),
        ("value too long", ErrorKind::Invalid),
        ("relation ", ErrorKind::Invalid),
        ("column ", ErrorKind::Invalid),
        ("current transaction is aborted", ErrorKind::Invalid),
    ];
    TABLE.into_iter().find(|(start, _)| message.starts_with(start)).map_or(ErrorKind::Other, |(_, kind)| kind)
}

/// The server's words without the values in them: it quotes those after a colon.
fn detail(kind: &ErrorKind, message: &str) -> String {
    match kind {
        ErrorKind::Constraint(constraint) => {
            let name = constraint.name.as_deref().unwrap_or("unnamed");
            format!("{:?} constraint {name} is violated", constraint.rule)
        }
        _ => unquoted(message),
    }
}

fn unquoted(message: &str) -> String {
    message.split(": \"").next().unwrap_or_default().to_owned()
}

/// Diesel says `Error deserializing field 'name': …`, and after the colon may come the value.
fn unreadable(message: &str) -> String {
    match message.strip_prefix("Error deserializing field '").and_then(|rest| rest.split_once('\'')) {
        Some((field, _)) => format!("the column of field `{field}` could not be read"),
        None => "a column could not be read".to_owned(),
    }
}

/// A connection that could not be opened, and the refusal if the server refused the login.
pub(crate) fn connect(error: &tokio_postgres::Error) -> (Error, Option<Refusal>) {
    let Some(db) = error.as_db_error() else {
        return (unreachable(error), None);
    };
    let code = db.code().code();
    let kind = match code {
        _ if code.starts_with("28") => ErrorKind::Denied,
        "42501" => ErrorKind::Denied,
        "3D000" | "42704" => ErrorKind::Config,
        _ if code.starts_with("0A") => ErrorKind::Unsupported,
        _ if code.starts_with("53") || code.starts_with("57") || code.starts_with("08") => {
            ErrorKind::Unavailable
        }
        _ => ErrorKind::Other,
    };
    let refusal =
        (kind == ErrorKind::Denied).then(|| Refusal::new(code, db.message(), db.hint().map(str::to_owned)));
    (Error::new(kind, "connect", format!("the server answered {code}: {}", unquoted(db.message()))), refusal)
}

/// No answer from the server, or none that we believe.
fn unreachable(error: &tokio_postgres::Error) -> Error {
    let io = error.source().and_then(|source| source.downcast_ref::<std::io::Error>());
    let tls = io.and_then(|io| io.get_ref()).and_then(|inner| inner.downcast_ref::<rustls::Error>());
    if let Some(tls) = tls {
        return Error::new(ErrorKind::Config, "connect", format!("TLS failed: {tls}"));
    }
    match io {
        Some(io) => Error::new(ErrorKind::Unavailable, "connect", format!("no connection: {}", io.kind())),
        // The driver's own texts name what was expected of the server, never what was sent to it.
        None => Error::new(ErrorKind::Unavailable, "connect", error.to_string()).with_retry(Retry::Backoff),
    }
}

/// A SQLite database that could not be opened.
pub(crate) fn open(error: &diesel::ConnectionError) -> Error {
    use diesel::ConnectionError as E;
    match error {
        E::CouldntSetupConfiguration(DieselError::DatabaseError(_, info)) => {
            let kind = match sqlite_kind(info.message()) {
                ErrorKind::Conflict => ErrorKind::Unavailable,
                kind => kind,
            };
            Error::new(kind, "connect", info.message())
        }
        E::BadConnection(message) | E::InvalidConnectionUrl(message) => {
            Error::new(ErrorKind::Config, "connect", message.as_str())
        }
        _ => Error::new(ErrorKind::Other, "connect", "SQLite could not be opened"),
    }
}
