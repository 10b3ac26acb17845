//! The results as a table for people and as JSON for machines.

use std::fmt::Write as _;

use serde::Serialize;

use super::measure::Run;

/// What the program may hold in memory, in megabytes.
const PEAK_MB_MAX: f64 = 100.0;

/// Contestants that did the same work on the same rows, or the program alone.
#[derive(Debug, Serialize)]
pub struct Work {
    pub name: String,
    /// Ours first.
    pub contestants: Vec<Contestant>,
    /// What is no rate.
    pub figures: Vec<Figure>,
    /// What ours must reach.
    pub bars: Vec<Bar>,
}

#[derive(Debug, Serialize)]
pub struct Contestant {
    pub name: String,
    pub rows: u64,
    pub seconds: f64,
    pub rows_per_second: f64,
    pub processor_seconds: Option<f64>,
    pub peak_mb: Option<f64>,
    /// Our rows per second divided by theirs; `None` where it is no peer.
    pub ratio: Option<f64>,
}

#[derive(Debug, Serialize)]
pub struct Figure {
    pub name: String,
    pub value: f64,
    pub unit: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    AtLeast,
    AtMost,
}

#[derive(Debug, Serialize)]
pub struct Bar {
    pub what: String,
    pub side: Side,
    pub wanted: f64,
    pub reached: f64,
    pub met: bool,
    /// `met 1.31`, `missed 0.37 of 1.2`.
    pub verdict: String,
}

impl Work {
    /// The program beside its peers. `wanted` pairs a contestant's name with the
    /// ratio of rates that ours must reach.
    pub fn new(name: &str, ours: (&str, Run), theirs: Vec<(String, Run)>, wanted: &[(&str, f64)]) -> Self {
        let own_rate = ours.1.rows_per_second();
        let mut work = Self::alone(name, vec![(ours.0.to_owned(), ours.1)]);
        for (name, run) in theirs {
            work.contestants.push(Contestant::new(name, &run, Some(own_rate / run.rows_per_second())));
        }
        for (against, wanted) in wanted {
            let found = work.contestants.iter().find(|contestant| contestant.name == *against);
            if let Some(ratio) = found.and_then(|contestant| contestant.ratio) {
                work.at_least(&format!("times as fast as {against}"), ratio, *wanted);
            }
        }
        work
    }

    /// Runs of the program alone.
    pub fn alone(name: &str, runs: Vec<(String, Run)>) -> Self {
        let contestants = runs.into_iter().map(|(name, run)| Contestant::new(name, &run, None)).collect();
        Self { name: name.to_owned(), contestants, figures: Vec::new(), bars: Vec::new() }
    }

    pub fn figure(&mut self, name: &str, value: f64, unit: &'static str) {
        self.figures.push(Figure { name: name.to_owned(), value, unit });
    }

    pub fn at_least(&mut self, what: &str, reached: f64, wanted: f64) {
        self.bars.push(Bar::new(what, Side::AtLeast, reached, wanted));
    }

    pub fn at_most(&mut self, what: &str, reached: f64, wanted: f64) {
        self.bars.push(Bar::new(what, Side::AtMost, reached, wanted));
    }

    /// The bar that every work has in which rows move.
    pub fn at_most_memory(&mut self, ours: &Run) {
        if let Some(own) = ours.own {
            self.at_most("MB of memory at the peak", own.peak_mb(), PEAK_MB_MAX);
        }
    }

    pub fn table(&self) -> String {
        let mut text = format!("\n{}", self.name);
        let names = self.contestants.iter().map(|one| &one.name).chain(self.figures.iter().map(|one| &one.name));
        let width = names.map(|name| name.chars().count()).max().unwrap_or(0);
        let mut line = |line: String| write!(text, "\n  {line}").unwrap_or_default();
        for one in &self.contestants {
            let (name, rows, seconds, rate) = (&one.name, one.rows, one.seconds, one.rows_per_second);
            let peak = one.peak_mb.map_or_else(|| "      –".to_owned(), |mb| format!("{mb:>7.0}"));
            let ratio = one.ratio.map_or_else(String::new, |ratio| format!("  ours is {ratio:>6.2} ×"));
            line(format!("{name:<width$}  {rows:>9} rows  {seconds:>8.2} s  {rate:>10.0} rows/s  {peak} MB{ratio}"));
        }
        for Figure { name, value, unit } in &self.figures {
            line(format!("{name:<width$}  {value:>9.2} {unit}"));
        }
        for bar in &self.bars {
            let side = if bar.side == Side::AtLeast { "at least" } else { "at most" };
            line(format!("bar: {side} {} {}: {}", shown(bar.wanted), bar.what, bar.verdict));
        }
        text
    }
}

impl Contestant {
    fn new(name: String, run: &Run, ratio: Option<f64>) -> Self {
        Self {
            name,
            rows: run.rows,
            seconds: run.elapsed.as_secs_f64(),
            rows_per_second: run.rows_per_second(),
            processor_seconds: run.own.map(|own| own.processor.as_secs_f64()),
            peak_mb: run.own.map(|own| own.peak_mb()),
            ratio,
        }
    }
}

impl Bar {
    fn new(what: &str, side: Side, reached: f64, wanted: f64) -> Self {
        // What cannot be compared has met nothing.
        let met = if side == Side::AtLeast { reached >= wanted } else { reached <= wanted };
        let verdict = if met {
            format!("met {}", shown(reached))
        } else {
            format!("missed {} of {}", shown(reached), shown(wanted))
        };
        Self { what: what.to_owned(), side, wanted, reached, met, verdict }
    }
}

/// Two digits behind the point where they matter.
fn shown(number: f64) -> String {
    if number.abs() >= 100.0 {
        return format!("{number:.0}");
    }
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
