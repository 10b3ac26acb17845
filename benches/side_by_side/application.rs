//! What the application notices of a cycle at the default limits: the same load on
//! the table that rows leave, alone and beside the cycle.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    arguments::Size,
    durable::{Servers, remove},
    load::{CONNECTIONS, Load, Percentiles},
    measure::{Outcome, expect, middle},
    ours::{Deployment, Wishes},
    report::Work,
    servers::Database,
    visits::{Kind, Shape, fill, make_origin},
};

/// Slower by a tenth at the most.
const TIMES_MAX: f64 = 1.1;

/// Of the transactions that are served when nothing else runs: a busy application
/// whose server is not at its limit. Latencies of more than is served say only how
/// long the queue has become.
const PART_OF_CAPACITY: u32 = 4;
const TRANSACTIONS_PER_SECOND_MAX: u32 = 400;

/// How long the application runs alone before each cycle.
const ALONE: Duration = Duration::from_secs(15);
const ALONE_SHORT: Duration = Duration::from_millis(500);
/// Connections are made and pages are read in this time; it is not counted.
const WARM: Duration = Duration::from_secs(3);
const WARM_SHORT: Duration = Duration::from_millis(200);

pub async fn beside(size: &Size, kind: Kind, servers: &Servers) -> Outcome<Work> {
    let pair = servers.pair().ok_or("SQLite has one writer: nothing runs beside it")?;
    let live = pair.live.database();
    let shape = Shape { due: size.due, scattered: true };
    make_origin(kind, &live.url(), shape).await?;
    let warm = if size.short { WARM_SHORT } else { WARM };
    fill(kind, &live.url()).await?;
    let rate = bearable(&live, shape, warm)?;
    let (mut runs, mut alone, mut together) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..size.rounds {
        fill(kind, &live.url()).await?;
        let folder = tempfile::tempdir()?;
        let vault = pair.separate.database();
        let (from, to) = (live.url(), vault.url());
        let wishes = Wishes { limits: "", ..Wishes::new(&from, &to) };
        let deployment = Deployment::new(folder.path(), &wishes)?;
        deployment.plan(shape.due, shape.rows())?;
        let before = sum(&live);
        let load = Load::start(&live.url(), shape, Some(rate));
        thread::sleep(warm);
        let begun = Instant::now();
        thread::sleep(if size.short { ALONE_SHORT } else { ALONE });
        let cycle = Instant::now();
        let run = deployment.separate_as_a_service(shape.due);
        let end = Instant::now();
        let served = load.stop()?;
        runs.push(run?);
        alone.push(served.between(begun, cycle)?);
        together.push(served.between(cycle, end)?);
        expect("left", live.number("SELECT count(*) FROM visits").unsigned_abs(), shape.due)?;
        expect("changed by the application", sum(&live) - before, served.transactions())?;
        remove(&vault);
    }
    remove(&live);
    let ours = middle(runs)?;
    let load = format!("{rate} transactions/s on {CONNECTIONS} connections");
    let name = format!("application beside a cycle at default limits, {}, {load}", kind.name());
    let mut work = Work::alone(&name, vec![(format!("the cycle, {} due of {} rows", shape.due, shape.rows()), ours)]);
    note(&mut work, Percentiles::middle(&alone)?, Percentiles::middle(&together)?);
    work.at_most_memory(&ours);
    Ok(work)
}

/// Transactions a second to ask for.
fn bearable(live: &Database<'_>, shape: Shape, time: Duration) -> Outcome<u32> {
    let (before, begun) = (sum(live), Instant::now());
    let load = Load::start(&live.url(), shape, None);
    thread::sleep(time);
    let served = load.stop()?.transactions();
    let elapsed = begun.elapsed();
    expect("changed by the application", sum(live) - before, served)?;
    let per_second = (served as f64 / elapsed.as_secs_f64()) as u32 / PART_OF_CAPACITY;
    Ok(per_second.clamp(1, TRANSACTIONS_PER_SECOND_MAX))
}

/// Over the live rows; grows by one with each transaction of the application.
fn sum(live: &Database<'_>) -> u64 {
    live.number("SELECT sum(member_id) FROM visits WHERE id % 2 = 0").unsigned_abs()
}

fn note(work: &mut Work, alone: Percentiles, together: Percentiles) {
    work.figure("p50 without a cycle", alone.p50, "ms");
    work.figure("p50 beside the cycle", together.p50, "ms");
    work.figure("p99 without a cycle", alone.p99, "ms");
    work.figure("p99 beside the cycle", together.p99, "ms");
    work.at_most("times as long for the application, p50", together.p50 / alone.p50, TIMES_MAX);
    work.at_most("times as long for the application, p99", together.p99 / alone.p99, TIMES_MAX);
}
