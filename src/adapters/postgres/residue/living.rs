//! Values that rows which are there hold as well. Read from the rows here, so
//! that no value is sent to the server.

use std::{collections::BTreeSet, future::poll_fn};

use sqlx::{PgConnection, Row as _};

use super::{found_in, map::Map};
use crate::adapters::residue::{Matcher, Stream};

/// Patterns that stand in rows of the tables in whose files something was found,
/// and of the job's own if anything was found at all. System catalogues are no
/// rows of the application.
pub(super) async fn patterns(
    session: &mut PgConnection,
    matcher: &Matcher,
    map: &Map,
) -> Result<BTreeSet<usize>, sqlx::Error> {
    if map.tallies().all(|tally| tally.found.is_empty()) {
        return Ok(BTreeSet::new());
    }
    let tables: Vec<i64> = found_in(map).union(map.tables()).copied().collect();
    let names = "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = \
                 c.relnamespace WHERE c.oid::bigint = ANY($1) AND c.relkind IN ('r', 'm') AND n.nspname NOT IN \
                 ('pg_catalog', 'pg_toast', 'information_schema')";
    let mut stream = Stream::new(matcher);
    for row in sqlx::query(names).bind(tables).fetch_all(&mut *session).await? {
        let table: String = row.try_get(0)?;
        let select = format!("COPY (SELECT t.* FROM {table} AS t) TO STDOUT (FORMAT binary)");
        let mut copy = session.copy_out_raw(&select).await?;
        stream.begin();
        while let Some(part) = poll_fn(|context| copy.as_mut().poll_next(context)).await {
            stream.push(&part?);
        }
    }
    Ok(stream.found)
}
