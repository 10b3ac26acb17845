//! MariaDB into a vault on another MariaDB, against pt-archiver (in batches, each
//! of several sizes, and row by row), key ranges written by hand inside one
//! server, and the bare deletion.

use std::{process::Command, time::Instant};

use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, Row as _, mysql::MySqlConnectOptions};

use super::{
    Size,
    durable::Pair,
    measure::{Outcome, Run, median, program},
    ours::{CUTOFF, Deployment},
    report::Work,
    servers::{Database, Engine},
};

const PT_ARCHIVER: &str = "pt-archiver, bulk, best limit";
const RANGES: &str = "key ranges inside one server";
const ARCHIVER_LIMITS: [u64; 3] = [1_000, 5_000, 10_000];
const RANGE_ROWS: u64 = 10_000;
/// Row by row takes a thousand times as long: a sample says as much.
const ROW_BY_ROW_MAX: u64 = 10_000;

const COLUMNS: &str = "id BIGINT PRIMARY KEY, member_id INT NOT NULL, ip VARCHAR(45) NOT NULL, \
    user_agent VARCHAR(200) NOT NULL, path VARCHAR(120) NOT NULL, visited_at DATETIME NOT NULL, KEY visits_at (visited_at)";

pub async fn separate(size: &Size, scattered: bool) -> Outcome<Work> {
    let pair = Pair::start(Engine::MariaDb);
    let live = pair.live.database();
    let due = size.due;
    build(&live, due, scattered);
    let mut ours = Vec::new();
    let mut archiver: Vec<Vec<Run>> = vec![Vec::new(); ARCHIVER_LIMITS.len()];
    let (mut ranges, mut bare, mut row_by_row) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..size.rounds {
        fill(&live);
        ours.push(retentiond(&pair, &live, due)?);
        expect_moved(&live, due)?;
        for (limit, runs) in ARCHIVER_LIMITS.iter().zip(&mut archiver) {
            fill(&live);
            runs.push(pt_archiver(&pair, &live, due, Some(*limit))?);
            expect_moved(&live, due)?;
        }
        fill(&live);
        ranges.push(key_ranges(&live, due, true).await?);
        expect_moved(&live, due)?;
        fill(&live);
        bare.push(key_ranges(&live, due, false).await?);
        expect_moved(&live, due)?;
        if round == 0 {
            fill(&live);
            row_by_row.push(pt_archiver(&pair, &live, due.min(ROW_BY_ROW_MAX), None)?);
        }
    }
    let best = archiver.into_iter().filter_map(median).min_by_key(|run| run.elapsed);
    let peers = [
        (PT_ARCHIVER, best),
        ("pt-archiver, its default, a sample", median(row_by_row)),
        (RANGES, median(ranges)),
        ("bare DELETE by key ranges", median(bare)),
    ];
    let theirs = peers.into_iter().filter_map(|(name, run)| Some((name.to_owned(), run?))).collect();
    let spread = if scattered { "scattered over the keys" } else { "contiguous" };
    let name = format!("separate, MariaDB → MariaDB vault, {due} due of {} rows, {spread}", 2 * due);
    let ours = median(ours).ok_or("nothing was run")?;
    Ok(Work::new(&name, ("retentiond", ours), theirs, &[(PT_ARCHIVER, 2.5), (RANGES, 1.2)]))
}

/// The rows once, to be copied before each contestant. Half of them are three to
/// eight years old and due.
fn build(live: &Database<'_>, due: u64, scattered: bool) {
    let is_due = if scattered { "seq % 2 = 1".to_owned() } else { format!("seq <= {due}") };
    live.run(&format!(
        "CREATE TABLE origin ({COLUMNS}); CREATE TABLE archive LIKE origin; \
         INSERT INTO origin SELECT seq, seq % 5000, CONCAT('10.', seq % 250, '.', seq % 200, '.', seq % 100), \
         'Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0 Mobile', \
         CONCAT('/products/', LPAD(seq * 7919 % 99999989, 8, '0'), '/', SUBSTR(SHA2(seq, 256), 1, 60)), \
         '2026-10-01' - INTERVAL IF({is_due}, 1200 + seq * 31 % 1800, seq * 17 % 200) DAY FROM seq_1_to_{}",
        2 * due
    ));
}

