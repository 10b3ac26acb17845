//! From the server's errors to the port's. The server's own words are passed on
//! only where they cannot hold a value of a row: many of its messages quote one,
//! and a syntax error quotes the statement.

use sqlx::mysql::MySqlDatabaseError;

use crate::{adapters::engine::STATEMENT_TIMEOUT_HINT, ports::SourceError};

const LOCK_TIMEOUT: u16 = 1205;
const DEADLOCK: u16 = 1213;
/// MariaDB's and MySQL's.
const TOOK_TOO_LONG: [u16; 2] = [1969, 3024];
const DUPLICATE: [u16; 3] = [1022, 1062, 1586];
const FOREIGN_KEY: [u16; 4] = [1216, 1217, 1451, 1452];

/// Messages that name users, databases, tables, columns, keys and settings only.
const HARMLESS: [u16; 26] = [
    1040, 1044, 1045, 1046, 1049, 1053, 1129, 1130, 1142, 1143, 1146, 1203, 1205, 1213, 1217, 1227, 1290, 1370, 1451,
    1452, 1665, 1698, 1792, 1927, 1969, 3024,
];

/// No privilege on a table, on a column.
const DENIED: [u16; 2] = [1142, 1143];

/// A condition's own mistakes: unknown columns, syntax, functions.
const STATEMENT: [u16; 12] = [1052, 1054, 1064, 1110, 1111, 1128, 1210, 1241, 1242, 1267, 1305, 1582];

fn number(error: &sqlx::Error) -> Option<u16> {
    error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number)
}

/// Another connection holds a lock that was waited for in vain.
pub(super) fn is_locked(error: &sqlx::Error) -> bool {
    number(error) == Some(LOCK_TIMEOUT)
}

/// The user may not read the table, or not all of its columns.
pub(super) fn is_denied(error: &sqlx::Error) -> bool {
    number(error).is_some_and(|number| DENIED.contains(&number))
}

/// The server undid the whole transaction to end a deadlock.
pub(super) fn is_deadlock(error: &sqlx::Error) -> bool {
    number(error) == Some(DEADLOCK)
}

pub(super) fn is_foreign_key(error: &sqlx::Error) -> bool {
    number(error).is_some_and(|number| FOREIGN_KEY.contains(&number))
}

pub(super) fn is_duplicate(error: &sqlx::Error) -> bool {
    number(error).is_some_and(|number| DUPLICATE.contains(&number))
}

/// The statement itself is wrong, not the state it met.
pub(super) fn is_statement(error: &sqlx::Error) -> bool {
    number(error).is_some_and(|number| STATEMENT.contains(&number))
}

/// The server did not say it: the connection is of no use any more.
pub(super) fn is_connection(error: &sqlx::Error) -> bool {
    !matches!(error, sqlx::Error::Database(_))
}

/// What the server says of a statement that holds no value.
pub(super) fn words(error: &sqlx::Error) -> String {
    error.as_database_error().map_or_else(|| error.to_string(), |database| database.message().to_owned())
}

pub(super) fn describe(error: &sqlx::Error) -> String {
    match (error.as_database_error(), number(error)) {
        (Some(database), Some(number)) if HARMLESS.contains(&number) => {
            format!("{} (error {number})", database.message())
        }
        (Some(_), Some(number)) => format!("error {number} of the server"),
        _ => error.to_string(),
    }
}

pub(super) fn engine(error: sqlx::Error) -> SourceError {
    let hint = if is_locked(&error) {
        "; hint: the application holds the lock: try again when it is idle"
    } else if number(&error).is_some_and(|number| TOOK_TOO_LONG.contains(&number)) {
        STATEMENT_TIMEOUT_HINT
    } else {
        ""
    };
    SourceError::Engine { reason: format!("{}{hint}", describe(&error)) }
}
