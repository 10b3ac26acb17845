//! Which file of the data directory belongs to what.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{Executor as _, PgConnection, Row as _};

use crate::{
    adapters::{postgres::wipe::leaves, residue::Tally},
    domain::residue::Value,
    ports::SearchJob,
};

/// A row of no more is stored as it is: `TOAST_TUPLE_THRESHOLD` is 2,032, with the
/// row's header.
const ROW_BYTES_KEPT: usize = 1_900;

/// A value of no more is never compressed: its pointer would be as long.
const VALUE_BYTES_KEPT: usize = 20;

const HEAP: &str = "heap";
const INDEXES: &str = "indexes";
const TOAST: &str = "toast";
const STATISTICS: &str = "statistics";
const WAL: &str = "wal";
const OTHERS: &str = "others";

const STATISTICS_HIDDEN: &str = "what ANALYZE kept of a table is stored compressed, which no search sees, and was not \
                                 written anew since its rows left; hint: wipe = \"rewrite\"";

#[derive(Debug)]
pub(super) struct Map {
    /// By path of its first segment: location, and the table that it belongs to.
    files: BTreeMap<String, (&'static str, i64)>,
    /// The tables of the job.
    tables: BTreeSet<i64>,
    tallies: BTreeMap<&'static str, Tally>,
}

impl Map {
    pub(super) async fn read(session: &mut PgConnection, tables: &[String]) -> Result<Self, sqlx::Error> {
        let mut tallies: BTreeMap<&str, Tally> =
            [HEAP, INDEXES, TOAST, STATISTICS, WAL, OTHERS].into_iter().map(|name| (name, Tally::new(name))).collect();
        let tables = match leaves(session, tables).await? {
            Ok(leaves) => leaves.into_iter().map(|leaf| leaf.oid).collect(),
            Err(reason) => {
                tallies.values_mut().for_each(|tally| tally.unread(reason.clone()));
                BTreeSet::new()
            }
        };
        // Owner: the table of an index, of an out-of-line table, and of its index.
        let all = "SELECT pg_relation_filepath(c.oid), c.relkind::text, o.owner::bigint, n.nspname = 'pg_toast' FROM \
                   pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace LEFT JOIN pg_index AS i ON \
                   i.indexrelid = c.oid LEFT JOIN pg_class AS t ON t.reltoastrelid = coalesce(i.indrelid, c.oid) CROSS \
                   JOIN LATERAL (SELECT coalesce(t.oid, i.indrelid, c.oid) AS owner) AS o WHERE \
                   pg_relation_filepath(c.oid) IS NOT NULL";
        let mut files = BTreeMap::new();
        let statistics = "SELECT oid::bigint FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relname \
                          IN ('pg_statistic', 'pg_statistic_ext_data')";
        let statistics: BTreeSet<i64> =
            session.fetch_all(statistics).await?.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        for row in session.fetch_all(all).await? {
            let (path, kind, owner): (String, String, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let location = match (kind.as_str(), row.try_get::<bool, _>(3)?) {
                _ if statistics.contains(&owner) => STATISTICS,
                _ if !tables.contains(&owner) => OTHERS,
                (_, true) => TOAST,
                ("i", false) => INDEXES,
                _ => HEAP,
            };
            files.insert(path, (location, owner));
        }
        Ok(Self { files, tables, tallies })
    }

    /// Where what is found in a file is counted.
    pub(super) fn tally(&mut self, path: &str) -> &mut Tally {
        let location = self.file(path).map_or(if path.starts_with("pg_wal/") { WAL } else { OTHERS }, |(name, _)| name);
        self.tallies.entry(location).or_insert_with(|| Tally::new(location))
    }

    /// `base/5/16384.1` and `base/5/16384_fsm` are parts of `base/5/16384`.
    fn file(&self, path: &str) -> Option<(&'static str, i64)> {
        let start = path.rfind('/').map_or(0, |at| at + 1);
        let end = path[start..].find(['.', '_']).map_or(path.len(), |at| start + at);
        self.files.get(&path[..end]).copied()
    }

    pub(super) fn table_of(&self, path: &str) -> Option<i64> {
        self.file(path).map(|(_, owner)| owner)
    }

    pub(super) const fn tables(&self) -> &BTreeSet<i64> {
        &self.tables
    }

    pub(super) fn tallies(&self) -> impl Iterator<Item = &Tally> {
        self.tallies.values()
    }

    pub(super) fn into_tallies(self) -> impl Iterator<Item = Tally> {
        self.tallies.into_values()
    }

    pub(super) fn unread_all(&mut self, reason: &str) {
        self.tallies.values_mut().for_each(|tally| tally.unread(reason));
    }

    /// What may be there in a compressed form, which no search sees.
    pub(super) async fn say_what_cannot_be_seen(
        &mut self,
        session: &mut PgConnection,
        job: &SearchJob<'_>,
    ) -> Result<(), sqlx::Error> {
        if !job.rewritten {
            self.unread(STATISTICS, STATISTICS_HIDDEN);
            let compression: String = session.fetch_one("SHOW wal_compression").await?.try_get(0)?;
            if compression != "off" {
                self.unread(WAL, &format!("pages in the log are compressed (wal_compression = {compression})"));
            }
        }
        let tables: Vec<i64> = self.tables.iter().copied().collect();
        let ask = "SELECT DISTINCT attname::text FROM pg_attribute WHERE attrelid::bigint = ANY($1) AND attnum > 0 AND \
                   attstorage IN ('x', 'm')";
        let rows = sqlx::query(ask).bind(tables).fetch_all(session).await?;
        let columns = rows.iter().map(|row| row.try_get(0)).collect::<Result<BTreeSet<String>, _>>()?;
        let shortened = |value: &&Value| columns.contains(&value.column) && value.expose().len() > ROW_BYTES_KEPT;
        let shortened: BTreeSet<&str> = job.values.iter().filter(shortened).map(|value| value.table.as_str()).collect();
        // The engine begins with the largest value of a row that is too long. One that
        // may not be compressed leaves it, and what is left may be short enough.
        let is_hidden = |value: &&Value| {
            columns.contains(&value.column)
                && value.expose().len() > VALUE_BYTES_KEPT
                && (value.row_bytes > ROW_BYTES_KEPT || shortened.contains(value.table.as_str()))
        };
        let (hidden, plain): (Vec<&Value>, Vec<&Value>) = job.values.iter().partition(is_hidden);
        let Some(one) = hidden.first() else { return Ok(()) };
        let reason = format!(
            "values of column {} may be stored compressed, which no search sees; hint: ALTER TABLE … ALTER COLUMN … SET \
             STORAGE EXTERNAL",
            one.column
        );
        self.unread(TOAST, &reason);
        // A row's short value shows where the row is; only of a table that has none
        // nothing can be told.
        if hidden.iter().any(|hidden| !plain.iter().any(|plain| plain.table == hidden.table)) {
            self.unread(HEAP, &reason);
            self.unread(WAL, &reason);
        }
        Ok(())
    }

    fn unread(&mut self, location: &str, reason: &str) {
        if let Some(tally) = self.tallies.get_mut(location) {
            tally.unread(reason.to_owned());
        }
    }
}
