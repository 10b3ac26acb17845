//! The lease in a vault on PostgreSQL, by the clock of its server.

use sqlx::PgConnection;

use super::{from_postgres, locked, put_meta, schema};
use crate::{
    adapters::{
        postgres::failure::{self, Meaning},
        vault::lease::{Claim, Lease, META_LEASE, Tenure, Whose, found},
    },
    ports::VaultError,
};

async fn look(session: &mut PgConnection) -> Result<(Option<Lease>, i64), VaultError> {
    let row = sqlx::query_as(schema::LEASE_GET).bind(META_LEASE).fetch_one(session).await;
    found(row.map_err(from_postgres)?)
}

/// Takes the writer's lock, which the session keeps. While somebody else has the
/// lease it is not waited for; when that lease is over and nobody gave it back,
/// its session is ended.
pub async fn lock(session: &mut PgConnection, who: &Whose<'_>) -> Result<(), VaultError> {
    let (lease, now_ms) = look(session).await?;
    who.may_wait(lease.as_ref(), now_ms)?;
    let Err(error) = super::schema(session, schema::LOCK).await else { return Ok(()) };
    let (lease, now_ms) = look(session).await?;
    who.may_wait(lease.as_ref(), now_ms)?;
    if !who.may_follow(lease.as_ref(), now_ms) || failure::meaning(&error) != Meaning::Locked {
        return Err(locked(error));
    }
    tracing::warn!("the lease of another runner is over: its session with the vault is ended");
    let ended = sqlx::query_scalar::<_, i64>(schema::END_WRITERS).fetch_one(&mut *session).await;
    ended.map_err(from_postgres)?;
    super::schema(session, schema::LOCK).await.map_err(locked)
}

/// Takes the lease, in a transaction of its own, by a session with the writer's
/// lock.
pub async fn take(session: &mut PgConnection, claim: &Claim) -> Result<Tenure, VaultError> {
    super::schema(session, schema::BEGIN).await.map_err(from_postgres)?;
    let (lease, now_ms) = look(session).await?;
    let tenure = Tenure::begin(claim, lease.as_ref(), now_ms)?;
    // So that there is a row to renew, whoever had it before.
    put_meta(session, META_LEASE, &tenure.released()).await?;
    renew(session, &tenure).await?;
    super::schema(session, schema::COMMIT).await.map_err(from_postgres)?;
    Ok(tenure)
}

/// Prolongs the lease, in an open transaction of a session with the writer's lock.
pub async fn renew(session: &mut PgConnection, tenure: &Tenure) -> Result<(), VaultError> {
    let renewed = sqlx::query(schema::LEASE_RENEW)
        .bind(META_LEASE)
        .bind(tenure.front())
        .bind(tenure.lasts_ms())
        .bind(tenure.back())
        .execute(&mut *session)
        .await
        .map_err(from_postgres)?;
    if renewed.rows_affected() == 1 {
        return Ok(());
    }
    Err(Tenure::lost(look(session).await?.0.as_ref()))
}

pub async fn is_short(session: &mut PgConnection, tenure: &Tenure) -> Result<bool, VaultError> {
    let (lease, now_ms) = look(session).await?;
    tenure.is_short(lease.as_ref(), now_ms)
}

/// Gives it back, if it is still this holder's.
pub async fn release(session: &mut PgConnection, tenure: &Tenure) -> Result<(), VaultError> {
    let statement = sqlx::query(schema::LEASE_RELEASE).bind(META_LEASE).bind(tenure.front()).bind(tenure.released());
    statement.execute(session).await.map_err(from_postgres)?;
    Ok(())
}
