//! PostgreSQL into a vault on another PostgreSQL, against what one would write by
//! hand: binary `COPY (DELETE … RETURNING)` into the other server's `COPY FROM`,
//! by ranges of the key and by `ctid`; a move inside one cluster; postgres_fdw;
//! and the bare deletion.

use std::time::Instant;

use futures_util::TryStreamExt as _;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use super::{
    Size,
    durable::Pair,
    measure::{Outcome, Run, median},
    ours::{CUTOFF, Deployment},
    report::Work,
    servers::{Database, Engine},
};

const KEYSET_PIPE: &str = "COPY pipe by key ranges, best batch";
const BATCHES: [u64; 2] = [5_000, 10_000];

const COLUMNS: &str = "id bigint PRIMARY KEY, member_id integer NOT NULL, ip text NOT NULL, user_agent text NOT NULL, \
    path text NOT NULL, visited_at timestamp NOT NULL";

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

pub async fn separate(size: &Size, scattered: bool) -> Outcome<Work> {
    let pair = Pair::start(Engine::Postgres);
    let live = pair.live.database();
    let due = size.due;
    build(&live, due, scattered);
    let mut ours = Vec::new();
    let mut theirs = vec![vec![Vec::new(); BATCHES.len()]; CONTESTANTS.len()];
    for _ in 0..size.rounds {
        fill(&live);
        ours.push(retentiond(&pair, &live, due)?);
        for ((_, way, choice), runs) in CONTESTANTS.iter().zip(&mut theirs) {
            for (batch, runs) in BATCHES.iter().zip(runs) {
                fill(&live);
                let mut hand = Hand::new(&pair, &live, *way, *choice, *batch).await?;
                runs.push(hand.move_all(due).await?);
            }
        }
    }
    let best = |runs: Vec<Vec<Run>>| runs.into_iter().filter_map(median).min_by_key(|run| run.elapsed);
    let theirs = CONTESTANTS.iter().zip(theirs);
    let theirs = theirs.filter_map(|((name, ..), runs)| Some(((*name).to_owned(), best(runs)?))).collect();
    let spread = if scattered { "scattered over the keys" } else { "contiguous" };
    let name = format!("separate, PostgreSQL → PostgreSQL vault, {due} due of {} rows, {spread}", 2 * due);
    let ours = median(ours).ok_or("nothing was run")?;
    Ok(Work::new(&name, ("retentiond", ours), theirs, &[(KEYSET_PIPE, 1.2)]))
}

/// The dry run beside the two counts that it cannot do without: what is due, and
/// the rows of the table, both from the index and the heap as they are.
pub async fn plan(size: &Size) -> Outcome<Work> {
    let pair = Pair::start(Engine::Postgres);
    let live = pair.live.database();
    let rows = 2 * size.due;
    build(&live, size.due, true);
    fill(&live);
    let folder = tempfile::tempdir()?;
    let deployment = Deployment::new(folder.path(), &live.url(), &pair.separate.database().url(), "visits")?;
    let mut connection = PgConnection::connect(&live.url()).await?;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..size.rounds {
        let started = Instant::now();
        run(&mut connection, &format!("SELECT count(*) FROM visits WHERE visited_at < '{CUTOFF}'")).await?;
        run(&mut connection, "SELECT count(*) FROM visits").await?;
        bare.push(Run::inside_server(rows, started.elapsed()));
        ours.push(deployment.plan(rows)?);
    }
    const BARE: &str = "bare count(*) of the due rows and of the table";
    let middle = |runs| median(runs).ok_or("nothing was run");
    let name = format!("plan, PostgreSQL, {rows} rows");
    // At most 1.2 times as long is a ratio of rates of at least 1 / 1.2.
    Ok(Work::new(&name, ("retentiond", middle(ours)?), vec![(BARE.to_owned(), middle(bare)?)], &[(BARE, 1.0 / 1.2)]))
}

/// The rows once, to be copied before each contestant. Half of them are three to
/// eight years old and due.
fn build(live: &Database<'_>, due: u64, scattered: bool) {
    let is_due = if scattered { "i % 2 = 1".to_owned() } else { format!("i <= {due}") };
    live.run(&format!(
        "CREATE TABLE origin AS SELECT i::bigint AS id, (i % 5000)::integer AS member_id, \
         format('10.%s.%s.%s', i % 250, i % 200, i % 100) AS ip, \
         'Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0 Mobile'::text AS user_agent, \
         format('/products/%s/%s', lpad((i * 7919::bigint % 99999989)::text, 8, '0'), \
         left(encode(sha256(i::text::bytea), 'hex'), 60)) AS path, \
         timestamp '2026-10-01' - make_interval(days => (CASE WHEN {is_due} THEN 1200 + i * 31::bigint % 1800 \
         ELSE i * 17 % 200 END)::integer) AS visited_at FROM generate_series(1, {}) AS i",
        2 * due
    ));
}

/// The state before each contestant.
fn fill(live: &Database<'_>) {
    live.run(&format!(
        "DROP TABLE IF EXISTS visits; CREATE TABLE visits ({COLUMNS}); INSERT INTO visits SELECT * FROM origin ORDER BY \
         id; CREATE INDEX visits_at ON visits (visited_at)"
    ));
    live.run("VACUUM ANALYZE visits");
    live.run("CHECKPOINT");
}

fn retentiond(pair: &Pair, live: &Database<'_>, due: u64) -> Outcome<Run> {
    let folder = tempfile::tempdir()?;
    let vault = pair.separate.database();
    let deployment = Deployment::new(folder.path(), &live.url(), &vault.url(), "visits")?;
    deployment.plan(due)?;
    let run = deployment.separate(due)?;
    let left = live.number("SELECT count(*) FROM visits").unsigned_abs();
    if left == due { Ok(run) } else { Err(format!("{left} rows are left, and {due} were to stay").into()) }
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
    async fn new(pair: &Pair, live: &Database<'_>, way: Way, choice: Choice, batch: u64) -> Outcome<Self> {
        let target = pair.separate.database();
        target.run(&format!("CREATE TABLE visits ({COLUMNS})"));
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
            _ => format!("CREATE TABLE archive ({COLUMNS})"),
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
        if moved != due {
            return Err(format!("the peer moved {moved} of {due} rows").into());
        }
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
