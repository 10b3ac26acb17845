//! What SQLite's result codes mean for a vault. SQLite's messages name tables
//! and columns, never values; sqlx's other errors carry none either.

use crate::ports::VaultError;

/// Extended result codes are primary codes with more bits above the lowest eight.
const PRIMARY: i32 = 0xff;
const PERM: i32 = 3;
const BUSY: i32 = 5;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANNOT_OPEN: i32 = 14;
const NOT_A_DATABASE: i32 = 26;
const UNIQUE: i32 = 2067;
/// The shared memory file cannot grow. When a database or log file cannot, for
/// the same reason, SQLite itself says `FULL`.
const NO_ROOM_FOR_SHARED_MEMORY: i32 = 4874;

/// The write lock was not to be had where a vault is opened.
pub fn locked(error: sqlx::Error) -> VaultError {
    let code = error.as_database_error().and_then(|engine| engine.code()).and_then(|code| code.parse::<i32>().ok());
    if code.is_some_and(|code| code & PRIMARY == BUSY) {
        return VaultError::Locked { reason: "its file is locked by another connection; hint: wait for it".to_owned() };
    }
    from_sqlite(error)
}

/// Sorts an error by what a caller can do about it.
pub fn from_sqlite(error: sqlx::Error) -> VaultError {
    let code = match &error {
        sqlx::Error::Database(engine) => engine.code().and_then(|code| code.parse::<i32>().ok()),
        sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => {
            return VaultError::Unreachable { reason: error.to_string() };
        }
        _ => None,
    };
    let reason = error.to_string();
    match code {
        Some(UNIQUE) => VaultError::Engine { reason: "it already holds one of these segments".to_owned() },
        Some(NO_ROOM_FOR_SHARED_MEMORY) => VaultError::Full { reason },
        Some(code) => match code & PRIMARY {
            FULL => VaultError::Full { reason },
            PERM | CANNOT_OPEN => VaultError::Unreachable { reason },
            CORRUPT | NOT_A_DATABASE => VaultError::Foreign { reason },
            _ => VaultError::Engine { reason },
        },
        None => VaultError::Engine { reason },
    }
}
