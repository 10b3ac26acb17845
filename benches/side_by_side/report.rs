//! The results as a table for people and as JSON for machines.

use std::fmt::Write as _;

use serde::Serialize;

use super::measure::Run;

/// Contestants that did the same work on the same rows.
#[derive(Debug, Serialize)]
pub struct Work {
    pub name: String,
    /// Ours first.
    pub contestants: Vec<Contestant>,
    /// What ours must reach beside a contestant.
    pub bars: Vec<Bar>,
}

#[derive(Debug, Serialize)]
pub struct Contestant {
    pub name: String,
    pub rows: u64,
    pub seconds: f64,
    pub rows_per_second: f64,
    pub peak_mib: Option<f64>,
    /// Our rows per second divided by theirs.
    pub ratio: f64,
}

#[derive(Debug, Serialize)]
pub struct Bar {
    pub against: String,
    pub wanted: f64,
    pub reached: f64,
    pub met: bool,
}

impl Work {
    /// `wanted` pairs a contestant's name with the ratio that ours must reach.
    pub fn new(name: &str, ours: (&str, Run), theirs: Vec<(String, Run)>, wanted: &[(&str, f64)]) -> Self {
        let own_rate = ours.1.rows_per_second();
        let contestant = |name: &str, run: &Run| Contestant {
            name: name.to_owned(),
            rows: run.rows,
            seconds: run.elapsed.as_secs_f64(),
            rows_per_second: run.rows_per_second(),
            peak_mib: run.peak_kib.map(|kib| kib as f64 / 1024.0),
            ratio: own_rate / run.rows_per_second(),
        };
        let contestants: Vec<Contestant> = std::iter::once(contestant(ours.0, &ours.1))
            .chain(theirs.iter().map(|(name, run)| contestant(name, run)))
            .collect();
        let bar = |(against, wanted): &(&str, f64)| {
            let found = contestants.iter().find(|contestant| contestant.name == *against)?;
            let met = found.ratio >= *wanted;
            Some(Bar { against: (*against).to_owned(), wanted: *wanted, reached: found.ratio, met })
        };
        let bars = wanted.iter().filter_map(bar).collect();
        Self { name: name.to_owned(), contestants, bars }
    }

    pub fn table(&self) -> String {
        let mut text = format!("\n{}\n", self.name);
        let width = self.contestants.iter().map(|one| one.name.chars().count()).max().unwrap_or(0);
        for one in &self.contestants {
            let peak = one.peak_mib.map_or_else(|| "      –".to_owned(), |mib| format!("{mib:>7.0}"));
            writeln!(
                text,
                "  {:<width$}  {:>9} rows  {:>8.2} s  {:>10.0} rows/s  {peak} MiB  ours is {:>6.2} ×",
                one.name, one.rows, one.seconds, one.rows_per_second, one.ratio
            )
            .unwrap_or_default();
        }
        for bar in &self.bars {
            let verdict = if bar.met { "met" } else { "MISSED" };
            writeln!(text, "  bar: {:.2} × {}: {:.2}, {verdict}", bar.wanted, bar.against, bar.reached)
                .unwrap_or_default();
        }
        text
    }
}
