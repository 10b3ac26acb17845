//! Segments as rows: written, read, counted, deleted.

use chrono::{DateTime, Utc};
use sqlx::{
    Row as _, Sqlite, SqliteConnection,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};

use super::{
    super::contents::{self, Facts, count, no_segment, unreadable},
    failure::from_sqlite,
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

pub async fn insert(connection: &mut SqliteConnection, sealed: &Sealed, now: DateTime<Utc>) -> Result<(), VaultError> {
    bind(schema::INSERT, sealed)?.bind(contents::instant(now)).execute(connection).await.map_err(from_sqlite)?;
    Ok(())
}

/// Puts `sealed`, under new numbers, in the place of segment `id`, or removes it.
pub async fn replace(connection: &mut SqliteConnection, id: i64, sealed: &[Sealed]) -> Result<(), VaultError> {
    for sealed in sealed {
        let added = bind(schema::REPLACE, sealed)?.bind(id).execute(&mut *connection).await.map_err(from_sqlite)?;
        if added.rows_affected() != 1 {
            return Err(no_segment(id));
        }
    }
    let removed = sqlx::query(schema::REMOVE).bind(id).execute(connection).await.map_err(from_sqlite)?;
    if removed.rows_affected() == 1 { Ok(()) } else { Err(no_segment(id)) }
}

/// Binds what a segment consists of.
fn bind(statement: &'static str, sealed: &Sealed) -> Result<Query<'static, Sqlite, SqliteArguments>, VaultError> {
    let facts = Facts::of(sealed)?;
    Ok(sqlx::query(statement)
        .bind(facts.rule)
        .bind(facts.date)
        .bind(facts.dataset)
        .bind(facts.batch)
        .bind(facts.salt)
        .bind(facts.records)
        .bind(facts.bytes)
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
    headers.iter().map(|bytes| contents::header(bytes).ok_or_else(|| unreadable("a header"))).collect()
}

pub async fn indexes(connection: &mut SqliteConnection, rule: Option<&RuleId>) -> Result<Vec<IndexRow>, VaultError> {
    let statement = match rule {
        Some(rule) => sqlx::query(schema::INDEXES_OF_RULE).bind(rule.as_str()),
        None => sqlx::query(schema::INDEXES),
    };
    let rows = statement.fetch_all(connection).await.map_err(from_sqlite)?;
    rows.iter().map(index_row).collect()
}

pub async fn indexes_of(connection: &mut SqliteConnection, bucket: &BucketId) -> Result<Vec<IndexRow>, VaultError> {
    let statement = sqlx::query(schema::INDEXES_OF_BUCKET).bind(bucket.rule.as_str()).bind(bucket.date.to_string());
    let rows = statement.fetch_all(connection).await.map_err(from_sqlite)?;
    rows.iter().map(index_row).collect()
}

fn index_row(row: &SqliteRow) -> Result<IndexRow, VaultError> {
    Ok(IndexRow { id: column(row, 0)?, bucket: read_bucket(row, 1)?, index: column(row, 3)? })
}

pub async fn buckets(connection: &mut SqliteConnection) -> Result<Vec<BucketFacts>, VaultError> {
    let rows: Vec<(String, String)> =
        sqlx::query_as(schema::BUCKETS).fetch_all(connection).await.map_err(from_sqlite)?;
    let mut buckets = Vec::new();
    for (rule, listed) in &rows {
        let listed: Vec<ListedBucket<'_>> =
            serde_json::from_str(listed).map_err(|error| VaultError::Engine { reason: error.to_string() })?;
        for bucket in listed {
            buckets.push(bucket.facts(rule)?);
        }
    }
    // The elements of a JSON list come in no certain order.
    buckets.sort_unstable_by(|one, other| one.bucket.cmp(&other.bucket));
    Ok(buckets)
}

/// A bucket as `schema::BUCKETS` lists it: date, segments, records, bytes and when
/// its youngest segment was sealed.
#[derive(serde::Deserialize)]
struct ListedBucket<'a>(&'a str, i64, i64, i64, &'a str);

impl ListedBucket<'_> {
    fn facts(&self, rule: &str) -> Result<BucketFacts, VaultError> {
        Ok(BucketFacts {
            bucket: contents::bucket(rule.to_owned(), self.0)?,
            segments: count(self.1)?,
            records: count(self.2)?,
            bytes: count(self.3)?,
            sealed_last: contents::read_instant(self.4)?,
        })
    }
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
    if left == 0 { Ok(()) } else { Err(contents::still_listed(left)) }
}

fn dates(order: &Order) -> Result<String, VaultError> {
    serde_json::to_string(&contents::dates(order)).map_err(|error| VaultError::Engine { reason: error.to_string() })
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

/// Rule and date, in the columns at `first` and behind it.
fn read_bucket(row: &SqliteRow, first: usize) -> Result<BucketId, VaultError> {
    let date: String = column(row, first + 1)?;
    contents::bucket(column(row, first)?, &date)
}

fn column<'r, T>(row: &'r SqliteRow, at: usize) -> Result<T, VaultError>
where
    T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>,
{
    row.try_get(at).map_err(from_sqlite)
}
