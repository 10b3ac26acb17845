//! What the vault says about itself, and what it remembers of the ledger.

use sqlx::MySqlConnection;

use super::{failure::from_mysql, schema};
use crate::{
    adapters::vault::contents::{self, META_HEAD},
    domain::ledger::Head,
    ports::VaultError,
};

/// The highest number that a segment ever had. Its row is the writers' lock.
pub const LAST_NUMBER: &str = "last-number";

/// Whether the vault, if it is this one, is a simulation's.
pub async fn recognise(
    connection: &mut MySqlConnection,
    origin: &str,
    deployment_id: &str,
) -> Result<bool, VaultError> {
    let ours: i64 = sqlx::query_scalar(schema::TABLES_OURS).fetch_one(&mut *connection).await.map_err(from_mysql)?;
    if ours != 2 {
        let reason = "the database is not a vault, or its tables are not InnoDB's".to_owned();
        return Err(VaultError::Foreign { reason });
    }
    let meta: Vec<(String, String)> =
        sqlx::query_as(schema::META_ALL).fetch_all(connection).await.map_err(|error| VaultError::Foreign {
            reason: format!("the database is not a vault: {}", from_mysql(error)),
        })?;
    contents::recognise(&meta, origin, deployment_id)
}

pub async fn put(connection: &mut MySqlConnection, name: &str, value: &str) -> Result<(), VaultError> {
    sqlx::query(schema::META_PUT).bind(name).bind(value).execute(connection).await.map_err(from_mysql)?;
    Ok(())
}

pub async fn remembered_head(connection: &mut MySqlConnection) -> Result<Option<Head>, VaultError> {
    let text: Option<String> =
        sqlx::query_scalar(schema::META_GET).bind(META_HEAD).fetch_optional(connection).await.map_err(from_mysql)?;
    contents::read_head(text.as_deref())
}

/// Keeps the newest head.
pub async fn remember_head(connection: &mut MySqlConnection, head: &Head) -> Result<(), VaultError> {
    match contents::newer_head(remembered_head(connection).await?, head)? {
        Some(newer) => put(connection, META_HEAD, &newer).await,
        None => Ok(()),
    }
}
