//! Segments as rows: written, read, counted, deleted.

use chrono::{DateTime, Utc};
use sqlx::{
    AssertSqlSafe, MySql, MySqlConnection, Row as _,
    mysql::{MySqlArguments, MySqlRow},
    query::Query,
};

use super::{failure::from_mysql, identity, schema};
use crate::{
    adapters::vault::contents::{self, Facts, count, no_segment, unreadable},
    domain::{
        destroy::{BucketFacts, Order},
        id::{BatchId, BucketId, RuleId},
        segment::{Header, Sealed},
    },
    ports::{Erased, IndexRow, VaultError},
};

/// Segments in one statement: that many bytes, and that many, at most. A larger
/// one goes alone.
const STATEMENT_BYTES: u64 = 1024 * 1024;
const SEGMENTS_MAX: usize = 200;

/// The room that a statement needs beside its segments, generously.
const BESIDE_BYTES: u64 = 256 * 1024;

/// Waits for every other writer and keeps them out until this transaction ends.
/// Returns the last number that was given.
pub async fn lock_numbers(connection: &mut MySqlConnection) -> Result<i64, VaultError> {
    let statement = sqlx::query_scalar(schema::LOCK).bind(identity::LAST_NUMBER);
    let last: Option<String> = statement.fetch_optional(connection).await.map_err(from_mysql)?;
    last.and_then(|last| last.parse().ok()).ok_or_else(|| unreadable("no last number"))
}

/// A segment to be written, with what stands beside it in its row.
#[derive(Debug)]
struct Entry<'s> {
    sealed: &'s Sealed,
    sealed_at: String,
    facts: Facts,
}

fn entry(sealed: &Sealed, sealed_at: String, packet_bytes_max: u64) -> Result<Entry<'_>, VaultError> {
    let facts = Facts::of(sealed)?;
    let needed = facts.bytes.unsigned_abs() + BESIDE_BYTES;
    // The server would end the connection, and nobody would know why.
    if needed > packet_bytes_max {
        let reason = format!(
            "a segment of {} bytes is more than one statement may hold; hint: set max_allowed_packet on the vault's \
             server to at least {needed} (it is {packet_bytes_max})",
            facts.bytes
        );
        return Err(VaultError::Engine { reason });
    }
    Ok(Entry { sealed, sealed_at, facts })
}

pub async fn store(
    connection: &mut MySqlConnection,
    segments: &[Sealed],
    now: DateTime<Utc>,
    packet_bytes_max: u64,
) -> Result<(), VaultError> {
    let sealed_at = contents::instant(now);
    let entries = segments.iter().map(|sealed| entry(sealed, sealed_at.clone(), packet_bytes_max));
    insert(connection, &entries.collect::<Result<Vec<_>, _>>()?, packet_bytes_max).await
}

/// Gives numbers and writes, several segments to a statement.
async fn insert(
    connection: &mut MySqlConnection,
    entries: &[Entry<'_>],
    packet_bytes_max: u64,
) -> Result<(), VaultError> {
    let mut number = lock_numbers(connection).await?;
    let mut rest = entries;
    while !rest.is_empty() {
        let (together, after) = rest.split_at(statement_length(rest, packet_bytes_max));
        let values = vec![schema::INSERT_VALUES; together.len()].join(", ");
        let mut statement = sqlx::query(AssertSqlSafe(format!("{}{values}", schema::INSERT)));
        for entry in together {
            number += 1;
            statement = bind(statement.bind(number), entry);
        }
        statement.execute(&mut *connection).await.map_err(from_mysql)?;
        rest = after;
    }
    identity::put(connection, identity::LAST_NUMBER, &number.to_string()).await
}

/// How many segments go into one statement: at least one.
fn statement_length(entries: &[Entry<'_>], packet_bytes_max: u64) -> usize {
    let most = STATEMENT_BYTES.min(packet_bytes_max.saturating_sub(BESIDE_BYTES));
    let mut bytes = 0;
    let fitting = entries.iter().take(SEGMENTS_MAX).take_while(|entry| {
        bytes += entry.facts.bytes.unsigned_abs();
        bytes <= most
    });
    fitting.count().max(1)
}

fn bind<'s>(statement: Query<'s, MySql, MySqlArguments>, entry: &'s Entry<'_>) -> Query<'s, MySql, MySqlArguments> {
    let Entry { sealed, sealed_at, facts } = entry;
    statement
        .bind(sealed_at)
        .bind(&facts.rule)
        .bind(&facts.date)
        .bind(&facts.dataset)
        .bind(&facts.batch)
        .bind(&facts.salt)
        .bind(facts.records)
        .bind(facts.bytes)
        .bind(sealed.header.as_slice())
        .bind(sealed.index.as_slice())
        .bind(sealed.body.as_slice())
}

