//! Segments as rows: written, read, counted, deleted.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use sqlx::{
    Row as _, Sqlite, SqliteConnection,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};

use super::{
    failure::{from_sqlite, unreadable},
    schema,
};
use crate::{
    domain::{
        destroy::{BucketFacts, Order},
        id::{BatchId, BucketId, RuleId},
        segment::{Header, Sealed},
    },
    ports::{Erased, IndexRow, VaultError},
};

/// The random salt at the start of a body (`docs/FORMAT.md`).
const SALT_BYTES: usize = 24;

pub async fn insert(connection: &mut SqliteConnection, sealed: &Sealed, now: DateTime<Utc>) -> Result<(), VaultError> {
    // One width for all instants, so that the latest is also the greatest text.
    let sealed_at = now.to_rfc3339_opts(SecondsFormat::Nanos, true);
    bind(schema::INSERT, sealed)?.bind(sealed_at).execute(connection).await.map_err(from_sqlite)?;
    Ok(())
}

/// Puts `sealed`, under a new number, in the place of segment `id`, or removes it.
pub async fn replace(connection: &mut SqliteConnection, id: i64, sealed: Option<&Sealed>) -> Result<(), VaultError> {
    if let Some(sealed) = sealed {
        let added = bind(schema::REPLACE, sealed)?.bind(id).execute(&mut *connection).await.map_err(from_sqlite)?;
        if added.rows_affected() != 1 {
            return Err(no_segment(id));
        }
    }
    let removed = sqlx::query(schema::REMOVE).bind(id).execute(connection).await.map_err(from_sqlite)?;
    if removed.rows_affected() == 1 { Ok(()) } else { Err(no_segment(id)) }
}

