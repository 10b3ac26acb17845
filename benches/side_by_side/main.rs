//! The program beside what people use today: the same rows, the same machine, in
//! turn, several times. Prints medians, peak memory and ratios; asserts no time.
//!
//! `benches/run` installs the peers and starts it. `--short` is small: it shows that
//! everything runs and says nothing of speed. `--due N` sets the rows that are due,
//! `--json FILE` keeps the figures, names choose works (sqlite, mariadb, postgres,
//! plan).

mod durable;
mod machine;
mod mariadb;
mod measure;
mod ours;
mod postgres;
mod report;
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "they serve tests, which fail that way")]
#[path = "../../tests/servers/mod.rs"]
mod servers;
mod sqlite;

use std::{env, fs, path::PathBuf};

use measure::Outcome;
use report::Work;
use serde::Serialize;

const VERSIONS: &[&[&str]] = &[
    &["rustc", "--version"],
    &["sqlite3", "--version"],
    &["mariadbd", "--version"],
    &["psql", "--version"],
    &["pt-archiver", "--version"],
];

/// How large a work is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Rows that are due; as many again are not.
    pub due: u64,
    pub rounds: usize,
}

#[derive(Debug, Serialize)]
struct Results {
    machine: machine::Machine,
    works: Vec<Work>,
}

#[derive(Debug, Default)]
struct Arguments {
    short: bool,
    due: Option<u64>,
    json: Option<PathBuf>,
    works: Vec<String>,
}

fn arguments() -> Outcome<Arguments> {
    let mut arguments = Arguments::default();
    let mut given = env::args().skip(1);
    while let Some(argument) = given.next() {
        match argument.as_str() {
            // What `cargo bench` adds by itself.
            "--bench" => {}
            "--short" => arguments.short = true,
            "--due" => arguments.due = Some(given.next().ok_or("--due wants a number of rows")?.parse()?),
            "--json" => arguments.json = Some(given.next().ok_or("--json wants a file")?.into()),
            name if name.starts_with('-') => return Err(format!("unknown option {name}").into()),
            name => arguments.works.push(name.to_owned()),
        }
    }
    Ok(arguments)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let arguments = arguments()?;
    let mut size = if arguments.short { Size { due: 5_000, rounds: 1 } } else { Size { due: 1_000_000, rounds: 3 } };
    size.due = arguments.due.unwrap_or(size.due);
    let wanted = |name: &str| arguments.works.is_empty() || arguments.works.iter().any(|work| work == name);
    let machine = machine::Machine::read(VERSIONS);
    say(&machine.text());
    let mut works = Vec::new();
    if wanted("sqlite") {
        for scattered in [false, true] {
            works.push(shown(sqlite::separate(&size, scattered).await?, arguments.short));
        }
    }
    if wanted("mariadb") {
        for scattered in [false, true] {
            works.push(shown(mariadb::separate(&size, scattered).await?, arguments.short));
        }
    }
    if wanted("postgres") {
        for scattered in [false, true] {
            works.push(shown(postgres::separate(&size, scattered).await?, arguments.short));
        }
    }
    if wanted("plan") {
        works.push(shown(postgres::plan(&size).await?, arguments.short));
    }
    if works.is_empty() {
        return Err(format!("there is no work of that name: {:?}", arguments.works).into());
    }
    if let Some(path) = arguments.json {
        fs::write(path, serde_json::to_string_pretty(&Results { machine, works })?)?;
    }
    Ok(())
}

/// In the short mode a cycle is mostly its own start: no bar is compared with it.
fn shown(mut work: Work, short: bool) -> Work {
    if short {
        work.bars.clear();
    }
    say(&work.table());
    work
}

#[allow(clippy::print_stdout, reason = "a benchmark prints its result")]
fn say(text: &str) {
    println!("{text}");
}
