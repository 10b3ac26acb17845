//! `residue scan`: a search for one value in all files of a source, for a spot
//! check by an auditor or an operator. The value is read from standard input or a
//! file, never from the command line, where others could see it, and is neither
//! recorded nor printed.

use std::{fs, io::Read as _, path::PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    args::{Cli, Format, FormatArgs},
    error::CommandError,
    exit::Exit,
    open, output,
};
use crate::{
    domain::{
        id::SourceName,
        residue::{Location, PLACES_MAX, State, Value, sample::VALUE_BYTES_MIN},
    },
    ports::{Search, SearchJob, Source as _},
    settings::Settings,
};

#[derive(Debug, Subcommand)]
pub enum ResidueCommand {
    /// Searches every file of a source for a value: 0 not found, 1 found.
    Scan(ScanArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  printf %s alice@example.com | retentiond residue scan --source shop --value-file -")]
pub struct ScanArgs {
    /// The source as the deployment file names it.
    #[arg(long, value_name = "NAME")]
    pub source: String,
    /// File that holds the value; `-` reads it from standard input. A line feed at
    /// its end is no part of it.
    #[arg(long, value_name = "FILE")]
    pub value_file: PathBuf,
    #[command(flatten)]
    pub output: FormatArgs,
}

#[derive(Debug, Serialize)]
struct Report {
    source: SourceName,
    /// In a file, or in a row that is there.
    found: bool,
    /// A row that is there holds it: its copies in files are no residue.
    living: bool,
    locations: Vec<Location>,
}

pub async fn residue(cli: &Cli, command: &ResidueCommand) -> Result<Exit, CommandError> {
    let ResidueCommand::Scan(args) = command;
    let settings = open::settings(cli)?;
    let name = SourceName::from(args.source.as_str());
    known(&settings, &name)?;
    let value = Value::new("", "", "", true, &read(args)?);
    let now = open::now(&open::reading_clock(cli, &settings)?);
    let datasets = settings.deployment.datasets.iter().filter(|dataset| dataset.source == name);
    let mut tables: Vec<String> = datasets.flat_map(|dataset| dataset.changed_tables()).map(str::to_owned).collect();
    tables.sort();
    tables.dedup();
    let mut sources = open::sources(&settings).await?;
    let source = sources.get(&name)?;
    let job = SearchJob { tables: &tables, values: &[value], rewritten: false, now };
    let search = source.search(&job).await?;
    let report = report(name, &search);
    match args.output.format {
        Format::Json => output::json(&report)?,
        Format::Text => output::data(&text(&report))?,
    }
    Ok(if report.found { Exit::Failed } else { Exit::Done })
}

fn known(settings: &Settings, name: &SourceName) -> Result<(), CommandError> {
    let names: Vec<&str> = settings.deployment.sources.iter().map(|source| source.name.as_str()).collect();
    if names.contains(&name.as_str()) {
        return Ok(());
    }
    Err(CommandError::new(Exit::Usage, format!("there is no source {name}; hint: one of {}", names.join(", "))))
}

fn read(args: &ScanArgs) -> Result<Zeroizing<Vec<u8>>, CommandError> {
    let refuse = |reason: String| CommandError::new(Exit::Usage, reason);
    let mut bytes = Zeroizing::new(Vec::new());
    let outcome = if args.value_file.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut bytes)
    } else {
        fs::File::open(&args.value_file).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    outcome.map_err(|error| refuse(format!("the value cannot be read: {error}")))?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    if bytes.len() < VALUE_BYTES_MIN {
        let hint = "hint: a shorter one is found by chance; search for more of it";
        return Err(refuse(format!(
            "the value has {} bytes, at least {VALUE_BYTES_MIN} are needed; {hint}",
            bytes.len()
        )));
    }
    Ok(bytes)
}

fn report(source: SourceName, search: &Search) -> Report {
    let living = !search.living.is_empty();
    let locations: Vec<Location> = search.places.iter().map(location).collect();
    let found = living || locations.iter().any(|location| location.state == State::Residue);
    Report { source, found, living, locations }
}

fn location(place: &crate::ports::Searched) -> Location {
    let found = place.found.len() as u64;
    let state = match (found, &place.unsearched) {
        (0, None) => State::Clean,
        (0, Some(_)) => State::Unsearched,
        _ => State::Residue,
    };
    Location {
        name: place.name.clone(),
        state,
        files: place.files,
        bytes: place.bytes,
        found,
        places: place.places.iter().take(PLACES_MAX).cloned().collect(),
        reason: place.unsearched.clone(),
        until: place.until,
    }
}

fn text(report: &Report) -> String {
    let mut lines = Vec::new();
    if report.living {
        lines.push("a row that is there holds the value: its copies in files are no residue".to_owned());
    }
    let header = ["location", "state", "where", "files", "bytes"];
    let rows = report.locations.iter().map(|location| {
        let state = match location.state {
            State::Clean => "clean",
            State::Residue => "residue",
            State::Unsearched => "unsearched",
        };
        let place = if location.places.is_empty() {
            location.reason.clone().unwrap_or_default()
        } else {
            location.places.join(" ")
        };
        let (files, bytes) = (output::count(location.files), output::count(location.bytes));
        vec![location.name.clone(), state.to_owned(), place, files, bytes]
    });
    lines.push(output::table(&header, 3, rows.collect()));
    let unsearched = report.locations.iter().filter(|location| location.state == State::Unsearched).count();
    lines.push(match (report.found, unsearched) {
        (true, _) => "found".to_owned(),
        (false, 0) => "not found in any file".to_owned(),
        (false, unsearched) => format!("not found where it was searched for; {unsearched} locations were NOT searched"),
    });
    lines.join("\n")
}
