//! From the server's errors to what they mean. The server's own words are passed
//! on only where they cannot hold a value of a row: its messages name tables,
//! columns and constraints, while details, and messages about values, are left
//! out.

use sqlx::postgres::PgDatabaseError;

/// What an error means for whoever has to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::adapters) enum Meaning {
    /// The session is gone, and with it the knowledge of what it did last.
    Lost,
    /// A lock was waited for in vain, or a deadlock was broken.
    Locked,
    /// The server broke the statement off: it took too long, or somebody asked.
    Cancelled,
    NoRoom,
    ForeignKey,
    Duplicate,
    NoPrivilege,
    /// Another transaction got in between.
    Conflict,
    Other,
}

fn server(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error.as_database_error()?.try_downcast_ref()
}

pub(in crate::adapters) fn meaning(error: &sqlx::Error) -> Meaning {
    let Some(server) = server(error) else {
        return match error {
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
                Meaning::Lost
            }
            _ => Meaning::Other,
        };
    };
    match server.code() {
        "55P03" | "40P01" => Meaning::Locked,
        "57014" => Meaning::Cancelled,
        "40001" => Meaning::Conflict,
        "53100" | "53200" => Meaning::NoRoom,
        "23503" | "23001" => Meaning::ForeignKey,
        "23505" | "23P01" => Meaning::Duplicate,
        "42501" => Meaning::NoPrivilege,
        // Shut down, crashed, starting up, too many clients, terminated.
        "57P01" | "57P02" | "57P03" | "57P04" | "57P05" | "53300" | "25P03" | "3D000" => Meaning::Lost,
        code if code.starts_with("08") || code.starts_with("28") => Meaning::Lost,
        _ => Meaning::Other,
    }
}

/// Of a statement that was only prepared: it is wrong, its constants included.
pub(super) fn is_about_the_statement(error: &sqlx::Error) -> bool {
    server(error).is_some_and(|server| ["42", "22", "0A"].iter().any(|class| server.code().starts_with(class)))
        && meaning(error) != Meaning::NoPrivilege
}

/// Classes whose messages may quote a value: data exceptions, what triggers
/// raise, and what functions of the application say.
fn may_quote(code: &str) -> bool {
    ["22", "P0", "38", "39", "XX"].iter().any(|class| code.starts_with(class))
}

/// Says what happened.
pub(in crate::adapters) fn describe(error: &sqlx::Error) -> String {
    let Some(server) = server(error) else { return error.to_string() };
    let code = server.code();
    let place = match (server.table(), server.constraint()) {
        (Some(table), Some(constraint)) => format!(", table {table}, constraint {constraint}"),
        (Some(table), None) => format!(", table {table}"),
        _ => String::new(),
    };
    if code.starts_with("P0") {
        return format!("a trigger or function of the application refused it (PostgreSQL code {code}{place})");
    }
    if may_quote(code) {
        return format!("a value was not accepted (PostgreSQL code {code}{place})");
    }
    format!("{} (PostgreSQL code {code})", server.message())
}
