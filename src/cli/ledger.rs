//! `ledger verify` and `ledger list`. Both need the ledger's folder only.

use super::{
    args::{Cli, Format, ListArgs, VerifyArgs},
    error::CommandError,
    exit::Exit,
    open, output,
};
use crate::{
    adapters::ledger::{open_read_only, verify as verify_folder},
    domain::{
        ledger::{
            event::Entry,
            verify::{self, Verification},
        },
        period::TimeSpan,
    },
    settings::Settings,
};

pub fn verify(cli: &Cli, args: &VerifyArgs) -> Result<Exit, CommandError> {
    let settings = open::settings(cli)?;
    let silence = args.max_silence.as_deref().map(|text| {
        text.parse::<TimeSpan>()
            .map_err(|error| CommandError::new(Exit::Usage, format!("--max-silence: {error}; hint: \"36 hours\"")))
    });
    let verification =
        verify_folder(&settings.ledger_dir(), &args.known, silence.transpose()?.map(|span| span.0), None)?;
    match args.output.format {
        Format::Json => output::json(&verification)?,
        Format::Text => output::data(&text(&verification))?,
    }
    Ok(match verification.verdict {
        verify::Verdict::Tampered => Exit::Failed,
        verify::Verdict::Intact | verify::Verdict::Undecided => Exit::Done,
    })
}

/// The first problem is where the ledger was changed; most others follow from it.
const PROBLEMS_SHOWN: usize = 8;

fn text(verification: &Verification) -> String {
    let mut lines = vec![
        format!("entries  {}", output::count(verification.entries)),
        format!("root     {}", verification.root),
        format!("verdict  {}", verification.verdict),
    ];
    lines.extend(verification.problems.iter().take(PROBLEMS_SHOWN).map(|problem| format!("problem  {problem}")));
    let more = verification.problems.len().saturating_sub(PROBLEMS_SHOWN);
    if more > 0 {
        lines.push(format!("         and {more} more that follow from them or stand beside them; hint: --format json"));
    }
    if verification.verdict == verify::Verdict::Undecided {
        lines.push(
            "note     consistent in itself, but nothing outside this folder was compared; hint: give a checkpoint that \
             was kept elsewhere with --known FILE"
                .to_owned(),
        );
    }
    lines.join("\n")
}

pub fn list(cli: &Cli, args: &ListArgs) -> Result<Exit, CommandError> {
    let settings = open::settings(cli)?;
    let entries = entries(&settings, args)?;
    match args.output.format {
        Format::Json => output::json(&entries)?,
        Format::Text => {
            for entry in &entries {
                output::data(&line(entry, &settings)?)?;
            }
        }
    }
    Ok(Exit::Done)
}

/// The signed entries that the arguments ask for.
fn entries(settings: &Settings, args: &ListArgs) -> Result<Vec<Entry>, CommandError> {
    let zone = settings.policy.timezone;
    let mut wanted = Vec::new();
    open_read_only(&settings.ledger_dir(), |entry| {
        let date = entry.time.with_timezone(&zone).date_naive();
        let in_range = args.from.is_none_or(|from| date >= from) && args.to.is_none_or(|to| date <= to);
        if in_range && args.kind.as_ref().is_none_or(|kind| *kind == kind_of(entry)) {
            wanted.push(entry.clone());
        }
    })?;
    Ok(wanted)
}

fn kind_of(entry: &Entry) -> String {
    let value = serde_json::to_value(&entry.event).unwrap_or_default();
    value.get("type").and_then(|kind| kind.as_str()).unwrap_or_default().to_owned()
}

/// One entry for people: number, time, type, and its own fields.
fn line(entry: &Entry, settings: &Settings) -> Result<String, CommandError> {
    let mut value = serde_json::to_value(&entry.event)?;
    let kind = kind_of(entry);
    if let Some(fields) = value.as_object_mut() {
        fields.remove("type");
    }
    Ok(format!("{:>6}  {}  {kind:<19} {value}", entry.seq, open::local(entry.time, settings)))
}
