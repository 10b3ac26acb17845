//! The lease in a vault's file. Its clock is the host's: a file has no other.

use sqlx::{Executor as _, SqliteConnection};

use super::{
    failure::{from_sqlite, locked},
    schema,
};
use crate::{
    adapters::vault::lease::{Claim, Lease, META_LEASE, Tenure, found},
    ports::VaultError,
};

async fn look(connection: &mut SqliteConnection) -> Result<(Option<Lease>, i64), VaultError> {
    let row = sqlx::query_as(schema::LEASE_GET).bind(META_LEASE).fetch_one(connection).await;
    found(row.map_err(from_sqlite)?)
}

/// Takes the lease, in a transaction of its own.
pub async fn take(connection: &mut SqliteConnection, claim: &Claim) -> Result<Tenure, VaultError> {
    connection.execute(schema::BEGIN).await.map_err(locked)?;
    let (lease, now_ms) = look(connection).await?;
    let tenure = Tenure::begin(claim, lease.as_ref(), now_ms)?;
    // So that there is a row to renew, whoever had it before.
    sqlx::query(schema::META_PUT)
        .bind(META_LEASE)
        .bind(tenure.released())
        .execute(&mut *connection)
        .await
        .map_err(from_sqlite)?;
    renew(connection, &tenure).await?;
    schema::execute(connection, schema::COMMIT).await?;
    Ok(tenure)
}

/// Prolongs the lease, in an open transaction that has the write lock.
pub async fn renew(connection: &mut SqliteConnection, tenure: &Tenure) -> Result<(), VaultError> {
    let renewed = sqlx::query(schema::LEASE_RENEW)
        .bind(META_LEASE)
        .bind(tenure.front())
        .bind(tenure.lasts_ms())
        .bind(tenure.back())
        .execute(&mut *connection)
        .await
        .map_err(from_sqlite)?;
    if renewed.rows_affected() == 1 {
        return Ok(());
    }
    Err(Tenure::lost(look(connection).await?.0.as_ref()))
}

pub async fn is_short(connection: &mut SqliteConnection, tenure: &Tenure) -> Result<bool, VaultError> {
    let (lease, now_ms) = look(connection).await?;
    tenure.is_short(lease.as_ref(), now_ms)
}

/// Gives it back, if it is still this holder's.
pub async fn release(connection: &mut SqliteConnection, tenure: &Tenure) -> Result<(), VaultError> {
    let statement = sqlx::query(schema::LEASE_RELEASE).bind(META_LEASE).bind(tenure.front()).bind(tenure.released());
    statement.execute(connection).await.map_err(from_sqlite)?;
    Ok(())
}
