//! Searches the files of a server for values of removed rows, in the data
//! directory, where this process may read it: no function of the server reads
//! files that it has open.
//!
//! Pages that are compressed or encrypted are not seen, nor replicas. Each is
//! said.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use sqlx::Row as _;

use super::{
    connection::Link,
    dialect::quote,
    failure,
    value::{self, Class},
    wipe::literal,
};
use crate::{
    adapters::residue::{Matcher, Patterns, Stream, Tally, every_form, files, living_values},
    domain::{horizon, residue::Value},
    ports::{Search, SearchJob, Searched, SourceError},
};

const TABLES: &str = "ibd";
/// Files of tables without transactions: MyISAM's and Aria's.
const WEAK_TABLES: [&str; 2] = ["MYD", "MAD"];
const SYSTEM: &str = "system";
const REDO: &str = "redo";
const BINLOG: &str = "binlog";
const STATISTICS: &str = "column_stats";
const OTHERS: &str = "others";

/// Where the server keeps what.
struct Places {
    data: PathBuf,
    database: String,
    /// The beginning of the paths of all binary logs, if there are any.
    binlog: Option<PathBuf>,
    binlog_expire_seconds: u64,
}

pub(super) async fn search(link: &mut Link, job: &SearchJob<'_>) -> Result<Search, SourceError> {
    let places = places(link).await?;
    for table in job.tables {
        // What is only in memory is not in a file yet; without the privilege the
        // file has older pages, which hold more, not less.
        if link.command(&format!("FLUSH TABLES {} FOR EXPORT", quote(table))).await.is_ok() {
            link.command("UNLOCK TABLES").await.map_err(failure::engine)?;
        }
    }
    if let Some(reason) = foreign(link, &places, job.tables).await? {
        return Ok(Search::nowhere(&reason));
    }
    let matcher = Matcher::new(Patterns::of(job.values, forms));
    let (data, binlog, database) = (places.data.clone(), places.binlog.clone(), places.database.clone());
    let tables: BTreeSet<String> = job.tables.iter().cloned().collect();
    let searched = tokio::task::spawn_blocking(move || {
        let tallies = search_folder(&matcher, &data, binlog.as_deref(), &database, &tables);
        (matcher, tallies)
    });
    let failed = |error: tokio::task::JoinError| SourceError::Engine { reason: error.to_string() };
    let (matcher, mut tallies) = searched.await.map_err(failed)?;
    say_what_cannot_be_seen(link, job.tables, &mut tallies).await?;
    if let Some(binlog) = tallies.get_mut(BINLOG) {
        binlog.searched.until = horizon::log_expiry(job.now, places.binlog_expire_seconds);
    }
    let living = living(link, &matcher, &tallies, job.tables, &places.database).await?;
    let mut found: Vec<Searched> =
        tallies.into_values().map(|tally| tally.finish(matcher.patterns(), &living)).collect();
    found.extend(replicas(link).await?);
    Ok(Search { places: found, living: living_values(matcher.patterns(), &living) })
}

async fn places(link: &mut Link) -> Result<Places, SourceError> {
    let row = link.one("SELECT @@datadir, database(), coalesce(@@log_bin_basename, '')").await;
    let row = row.map_err(failure::engine)?;
    let basename = value::text(&row, 2)?;
    let expiry = link.one("SELECT @@binlog_expire_logs_seconds").await;
    let seconds = expiry.ok().and_then(|row| value::number(&row, 0).ok()).unwrap_or_default();
    Ok(Places {
        data: value::text(&row, 0)?.into(),
        database: value::text(&row, 1)?,
        binlog: (!basename.is_empty()).then(|| basename.into()),
        binlog_expire_seconds: seconds.unsigned_abs(),
    })
}

