//! `ledger verify`: every line, tile and checkpoint, and what was kept elsewhere.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;

use crate::{
    adapters::ledger::verify_watched,
    cli::{
        args::{Cli, Format, FormatArgs},
        error::CommandError,
        exit::Exit,
        open, output,
        progress::TerminalProgress,
    },
    domain::{
        ledger::verify::{self, Verification},
        period::TimeSpan,
    },
};

#[derive(Debug, Args)]
#[command(after_help = "Example:
  retentiond ledger verify --known /mnt/audit/checkpoint --max-silence \"3 days\"")]
pub struct VerifyArgs {
    /// A checkpoint that was kept elsewhere; may be given several times.
    #[arg(long, value_name = "FILE")]
    pub known: Vec<PathBuf>,
    /// The verifier key that you hold, from before or after a rotation; without it
    /// the folder's own.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Report silence between two entries that is longer than this.
    #[arg(long, value_name = "SPAN")]
    pub max_silence: Option<String>,
    #[command(flatten)]
    pub output: FormatArgs,
}

pub fn verify(cli: &Cli, args: &VerifyArgs) -> Result<Exit, CommandError> {
    // Whoever distrusts a ledger does not ask it for its policy.
    let settings = open::load(cli)?;
    let silence = args.max_silence.as_deref().map(|text| {
        text.parse::<TimeSpan>()
            .map_err(|error| CommandError::new(Exit::Usage, format!("--max-silence: {error}; hint: \"36 hours\"")))
    });
    let silence = silence.transpose()?.map(|span| span.0);
    let key = args.key.as_deref().map(read_key).transpose()?;
    let mut progress = TerminalProgress::default();
    let verification = verify_watched(&settings.ledger_dir(), &args.known, silence, key.as_deref(), &mut progress)?;
    match args.output.format {
        Format::Json => output::json(&verification)?,
        Format::Text => output::data(&text(&verification))?,
    }
    Ok(match verification.verdict {
        verify::Verdict::Tampered => Exit::Failed,
        verify::Verdict::Intact | verify::Verdict::Undecided => Exit::Done,
    })
}

fn read_key(path: &Path) -> Result<String, CommandError> {
    fs::read_to_string(path).map_err(|error| CommandError::new(Exit::Usage, format!("{}: {error}", path.display())))
}

/// The first problem is where the ledger was changed; most others follow from it.
const PROBLEMS_SHOWN: usize = 8;

fn text(verification: &Verification) -> String {
    let mut lines = vec![
        format!("entries  {}", output::count(verification.entries)),
        format!("root     {}", verification.root),
        format!("verdict  {}", verification.verdict),
    ];
    lines.extend(
        verification.handovers.iter().map(|handover| {
            format!("handover entry {}: the signing key is {} from here on", handover.seq, handover.next)
        }),
    );
    lines.extend(verification.pruned.iter().map(|pruned| {
        format!(
            "pruned   entry {}: {} lines before entry {} and {} were dropped by {}; their hashes are checked, what they \
             said cannot be any more",
            pruned.seq,
            output::count(pruned.dropped),
            output::count(pruned.cut),
            pruned.before,
            pruned.by
        )
    }));
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
