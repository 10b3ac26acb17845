//! Segments as rows: written, read, counted, deleted.

use sqlx::{PgConnection, Postgres, Row as _, postgres::PgRow};

use super::{super::contents::*, from_postgres, schema};
use crate::{
    domain::{
        destroy::{BucketFacts, Order},
        id::{BatchId, BucketId, RuleId},
        segment::{Header, Sealed},
    },
    ports::{Erased, IndexRow, VaultError},
};

/// Bytes of one statement; a single larger segment is one of its own.
const STATEMENT_BYTES_MAX: i64 = 32 << 20;

/// Stores segments in their order, many in one statement.
pub async fn insert(session: &mut PgConnection, segments: &[&Sealed], sealed_at: &str) -> Result<(), VaultError> {
    let mut rest: Vec<(&Sealed, Facts)> = Vec::with_capacity(segments.len());
    for sealed in segments {
        rest.push((sealed, Facts::of(sealed)?));
    }
    let mut rest = rest.as_slice();
    while !rest.is_empty() {
        let mut bytes = 0;
        let fitting = rest.iter().take_while(|(_, facts)| {
            bytes += facts.bytes;
            bytes <= STATEMENT_BYTES_MAX
        });
        let (now, later) = rest.split_at(fitting.count().max(1));
        insert_some(session, now, sealed_at).await?;
        rest = later;
    }
    Ok(())
}

async fn insert_some(session: &mut PgConnection, some: &[(&Sealed, Facts)], sealed_at: &str) -> Result<(), VaultError> {
    let texts = |of: fn(&Facts) -> &str| some.iter().map(|(_, facts)| of(facts)).collect::<Vec<_>>();
    let numbers = |of: fn(&Facts) -> i64| some.iter().map(|(_, facts)| of(facts)).collect::<Vec<_>>();
    let blobs = |of: fn(&Sealed) -> &[u8]| some.iter().map(|(sealed, _)| of(sealed)).collect::<Vec<_>>();
    let statement = sqlx::query(schema::INSERT)
        .bind(texts(|facts| &facts.rule))
        .bind(texts(|facts| &facts.date))
        .bind(texts(|facts| &facts.dataset))
        .bind(texts(|facts| &facts.batch))
        .bind(some.iter().map(|(_, facts)| facts.salt.as_slice()).collect::<Vec<_>>())
        .bind(numbers(|facts| facts.records))
        .bind(numbers(|facts| facts.bytes))
        .bind(blobs(|sealed| &sealed.header))
        .bind(blobs(|sealed| &sealed.index))
        .bind(blobs(|sealed| &sealed.body))
        .bind(sealed_at);
    let added = statement.execute(session).await.map_err(from_postgres)?.rows_affected();
    if added == some.len() as u64 {
        return Ok(());
    }
    Err(VaultError::Engine { reason: "the server stored another number of segments than it was given".to_owned() })
}

/// Puts `sealed`, under a new number, in the place of segment `id`, or removes it.
pub async fn replace(session: &mut PgConnection, id: i64, sealed: &[Sealed]) -> Result<(), VaultError> {
    let sealed_at = sqlx::query_scalar(schema::SEALED_AT).bind(id).fetch_optional(&mut *session).await;
    let sealed_at: String = sealed_at.map_err(from_postgres)?.ok_or_else(|| no_segment(id))?;
    for sealed in sealed {
        insert(session, &[sealed], &sealed_at).await?;
    }
    let removed = sqlx::query(schema::REMOVE).bind(id).execute(session).await.map_err(from_postgres)?;
    if removed.rows_affected() == 1 { Ok(()) } else { Err(no_segment(id)) }
}

pub async fn one(session: &mut PgConnection, id: i64) -> Result<Option<Sealed>, VaultError> {
    let row = sqlx::query(schema::BY_ID).bind(id).fetch_optional(session).await.map_err(from_postgres)?;
    row.map(|row| Ok(read_segment(&row)?.1)).transpose()
}

/// In the order in which they were stored.
pub async fn of_batch(session: &mut PgConnection, batch: &BatchId) -> Result<Vec<(i64, Sealed)>, VaultError> {
    let rows = sqlx::query(schema::BY_BATCH).bind(batch.as_str()).fetch_all(session).await.map_err(from_postgres)?;
    rows.iter().map(read_segment).collect()
}

