//! Handovers of the signing key as the lines tell them, before anything was
//! verified: which key a checkpoint must carry is known only after this. What is
//! found here is believed only once the checkpoints carry these keys' signatures.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use memchr::memmem::Finder;

use super::{
    before::Before,
    folder::{Folder, claimed_size, identity, optional},
    lines::{Lines, Next},
};
use crate::{
    domain::ledger::{
        event::Event,
        keys::{Handover, Handovers, KeyError, Keychain},
        line,
    },
    ports::LedgerError,
};

/// In canonical form only such an entry can have these bytes outside a string;
/// one that has them deeper inside is of another type.
const MARK: &[u8] = br#""type":"ledger.rekeyed""#;

/// Why the lines do not tell which keys there were.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandoverError {
    #[error("ledger.jsonl: {0}")]
    Unreadable(#[from] io::Error),
    #[error("line {number}: {error}")]
    Refused { number: u64, error: KeyError },
}

/// The handovers in the first `entries` lines, those before the cut among them. A
/// line that is none at all is left to whoever reads all of them.
pub(super) fn handovers(
    folder: &Folder,
    origin: &str,
    before: Option<&Before>,
    (length, entries): (u64, u64),
) -> Result<Handovers, HandoverError> {
    let mut found = Found { origin, mark: Finder::new(MARK), handovers: Handovers::default() };
    for (seq, line) in before.into_iter().flat_map(Before::lines) {
        found.line(seq, line)?;
    }
    let mut seq = before.map_or(0, |before| before.carried.cut);
    let mut lines = Lines::new(File::open(folder.lines())?, length);
    while seq < entries
        && let Next::Line(line) = lines.next()?
    {
        found.line(seq, line)?;
        seq += 1;
    }
    Ok(found.handovers)
}

struct Found<'a> {
    origin: &'a str,
    mark: Finder<'static>,
    handovers: Handovers,
}

impl Found<'_> {
    fn line(&mut self, seq: u64, line: &[u8]) -> Result<(), HandoverError> {
        if self.mark.find(line).is_some()
            && let Ok(entry) = line::read(line)
            && let Event::LedgerRekeyed { previous, next, .. } = &entry.event
        {
            let handover = Handover::parse(seq, previous, next);
            let added = handover.and_then(|handover| self.handovers.add(self.origin, handover));
            added.map_err(|error| HandoverError::Refused { number: seq + 1, error })?;
        }
        Ok(())
    }
}

/// The verifier key that the ledger in `dir` was opened with, as its file wrote
/// it then. It names the deployment whatever key signs today: a vault belongs to
/// the ledger whose key it was made with.
pub fn founding_key(dir: &Path) -> Result<String, LedgerError> {
    let unknown = |reason: String| LedgerError::StateUnknown { reason };
    let folder = Folder::new(dir);
    let published = folder.read_verifier_key().map_err(unknown)?;
    let unreadable = |error: io::Error| unknown(format!("ledger.jsonl: {error}"));
    let found = loop {
        let file = File::open(folder.lines()).map_err(unreadable)?;
        let opened = file.metadata().map_err(unreadable)?;
        let before = Before::of(&folder, &file).map_err(unreadable)?;
        let checkpoint = optional(fs::read(folder.checkpoint())).map_err(unreadable)?;
        let signed = (opened.len(), checkpoint.as_deref().map_or(0, claimed_size));
        let found = before.map(|before| handovers(&folder, published.name(), before.as_ref(), signed));
        // Old lines may have been dropped meanwhile: then this is of two ledgers.
        if identity(&opened) == identity(&fs::metadata(folder.lines()).map_err(unreadable)?) {
            break found.map_err(unknown)?;
        }
    };
    let handovers = found.map_err(|error| unknown(error.to_string()))?;
    let keys = Keychain::new(published, handovers).map_err(|error| unknown(format!("ledger.vkey: {error}")))?;
    Ok(keys.first().to_string())
}
