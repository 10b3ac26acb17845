//! Where the tables of a job are: each by its database and its own name, and how
//! its files are called.

use std::{
    fs::File,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use super::{
    connection::Link,
    dialect::quote,
    failure, identity,
    value::{self, free_literal},
};
use crate::{domain::record::Cell, ports::SourceError};

/// A table of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) database: String,
    pub(super) table: String,
    /// `database/table` as the names of its files begin: letters that are not
    /// plain are written otherwise there.
    pub(super) stem: String,
    /// Size as the server knows it, indexes included.
    pub(super) bytes: u64,
    pub(super) engine: String,
}

impl Place {
    pub(super) fn sql(&self) -> String {
        format!("{}.{}", quote(&self.database), quote(&self.table))
    }

    /// The condition under which a view of the catalogue speaks of this table.
    pub(super) fn condition(&self, database: &str, table: &str) -> String {
        format!("{database} = {} AND {table} = {}", literal(&self.database), literal(&self.table))
    }
}

const PLACES: &str = "SELECT table_schema, table_name, CONCAT(CONVERT(CONVERT(table_schema USING filename) USING \
     binary), '/', CONVERT(CONVERT(table_name USING filename) USING binary)), CAST(coalesce(data_length + \
     index_length, 0) AS SIGNED), coalesce(engine, '') FROM information_schema.tables WHERE table_type = 'BASE TABLE' \
     AND ";

/// The tables of a job, in its order. The inner error says which one is not
/// there: what was not found must not count as wiped, or as clean.
pub(super) async fn find(link: &mut Link, tables: &[String]) -> Result<Result<Vec<Place>, String>, SourceError> {
    let mut places = Vec::new();
    for name in tables {
        let inside = format!("table_schema = database() AND table_name = {}", literal(name));
        let mut found = listed(link, &inside).await?;
        // A name may have a dot of its own; else a database stands before it.
        if let (true, Some((database, table))) = (found.is_empty(), name.split_once('.')) {
            let there = format!("table_schema = {} AND table_name = {}", literal(database), literal(table));
            found = listed(link, &there).await?;
        }
        match found.into_iter().next() {
            Some(place) => places.push(place),
            None => {
                return Ok(Err(format!(
                    "table {name} was not found among the tables that this role may see; hint: GRANT SELECT"
                )));
            }
        }
    }
    Ok(Ok(places))
}

/// All tables of applications that this role may see.
pub(super) async fn all(link: &mut Link) -> Result<Vec<Place>, SourceError> {
    listed(link, "table_schema NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')").await
}

async fn listed(link: &mut Link, condition: &str) -> Result<Vec<Place>, SourceError> {
    let rows = link.all(&format!("{PLACES}{condition}")).await.map_err(failure::engine)?;
    let place = |row: &sqlx::mysql::MySqlRow| {
        let (database, table, stem) = (value::text(row, 0)?, value::text(row, 1)?, value::text(row, 2)?);
        let (bytes, engine) = (value::number(row, 3)?.unsigned_abs(), value::text(row, 4)?);
        Ok(Place { database, table, stem, bytes, engine })
    };
    rows.iter().map(place).collect()
}

/// Where the server keeps what.
#[derive(Debug)]
pub(super) struct Folders {
    pub(super) data: PathBuf,
    /// Folders outside of it that hold undo, redo or system files.
    pub(super) others: Vec<PathBuf>,
    /// The beginning of the paths of all binary logs, if there are any.
    pub(super) binlog: Option<PathBuf>,
    pub(super) binlog_expire_seconds: u64,
}

