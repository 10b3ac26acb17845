//! The lease in a vault on MariaDB or MySQL, by the clock of its server.

use sqlx::MySqlConnection;

use super::{failure::from_mysql, identity, schema, segments};
use crate::{
    adapters::vault::lease::{Claim, Lease, META_LEASE, Tenure, found},
    ports::VaultError,
};

async fn look(connection: &mut MySqlConnection) -> Result<(Option<Lease>, i64), VaultError> {
    let row = sqlx::query_as(schema::LEASE_GET).bind(META_LEASE).fetch_one(connection).await;
    found(row.map_err(from_mysql)?)
}

/// Takes the lease, in a transaction of its own.
pub async fn take(connection: &mut MySqlConnection, claim: &Claim) -> Result<Tenure, VaultError> {
    schema::execute(connection, schema::BEGIN).await?;
    segments::lock_numbers(connection).await?;
    let (lease, now_ms) = look(connection).await?;
    let tenure = Tenure::begin(claim, lease.as_ref(), now_ms)?;
    // So that there is a row to renew, whoever had it before.
    identity::put(connection, META_LEASE, &tenure.released()).await?;
    renew(connection, &tenure).await?;
    schema::execute(connection, schema::COMMIT).await?;
    Ok(tenure)
}

/// Prolongs the lease, in an open transaction that has the writers' lock.
pub async fn renew(connection: &mut MySqlConnection, tenure: &Tenure) -> Result<(), VaultError> {
    let renewed = sqlx::query(schema::LEASE_RENEW)
        .bind(tenure.front())
        .bind(tenure.lasts_ms())
        .bind(tenure.back())
        .bind(META_LEASE)
        .bind(tenure.front())
        .bind(tenure.front())
        .execute(&mut *connection)
        .await
        .map_err(from_mysql)?;
    if renewed.rows_affected() == 1 {
        return Ok(());
    }
    Err(Tenure::lost(look(connection).await?.0.as_ref()))
}

pub async fn is_short(connection: &mut MySqlConnection, tenure: &Tenure) -> Result<bool, VaultError> {
    let (lease, now_ms) = look(connection).await?;
    tenure.is_short(lease.as_ref(), now_ms)
}

/// Gives it back, if it is still this holder's.
pub async fn release(connection: &mut MySqlConnection, tenure: &Tenure) -> Result<(), VaultError> {
    let statement = sqlx::query(schema::LEASE_RELEASE)
        .bind(tenure.released())
        .bind(META_LEASE)
        .bind(tenure.front())
        .bind(tenure.front());
    statement.execute(connection).await.map_err(from_mysql)?;
    Ok(())
}
