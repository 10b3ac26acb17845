//! MariaDB into a vault on another MariaDB, against pt-archiver (in batches, each
//! of several sizes, and row by row), key ranges written by hand inside one
//! server, and the bare deletion.

use std::{process::Command, time::Instant};

use super::{
    arguments::Size,
    durable::{Pair, Servers, remove},
    hand::Connection,
    measure::{Outcome, Run, expect, median, middle, program},
    ours::{CUTOFF, Deployment, Wishes},
    report::Work,
    servers::Database,
    visits::{Kind, Shape, fill, make_origin},
};

const PT_ARCHIVER: &str = "pt-archiver, bulk, best limit";
const RANGES: &str = "key ranges inside one server";
const ARCHIVER_LIMITS: [u64; 3] = [1_000, 5_000, 10_000];
const RANGE_ROWS: u64 = 10_000;
/// Row by row takes a thousand times as long: a sample says as much.
const ROW_BY_ROW_MAX: u64 = 10_000;

pub async fn separate(size: &Size, shape: Shape, servers: &Servers) -> Outcome<Work> {
    let pair = servers.pair().ok_or("no MariaDB was started")?;
    let live = pair.live.database();
    let (url, due) = (live.url(), shape.due);
    make_origin(Kind::MariaDb, &url, shape).await?;
    let mut ours = Vec::new();
    let mut archiver: Vec<Vec<Run>> = vec![Vec::new(); ARCHIVER_LIMITS.len()];
    let (mut ranges, mut bare, mut row_by_row) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..size.rounds {
        fill(Kind::MariaDb, &url).await?;
        ours.push(retentiond(pair, &live, shape)?);
        expect_moved(&live, due)?;
        for (limit, runs) in ARCHIVER_LIMITS.iter().zip(&mut archiver) {
            fill(Kind::MariaDb, &url).await?;
            runs.push(pt_archiver(pair, &live, due, Some(*limit))?);
            expect_moved(&live, due)?;
        }
        fill(Kind::MariaDb, &url).await?;
        ranges.push(key_ranges(&live, due, true).await?);
        expect_moved(&live, due)?;
        fill(Kind::MariaDb, &url).await?;
        bare.push(key_ranges(&live, due, false).await?);
        expect_moved(&live, due)?;
        if round == 0 {
            fill(Kind::MariaDb, &url).await?;
            let sample = if size.short { due / 10 } else { due.min(ROW_BY_ROW_MAX) };
            row_by_row.push(pt_archiver(pair, &live, sample, None)?);
        }
    }
    remove(&live);
    let best = archiver.into_iter().filter_map(median).min_by_key(|run| run.elapsed);
    let peers = [
        (PT_ARCHIVER, best),
        ("pt-archiver, its default, a sample", median(row_by_row)),
        (RANGES, median(ranges)),
        ("bare DELETE by key ranges", median(bare)),
    ];
    let theirs = peers.into_iter().filter_map(|(name, run)| Some((name.to_owned(), run?))).collect();
    let name = format!("separate, MariaDB → MariaDB vault, {due} due of {} rows, {}", shape.rows(), shape.spread());
    let ours = middle(ours)?;
    let mut work = Work::new(&name, ("retentiond", ours), theirs, &[(PT_ARCHIVER, 2.5), (RANGES, 1.2)]);
    work.at_most_memory(&ours);
    Ok(work)
}

fn expect_moved(live: &Database<'_>, due: u64) -> Outcome<()> {
    expect("left", live.number("SELECT COUNT(*) FROM visits").unsigned_abs(), due)
}

fn retentiond(pair: &Pair, live: &Database<'_>, shape: Shape) -> Outcome<Run> {
    let folder = tempfile::tempdir()?;
    let vault = pair.separate.database();
    let deployment = Deployment::new(folder.path(), &Wishes::new(&live.url(), &vault.url()))?;
    deployment.plan(shape.due, shape.rows())?;
    let run = deployment.separate(shape.due)?;
    remove(&vault);
    Ok(run)
}

/// `limit`: rows of a batch; `None` is what it does when nothing is said.
fn pt_archiver(pair: &Pair, live: &Database<'_>, due: u64, limit: Option<u64>) -> Outcome<Run> {
    let target = pair.separate.database();
    target.run(&format!("CREATE TABLE visits ({}, KEY visits_at (visited_at))", Kind::MariaDb.columns()));
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
    let run = program(&mut command, due)?;
    expect("archived", target.number("SELECT COUNT(*) FROM visits").unsigned_abs(), due)?;
    remove(&target);
    Ok(run)
}

/// What one would write by hand, for two tables of one server: `INSERT … SELECT`
/// and `DELETE` over the same range of keys.
async fn key_ranges(live: &Database<'_>, due: u64, keep: bool) -> Outcome<Run> {
    live.run("DROP TABLE IF EXISTS archive; CREATE TABLE archive LIKE visits");
    let mut connection = Connection::open(&live.url()).await?;
    let started = Instant::now();
    let (mut from, mut moved) = (0_i64, 0);
    while let Some(to) = range_end(&mut connection, from).await? {
        let rows = format!("id > {from} AND id <= {to} AND visited_at < '{CUTOFF}'");
        connection.run("START TRANSACTION").await?;
        if keep {
            connection.run(&format!("INSERT INTO archive SELECT * FROM visits WHERE {rows}")).await?;
        }
        moved += connection.run(&format!("DELETE FROM visits WHERE {rows}")).await?;
        connection.run("COMMIT").await?;
        from = to;
    }
    let elapsed = started.elapsed();
    connection.close().await?;
    expect("moved by the peer", moved, due)?;
    Ok(Run::inside_server(moved, elapsed))
}

/// The key that ends the next range, `None` behind the last row that is due.
async fn range_end(connection: &mut Connection, from: i64) -> Outcome<Option<i64>> {
    let sql = format!(
        "SELECT MAX(id) FROM (SELECT id FROM visits WHERE id > {from} AND visited_at < '{CUTOFF}' ORDER BY id LIMIT \
         {RANGE_ROWS}) AS next"
    );
    connection.number(&sql).await
}
