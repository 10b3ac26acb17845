//! Searches the files of a server for values of removed rows, in the data
//! directory, where this process may read it: no function of the server reads
//! files that it has open.
//!
//! Pages that are compressed or encrypted are not seen, nor replicas. Each is
//! said.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{
    connection::Link,
    dialect::quote,
    failure,
    places::{self, Folders, Place},
    value::{self, BEHIND_FIRST, Class, FIRST},
};
use crate::{
    adapters::residue::{Matcher, Patterns, Stream, Tally, every_form, files, living_values},
    domain::{horizon, residue::Value},
    ports::{Search, SearchJob, Searched, SourceError},
};

const TABLES: &str = "ibd";
const SYSTEM: &str = "system";
const REDO: &str = "redo";
const BINLOG: &str = "binlog";
const STATISTICS: &str = "column_stats";
const OTHERS: &str = "others";

pub(super) async fn search(link: &mut Link, job: &SearchJob<'_>) -> Result<Search, SourceError> {
    let places = match places::find(link, job.tables).await? {
        Ok(places) => places,
        Err(reason) => return Ok(Search::nowhere(&reason)),
    };
    let folders = Folders::read(link).await?;
    for place in &places {
        // What is only in memory is not in a file yet; without the privilege the
        // file has older pages, which hold more, not less.
        if link.command(&format!("FLUSH TABLES {} FOR EXPORT", place.sql())).await.is_ok() {
            link.command("UNLOCK TABLES").await.map_err(failure::engine)?;
        }
    }
    if let Some(reason) = folders.foreign(link, &places).await? {
        return Ok(Search::nowhere(&reason));
    }
    let expiry = horizon::log_expiry(job.now, folders.binlog_expire_seconds);
    let matcher = Matcher::new(Patterns::of(job.values, forms));
    let stems: BTreeSet<String> = places.iter().map(|place| place.stem.clone()).collect();
    let searched = tokio::task::spawn_blocking(move || {
        let tallies = search_folders(&matcher, &folders, &stems);
        (matcher, tallies)
    });
    let failed = |error: tokio::task::JoinError| SourceError::Engine { reason: error.to_string() };
    let (matcher, mut tallies) = searched.await.map_err(failed)?;
    say_what_cannot_be_seen(link, &places, &mut tallies).await?;
    if let Some(binlog) = tallies.get_mut(BINLOG) {
        binlog.searched.until = expiry;
    }
    let living = living(link, &matcher, &tallies, &places).await?;
    let mut found: Vec<Searched> =
        tallies.into_values().map(|tally| tally.finish(matcher.patterns(), &living)).collect();
    found.extend(replicas(link).await?);
    Ok(Search { places: found, living: living_values(matcher.patterns(), &living) })
}

fn search_folders(matcher: &Matcher, folders: &Folders, stems: &BTreeSet<String>) -> BTreeMap<&'static str, Tally> {
    let mut tallies: BTreeMap<&str, Tally> =
        [TABLES, SYSTEM, REDO, BINLOG, STATISTICS, OTHERS].map(|name| (name, Tally::new(name))).into();
    let data = &folders.data;
    let of_logs = folders.binlog.iter().filter_map(|log| log.parent()).filter(|folder| !folder.starts_with(data));
    let outside = folders.others.iter().map(|folder| folder.as_path()).chain(of_logs).collect::<BTreeSet<_>>();
    for folder in std::iter::once(data.as_path()).chain(outside) {
        let paths = match files::below(folder) {
            Ok(paths) => paths,
            Err(error) => {
                let reason = format!("{} cannot be listed: {error}", folder.display());
                tallies.values_mut().for_each(|tally| tally.unread(reason.clone()));
                return tallies;
            }
        };
        for path in paths {
            let name = path.strip_prefix(data).unwrap_or(&path).to_string_lossy().into_owned();
            let is_log = folders.binlog.as_ref().is_some_and(|log| is_part(log, &path));
            let location = if is_log { BINLOG } else { location(&name, stems) };
            files::search(matcher, &path, &name, tallies.entry(location).or_insert_with(|| Tally::new(location)));
        }
    }
    // A running server has each of these: where none was seen, it lies elsewhere.
    let needed = tallies.iter_mut().filter(|(name, _)| [TABLES, SYSTEM, REDO].contains(name));
    for (_, tally) in needed.filter(|(_, tally)| tally.searched.files == 0) {
        tally.unread("no file of it was found where the server says that it keeps them");
    }
    tallies
}

/// `binlog.000001` and `binlog.index` are parts of `binlog`.
fn is_part(log: &Path, path: &Path) -> bool {
    path.to_string_lossy().starts_with(&*log.to_string_lossy())
}

