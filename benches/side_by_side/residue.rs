//! Searching a file of an engine for the values of a sample: one core, the file in
//! the page cache, beside the search for fixed strings that everybody has.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::Path,
    process::Command,
    time::Instant,
};

use retentiond::{
    adapters::residue::{Matcher, Patterns, Tally, files},
    domain::residue::Value,
};

use super::{
    arguments::Size,
    measure::{Outcome, Run, expect, middle, program_output},
    report::Work,
};

/// Three of each of 200 rows, which is the default sample.
const VALUES: u64 = 600;
/// One of this many rows of `--rows` is in the file: 1 GB at full size.
const PART: u64 = 4;
const GIGABYTES_PER_SECOND_MIN: f64 = 1.0;

pub fn search(size: &Size) -> Outcome<Work> {
    let folder = tempfile::tempdir()?;
    let (pages, list) = (folder.path().join("pages"), folder.path().join("values"));
    let rows = size.rows / PART;
    fill(&pages, rows)?;
    let bytes = fs::metadata(&pages)?.len();
    // Of rows that are not there, but for the last one.
    let texts: Vec<String> =
        (rows + 1 - VALUES.min(rows)..=rows).map(|row| token(row * 2 - u64::from(row == rows))).collect();
    fs::write(&list, texts.join("\n"))?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..size.rounds {
        let mut grep = Command::new("grep");
        grep.env("LC_ALL", "C").args(["-a", "-o", "-F", "-f"]).arg(&list).arg(&pages);
        let (run, said) = program_output(&mut grep, rows)?;
        expect("found by grep", said.lines().count() as u64, 1)?;
        theirs.push(run);
        ours.push(search_once(&texts, &pages, rows)?);
    }
    let (ours, theirs) = (middle(ours)?, middle(theirs)?);
    let name = format!("residue scan, {VALUES} values in {} MB", bytes / 1_000_000);
    let mut work = Work::new(&name, ("retentiond", ours), vec![("grep -F".to_owned(), theirs)], &[]);
    let rate = |run: &Run| bytes as f64 / 1e9 / run.elapsed.as_secs_f64();
    work.figure("GB/s, retentiond", rate(&ours), "GB/s");
    work.figure("GB/s, grep -F", rate(&theirs), "GB/s");
    work.at_least("GB/s on one core", rate(&ours), GIGABYTES_PER_SECOND_MIN);
    Ok(work)
}

fn search_once(texts: &[String], pages: &Path, rows: u64) -> Outcome<Run> {
    let value = |text: &String| Value::new("visits", "token", "TEXT", true, text.as_bytes());
    let values: Vec<Value> = texts.iter().map(value).collect();
    let started = Instant::now();
    let matcher = Matcher::new(Patterns::plain(&values));
    let mut tally = Tally::new("pages");
    files::search(&matcher, pages, "pages", &mut tally);
    let elapsed = started.elapsed();
    let found = tally.finish(matcher.patterns(), &BTreeSet::new());
    expect("found", found.found.len() as u64, 1)?;
    Ok(Run::inside_server(rows, elapsed))
}

/// Rows as they lie in pages: text with its lengths before it, and now and then a
/// stretch of zeros.
fn fill(pages: &Path, rows: u64) -> Outcome<()> {
    let mut file = BufWriter::new(File::create(pages)?);
    let mut text = String::new();
    for row in 1..=rows {
        text.clear();
        let session = row.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        write!(
            text,
            "{}Mozilla/5.0 (X11; Linux x86_64) /shop/items/{}?from=front-page&session={session:016x}",
            token(row * 2 - 1),
            row % 977
        )?;
        file.write_all(&[0, u8::try_from(text.len())?, 3, 0])?;
        file.write_all(text.as_bytes())?;
        file.write_all(&[0; 68][..if row % 40 == 0 { 68 } else { 24 }])?;
    }
    Ok(file.into_inner()?.sync_all()?)
}

/// Unlike any other's from its middle on.
fn token(number: u64) -> String {
    format!("visit/{:016x}/{number:010}", number.wrapping_mul(0xd6e8_feb8_6659_fd93))
}