impl Folders {
    pub(super) async fn read(link: &mut Link) -> Result<Self, SourceError> {
        let ask = "SELECT @@datadir, coalesce(@@log_bin_basename, ''), coalesce(@@innodb_log_group_home_dir, ''), \
                   coalesce(@@innodb_undo_directory, ''), coalesce(@@innodb_data_home_dir, '')";
        let row = link.one(ask).await.map_err(failure::engine)?;
        let data = PathBuf::from(value::text(&row, 0)?);
        let binlog = value::text(&row, 1)?;
        let mut others = Vec::new();
        for position in 2..5 {
            // A relative one is below the data directory, and so is an empty one.
            let folder = data.join(value::text(&row, position)?);
            if !folder.starts_with(&data) && !others.contains(&folder) {
                others.push(folder);
            }
        }
        let binlog = (!binlog.is_empty()).then(|| binlog.into());
        Ok(Self { data, others, binlog, binlog_expire_seconds: expire_seconds(link).await })
    }

    /// Why the data directory cannot be searched: it is not here, or not this
    /// server's, or a table has files elsewhere. A tablespace has the number that
    /// the server says.
    pub(super) async fn foreign(&self, link: &mut Link, places: &[Place]) -> Result<Option<String>, SourceError> {
        if places.is_empty() {
            return Ok(Some("no table was named".to_owned()));
        }
        let (weak, strong): (Vec<&Place>, Vec<&Place>) =
            places.iter().partition(|place| identity::has_no_transactions(&place.engine));
        if let (Some(place), true) = (weak.first(), strong.is_empty()) {
            let table = &place.table;
            return Ok(Some(format!(
                "whose data directory it is cannot be told by {table}, which has no transactions"
            )));
        }
        for place in strong {
            let ask = format!(
                "SELECT name, space FROM information_schema.innodb_sys_tablespaces WHERE SUBSTRING_INDEX(name, '#', 1) \
                 = {}",
                literal(&place.stem)
            );
            let rows = match link.all(&ask).await {
                Ok(rows) => rows,
                Err(error) if failure::is_connection(&error) => return Err(failure::engine(error)),
                Err(_) => {
                    let what = "whose data directory it is cannot be told; hint: GRANT PROCESS to the role";
                    return Ok(Some(what.to_owned()));
                }
            };
            if rows.is_empty() {
                return Ok(Some(format!("table {} has no file of its own (innodb_file_per_table)", place.sql())));
            }
            for row in &rows {
                let path = self.data.join(format!("{}.ibd", value::text(row, 0)?));
                if let Some(reason) = self.not_the_servers(&path, value::number(row, 1)?) {
                    return Ok(Some(reason));
                }
            }
        }
        Ok(None)
    }

    fn not_the_servers(&self, path: &Path, space: i64) -> Option<String> {
        let mut number = [0; 4];
        let read = File::open(path).and_then(|file| file.read_exact_at(&mut number, 34));
        let data = self.data.display();
        match read {
            Err(error) => Some(format!("the data directory {data} cannot be read by this process: {error}")),
            Ok(()) if number == [0; 4] => {
                Some("the table was not written out yet; hint: GRANT RELOAD, LOCK TABLES to the role".to_owned())
            }
            Ok(()) if space == i64::from(u32::from_be_bytes(number)) => None,
            Ok(()) => Some(format!("the data directory {data} here is another server's")),
        }
    }
}

/// After how many seconds a binary log is removed; 0: not by itself. Later versions
/// keep them all until so many replicas are connected.
async fn expire_seconds(link: &mut Link) -> u64 {
    let waits = "SELECT @@slave_connections_needed_for_purge > (SELECT count(*) FROM information_schema.processlist \
                 WHERE command LIKE 'Binlog Dump%')";
    let mut number = async |ask: &str| link.one(ask).await.ok().and_then(|row| value::number(&row, 0).ok());
    if number(waits).await.unwrap_or_default() != 0 {
        return 0;
    }
    number("SELECT @@binlog_expire_logs_seconds").await.unwrap_or_default().unsigned_abs()
}

/// A name of the configuration as text of a statement.
pub(super) fn literal(name: &str) -> String {
    free_literal(&Cell::Text(name.as_bytes().to_vec()))
}
