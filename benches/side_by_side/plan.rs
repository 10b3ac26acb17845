//! The dry run beside the two counts that it cannot do without: what is due, and the
//! rows of the table. Nobody writes meanwhile, and everything was read once before.

use std::time::Instant;

use super::{
    arguments::Size,
    durable::Servers,
    hand::Connection,
    measure::{Outcome, Run, expect, middle},
    ours::{CUTOFF, Deployment, Wishes},
    report::Work,
    visits::{Kind, Place, Shape},
};

const BARE: &str = "bare count(*) of the due rows and of the table";

/// Times as long as the bare counts.
const TIME_MAX: f64 = 1.2;

pub async fn plan(size: &Size, kind: Kind, servers: &Servers) -> Outcome<Work> {
    let place = Place::new(kind, servers)?;
    let shape = Shape { due: size.rows.div_ceil(2), scattered: true };
    place.build(shape).await?;
    let folder = tempfile::tempdir()?;
    let deployment = Deployment::new(folder.path(), &Wishes::new(&place.url(), &place.vault()))?;
    let mut connection = place.connect().await?;
    // Both find the same pages in memory, also in the first round.
    bare_counts(&mut connection, shape).await?;
    deployment.plan(shape.due, shape.rows())?;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..size.rounds {
        bare.push(bare_counts(&mut connection, shape).await?);
        ours.push(deployment.plan(shape.due, shape.rows())?);
    }
    connection.close().await?;
    place.remove();
    let (ours, bare) = (middle(ours)?, middle(bare)?);
    let name = format!("plan, {}, {} rows", kind.name(), shape.rows());
    let mut work = Work::new(&name, ("retentiond", ours), vec![(BARE.to_owned(), bare)], &[]);
    let times = ours.elapsed.as_secs_f64() / bare.elapsed.as_secs_f64();
    work.at_most("times as long as the bare counts", times, TIME_MAX);
    work.at_most_memory(&ours);
    Ok(work)
}

async fn bare_counts(connection: &mut Connection, shape: Shape) -> Outcome<Run> {
    let started = Instant::now();
    let due = connection.count(&format!("SELECT count(*) FROM visits WHERE visited_at < '{CUTOFF}'")).await?;
    let all = connection.count("SELECT count(*) FROM visits").await?;
    let elapsed = started.elapsed();
    expect("due", due, shape.due)?;
    expect("in the table", all, shape.rows())?;
    Ok(Run::inside_server(all, elapsed))
}