pub async fn drop_batch(session: &mut PgConnection, batch: &BatchId) -> Result<(), VaultError> {
    sqlx::query(schema::DROP_BATCH).bind(batch.as_str()).execute(session).await.map_err(from_postgres)?;
    Ok(())
}

pub async fn sample(session: &mut PgConnection, bucket: &BucketId) -> Result<Option<Sealed>, VaultError> {
    let statement = sqlx::query(schema::SAMPLE).bind(bucket.rule.as_str()).bind(bucket.date.to_string());
    let row = statement.fetch_optional(session).await.map_err(from_postgres)?;
    row.map(|row| Ok(read_segment(&row)?.1)).transpose()
}

pub async fn headers(session: &mut PgConnection, bucket: &BucketId) -> Result<Vec<Header>, VaultError> {
    let statement = sqlx::query_scalar(schema::HEADERS).bind(bucket.rule.as_str()).bind(bucket.date.to_string());
    let headers: Vec<Vec<u8>> = statement.fetch_all(session).await.map_err(from_postgres)?;
    headers.iter().map(|bytes| header(bytes).ok_or_else(|| unreadable("a header"))).collect()
}

pub async fn indexes(session: &mut PgConnection, rule: Option<&RuleId>) -> Result<Vec<IndexRow>, VaultError> {
    let statement = match rule {
        Some(rule) => sqlx::query(schema::INDEXES_OF_RULE).bind(rule.as_str()),
        None => sqlx::query(schema::INDEXES),
    };
    let rows = statement.fetch_all(session).await.map_err(from_postgres)?;
    rows.iter().map(index_row).collect()
}

pub async fn indexes_of(session: &mut PgConnection, bucket: &BucketId) -> Result<Vec<IndexRow>, VaultError> {
    let statement = sqlx::query(schema::INDEXES_OF_BUCKET).bind(bucket.rule.as_str()).bind(bucket.date.to_string());
    let rows = statement.fetch_all(session).await.map_err(from_postgres)?;
    rows.iter().map(index_row).collect()
}

fn index_row(row: &PgRow) -> Result<IndexRow, VaultError> {
    Ok(IndexRow { id: column(row, 0)?, bucket: read_bucket(row, 1)?, index: column(row, 3)? })
}

pub async fn buckets(session: &mut PgConnection) -> Result<Vec<BucketFacts>, VaultError> {
    let rows = sqlx::query(schema::BUCKETS).fetch_all(session).await.map_err(from_postgres)?;
    rows.iter().map(read_facts).collect()
}

/// Deletes every segment of the order's buckets and nothing else.
pub async fn delete_buckets(session: &mut PgConnection, order: &Order) -> Result<Erased, VaultError> {
    let statement = sqlx::query_scalar(schema::DELETE_BUCKETS).bind(order.rule().as_str()).bind(dates(order));
    let deleted: Vec<i64> = statement.fetch_all(session).await.map_err(from_postgres)?;
    let mut erased = Erased { segments: 0, bytes: 0 };
    for bytes in deleted {
        erased.segments += 1;
        erased.bytes += count(bytes)?;
    }
    Ok(erased)
}

/// Looks the order's buckets up once more, after the deletion was committed.
pub async fn assert_none_left(session: &mut PgConnection, order: &Order) -> Result<(), VaultError> {
    let statement = sqlx::query_scalar(schema::BUCKETS_LEFT).bind(order.rule().as_str()).bind(dates(order));
    let left: i64 = statement.fetch_one(session).await.map_err(from_postgres)?;
    if left == 0 { Ok(()) } else { Err(still_listed(left)) }
}

fn read_segment(row: &PgRow) -> Result<(i64, Sealed), VaultError> {
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

fn read_facts(row: &PgRow) -> Result<BucketFacts, VaultError> {
    Ok(BucketFacts {
        bucket: read_bucket(row, 0)?,
        segments: count(column(row, 2)?)?,
        records: count(column(row, 3)?)?,
        bytes: count(column(row, 4)?)?,
        sealed_last: read_instant(column(row, 5)?)?,
    })
}

/// Rule and date, in the columns at `first` and behind it.
fn read_bucket(row: &PgRow, first: usize) -> Result<BucketId, VaultError> {
    bucket(column(row, first)?, column(row, first + 1)?)
}

fn column<'r, T>(row: &'r PgRow, at: usize) -> Result<T, VaultError>
where
    T: sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>,
{
    row.try_get(at).map_err(from_postgres)
}
