//! The program beside what people use today: the same rows, the same machine, in
//! turn, several times. Prints medians, peak memory, ratios, and for each bar
//! whether it was met; asserts no time.
//!
//! `benches/run` installs the peers and starts it; docs/BENCHMARKS.md says what the
//! works are. `--short` is small: it shows that everything runs and counts right,
//! and says nothing of speed. `--list` names the works; names choose among them.

mod application;
mod arguments;
mod destroy;
mod durable;
mod growth;
mod hand;
mod ledger;
mod load;
mod machine;
mod mariadb;
mod measure;
mod ours;
mod plan;
mod postgres;
mod report;
mod residue;
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "they serve tests, which fail that way")]
#[path = "../../tests/servers/mod.rs"]
mod servers;
mod sqlite;
mod visits;
mod works;

use std::{env, fs, path::Path};

use arguments::Arguments;
use durable::Servers;
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

#[derive(Debug, Serialize)]
struct Results<'a> {
    machine: &'a machine::Machine,
    works: &'a [Work],
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let arguments = Arguments::read(env::args().skip(1))?;
    if arguments.list {
        say(&works::NAMES.join("\n"));
        return Ok(());
    }
    let chosen = works::chosen(&arguments.works)?;
    let machine = machine::Machine::read(VERSIONS);
    say(&machine.text());
    let mut servers = Servers::default();
    let mut done = Vec::new();
    for name in chosen {
        for mut work in works::run(name, &arguments.size, &mut servers).await? {
            if arguments.size.short {
                // A cycle is mostly its own start: no bar is compared with it.
                work.bars.clear();
            }
            say(&work.table());
            done.push(work);
        }
        // After each, so that what breaks off late leaves what was measured before.
        keep(arguments.json.as_deref(), &machine, &done)?;
    }
    Ok(())
}

fn keep(file: Option<&Path>, machine: &machine::Machine, works: &[Work]) -> Outcome<()> {
    if let Some(file) = file {
        fs::write(file, serde_json::to_string_pretty(&Results { machine, works })?)?;
    }
    Ok(())
}

#[allow(clippy::print_stdout, reason = "a benchmark prints its result")]
fn say(text: &str) {
    println!("{text}");
}
