//! Separation beside its peer, on the same rows in one run: SQLite into the
//! vault (sealed, read back, compared, logged, wiped) against `ATTACH` with
//! `INSERT … SELECT` and `DELETE` in batches of 10,000, which encrypts and proves
//! nothing. Prints rows per second and their ratio; asserts no time.
//!
//! `cargo bench --bench separate`; `RETENTIOND_BENCH_ROWS` sets the rows that are
//! due (default 100,000); as many again are not.

use std::{
    env,
    error::Error,
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

type Outcome<T> = Result<T, Box<dyn Error>>;

const NOW: &str = "2026-11-22T03:00:00+09:00";
const PEER_BATCH_ROWS: u64 = 10_000;

const RULES: &str = r#"
[policy]
title     = "benchmark"
version   = "1"
announced = 2021-05-20
effective = 2021-05-27
timezone  = "Asia/Seoul"
[officer]
title   = "officer"
contact = "privacy@example.com"
[[rule]]
id    = "visit-log"
name  = { ko = "방문 기록", en = "Visits" }
event = "recorded"
keep  = "3 years"
basis = "internal"
"#;

const DEPLOYMENT: &str = r#"
policy    = "retention-rules.toml"
state_dir = "state"
[[source]]
name = "shop"
url  = "sqlite://shop.db"
[vault]
url = "sqlite://vault.db"
[ledger]
origin = "bench.example/shop"
[guards]
rows_max        = 1000000000
table_share_max = 1
[[dataset]]
rule    = "visit-log"
source  = "shop"
table   = "visits"
key     = ["id"]
subject = "member_id"
events.recorded = "visited_at"
"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let due: u64 = env::var("RETENTIOND_BENCH_ROWS").map_or(Ok(100_000), |rows| rows.parse())?;
    let folder = tempfile::tempdir()?;
    let (peer, ours) = (folder.path().join("peer"), folder.path().join("ours"));
    for folder in [&peer, &ours] {
        fs::create_dir(folder)?;
        build(&folder.join("shop.db"), due).await?;
    }
    let peer = attach(&peer).await?;
    let ours = separate(&ours)?;
    let rate = |elapsed: Duration| due as f64 / elapsed.as_secs_f64();
    report(&format!(
        "{due} of {} rows of about 200 B\nATTACH in batches   {:>8.2} s {:>10.0} rows/s\nretentiond run      {:>8.2} s {:>10.0} rows/s\n\
         ratio               {:>8.2}",
        2 * due,
        peer.as_secs_f64(),
        rate(peer),
        ours.as_secs_f64(),
        rate(ours),
        rate(ours) / rate(peer)
    ));
    Ok(())
}

/// Half of the rows three to eight years old and due, half of this year, mixed
/// over the whole key range.
async fn build(path: &Path, due: u64) -> Outcome<()> {
    let mut connection = open(path).await?;
    run(&mut connection, "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF").await?;
    run(
        &mut connection,
        "CREATE TABLE visits (id INTEGER PRIMARY KEY, member_id INTEGER, ip TEXT, user_agent TEXT, path TEXT, \
         visited_at TIMESTAMP)",
    )
    .await?;
    let rows = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) \
         INSERT INTO visits SELECT i, i % 5000, printf('10.%d.%d.%d', i % 250, i % 200, i % 100), \
         'Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0 Mobile', \
         printf('/products/%08d/%s', i * 7919 % 99999989, hex(randomblob(30))), \
         datetime('2026-10-01', printf('-%d days', iif(i % 2, 1200 + i * 31 % 1800, i * 17 % 200))) FROM n",
        2 * due
    );
    run(&mut connection, &rows).await?;
    run(&mut connection, "CREATE INDEX visits_at ON visits (visited_at); PRAGMA wal_checkpoint(TRUNCATE)").await?;
    Ok(connection.close().await?)
}

/// What one would write by hand: durable, into a second file, in batches.
async fn attach(folder: &Path) -> Outcome<Duration> {
    let mut connection = open(&folder.join("shop.db")).await?;
    let archive = folder.join("archive.db");
    run(&mut connection, &format!("PRAGMA synchronous = FULL; ATTACH '{}' AS archive", archive.display())).await?;
    run(&mut connection, "PRAGMA archive.journal_mode = WAL; PRAGMA archive.synchronous = FULL").await?;
    run(&mut connection, "CREATE TABLE archive.visits AS SELECT * FROM main.visits LIMIT 0").await?;
    let chosen = format!(
        "(SELECT id FROM main.visits WHERE visited_at < '2023-11-22' ORDER BY visited_at LIMIT {PEER_BATCH_ROWS})"
    );
    let started = Instant::now();
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
        if gone < PEER_BATCH_ROWS {
            break;
        }
    }
    let elapsed = started.elapsed();
    connection.close().await?;
    Ok(elapsed)
}

/// The program, as an operator runs it.
fn separate(folder: &Path) -> Outcome<Duration> {
    fs::write(folder.join("retention-rules.toml"), RULES)?;
    fs::write(folder.join("retentiond.toml"), DEPLOYMENT)?;
    let plan = folder.join("plan.json");
    retentiond(folder, &["init", "--simulation"])?;
    retentiond(folder, &["plan", "--out", &plan.display().to_string()])?;
    let started = Instant::now();
    retentiond(folder, &["run", "--plan", &plan.display().to_string()])?;
    Ok(started.elapsed())
}

fn retentiond(folder: &Path, arguments: &[&str]) -> Outcome<()> {
    let config = folder.join("retentiond.toml");
    let output = Command::new(env!("CARGO_BIN_EXE_retentiond"))
        .args(["--now", NOW, "--config"])
        .arg(config)
        .args(arguments)
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

async fn open(path: &Path) -> Outcome<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true).disable_statement_logging();
    Ok(options.connect().await?)
}

async fn run(connection: &mut SqliteConnection, sql: &str) -> Outcome<u64> {
    Ok(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await?.rows_affected())
}

#[allow(clippy::print_stdout, reason = "a benchmark prints its result")]
fn report(text: &str) {
    println!("{text}");
}