/// Puts `sealed`, under a new number, in the place of segment `id`, or removes
/// it. The time of sealing stays, since it has been in the vault since then.
pub async fn replace(
    connection: &mut MySqlConnection,
    id: i64,
    sealed: &[Sealed],
    packet_bytes_max: u64,
) -> Result<(), VaultError> {
    let known = sqlx::query_scalar(schema::SEALED_AT).bind(id).fetch_optional(&mut *connection);
    let sealed_at: String = known.await.map_err(from_mysql)?.ok_or_else(|| no_segment(id))?;
    let removed = sqlx::query(schema::REMOVE).bind(id).execute(&mut *connection).await.map_err(from_mysql)?;
    if removed.rows_affected() != 1 {
        return Err(no_segment(id));
    }
    for sealed in sealed {
        insert(connection, &[entry(sealed, sealed_at.clone(), packet_bytes_max)?], packet_bytes_max).await?;
    }
    Ok(())
}

pub async fn one(connection: &mut MySqlConnection, id: i64) -> Result<Option<Sealed>, VaultError> {
    let row = sqlx::query(schema::BY_ID).bind(id).fetch_optional(connection).await.map_err(from_mysql)?;
    row.map(|row| Ok(read_segment(&row)?.1)).transpose()
}

/// In the order in which they were stored.
pub async fn of_batch(connection: &mut MySqlConnection, batch: &BatchId) -> Result<Vec<(i64, Sealed)>, VaultError> {
    let rows = sqlx::query(schema::BY_BATCH).bind(batch.as_str()).fetch_all(connection).await.map_err(from_mysql)?;
    rows.iter().map(read_segment).collect()
}

pub async fn drop_batch(connection: &mut MySqlConnection, batch: &BatchId) -> Result<(), VaultError> {
    sqlx::query(schema::DROP_BATCH).bind(batch.as_str()).execute(connection).await.map_err(from_mysql)?;
    Ok(())
}

pub async fn sample(connection: &mut MySqlConnection, bucket: &BucketId) -> Result<Option<Sealed>, VaultError> {
    let statement = sqlx::query(schema::SAMPLE).bind(bucket.rule.as_str()).bind(bucket.date.to_string());
    let row = statement.fetch_optional(connection).await.map_err(from_mysql)?;
    row.map(|row| Ok(read_segment(&row)?.1)).transpose()
}

pub async fn headers(connection: &mut MySqlConnection, bucket: &BucketId) -> Result<Vec<Header>, VaultError> {
    let statement = sqlx::query_scalar(schema::HEADERS).bind(bucket.rule.as_str()).bind(bucket.date.to_string());
    let headers: Vec<Vec<u8>> = statement.fetch_all(connection).await.map_err(from_mysql)?;
    headers.iter().map(|bytes| contents::header(bytes).ok_or_else(|| unreadable("a header"))).collect()
}

pub async fn indexes(connection: &mut MySqlConnection, rule: Option<&RuleId>) -> Result<Vec<IndexRow>, VaultError> {
    let statement = match rule {
        Some(rule) => sqlx::query(schema::INDEXES_OF_RULE).bind(rule.as_str()),
        None => sqlx::query(schema::INDEXES),
    };
    let rows = statement.fetch_all(connection).await.map_err(from_mysql)?;
    rows.iter().map(index_row).collect()
}

