//! What the server's errors mean for a vault. The vault's statements bind no
//! value of a record, so that none can stand in a message.

use sqlx::mysql::MySqlDatabaseError;

use crate::ports::VaultError;

const DISK_FULL: u16 = 1021;
const TABLE_FULL: u16 = 1114;
const DUPLICATE: u16 = 1062;
const ERROR_ON_WRITE: u16 = 1026;
/// The server shuts down, refuses the user or the database, or has no
/// connection left.
const UNREACHABLE: [u16; 8] = [1040, 1044, 1045, 1049, 1053, 1203, 1698, 1927];
/// A lock was waited for in vain.
const LOCKED: u16 = 1205;

/// Sorts an error by what a caller can do about it.
pub fn from_mysql(error: sqlx::Error) -> VaultError {
    let number = match &error {
        sqlx::Error::Database(engine) => {
            engine.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number)
        }
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
            return VaultError::Unreachable { reason: error.to_string() };
        }
        _ => None,
    };
    let reason = error.to_string();
    match number {
        Some(DISK_FULL | TABLE_FULL | ERROR_ON_WRITE) => VaultError::Full { reason },
        Some(DUPLICATE) => VaultError::Engine { reason: "it already holds one of these segments".to_owned() },
        Some(LOCKED) => VaultError::Locked { reason: "another connection holds its lock for too long".to_owned() },
        Some(number) if UNREACHABLE.contains(&number) => VaultError::Unreachable { reason },
        _ => VaultError::Engine { reason },
    }
}