/// Binds what a segment consists of. Its header must say the same as the columns
/// by which it is found and counted.
fn bind(statement: &'static str, sealed: &Sealed) -> Result<Query<'static, Sqlite, SqliteArguments>, VaultError> {
    let refuse = |reason: &str| VaultError::Engine { reason: reason.to_owned() };
    let header: Header = read_header(&sealed.header).ok_or_else(|| refuse("a segment has no readable header"))?;
    if header.bucket != sealed.bucket || header.batch != sealed.batch || header.records != sealed.records {
        return Err(refuse("a segment's header contradicts the segment"));
    }
    let records = i64::try_from(sealed.records).map_err(|_| refuse("a segment counts too many records"))?;
    let bytes = i64::try_from(sealed.header.len() + sealed.index.len() + sealed.body.len())
        .map_err(|_| refuse("a segment is too large"))?;
    let salt = sealed.body.get(..SALT_BYTES).unwrap_or(&sealed.body);
    Ok(sqlx::query(statement)
        .bind(sealed.bucket.rule.0.clone())
        .bind(sealed.bucket.date.to_string())
        .bind(header.dataset)
        .bind(sealed.batch.0.clone())
        .bind(salt.to_vec())
        .bind(records)
        .bind(bytes)
        .bind(sealed.header.clone())
        .bind(sealed.index.clone())
        .bind(sealed.body.clone()))
}

pub async fn one(connection: &mut SqliteConnection, id: i64) -> Result<Option<Sealed>, VaultError> {
    let row = sqlx::query(schema::BY_ID).bind(id).fetch_optional(connection).await.map_err(from_sqlite)?;
    row.map(|row| Ok(read_segment(&row)?.1)).transpose()
}

/// In the order in which they were stored.
pub async fn of_batch(connection: &mut SqliteConnection, batch: &BatchId) -> Result<Vec<(i64, Sealed)>, VaultError> {
    let rows = sqlx::query(schema::BY_BATCH).bind(batch.as_str()).fetch_all(connection).await.map_err(from_sqlite)?;
    let mut segments = rows.iter().map(read_segment).collect::<Result<Vec<_>, _>>()?;
    segments.sort_by_key(|(id, _)| *id);
    Ok(segments)
}

pub async fn drop_batch(connection: &mut SqliteConnection, batch: &BatchId) -> Result<(), VaultError> {
    sqlx::query(schema::DROP_BATCH).bind(batch.as_str()).execute(connection).await.map_err(from_sqlite)?;
    Ok(())
}

pub async fn sample(connection: &mut SqliteConnection, bucket: &BucketId) -> Result<Option<Sealed>, VaultError> {
    let statement = sqlx::query(schema::SAMPLE).bind(bucket.rule.as_str()).bind(bucket.date.to_string());
    let row = statement.fetch_optional(connection).await.map_err(from_sqlite)?;
    row.map(|row| Ok(read_segment(&row)?.1)).transpose()
}

pub async fn headers(connection: &mut SqliteConnection, bucket: &BucketId) -> Result<Vec<Header>, VaultError> {
    let statement = sqlx::query_scalar(schema::HEADERS).bind(bucket.rule.as_str()).bind(bucket.date.to_string());
    let headers: Vec<Vec<u8>> = statement.fetch_all(connection).await.map_err(from_sqlite)?;
    headers.iter().map(|bytes| read_header(bytes).ok_or_else(|| unreadable("a header"))).collect()
}

pub async fn indexes(connection: &mut SqliteConnection, rule: Option<&RuleId>) -> Result<Vec<IndexRow>, VaultError> {
    let statement = match rule {
        Some(rule) => sqlx::query(schema::INDEXES_OF_RULE).bind(rule.as_str()),
        None => sqlx::query(schema::INDEXES),
    };
    let rows = statement.fetch_all(connection).await.map_err(from_sqlite)?;
    rows.iter()
        .map(|row| Ok(IndexRow { id: column(row, 0)?, bucket: read_bucket(row, 1)?, index: column(row, 3)? }))
        .collect()
}

pub async fn buckets(connection: &mut SqliteConnection) -> Result<Vec<BucketFacts>, VaultError> {
    let rows = sqlx::query(schema::BUCKETS).fetch_all(connection).await.map_err(from_sqlite)?;
    rows.iter().map(read_facts).collect()
}

/// Deletes every segment of the order's buckets and nothing else.
pub async fn delete_buckets(connection: &mut SqliteConnection, order: &Order) -> Result<Erased, VaultError> {
    let statement = sqlx::query_scalar(schema::DELETE_BUCKETS).bind(order.rule().as_str()).bind(dates(order)?);
    let deleted: Vec<i64> = statement.fetch_all(connection).await.map_err(from_sqlite)?;
    let mut erased = Erased { segments: 0, bytes: 0 };
    for bytes in deleted {
        erased.segments += 1;
        erased.bytes += count(bytes)?;
    }
    Ok(erased)
}

/// Looks the order's buckets up once more, after the deletion was committed.
pub async fn assert_none_left(connection: &mut SqliteConnection, order: &Order) -> Result<(), VaultError> {
    let statement = sqlx::query_scalar(schema::BUCKETS_LEFT).bind(order.rule().as_str()).bind(dates(order)?);
    let left: i64 = statement.fetch_one(connection).await.map_err(from_sqlite)?;
    if left == 0 {
        return Ok(());
    }
    Err(VaultError::Engine { reason: format!("{left} segments of destroyed buckets are still listed") })
}

/// An order is for one rule, so its buckets differ in their dates.
fn dates(order: &Order) -> Result<String, VaultError> {
    let dates: Vec<NaiveDate> = order.bucket_ids().map(|bucket| bucket.date).collect();
    serde_json::to_string(&dates).map_err(|error| VaultError::Engine { reason: error.to_string() })
}

fn read_segment(row: &SqliteRow) -> Result<(i64, Sealed), VaultError> {
    let sealed = Sealed {
        bucket: read_bucket(row, 1)?,
        batch: BatchId(column(row, 3)?),
        records: count(column(row, 4)?)?,
        header: column(row, 5)?,
        index: column(row, 6)?,
        body: column(row, 7)?,
    };
    Ok((column(row, 0)?, sealed))
}

fn read_facts(row: &SqliteRow) -> Result<BucketFacts, VaultError> {
    let sealed_last: String = column(row, 5)?;
    let sealed_last = DateTime::parse_from_rfc3339(&sealed_last).map_err(|_| unreadable("a time of sealing"))?;
    Ok(BucketFacts {
        bucket: read_bucket(row, 0)?,
        segments: count(column(row, 2)?)?,
        records: count(column(row, 3)?)?,
        bytes: count(column(row, 4)?)?,
        sealed_last: sealed_last.with_timezone(&Utc),
    })
}

/// Rule and date, in the columns at `first` and behind it.
fn read_bucket(row: &SqliteRow, first: usize) -> Result<BucketId, VaultError> {
    let date: String = column(row, first + 1)?;
    let date = date.parse().map_err(|_| unreadable("a bucket date"))?;
    Ok(BucketId { rule: RuleId(column(row, first)?), date })
}

fn read_header(bytes: &[u8]) -> Option<Header> {
    serde_json::from_slice(bytes).ok()
}

fn column<'r, T>(row: &'r SqliteRow, at: usize) -> Result<T, VaultError>
where
    T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>,
{
    row.try_get(at).map_err(from_sqlite)
}

fn count(value: i64) -> Result<u64, VaultError> {
    u64::try_from(value).map_err(|_| unreadable("a count"))
}

fn no_segment(id: i64) -> VaultError {
    VaultError::Engine { reason: format!("it has no segment {id}") }
}
