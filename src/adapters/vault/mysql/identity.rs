//! What the vault says about itself, and what it remembers of the ledger.

use sqlx::MySqlConnection;

use super::{
    failure::{from_mysql, unreadable},
    schema,
};
use crate::{domain::ledger::Head, ports::VaultError};

/// The format this code reads and writes.
const FORMAT: &str = "retentiond/vault@v1";

const META_FORMAT: &str = "format";
const META_ORIGIN: &str = "origin";
const META_DEPLOYMENT: &str = "deployment";
const META_SIMULATION: &str = "simulation";
/// Size and root of the newest ledger head.
const META_HEAD: &str = "ledger-head";
/// The highest number that a segment ever had. Its row is the writers' lock.
pub const LAST_NUMBER: &str = "last-number";

/// Whose a vault is.
#[derive(Debug)]
pub struct Identity {
    pub origin: String,
    pub deployment_id: String,
}

impl Identity {
    pub async fn write(&self, connection: &mut MySqlConnection, simulation: bool) -> Result<(), VaultError> {
        for (name, value) in [
            (META_FORMAT, FORMAT),
            (META_ORIGIN, &self.origin),
            (META_DEPLOYMENT, &self.deployment_id),
            (META_SIMULATION, if simulation { "true" } else { "false" }),
        ] {
            put(connection, name, value).await?;
        }
        Ok(())
    }

    /// Whether the vault, if it is this one, is a simulation's.
    pub async fn recognise(&self, connection: &mut MySqlConnection) -> Result<bool, VaultError> {
        let foreign = |reason: &str| Err(VaultError::Foreign { reason: reason.to_owned() });
        let ours: i64 =
            sqlx::query_scalar(schema::TABLES_OURS).fetch_one(&mut *connection).await.map_err(from_mysql)?;
        if ours != 2 {
            return foreign("the database is not a vault, or its tables are not InnoDB's");
        }
        let meta: Vec<(String, String)> =
            sqlx::query_as(schema::META_ALL).fetch_all(&mut *connection).await.map_err(|error| {
                let reason = format!("the database is not a vault: {}", from_mysql(error));
                VaultError::Foreign { reason }
            })?;
        let value = |name| meta.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
        if value(META_FORMAT) != Some(FORMAT) {
            return foreign("it has another format version");
        }
        if value(META_ORIGIN) != Some(&self.origin) {
            return foreign("it belongs to another ledger origin");
        }
        if value(META_DEPLOYMENT) != Some(&self.deployment_id) {
            return foreign("it belongs to another deployment");
        }
        match value(META_SIMULATION) {
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            _ => foreign("it does not say whether it is a simulation"),
        }
    }
}

pub async fn put(connection: &mut MySqlConnection, name: &str, value: &str) -> Result<(), VaultError> {
    sqlx::query(schema::META_PUT).bind(name).bind(value).execute(connection).await.map_err(from_mysql)?;
    Ok(())
}

pub async fn remembered_head(connection: &mut MySqlConnection) -> Result<Option<Head>, VaultError> {
    let text: Option<String> =
        sqlx::query_scalar(schema::META_GET).bind(META_HEAD).fetch_optional(connection).await.map_err(from_mysql)?;
    let Some(text) = text else { return Ok(None) };
    let head = text.split_once(' ').and_then(|(size, root)| {
        let (size, root) = (size.parse().ok()?, root.parse().ok()?);
        Some(Head { size, root })
    });
    head.map(Some).ok_or_else(|| unreadable("a ledger head"))
}

/// Keeps the newest head. One of the same size with another root is of another
/// ledger.
pub async fn remember_head(connection: &mut MySqlConnection, head: &Head) -> Result<(), VaultError> {
    if let Some(known) = remembered_head(connection).await? {
        if known.size == head.size && known.root != head.root {
            return Err(VaultError::Foreign {
                reason: "the ledger has another root at the size it remembers".to_owned(),
            });
        }
        if known.size >= head.size {
            return Ok(());
        }
    }
    put(connection, META_HEAD, &format!("{} {}", head.size, head.root)).await
}
