//! SQLite into a vault beside it, against `ATTACH` with `INSERT … SELECT` and
//! `DELETE` in batches of 10,000 with `synchronous = FULL`, which encrypts and
//! proves nothing.

use std::{fs, path::Path, time::Instant};

use super::{
    arguments::Size,
    durable::Servers,
    hand::Connection,
    measure::{Outcome, Run, expect, middle},
    ours::{CUTOFF, Deployment, Wishes},
    report::Work,
    visits::{Kind, Place, Shape},
};

const PEER: &str = "ATTACH, batches of 10,000";
const PEER_BATCH_ROWS: u64 = 10_000;

pub async fn separate(size: &Size, shape: Shape) -> Outcome<Work> {
    let folder = tempfile::tempdir()?;
    let servers = Servers::default();
    let origin = Place::new(Kind::Sqlite, &servers)?;
    origin.build(shape).await?;
    let origin_file = origin.url().replace("sqlite://", "");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..size.rounds {
        let place = folder.path().join(format!("round-{round}"));
        fs::create_dir(&place)?;
        for name in ["peer.db", "shop.db"] {
            fs::copy(&origin_file, place.join(name))?;
        }
        theirs.push(attach(&place, shape.due).await?);
        let wishes = Wishes::new("sqlite://../shop.db", "sqlite://vault.db");
        let deployment = Deployment::new(&place.join("ours"), &wishes)?;
        deployment.plan(shape.due, shape.rows())?;
        ours.push(deployment.separate(shape.due)?);
        let mut left = open(&place.join("shop.db")).await?;
        expect("left", left.count("SELECT count(*) FROM visits").await?, shape.due)?;
        left.close().await?;
        fs::remove_dir_all(&place)?;
    }
    let (due, rows, spread) = (shape.due, shape.rows(), shape.spread());
    let name = format!("separate, SQLite → SQLite vault, {due} due of {rows} rows, {spread}");
    let ours = middle(ours)?;
    let mut work = Work::new(&name, ("retentiond", ours), vec![(PEER.to_owned(), middle(theirs)?)], &[(PEER, 1.0)]);
    work.at_most_memory(&ours);
    Ok(work)
}

/// What one would write by hand: durable, into a second file, in batches.
async fn attach(folder: &Path, due: u64) -> Outcome<Run> {
    let mut connection = open(&folder.join("peer.db")).await?;
    let archive = folder.join("archive.db");
    connection.run(&format!("PRAGMA synchronous = FULL; ATTACH '{}' AS archive", archive.display())).await?;
    connection.run("PRAGMA archive.journal_mode = WAL; PRAGMA archive.synchronous = FULL").await?;
    connection.run("CREATE TABLE archive.visits AS SELECT * FROM main.visits LIMIT 0").await?;
    let chosen = format!(
        "(SELECT id FROM main.visits WHERE visited_at < '{CUTOFF}' ORDER BY visited_at LIMIT {PEER_BATCH_ROWS})"
    );
    let started = Instant::now();
    let mut moved = 0;
    loop {
        connection.run("BEGIN IMMEDIATE").await?;
        connection.run(&format!("CREATE TEMP TABLE chosen AS SELECT id FROM {chosen}")).await?;
        let copy = "INSERT INTO archive.visits SELECT * FROM main.visits WHERE id IN (SELECT id FROM chosen)";
        connection.run(copy).await?;
        let gone = connection.run("DELETE FROM main.visits WHERE id IN (SELECT id FROM chosen)").await?;
        connection.run("DROP TABLE chosen; COMMIT").await?;
        moved += gone;
        if gone < PEER_BATCH_ROWS {
            break;
        }
    }
    let elapsed = started.elapsed();
    connection.close().await?;
    expect("moved by the peer", moved, due)?;
    Ok(Run::inside_server(moved, elapsed))
}

async fn open(path: &Path) -> Outcome<Connection> {
    Connection::open(&format!("sqlite://{}", path.display())).await
}