/// Why the data directory cannot be searched: it is not here, or not this
/// server's. A tablespace has the number that the server says.
async fn foreign(link: &mut Link, places: &Places, tables: &[String]) -> Result<Option<String>, SourceError> {
    let file_of = |table: &String, kind: &str| places.data.join(&places.database).join(format!("{table}.{kind}"));
    let first = tables.iter().find(|table| file_of(table, TABLES).exists()).or(tables.first());
    let Some(table) = first else { return Ok(Some("no table was named".to_owned())) };
    if WEAK_TABLES.iter().any(|kind| file_of(table, kind).exists()) {
        return Ok(Some(format!("whose data directory it is cannot be told by {table}, which has no transactions")));
    }
    let path = file_of(table, TABLES);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) => {
            return Ok(Some(format!(
                "the data directory {} cannot be read by this process: {error}",
                places.data.display()
            )));
        }
    };
    let mut number = [0; 4];
    if let Err(error) = file.read_exact_at(&mut number, 34) {
        return Ok(Some(format!("{} cannot be read: {error}", path.display())));
    }
    let ask = format!(
        "SELECT space FROM information_schema.innodb_sys_tablespaces WHERE name = {}",
        literal(&format!("{}/{table}", places.database))
    );
    let Ok(row) = link.one(&ask).await else {
        return Ok(Some("whose data directory it is cannot be told; hint: GRANT PROCESS to the role".to_owned()));
    };
    if number == [0; 4] {
        return Ok(Some("the table was not written out yet; hint: GRANT RELOAD, LOCK TABLES to the role".to_owned()));
    }
    let same = value::number(&row, 0)? == i64::from(u32::from_be_bytes(number));
    Ok((!same).then(|| format!("the data directory {} here is another server's", places.data.display())))
}

fn search_folder(
    matcher: &Matcher,
    data: &Path,
    binlog: Option<&Path>,
    database: &str,
    tables: &BTreeSet<String>,
) -> BTreeMap<&'static str, Tally> {
    let mut tallies: BTreeMap<&str, Tally> =
        [TABLES, SYSTEM, REDO, BINLOG, STATISTICS, OTHERS].map(|name| (name, Tally::new(name))).into();
    let mut paths = match files::below(data) {
        Ok(paths) => paths,
        Err(error) => {
            let reason = format!("the data directory cannot be listed: {error}");
            tallies.values_mut().for_each(|tally| tally.unread(reason.clone()));
            return tallies;
        }
    };
    if let Some(folder) = binlog.and_then(Path::parent).filter(|folder| !folder.starts_with(data)) {
        match files::below(folder) {
            Ok(logs) => paths.extend(logs),
            Err(error) => {
                let reason = format!("the binary logs cannot be listed: {error}");
                tallies.entry(BINLOG).or_insert_with(|| Tally::new(BINLOG)).unread(reason);
            }
        }
    }
    for path in paths {
        let name = path.strip_prefix(data).unwrap_or(&path).to_string_lossy().into_owned();
        let is_log = binlog.is_some_and(|log| path.to_string_lossy().starts_with(&*log.to_string_lossy()));
        let location = if is_log { BINLOG } else { location(&name, database, tables) };
        files::search(matcher, &path, &name, tallies.entry(location).or_insert_with(|| Tally::new(location)));
    }
    tallies
}

/// What a file of the data directory is.
fn location(name: &str, database: &str, tables: &BTreeSet<String>) -> &'static str {
    if let Some(table) = table_of(name, database).filter(|table| tables.contains(*table)) {
        return if table.is_empty() { OTHERS } else { TABLES };
    }
    let file = name.rsplit('/').next().unwrap_or(name);
    let starts = |beginnings: &[&str]| beginnings.iter().any(|beginning| file.starts_with(beginning));
    if name.starts_with("mysql/column_stats") {
        STATISTICS
    } else if starts(&["ib_logfile"]) || name.starts_with("#innodb_redo/") {
        REDO
    } else if starts(&["ibdata", "undo", "ib_buffer_pool", "#ib_"]) || name.ends_with(".dblwr") {
        SYSTEM
    } else {
        OTHERS
    }
}

/// `shop/orders.ibd` and `shop/orders#P#p0.ibd` are of the table `orders`.
fn table_of<'n>(name: &'n str, database: &str) -> Option<&'n str> {
    let file = name.strip_prefix(database)?.strip_prefix('/')?.strip_suffix(".ibd")?;
    Some(file.split('#').next().unwrap_or(file))
}