/// What a file is. `stems`: of the tables of the job.
fn location(name: &str, stems: &BTreeSet<String>) -> &'static str {
    if stem_of(name).is_some_and(|stem| stems.contains(stem)) {
        return TABLES;
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

/// `shop/orders.ibd` and `shop/orders#P#p0.ibd` are of `shop/orders`.
fn stem_of(name: &str) -> Option<&str> {
    let file = name.strip_suffix(".ibd")?;
    Some(file.split('#').next().unwrap_or(file))
}

/// Settings under which the server writes what no search sees, and where: of
/// MariaDB, then of MySQL.
const HIDING: [(&str, &[&str]); 9] = [
    ("log_bin_compress", &[BINLOG]),
    ("encrypt_binlog", &[BINLOG]),
    ("innodb_encrypt_log", &[REDO]),
    ("innodb_encrypt_tables", &[TABLES, SYSTEM, STATISTICS]),
    ("innodb_compression_default", &[TABLES]),
    ("binlog_transaction_compression", &[BINLOG]),
    ("binlog_encryption", &[BINLOG]),
    ("innodb_redo_log_encrypt", &[REDO]),
    ("innodb_undo_log_encrypt", &[SYSTEM]),
];

/// Compressed and encrypted pages, columns and logs.
async fn say_what_cannot_be_seen(
    link: &mut Link,
    places: &[Place],
    tallies: &mut BTreeMap<&'static str, Tally>,
) -> Result<(), SourceError> {
    let tables: Vec<String> = places.iter().map(|place| place.condition("table_schema", "table_name")).collect();
    let ask = format!(
        "SELECT table_name FROM information_schema.tables WHERE ({0}) AND (row_format = 'Compressed' OR \
         upper(create_options) LIKE '%PAGE_COMPRESSED%' OR upper(create_options) LIKE '%ENCRYPT%') UNION SELECT \
         table_name FROM information_schema.columns WHERE ({0}) AND upper(column_type) LIKE '%COMPRESSED%'",
        tables.join(" OR ")
    );
    let hidden = link.all(&ask).await.map_err(failure::engine)?;
    if let Some(row) = hidden.first() {
        let table = value::text(row, 0)?;
        for location in [TABLES, SYSTEM, REDO] {
            unread(tallies, location, &format!("table {table} is compressed or encrypted, which no search sees"));
        }
    }
    let names: Vec<String> = HIDING.iter().map(|(name, _)| places::literal(name)).collect();
    let ask = format!("SHOW GLOBAL VARIABLES WHERE variable_name IN ({})", names.join(", "));
    for row in link.all(&ask).await.map_err(failure::engine)? {
        let (name, setting) = (value::text(&row, 0)?, value::text(&row, 1)?);
        let hides =
            HIDING.iter().filter(|(hiding, _)| *hiding == name && !matches!(setting.as_str(), "OFF" | "0" | ""));
        for location in hides.flat_map(|(_, locations)| *locations) {
            unread(tallies, location, &format!("{name} = {setting}: it is written in a form that no search sees"));
        }
    }
    Ok(())
}

fn unread(tallies: &mut BTreeMap<&'static str, Tally>, location: &str, reason: &str) {
    if let Some(tally) = tallies.get_mut(location) {
        tally.unread(reason);
    }
}

/// Patterns that stand in rows of the job's tables, or of any in whose files
/// something was found. Read here, so that no value is sent to the server.
async fn living(
    link: &mut Link,
    matcher: &Matcher,
    tallies: &BTreeMap<&'static str, Tally>,
    places: &[Place],
) -> Result<BTreeSet<usize>, SourceError> {
    let files = || tallies.values().flat_map(|tally| &tally.found).map(|(_, file)| file.as_str());
    if files().next().is_none() {
        return Ok(BTreeSet::new());
    }
    let stems: BTreeSet<&str> = files().filter_map(stem_of).collect();
    let mut stream = Stream::new(matcher);
    for place in places {
        read_rows(link, place, &mut stream).await?;
    }
    let others = places::all(link).await?;
    for place in others.iter().filter(|place| stems.contains(place.stem.as_str()) && !places.contains(place)) {
        // A table that this role may not read proves nothing: what was found in its
        // file counts.
        match read_rows(link, place, &mut stream).await {
            Err(error) if !link.is_open() => return Err(error),
            Err(_) => link.roll_back().await.map_err(failure::engine)?,
            Ok(()) => {}
        }
    }
    Ok(std::mem::take(&mut stream.found))
}

/// Reads every row of a table as it is at one instant, in one statement: pieces of
/// it would need an order to be sure that none is missed. The rows are not kept.
async fn read_rows(link: &mut Link, place: &Place, stream: &mut Stream<'_>) -> Result<(), SourceError> {
    let ask = format!(
        "SELECT column_name FROM information_schema.columns WHERE {} AND (character_set_name IS NOT NULL OR data_type \
         LIKE '%blob' OR data_type LIKE '%binary') AND coalesce(generation_expression, '') = ''",
        place.condition("table_schema", "table_name")
    );
    let rows = link.all(&ask).await.map_err(failure::engine)?;
    let columns = rows.iter().map(|row| Ok(quote(&value::text(row, 0)?))).collect::<Result<Vec<_>, SourceError>>()?;
    if columns.is_empty() {
        return Ok(());
    }
    link.begin_reading().await.map_err(failure::engine)?;
    let select = format!("SELECT {FIRST}, {} FROM {}", columns.join(", "), place.sql());
    let read = link.each(&select, |row| {
        for column in BEHIND_FIRST..BEHIND_FIRST + columns.len() {
            stream.begin();
            stream.push(value::raw(row, column)?.unwrap_or_default());
        }
        Ok(())
    });
    read.await?;
    link.roll_back().await.map_err(failure::engine)
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
