//! Destroying one large bucket while many others exist, and while hardly any do. A
//! bucket is a rule and a date: the others are later dates of the same rule, moved
//! when their members left, years before they are due.
//!
//! Each state is made once, with the program, and copied for each round, since a
//! destruction cannot be had twice.

use std::{fs, path::Path, process::Command, time::Duration};

use tempfile::TempDir;

use super::{
    arguments::Size,
    hand::Connection,
    measure::{Outcome, Run, expect, middle, program},
    ours::{Deployment, Wishes},
    report::Work,
};

/// Nothing of the large bucket may be destroyed yet: it has cooled off for an hour.
const TOO_EARLY: &str = "2026-11-22T04:00:00+09:00";
const COOLED_OFF: &str = "2026-11-24T03:00:00+09:00";

/// Beside this many the others do not count.
const FEW: u64 = 10;
/// Enough to be records of an ordinary day, and few beside the victims.
const ROWS_OF_ANOTHER: u64 = 10;

const RULE: &str = "keep = \"30 years\"\nseparate_on = [\"withdrawal\"]";
/// Due at `NOW`, thirty years later. The first of the others is due in 2027, and
/// ten thousand days later they reach 2024.
const VICTIMS: &str = "1996-11-10";
const OTHERS_FROM: &str = "1997-01-01";

/// What still counts as independent.
const TIMES_MAX: f64 = 1.1;
/// For a million rows, beside what the engine's deletions take.
const SECONDS_MAX: f64 = 1.0;

pub async fn destroy(size: &Size) -> Outcome<Work> {
    let few = State::build(size.due, FEW.min(size.buckets)).await?;
    let many = State::build(size.due, size.buckets).await?;
    let (mut with_few, mut with_many) = (Rounds::default(), Rounds::default());
    for _ in 0..size.rounds {
        few.round(&mut with_few)?;
        many.round(&mut with_many)?;
    }
    let ((idle_few, few_run), (idle_many, many_run)) = (with_few.middle()?, with_many.middle()?);
    let label = |what: &str, state: &State| format!("{what}, {} other buckets", state.others);
    let mut runs = vec![(label("the cycle that destroys it", &many), many_run)];
    runs.push((label("the cycle that destroys it", &few), few_run));
    runs.push((label("a cycle with nothing to do", &many), idle_many));
    runs.push((label("a cycle with nothing to do", &few), idle_few));
    runs.push((label("before: separating the others", &many), many.others_moved));
    runs.push((label("before: separating the bucket", &many), many.victims_moved));
    runs.push((label("before: separating the bucket", &few), few.victims_moved));
    let name = format!("destroy, SQLite vault, a bucket of {} rows", size.due);
    let mut work = Work::alone(&name, runs);
    let itself = |run: Run, idle: Run| run.elapsed.saturating_sub(idle.elapsed).max(Duration::from_millis(1));
    let (alone, beside) = (itself(few_run, idle_few).as_secs_f64(), itself(many_run, idle_many).as_secs_f64());
    work.figure(&label("more than a cycle with nothing to do", &many), beside, "s");
    work.figure(&label("more than a cycle with nothing to do", &few), alone, "s");
    work.at_most("times as long beside the others, the destruction itself", beside / alone, TIMES_MAX);
    let cycle = many_run.elapsed.as_secs_f64() / few_run.elapsed.as_secs_f64();
    work.at_most("times as long beside the others, the whole cycle", cycle, TIMES_MAX);
    work.at_most("s, with the engine's deletions, the destruction itself", beside, SECONDS_MAX);
    work.at_most_memory(&many_run);
    Ok(work)
}

/// A vault with the large bucket and others, ready to be copied.
struct State {
    folder: TempDir,
    rows: u64,
    others: u64,
    others_moved: Run,
    victims_moved: Run,
}

#[derive(Default)]
struct Rounds {
    idle: Vec<Run>,
    destroying: Vec<Run>,
}

impl Rounds {
    fn middle(self) -> Outcome<(Run, Run)> {
        Ok((middle(self.idle)?, middle(self.destroying)?))
    }
}

impl State {
    async fn build(rows: u64, others: u64) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let place = folder.path().join("origin");
        fs::create_dir(&place)?;
        let mut source = Connection::open(&format!("sqlite://{}", place.join("shop.db").display())).await?;
        let table = "id INTEGER PRIMARY KEY, member_id INTEGER, path TEXT, visited_at TIMESTAMP, left_at TIMESTAMP";
        source.run(&format!("PRAGMA journal_mode = WAL; CREATE TABLE visits ({table})")).await?;
        for column in ["visited_at", "left_at"] {
            source.run(&format!("CREATE INDEX visits_{column} ON visits ({column})")).await?;
        }
        let wishes = Wishes {
            rule: RULE,
            guards: "not_before = 1990-01-01\nmedian_factor = 1000000",
            events: "events.withdrawal = \"left_at\"",
            ..Wishes::new("sqlite://shop.db", "sqlite://vault.db")
        };
        let deployment = Deployment::new(&place, &wishes)?;
        let other_rows = others * ROWS_OF_ANOTHER;
        fill(
            &mut source,
            &format!("datetime('{OTHERS_FROM}', printf('+%d days', (i - 1) / {ROWS_OF_ANOTHER}))"),
            other_rows,
        )
        .await?;
        deployment.plan(other_rows, other_rows)?;
        let others_moved = deployment.separate(other_rows)?;
        fill(&mut source, &format!("datetime('{VICTIMS}', printf('+%d seconds', i % 3600))"), rows).await?;
        deployment.plan(rows, rows)?;
        let victims_moved = deployment.separate(rows)?;
        expect("left", source.count("SELECT count(*) FROM visits").await?, 0)?;
        source.close().await?;
        Ok(Self { folder, rows, others, others_moved, victims_moved })
    }

    /// A cycle with nothing to do, and one that destroys the bucket.
    fn round(&self, rounds: &mut Rounds) -> Outcome<()> {
        let copy = self.folder.path().join("copy");
        copy_all(&self.folder.path().join("origin"), &copy)?;
        let deployment = Deployment::copied(&copy);
        rounds.idle.push(Run { rows: self.rows, ..deployment.destroy_at(TOO_EARLY, 0)? });
        rounds.destroying.push(deployment.destroy_at(COOLED_OFF, self.rows)?);
        // Nothing is left to destroy, and nothing else was destroyed with it.
        deployment.destroy_at(COOLED_OFF, 0)?;
        fs::remove_dir_all(copy)?;
        Ok(())
    }
}

/// Rows about to move: their members left three weeks before.
async fn fill(source: &mut Connection, visited_at: &str, rows: u64) -> Outcome<()> {
    let filling = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) \
         INSERT INTO visits SELECT i, i % 5000, printf('/products/%08d/%s', i * 7919 % 99999989, hex(randomblob(60))), \
         {visited_at}, '2026-11-01 00:00:00' FROM n"
    );
    expect("made", source.run(&filling).await?, rows)
}

fn copy_all(from: &Path, to: &Path) -> Outcome<()> {
    program(Command::new("cp").arg("-a").arg(from).arg(to), 0)?;
    // What the copy has not written yet is not to be written while it is measured.
    program(&mut Command::new("sync"), 0)?;
    Ok(())
}
