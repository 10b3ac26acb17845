//! What is asked for on the command line, and how large it is.

use std::path::PathBuf;

use super::measure::Outcome;

/// How large the works are.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Rows that are due, where rows move; as many again are not.
    pub due: u64,
    /// Rows of the table that is planned over; half of them are due.
    pub rows: u64,
    /// Entries of the ledger that is verified.
    pub entries: u64,
    /// Other buckets in the vault, while one is destroyed.
    pub buckets: u64,
    pub rounds: usize,
    /// Says only that everything runs: too small for any bar.
    pub short: bool,
}

const FULL: Size =
    Size { due: 1_000_000, rows: 20_000_000, entries: 1_000_000, buckets: 10_000, rounds: 3, short: false };

const SHORT: Size = Size { due: 1_000, rows: 4_000, entries: 4_000, buckets: 20, rounds: 1, short: true };

#[derive(Debug)]
pub struct Arguments {
    pub size: Size,
    pub json: Option<PathBuf>,
    /// Names of works, or what they begin with; none means all.
    pub works: Vec<String>,
    pub list: bool,
}

impl Arguments {
    pub fn read(given: impl Iterator<Item = String>) -> Outcome<Self> {
        let given: Vec<String> = given.collect();
        let size = if given.iter().any(|argument| argument == "--short") { SHORT } else { FULL };
        let mut arguments = Self { size, json: None, works: Vec::new(), list: false };
        let mut given = given.into_iter();
        while let Some(argument) = given.next() {
            let mut number = || -> Outcome<u64> {
                let text = given.next().ok_or_else(|| format!("{argument} wants a number"))?;
                let number: u64 = text.parse::<u64>().map_err(|error| format!("{argument} {text}: {error}"))?;
                if number == 0 { Err(format!("{argument} wants at least 1").into()) } else { Ok(number) }
            };
            match argument.as_str() {
                // The first is what `cargo bench` adds by itself, the second was read above.
                "--bench" | "--short" => {}
                "--list" => arguments.list = true,
                "--due" => arguments.size.due = number()?,
                "--rows" => arguments.size.rows = number()?,
                "--entries" => arguments.size.entries = number()?,
                "--buckets" => arguments.size.buckets = number()?,
                "--rounds" => arguments.size.rounds = usize::try_from(number()?)?,
                "--json" => arguments.json = Some(given.next().ok_or("--json wants a file")?.into()),
                name if name.starts_with('-') => return Err(format!("unknown option {name}").into()),
                name => arguments.works.push(name.to_owned()),
            }
        }
        Ok(arguments)
    }
}
