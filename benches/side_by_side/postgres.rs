//! PostgreSQL into a vault on another PostgreSQL, against what one would write by
//! hand: binary `COPY (DELETE … RETURNING)` into the other server's `COPY FROM`,
//! by ranges of the key and by `ctid`; a move inside one cluster; postgres_fdw;
//! and the bare deletion.

use std::time::Instant;

use futures_util::TryStreamExt as _;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use super::{
    arguments::Size,
    durable::{Pair, Servers, remove},
    measure::{Outcome, Run, expect, median, middle},
    ours::{CUTOFF, Deployment, Wishes},
    report::Work,
    servers::Database,
    visits::{Kind, Shape, fill, make_origin},
};

const KEYSET_PIPE: &str = "COPY pipe by key ranges, best batch";
const BATCHES: [u64; 2] = [5_000, 10_000];

/// What a contestant written by hand does with a batch of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Through this program into the other server.
    Pipe,
    /// Into a table of the same cluster by a common table expression.
    SameCluster,
    /// Into a foreign table of the other server.
    ForeignTable,
    Nowhere,
}

/// How a batch is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    KeyRange,
    Ctid,
}

const CONTESTANTS: [(&str, Way, Choice); 5] = [
    (KEYSET_PIPE, Way::Pipe, Choice::KeyRange),
    ("COPY pipe by ctid, best batch", Way::Pipe, Choice::Ctid),
    ("CTE move inside one cluster", Way::SameCluster, Choice::KeyRange),
    ("postgres_fdw, batch_size 1000", Way::ForeignTable, Choice::KeyRange),
    ("bare DELETE by key ranges", Way::Nowhere, Choice::KeyRange),
];

pub async fn separate(size: &Size, shape: Shape, servers: &Servers) -> Outcome<Work> {
    let pair = servers.pair().ok_or("no PostgreSQL was started")?;
    let live = pair.live.database();
    let (url, due) = (live.url(), shape.due);
    make_origin(Kind::Postgres, &url, shape).await?;
    let mut ours = Vec::new();
    let mut theirs = vec![vec![Vec::new(); BATCHES.len()]; CONTESTANTS.len()];
    for _ in 0..size.rounds {
        fill(Kind::Postgres, &url).await?;
        ours.push(retentiond(pair, &live, shape)?);
        for ((_, way, choice), runs) in CONTESTANTS.iter().zip(&mut theirs) {
            for (batch, runs) in BATCHES.iter().zip(runs) {
                fill(Kind::Postgres, &url).await?;
                let target = pair.separate.database();
                let mut hand = Hand::new(pair, (&live, &target), *way, *choice, *batch).await?;
                runs.push(hand.move_all(due).await?);
                remove(&target);
            }
        }
    }
    remove(&live);
    let best = |runs: Vec<Vec<Run>>| runs.into_iter().filter_map(median).min_by_key(|run| run.elapsed);
    let theirs = CONTESTANTS.iter().zip(theirs);
    let theirs = theirs.filter_map(|((name, ..), runs)| Some(((*name).to_owned(), best(runs)?))).collect();
    let (rows, spread) = (shape.rows(), shape.spread());
    let name = format!("separate, PostgreSQL → PostgreSQL vault, {due} due of {rows} rows, {spread}");
    let ours = middle(ours)?;
    let mut work = Work::new(&name, ("retentiond", ours), theirs, &[(KEYSET_PIPE, 1.2)]);
    work.at_most_memory(&ours);
    Ok(work)
}

fn retentiond(pair: &Pair, live: &Database<'_>, shape: Shape) -> Outcome<Run> {
    let folder = tempfile::tempdir()?;
    let vault = pair.separate.database();
    let deployment = Deployment::new(folder.path(), &Wishes::new(&live.url(), &vault.url()))?;
    deployment.plan(shape.due, shape.rows())?;
    let run = deployment.separate(shape.due)?;
    expect("left", live.number("SELECT count(*) FROM visits").unsigned_abs(), shape.due)?;
    remove(&vault);
    Ok(run)
}

/// A contestant written by hand, connected to both servers.
struct Hand {
    live: PgConnection,
    separate: PgConnection,
    way: Way,
    choice: Choice,
    batch: u64,
}