/// Compressed and encrypted pages.
async fn say_what_cannot_be_seen(
    link: &mut Link,
    tables: &[String],
    tallies: &mut BTreeMap<&'static str, Tally>,
) -> Result<(), SourceError> {
    let names: Vec<String> = tables.iter().map(|table| literal(table)).collect();
    let ask = format!(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = database() AND table_name IN ({}) AND \
         (row_format = 'Compressed' OR upper(create_options) LIKE '%PAGE_COMPRESSED%' OR upper(create_options) LIKE \
         '%ENCRYPT%')",
        names.join(", ")
    );
    let hidden = link.all(&ask).await.map_err(failure::engine)?;
    if let (Some(row), Some(tally)) = (hidden.first(), tallies.get_mut(TABLES)) {
        let table = value::text(row, 0)?;
        tally.unread(format!("pages of table {table} are compressed or encrypted, which no search sees"));
    }
    Ok(())
}

/// Patterns that stand in rows of the tables, or of those in whose files
/// something was found. Read here, so that no value is sent to the server.
async fn living(
    link: &mut Link,
    matcher: &Matcher,
    tallies: &BTreeMap<&'static str, Tally>,
    tables: &[String],
    database: &str,
) -> Result<BTreeSet<usize>, SourceError> {
    let files: Vec<&str> = tallies.values().flat_map(|tally| &tally.found).map(|(_, file)| file.as_str()).collect();
    if files.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut names: BTreeSet<&str> = tables.iter().map(String::as_str).collect();
    names.extend(files.into_iter().filter_map(|file| table_of(file, database)));
    let mut stream = Stream::new(matcher);
    for table in names {
        let ask = format!(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = database() AND table_name = {} \
             AND (character_set_name IS NOT NULL OR data_type LIKE '%blob' OR data_type LIKE '%binary') AND \
             coalesce(generation_expression, '') = ''",
            literal(table)
        );
        let rows = link.all(&ask).await.map_err(failure::engine)?;
        let columns = rows.iter().map(|row| value::text(row, 0)).collect::<Result<Vec<_>, _>>()?;
        if !columns.is_empty() {
            read_rows(link, table, &columns, &mut stream).await?;
        }
    }
    Ok(std::mem::take(&mut stream.found))
}

/// Rows that are read at once.
const ROWS_MAX: usize = 2_000;

async fn read_rows(
    link: &mut Link,
    table: &str,
    columns: &[String],
    stream: &mut Stream<'_>,
) -> Result<(), SourceError> {
    let columns: Vec<String> = columns.iter().map(|column| quote(column)).collect();
    link.begin_reading().await.map_err(failure::engine)?;
    let mut offset = 0;
    loop {
        let select = format!("SELECT {} FROM {} LIMIT {ROWS_MAX} OFFSET {offset}", columns.join(", "), quote(table));
        let rows = link.all(&select).await.map_err(failure::engine)?;
        for row in &rows {
            for column in 0..row.len() {
                stream.begin();
                stream.push(value::raw(row, column)?.unwrap_or_default());
            }
        }
        offset += rows.len();
        if rows.len() < ROWS_MAX {
            return link.roll_back().await.map_err(failure::engine);
        }
    }
}

/// Replicas keep files of their own.
async fn replicas(link: &mut Link) -> Result<Option<Searched>, SourceError> {
    let ask = "SELECT count(*) FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'";
    let row = link.one(ask).await.map_err(failure::engine)?;
    let count = value::number(&row, 0)?;
    Ok((count > 0).then(|| {
        let unsearched = Some(format!("{count} replicas keep copies of their own"));
        Searched { name: "replicas".to_owned(), unsearched, ..Searched::default() }
    }))
}

/// Text is taken in the column's own character set, and so is stored as it was
/// taken; numbers, dates and the like are stored in another form.
fn forms(value: &Value) -> Vec<zeroize::Zeroizing<Vec<u8>>> {
    if value.declared.is_empty() {
        return every_form(value.expose());
    }
    match value::class(&value.declared) {
        Class::Text(_) | Class::Bytes if !value.declared.starts_with("enum") && !value.declared.starts_with("set") => {
            vec![zeroize::Zeroizing::new(value.expose().to_vec())]
        }
        _ => Vec::new(),
    }
}
