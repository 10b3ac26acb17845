//! `report`: the register of destructions and the evidence behind it, as one file
//! that an auditor opens anywhere.

mod json;
mod overdue;
mod page;

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
};

use chrono::{DateTime, NaiveDate, Utc};
use clap::{Args, ValueEnum};
use flate2::{Compression, write::GzEncoder};

use super::{args::Cli, error::CommandError, exit::Exit, open, output};
use crate::{
    adapters::ledger::{Read, handover_checkpoints, read_whole},
    domain::{
        canonical,
        ledger::{
            Head,
            carried::Carried,
            merkle::{Hash, leaf_hash},
        },
        report::{
            Evidence, Fold, Period,
            register::{self, Language},
        },
    },
    settings::Settings,
};

use overdue::Overdue;

#[derive(Debug, Args)]
#[command(after_help = "Example:
  retentiond report --from 2026-01-01 --to 2026-12-31 --format html --lang ko --out register.html")]
pub struct ReportArgs {
    /// First day; the ledger's first where it is left out.
    #[arg(long, value_name = "DATE")]
    from: Option<NaiveDate>,
    /// Last day; today where it is left out.
    #[arg(long, value_name = "DATE")]
    to: Option<NaiveDate>,
    #[arg(long, value_enum, default_value_t = ReportFormat::Html)]
    format: ReportFormat,
    #[arg(long, value_enum, default_value_t = ReportLanguage::Ko)]
    lang: ReportLanguage,
    /// Where to write it; to standard output where it is left out.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// html: evidence to look at and to verify; csv: the register (파기 관리대장) for a
/// spreadsheet; json: all of it for programs, with inclusion proofs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    Html,
    Csv,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportLanguage {
    Ko,
    En,
}

impl ReportLanguage {
    const fn register(self) -> Language {
        match self {
            Self::Ko => Language::Ko,
            Self::En => Language::En,
        }
    }

    const fn code(self) -> &'static str {
        match self {
            Self::Ko => "ko",
            Self::En => "en",
        }
    }
}

/// Everything that a report is made of.
#[derive(Debug)]
struct Material {
    evidence: Evidence,
    register: Vec<register::Row>,
    overdue: Vec<Overdue>,
    head: Head,
    /// The signed note over all entries.
    checkpoint: String,
    /// The signed notes in which a key hands over to the next.
    handovers: Vec<String>,
    /// Hashes of the lines that were dropped on record, one after the other.
    dropped: Vec<u8>,
    /// What all lines before the cut add up to, as their file has it.
    carried: Option<String>,
    now: DateTime<Utc>,
}

pub async fn report(cli: &Cli, args: &ReportArgs) -> Result<Exit, CommandError> {
    let settings = open::settings(cli)?;
    let now = open::now(&open::reading_clock(cli, &settings)?);
    write(&settings, args, now).await?;
    Ok(Exit::Done)
}

/// The whole report in Korean, as a page.
pub async fn page(settings: &Settings, out: PathBuf, now: DateTime<Utc>) -> Result<(), CommandError> {
    let (format, lang) = (ReportFormat::Html, ReportLanguage::Ko);
    write(settings, &ReportArgs { from: None, to: None, format, lang, out: Some(out) }, now).await
}

