//! The same separation from a table and from one ten times as large: time per row
//! and memory are to stay as they are.

use super::{
    arguments::Size,
    durable::Servers,
    measure::{Outcome, Run, expect, middle},
    ours::{Deployment, Wishes},
    report::Work,
    visits::{Kind, Place, Shape},
};

const TENFOLD: u64 = 10;

/// What still counts as flat: two runs of one size differ by as much.
const FLAT_MAX: f64 = 1.1;

pub async fn growth(size: &Size, kind: Kind, servers: &Servers, scattered: bool) -> Outcome<Work> {
    let shape = Shape { due: size.due, scattered };
    let larger = Shape { due: TENFOLD * size.due, scattered };
    let mut runs = Vec::new();
    for _ in 0..size.rounds {
        runs.push(separate(kind, servers, shape).await?);
    }
    let small = middle(runs)?;
    // Once: it is long enough not to depend on a moment.
    let large = separate(kind, servers, larger).await?;
    let label = |shape: Shape| format!("{} due of {} rows", shape.due, shape.rows());
    let name = format!("separate, {}, a table that grows tenfold, {}", kind.name(), shape.spread());
    let mut work = Work::alone(&name, vec![(label(shape), small), (label(larger), large)]);
    work.at_most("times as long per row, tenfold", small.rows_per_second() / large.rows_per_second(), FLAT_MAX);
    if let (Some(small), Some(large)) = (small.own, large.own) {
        work.at_most("times as much memory, tenfold", large.peak_mb() / small.peak_mb(), FLAT_MAX);
    }
    work.at_most_memory(&large);
    Ok(work)
}

async fn separate(kind: Kind, servers: &Servers, shape: Shape) -> Outcome<Run> {
    let place = Place::new(kind, servers)?;
    place.build(shape).await?;
    let folder = tempfile::tempdir()?;
    let deployment = Deployment::new(folder.path(), &Wishes::new(&place.url(), &place.vault()))?;
    deployment.plan(shape.due, shape.rows())?;
    let run = deployment.separate(shape.due)?;
    let mut connection = place.connect().await?;
    expect("left", connection.count("SELECT count(*) FROM visits").await?, shape.due)?;
    connection.close().await?;
    place.remove();
    Ok(run)
}
