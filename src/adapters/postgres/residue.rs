//! Searches a cluster's files for values of removed rows: straight in the data
//! directory where this process may read it, or through the server's own file
//! functions where its role may.
//!
//! What is stored compressed is not seen, nor what lies outside of the data
//! directory: archives, replicas, backups. Each is said.

mod living;
mod map;

use std::{collections::BTreeSet, fs, path::Path};

use sqlx::{Executor as _, PgConnection, Row as _};
use zeroize::Zeroizing;

use super::{
    failure::{self, Meaning},
    wipe::text,
};
use crate::{
    adapters::residue::{Matcher, Patterns, Stream, every_form, files, living_values},
    domain::{horizon, residue::Value},
    ports::{Search, SearchJob, Searched},
};

use map::Map;

/// Bytes that the server hands over at once.
const PART_BYTES: i64 = 4 << 20;

/// Searches every file of the cluster. An error means that the session is lost.
pub async fn search(session: &mut PgConnection, job: &SearchJob<'_>) -> Result<Search, sqlx::Error> {
    match search_all(session, job).await {
        Err(error) if failure::meaning(&error) == Meaning::Lost => Err(error),
        Err(error) => Ok(Search::nowhere(&format!(
            "{}; hint: the role needs pg_read_server_files, pg_read_all_settings and EXECUTE on pg_read_binary_file, \
             pg_ls_dir and pg_stat_file",
            failure::describe(&error)
        ))),
        found => found,
    }
}

async fn search_all(session: &mut PgConnection, job: &SearchJob<'_>) -> Result<Search, sqlx::Error> {
    let encoding = text(session, "SHOW server_encoding").await?;
    let patterns = Patterns::of(job.values, |value| forms(value, &encoding));
    let matcher = Matcher::new(patterns);
    // What is only in memory is not in a file yet; a role that may not ask for
    // this sees older pages, which hold more, not less.
    if let Err(error) = session.execute("CHECKPOINT").await
        && failure::meaning(&error) == Meaning::Lost
    {
        return Err(error);
    }
    let mut map = Map::read(session, job.tables).await?;
    let matcher = match local_data(session).await? {
        Some(folder) => {
            let searched = tokio::task::spawn_blocking(move || {
                search_folder(&matcher, Path::new(&folder), &mut map);
                (matcher, map)
            });
            let (matcher, found) = searched.await.map_err(|error| sqlx::Error::Io(std::io::Error::other(error)))?;
            map = found;
            matcher
        }
        None => {
            search_through_server(session, &matcher, &mut map).await?;
            matcher
        }
    };
    map.say_what_cannot_be_seen(session, job).await?;
    let living = living::patterns(session, &matcher, &map).await?;
    let mut places: Vec<Searched> = map.into_tallies().map(|tally| tally.finish(matcher.patterns(), &living)).collect();
    places.extend(outside(session).await?);
    Ok(Search { places, living: living_values(matcher.patterns(), &living) })
}

fn search_folder(matcher: &Matcher, folder: &Path, map: &mut Map) {
    let paths = match files::below(folder) {
        Ok(paths) => paths,
        Err(error) => return map.unread_all(&format!("the data directory cannot be listed: {error}")),
    };
    for path in paths {
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
        files::search(matcher, &path, &name, map.tally(&name));
    }
}

async fn search_through_server(
    session: &mut PgConnection,
    matcher: &Matcher,
    map: &mut Map,
) -> Result<(), sqlx::Error> {
    let list = "WITH RECURSIVE f (path, folder) AS (SELECT n, (pg_stat_file(n, true)).isdir FROM pg_ls_dir('.') AS n \
                UNION ALL SELECT f.path || '/' || n, (pg_stat_file(f.path || '/' || n, true)).isdir FROM f CROSS JOIN \
                LATERAL pg_ls_dir(f.path, true, false) AS n WHERE f.folder) SELECT path FROM f WHERE NOT folder";
    let rows = session.fetch_all(list).await?;
    let read = "SELECT pg_read_binary_file($1, $2, $3, true)";
    for row in rows {
        let path: String = row.try_get(0)?;
        let mut stream = Stream::new(matcher);
        let mut at = 0_i64;
        loop {
            let part = sqlx::query(read).bind(&path).bind(at).bind(PART_BYTES).fetch_one(&mut *session).await;
            let part = match part {
                Ok(part) => part.try_get::<Option<Vec<u8>>, _>(0)?.map(Zeroizing::new).unwrap_or_default(),
                Err(error) if failure::meaning(&error) == Meaning::Lost => return Err(error),
                Err(error) => {
                    map.tally(&path).unread(format!("{path} cannot be read: {}", failure::describe(&error)));
                    break;
                }
            };
            stream.push(&part);
            at += i64::try_from(part.len()).unwrap_or(PART_BYTES);
            if i64::try_from(part.len()).unwrap_or(PART_BYTES) < PART_BYTES {
                break;
            }
        }
        let (bytes, found) = (stream.bytes, std::mem::take(&mut stream.found));
        map.tally(&path).add(&path, bytes, found);
    }
    Ok(())
}

