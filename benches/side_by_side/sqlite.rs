//! SQLite into a vault beside it, against `ATTACH` with `INSERT … SELECT` and
//! `DELETE` in batches of 10,000 with `synchronous = FULL`, which encrypts and
//! proves nothing.

use std::{fs, path::Path, time::Instant};

use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{
    Size,
    measure::{Outcome, Run, median},
    ours::{CUTOFF, Deployment},
    report::Work,
};

const PEER: &str = "ATTACH, batches of 10,000";
const PEER_BATCH_ROWS: u64 = 10_000;

pub async fn separate(size: &Size, scattered: bool) -> Outcome<Work> {
    let folder = tempfile::tempdir()?;
    let origin = folder.path().join("origin.db");
    build(&origin, size.due, scattered).await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..size.rounds {
        let place = folder.path().join(format!("round-{round}"));
        fs::create_dir(&place)?;
        for name in ["peer.db", "shop.db"] {
            fs::copy(&origin, place.join(name))?;
        }
        theirs.push(attach(&place, size.due).await?);
        let deployment = Deployment::new(&place.join("ours"), "sqlite://../shop.db", "sqlite://vault.db", "visits")?;
        deployment.plan(size.due)?;
        ours.push(deployment.separate(size.due)?);
        fs::remove_dir_all(&place)?;
    }
    let spread = if scattered { "scattered over the keys" } else { "contiguous" };
    let name = format!("separate, SQLite → SQLite vault, {} due of {} rows, {spread}", size.due, 2 * size.due);
    let middle = |runs| median(runs).ok_or("nothing was run");
    Ok(Work::new(&name, ("retentiond", middle(ours)?), vec![(PEER.to_owned(), middle(theirs)?)], &[(PEER, 1.0)]))
}

/// Half of the rows three to eight years old and due, half of this year.
async fn build(path: &Path, due: u64, scattered: bool) -> Outcome<()> {
    let mut connection = open(path).await?;
    run(&mut connection, "PRAGMA journal_mode = DELETE; PRAGMA synchronous = OFF").await?;
    run(
        &mut connection,
        "CREATE TABLE visits (id INTEGER PRIMARY KEY, member_id INTEGER, ip TEXT, user_agent TEXT, path TEXT, \
         visited_at TIMESTAMP)",
    )
    .await?;
    let is_due = if scattered { "i % 2".to_owned() } else { format!("i <= {due}") };
    let rows = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) \
         INSERT INTO visits SELECT i, i % 5000, printf('10.%d.%d.%d', i % 250, i % 200, i % 100), \
         'Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0 Mobile', \
         printf('/products/%08d/%s', i * 7919 % 99999989, hex(randomblob(30))), \
         datetime('2026-10-01', printf('-%d days', iif({is_due}, 1200 + i * 31 % 1800, i * 17 % 200))) FROM n",
        2 * due
    );
    run(&mut connection, &rows).await?;
    run(&mut connection, "CREATE INDEX visits_at ON visits (visited_at)").await?;
    run(&mut connection, "PRAGMA journal_mode = WAL").await?;
    Ok(connection.close().await?)
}

/// What one would write by hand: durable, into a second file, in batches.
async fn attach(folder: &Path, due: u64) -> Outcome<Run> {
    let mut connection = open(&folder.join("peer.db")).await?;
    let archive = folder.join("archive.db");
    run(&mut connection, &format!("PRAGMA synchronous = FULL; ATTACH '{}' AS archive", archive.display())).await?;
    run(&mut connection, "PRAGMA archive.journal_mode = WAL; PRAGMA archive.synchronous = FULL").await?;
    run(&mut connection, "CREATE TABLE archive.visits AS SELECT * FROM main.visits LIMIT 0").await?;
    let chosen = format!(
        "(SELECT id FROM main.visits WHERE visited_at < '{CUTOFF}' ORDER BY visited_at LIMIT {PEER_BATCH_ROWS})"
    );
    let started = Instant::now();
    let mut moved = 0;
    loop {
        run(&mut connection, "BEGIN IMMEDIATE").await?;
        run(&mut connection, &format!("CREATE TEMP TABLE chosen AS SELECT id FROM {chosen}")).await?;
        run(
            &mut connection,
            "INSERT INTO archive.visits SELECT * FROM main.visits WHERE id IN (SELECT id FROM chosen)",
        )
        .await?;
        let gone = run(&mut connection, "DELETE FROM main.visits WHERE id IN (SELECT id FROM chosen)").await?;
        run(&mut connection, "DROP TABLE chosen; COMMIT").await?;
        moved += gone;
        if gone < PEER_BATCH_ROWS {
            break;
        }
    }
    let elapsed = started.elapsed();
    connection.close().await?;
    if moved != due {
        return Err(format!("the peer moved {moved} of {due} rows").into());
    }
    Ok(Run::inside_server(moved, elapsed))
}

async fn open(path: &Path) -> Outcome<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true).disable_statement_logging();
    Ok(options.connect().await?)
}

async fn run(connection: &mut SqliteConnection, sql: &str) -> Outcome<u64> {
    Ok(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await?.rows_affected())
}
