//! From the engine's errors to the port's. The engine's own words are passed on
//! only where they cannot hold a value of a row.

use sqlx::error::ErrorKind;

use crate::ports::SourceError;

const STATEMENT: i32 = 1;
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const CONSTRAINT_TRIGGER: i32 = 1811;
const CONSTRAINT_FOREIGN_KEY: i32 = 787;

/// The engine's extended result code.
fn code(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error()?.code()?.parse().ok()
}

/// Another connection holds a lock that was waited for in vain.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| matches!(code & 0xff, BUSY | LOCKED))
}

pub(super) fn is_foreign_key(error: &sqlx::Error) -> bool {
    code(error) == Some(CONSTRAINT_FOREIGN_KEY)
}

pub(super) fn is_duplicate(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.kind() == ErrorKind::UniqueViolation)
}

/// The statement itself is wrong, not the state it met.
pub(super) fn is_statement(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| code & 0xff == STATEMENT)
}

/// There was nothing to roll back. The engine has no code of its own for it.
pub(super) fn is_no_transaction(error: &sqlx::Error) -> bool {
    is_statement(error)
        && error.as_database_error().is_some_and(|error| error.message().contains("no transaction is active"))
}

/// Says what happened. A trigger may raise any text, with values in it.
pub(super) fn describe(error: &sqlx::Error) -> String {
    match error.as_database_error() {
        Some(_) if code(error) == Some(CONSTRAINT_TRIGGER) => "a trigger of the application refused it".to_owned(),
        Some(database) => {
            let code = code(error).map_or_else(String::new, |code| format!(" (SQLite code {code})"));
            format!("{}{code}", database.message())
        }
        None => error.to_string(),
    }
}

pub(super) fn engine(error: sqlx::Error) -> SourceError {
    let hint = if is_busy(&error) { "; hint: the application holds the lock: try again when it is idle" } else { "" };
    SourceError::Engine { reason: format!("{}{hint}", describe(&error)) }
}