/// The data directory, if it is this server's and this process may read it.
pub(super) async fn local_data(session: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
    let ask = "SELECT current_setting('data_directory'), (pg_control_system()).system_identifier";
    let row = match session.fetch_one(ask).await {
        Ok(row) => row,
        Err(error) if failure::meaning(&error) == Meaning::Lost => return Err(error),
        // The role may not know where it is.
        Err(_) => return Ok(None),
    };
    let (folder, identifier): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
    let control = fs::read(Path::new(&folder).join("global/pg_control"));
    let same = control.is_ok_and(|control| control.get(..8) == Some(identifier.to_le_bytes().as_slice()));
    Ok(same.then_some(folder))
}

/// Copies outside of the data directory, and who keeps the log from being cycled.
async fn outside(session: &mut PgConnection) -> Result<Vec<Searched>, sqlx::Error> {
    let ask = "SELECT current_setting('archive_mode') <> 'off', coalesce((SELECT string_agg(k.name, ', ' ORDER BY \
               k.name) FROM (SELECT 'slot ' || slot_name::text AS name FROM pg_replication_slots UNION SELECT 'replica ' \
               || coalesce(nullif(application_name, ''), 'without a name') FROM pg_stat_replication) AS k), '')";
    let row = session.fetch_one(ask).await?;
    let (archives, keepers): (bool, String) = (row.try_get(0)?, row.try_get(1)?);
    let unsearched = |name: &str, reason: String| {
        let unsearched = Some(reason);
        Searched { name: name.to_owned(), unsearched, ..Searched::default() }
    };
    let mut places = Vec::new();
    if archives {
        places.push(unsearched(horizon::ARCHIVE, "the write-ahead log is archived".to_owned()));
    }
    if !keepers.is_empty() {
        places.push(unsearched("replicas", format!("{keepers}: copies of its own, or a log that is held for it")));
    }
    Ok(places)
}

/// The bytes that a value becomes in a file; none where it is stored in a form
/// that is not searched for.
fn forms(value: &Value, encoding: &str) -> Vec<Zeroizing<Vec<u8>>> {
    let (text, declared) = (value.expose(), value.declared.to_lowercase());
    if declared.is_empty() {
        return every_form(text);
    }
    let base = declared.split(['(', ' ']).next().unwrap_or_default();
    match base {
        "bytea" => hex_form(text.strip_prefix(br"\x").unwrap_or_default()),
        "uuid" => {
            let digits: Vec<u8> = text.iter().copied().filter(|byte| *byte != b'-').collect();
            hex_form(&Zeroizing::new(digits))
        }
        "text" | "character" | "varchar" | "bpchar" | "citext" | "json" | "xml" | "char" | "name" | "\"char\"" => {
            match encoding {
                "UTF8" | "SQL_ASCII" => vec![Zeroizing::new(text.to_vec())],
                _ if text.is_ascii() => vec![Zeroizing::new(text.to_vec())],
                "LATIN1" => latin1(text),
                _ => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}

fn hex_form(digits: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    hex::decode(digits).map(Zeroizing::new).into_iter().collect()
}

fn latin1(text: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    let letters = std::str::from_utf8(text).unwrap_or_default().chars();
    let bytes: Option<Vec<u8>> = letters.map(|letter| u8::try_from(u32::from(letter)).ok()).collect();
    bytes.filter(|bytes| !bytes.is_empty()).map(Zeroizing::new).into_iter().collect()
}

/// Tables of which something was found, by what the map knows of their files.
fn found_in(map: &Map) -> BTreeSet<i64> {
    map.tallies().flat_map(|tally| &tally.found).filter_map(|(_, file)| map.table_of(file)).collect()
}