impl Hand {
    async fn new(
        pair: &Pair,
        (live, target): (&Database<'_>, &Database<'_>),
        way: Way,
        choice: Choice,
        batch: u64,
    ) -> Outcome<Self> {
        let columns = Kind::Postgres.columns();
        target.run(&format!("CREATE TABLE visits ({columns})"));
        let archive = match way {
            Way::ForeignTable => format!(
                "CREATE EXTENSION IF NOT EXISTS postgres_fdw; DROP SERVER IF EXISTS separate CASCADE; \
                 CREATE SERVER separate FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '{}', dbname \
                 '{}', batch_size '1000'); CREATE USER MAPPING FOR admin SERVER separate OPTIONS (user 'admin'); \
                 CREATE FOREIGN TABLE archive (id bigint, member_id integer, ip text, user_agent text, path text, \
                 visited_at timestamp) SERVER separate OPTIONS (table_name 'visits')",
                pair.separate.port(),
                target.name()
            ),
            _ => format!("CREATE TABLE archive ({columns})"),
        };
        live.run("DROP FOREIGN TABLE IF EXISTS archive");
        live.run(&archive);
        let connect = async |url: String| PgConnection::connect(&url).await;
        let (live, separate) = (connect(live.url()).await?, connect(target.url()).await?);
        Ok(Self { live, separate, way, choice, batch })
    }

    async fn move_all(&mut self, due: u64) -> Outcome<Run> {
        let started = Instant::now();
        let (mut from, mut moved) = (0_i64, 0);
        loop {
            let rows = match self.choice {
                Choice::KeyRange => {
                    let Some(to) = self.range_end(from).await? else { break };
                    let rows = format!("id > {from} AND id <= {to} AND visited_at < '{CUTOFF}'");
                    from = to;
                    rows
                }
                Choice::Ctid => {
                    format!("ctid IN (SELECT ctid FROM visits WHERE visited_at < '{CUTOFF}' LIMIT {})", self.batch)
                }
            };
            let gone = self.move_batch(&format!("DELETE FROM visits WHERE {rows}")).await?;
            moved += gone;
            if gone == 0 {
                break;
            }
        }
        let elapsed = started.elapsed();
        run(
            &mut self.live,
            if self.way == Way::ForeignTable { "DROP FOREIGN TABLE archive" } else { "DROP TABLE archive" },
        )
        .await?;
        expect("moved by the peer", moved, due)?;
        Ok(Run::inside_server(moved, elapsed))
    }

    async fn move_batch(&mut self, deletion: &str) -> Outcome<u64> {
        match self.way {
            Way::Pipe => self.pipe(deletion).await,
            Way::Nowhere => run(&mut self.live, deletion).await,
            Way::SameCluster | Way::ForeignTable => {
                let moving = format!("WITH gone AS ({deletion} RETURNING *) INSERT INTO archive SELECT * FROM gone");
                run(&mut self.live, &moving).await
            }
        }
    }

    /// The live side commits after the other one has.
    async fn pipe(&mut self, deletion: &str) -> Outcome<u64> {
        run(&mut self.live, "BEGIN").await?;
        let mut sink = self.separate.copy_in_raw("COPY visits FROM STDIN (FORMAT binary)").await?;
        let statement = format!("COPY ({deletion} RETURNING *) TO STDOUT (FORMAT binary)");
        let mut rows = self.live.copy_out_raw(&statement).await?;
        while let Some(bytes) = rows.try_next().await? {
            sink.send(bytes).await?;
        }
        drop(rows);
        let moved = sink.finish().await?;
        run(&mut self.live, "COMMIT").await?;
        Ok(moved)
    }

    /// The key that ends the next range, `None` behind the last row that is due.
    async fn range_end(&mut self, from: i64) -> Outcome<Option<i64>> {
        let sql = format!(
            "SELECT max(id) FROM (SELECT id FROM visits WHERE id > {from} AND visited_at < '{CUTOFF}' ORDER BY id LIMIT \
             {}) AS next",
            self.batch
        );
        let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut self.live).await?;
        Ok(row.try_get(0)?)
    }
}

async fn run(connection: &mut PgConnection, sql: &str) -> Outcome<u64> {
    Ok(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await?.rows_affected())
}