/// The state before each contestant.
fn fill(live: &Database<'_>) {
    live.run(
        "DROP TABLE IF EXISTS visits; CREATE TABLE visits LIKE origin; INSERT INTO visits SELECT * FROM origin; \
         TRUNCATE archive",
    );
}

fn expect_moved(live: &Database<'_>, due: u64) -> Outcome<()> {
    let left = live.number("SELECT COUNT(*) FROM visits").unsigned_abs();
    if left == due { Ok(()) } else { Err(format!("{left} rows are left, and {due} were to stay").into()) }
}

fn retentiond(pair: &Pair, live: &Database<'_>, due: u64) -> Outcome<Run> {
    let folder = tempfile::tempdir()?;
    let vault = pair.separate.database();
    let deployment = Deployment::new(folder.path(), &live.url(), &vault.url(), "visits")?;
    deployment.plan(due)?;
    deployment.separate(due)
}

/// `limit`: rows of a batch; `None` is what it does when nothing is said.
fn pt_archiver(pair: &Pair, live: &Database<'_>, due: u64, limit: Option<u64>) -> Outcome<Run> {
    let target = pair.separate.database();
    target.run(&format!("CREATE TABLE visits ({COLUMNS})"));
    let mut command = Command::new("pt-archiver");
    command
        .arg("--source")
        .arg(format!("h=127.0.0.1,P={},u=admin,D={},t=visits", pair.live.port(), live.name()))
        .arg("--dest")
        .arg(format!("h=127.0.0.1,P={},u=admin,D={},t=visits", pair.separate.port(), target.name()))
        .args(["--where", &format!("visited_at < '{CUTOFF}'"), "--no-check-charset", "--no-version-check"]);
    match limit {
        Some(limit) => {
            command.args(["--bulk-insert", "--bulk-delete", "--commit-each", "--limit", &limit.to_string()]);
        }
        // A sample: the rows of the first keys that are due.
        None => {
            let last = live.number(&format!(
                "SELECT id FROM visits WHERE visited_at < '{CUTOFF}' ORDER BY id LIMIT 1 OFFSET {}",
                due - 1
            ));
            command.args(["--where", &format!("visited_at < '{CUTOFF}' AND id <= {last}")]);
        }
    }
    program(&mut command, due)
}

/// What one would write by hand, for two tables of one server: `INSERT … SELECT`
/// and `DELETE` over the same range of keys.
async fn key_ranges(live: &Database<'_>, due: u64, keep: bool) -> Outcome<Run> {
    let options: MySqlConnectOptions = live.url().replace("mariadb://", "mysql://").parse()?;
    let mut connection = MySqlConnection::connect_with(&options).await?;
    let started = Instant::now();
    let (mut from, mut moved) = (0_i64, 0);
    while let Some(to) = range_end(&mut connection, from).await? {
        let rows = format!("id > {from} AND id <= {to} AND visited_at < '{CUTOFF}'");
        run(&mut connection, "START TRANSACTION").await?;
        if keep {
            run(&mut connection, &format!("INSERT INTO archive SELECT * FROM visits WHERE {rows}")).await?;
        }
        moved += run(&mut connection, &format!("DELETE FROM visits WHERE {rows}")).await?;
        run(&mut connection, "COMMIT").await?;
        from = to;
    }
    let elapsed = started.elapsed();
    connection.close().await?;
    if moved != due {
        return Err(format!("the peer moved {moved} of {due} rows").into());
    }
    Ok(Run::inside_server(moved, elapsed))
}

/// The key that ends the next range, `None` behind the last row that is due.
async fn range_end(connection: &mut MySqlConnection, from: i64) -> Outcome<Option<i64>> {
    let sql = format!(
        "SELECT MAX(id) FROM (SELECT id FROM visits WHERE id > {from} AND visited_at < '{CUTOFF}' ORDER BY id LIMIT \
         {RANGE_ROWS}) AS next"
    );
    let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(connection).await?;
    Ok(row.try_get(0)?)
}

async fn run(connection: &mut MySqlConnection, sql: &str) -> Outcome<u64> {
    Ok(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await?.rows_affected())
}