async fn write(settings: &Settings, args: &ReportArgs, now: DateTime<Utc>) -> Result<(), CommandError> {
    let mut reading = open::reading(settings).await?;
    let buckets = reading.buckets().await?;
    let Some(ledger) = &reading.ledger else {
        let message = "there is no ledger yet; hint: `retentiond init` makes one";
        return Err(CommandError::new(Exit::Configuration, message));
    };
    let opened = ledger.history.opened.as_ref().map_or(now, |opened| opened.at);
    let simulation = reading.simulation();
    reading.close().await?;
    let period = period(args, settings, opened, now)?;
    let mut gathered = Gathered::new(args.format);
    let mut fold = Fold::new(period, settings.policy.timezone);
    let (view, checkpoint) = read_whole(&settings.ledger_dir(), |read| match read {
        Read::Line(line, entry) => {
            gathered.line(line);
            fold.entry(entry);
        }
        Read::Dropped(leaf) => gathered.dropped(leaf),
        Read::Carried(carried) => gathered.carried = text_of(carried).map(Some),
    })?;
    if let Some(last) = view.history.pruned.last() {
        // The page says so itself; a table for a spreadsheet has no place for it.
        let before = last.pruned.before;
        output::note(&format!(
            "note: entries before {before} were dropped on record; what they said is not in the report"
        ))?;
    }
    let handovers = handover_checkpoints(&settings.ledger_dir(), &view.keys)?;
    let evidence = fold.finish();
    let register = register::rows(&evidence, args.lang.register(), settings.policy.timezone);
    let overdue = overdue::overdue(&open::rulebook(settings, simulation), &buckets, now);
    let carried = std::mem::replace(&mut gathered.carried, Ok(None))?;
    let dropped = std::mem::take(&mut gathered.dropped);
    let material =
        Material { evidence, register, overdue, head: view.head, checkpoint, handovers, dropped, carried, now };
    let text = match args.format {
        ReportFormat::Csv => register::csv(&material.register, args.lang.register()),
        ReportFormat::Json => json::text(&material, gathered.leaves)?,
        ReportFormat::Html => page::text(&material, args.lang.code(), &gathered.packed()?)?,
    };
    match &args.out {
        Some(path) => {
            fs::write(path, text)
                .map_err(|error| CommandError::new(Exit::Failed, format!("{}: {error}", path.display())))?;
            output::note(&format!("report     {} destructions, {}", material.register.len(), path.display()))?;
        }
        None => output::data(&text)?,
    }
    Ok(())
}

fn period(
    args: &ReportArgs,
    settings: &Settings,
    opened: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Period, CommandError> {
    let date = |instant: DateTime<Utc>| instant.with_timezone(&settings.policy.timezone).date_naive();
    let period = Period {
        from: args.from.unwrap_or_else(|| date(opened)),
        to: args.to.unwrap_or_else(|| date(now.max(opened))),
    };
    if period.from > period.to {
        return Err(CommandError::new(Exit::Usage, format!("--from {} lies after --to {}", period.from, period.to)));
    }
    Ok(period)
}

/// What the lines themselves are needed for.
struct Gathered {
    format: ReportFormat,
    packed: GzEncoder<Vec<u8>>,
    /// Whether every line is in it.
    packing: io::Result<()>,
    leaves: Vec<Hash>,
    dropped: Vec<u8>,
    /// What dropped lines add up to, where there are any.
    carried: io::Result<Option<String>>,
}

impl Gathered {
    fn new(format: ReportFormat) -> Self {
        let packed = GzEncoder::new(Vec::new(), Compression::default());
        Self { format, packed, packing: Ok(()), leaves: Vec::new(), dropped: Vec::new(), carried: Ok(None) }
    }

    fn dropped(&mut self, leaf: &Hash) {
        match self.format {
            ReportFormat::Csv => {}
            ReportFormat::Json => self.leaves.push(*leaf),
            ReportFormat::Html => self.dropped.extend_from_slice(leaf),
        }
    }

    fn packed(self) -> io::Result<Vec<u8>> {
        self.packing?;
        self.packed.finish()
    }

    fn line(&mut self, line: &[u8]) {
        match self.format {
            ReportFormat::Csv => {}
            ReportFormat::Json => self.leaves.push(leaf_hash(line)),
            ReportFormat::Html if self.packing.is_ok() => self.packing = pack(&mut self.packed, line),
            ReportFormat::Html => {}
        }
    }
}

fn text_of(carried: &Carried) -> io::Result<String> {
    let bytes = canonical::bytes(carried).map_err(io::Error::other)?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

fn pack(packed: &mut GzEncoder<Vec<u8>>, line: &[u8]) -> io::Result<()> {
    packed.write_all(line)?;
    packed.write_all(b"\n")
}