pub async fn indexes_of(connection: &mut MySqlConnection, bucket: &BucketId) -> Result<Vec<IndexRow>, VaultError> {
    let statement = sqlx::query(schema::INDEXES_OF_BUCKET).bind(bucket.rule.as_str()).bind(bucket.date.to_string());
    let rows = statement.fetch_all(connection).await.map_err(from_mysql)?;
    rows.iter().map(index_row).collect()
}

fn index_row(row: &MySqlRow) -> Result<IndexRow, VaultError> {
    Ok(IndexRow { id: column(row, 0)?, bucket: read_bucket(row, 1)?, index: column(row, 3)? })
}

pub async fn buckets(connection: &mut MySqlConnection) -> Result<Vec<BucketFacts>, VaultError> {
    let rows = sqlx::query(schema::BUCKETS).fetch_all(connection).await.map_err(from_mysql)?;
    rows.iter().map(read_facts).collect()
}

/// Deletes every segment of the order's buckets and nothing else.
pub async fn delete_buckets(connection: &mut MySqlConnection, order: &Order) -> Result<Erased, VaultError> {
    let mut erased = Erased { segments: 0, bytes: 0 };
    for bucket in order.bucket_ids() {
        let (segments, bytes) = bucket_size(connection, bucket).await?;
        let statement = sqlx::query(schema::DELETE_BUCKET).bind(bucket.rule.as_str()).bind(bucket.date.to_string());
        let deleted = statement.execute(&mut *connection).await.map_err(from_mysql)?.rows_affected();
        if deleted != segments {
            let reason = format!("it deleted {deleted} segments of a bucket that has {segments}");
            return Err(VaultError::Engine { reason });
        }
        erased.segments += segments;
        erased.bytes += bytes;
    }
    Ok(erased)
}

async fn bucket_size(connection: &mut MySqlConnection, bucket: &BucketId) -> Result<(u64, u64), VaultError> {
    let statement = sqlx::query(schema::BUCKET_SIZE).bind(bucket.rule.as_str()).bind(bucket.date.to_string());
    let row = statement.fetch_one(connection).await.map_err(from_mysql)?;
    Ok((count(column(&row, 0)?)?, count(column(&row, 1)?)?))
}

/// Looks the order's buckets up once more, after the deletion was committed.
pub async fn assert_none_left(connection: &mut MySqlConnection, order: &Order) -> Result<(), VaultError> {
    let mut left = 0;
    for bucket in order.bucket_ids() {
        left += bucket_size(connection, bucket).await?.0;
    }
    if left == 0 {
        return Ok(());
    }
    Err(contents::still_listed(i64::try_from(left).unwrap_or(i64::MAX)))
}

fn read_segment(row: &MySqlRow) -> Result<(i64, Sealed), VaultError> {
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

fn read_facts(row: &MySqlRow) -> Result<BucketFacts, VaultError> {
    let sealed_last: String = column(row, 5)?;
    Ok(BucketFacts {
        bucket: read_bucket(row, 0)?,
        segments: count(column(row, 2)?)?,
        records: count(column(row, 3)?)?,
        bytes: count(column(row, 4)?)?,
        sealed_last: contents::read_instant(&sealed_last)?,
    })
}

/// Rule and date, in the columns at `first` and behind it.
fn read_bucket(row: &MySqlRow, first: usize) -> Result<BucketId, VaultError> {
    contents::bucket(column(row, first)?, &column::<String>(row, first + 1)?)
}

fn column<'r, T>(row: &'r MySqlRow, at: usize) -> Result<T, VaultError>
where
    T: sqlx::Decode<'r, MySql> + sqlx::Type<MySql>,
{
    row.try_get(at).map_err(from_mysql)
}
