//! Follows a ledger line by line and compares it with what was signed: the same
//! core for the daemon that opens its ledger and for the auditor who distrusts it.
//!
//! It never sees a key or a file: checkpoints come with their signatures already
//! verified. It does not stop at the first problem, and it never decides that a
//! problem is harmless.

mod before;

use std::fmt;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::Serialize;

use super::{
    Head, checkpoint,
    event::{Entry, LedgerPruned, VERSION},
    history::{History, HistoryError, Step},
    keys::Handover,
    line::{self, Moulds},
    merkle::Tree,
    tile::{Tile, TiledTree},
};

use before::AtCut;

pub use before::Before;

/// Problems that are told one by one; the rest is counted.
const PROBLEMS_MAX: usize = 100;

/// What a verification says (the JSON of `ledger verify`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Lines that were read, up to the last checkpoint where there is one.
    pub entries: u64,
    /// Root over these lines, in base64 as in a checkpoint.
    pub root: String,
    pub verdict: Verdict,
    pub problems: Vec<String>,
    /// Where one signing key handed over to the next; left out where none did.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub handovers: Vec<Handover>,
    /// Lines that were dropped on record; left out where none were.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pruned: Vec<Pruned>,
}

/// Lines that were dropped on record. Their hashes are checked, what they said
/// cannot be any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// Number of the entry.
    pub seq: u64,
    pub time: DateTime<Utc>,
    pub by: String,
    pub before: NaiveDate,
    pub cut: u64,
    pub dropped: u64,
    pub kept: u64,
    /// When a later entry says that nothing is left of them.
    pub gone: Option<DateTime<Utc>>,
}

impl Pruned {
    /// As the entry with this number and time says, before a later one.
    #[must_use]
    pub fn of(seq: u64, time: DateTime<Utc>, pruned: &LedgerPruned) -> Self {
        let LedgerPruned { by, before, cut, dropped, kept, .. } = pruned.clone();
        Self { seq, time, by, before, cut, dropped, kept, gone: None }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// No problem, and it continues a checkpoint that was kept elsewhere.
    Intact,
    Tampered,
    /// No problem, but nothing from outside was compared: whoever has the
    /// signing key could have written all of it anew.
    Undecided,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Intact => "intact",
            Self::Tampered => "tampered",
            Self::Undecided => "undecided",
        })
    }
}

impl Verification {
    /// `compared`: a checkpoint from outside the folder was compared.
    #[must_use]
    pub fn conclude(head: Head, problems: Problems, compared: bool, handovers: &[Handover]) -> Self {
        let verdict = match (problems.is_empty(), compared) {
            (false, _) => Verdict::Tampered,
            (true, true) => Verdict::Intact,
            (true, false) => Verdict::Undecided,
        };
        let root = checkpoint::root_text(&head.root);
        let (problems, handovers) = (problems.into_texts(), handovers.to_vec());
        Self { entries: head.size, root, verdict, problems, handovers, pruned: Vec::new() }
    }
}

/// What is wrong, in the order found. Bounded: a file of garbage must not fill
/// the memory of the one who reads it.
#[derive(Debug, Clone, Default)]
pub struct Problems {
    texts: Vec<String>,
    untold: u64,
}

impl Problems {
    pub fn add(&mut self, text: String) {
        if self.texts.len() < PROBLEMS_MAX {
            self.texts.push(text);
        } else {
            self.untold += 1;
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    #[must_use]
    pub fn first(&self) -> Option<&str> {
        self.texts.first().map(String::as_str)
    }

    #[must_use]
    pub fn into_texts(self) -> Vec<String> {
        let Self { mut texts, untold } = self;
        if untold > 0 {
            texts.push(format!("and {untold} more"));
        }
        texts
    }
}

/// A head that somebody signed, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub head: Head,
    pub place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The file `checkpoint`.
    Current,
    /// A file of the folder `checkpoints`.
    Kept,
    /// A file that the auditor kept elsewhere, by name.
    Known(String),
}

impl Claim {
    fn name(&self) -> String {
        match &self.place {
            Place::Current => "checkpoint".to_owned(),
            Place::Kept => format!("checkpoints/{}", self.head.size),
            Place::Known(name) => name.clone(),
        }
    }

    fn contradicted(&self) -> String {
        let (name, size) = (self.name(), self.head.size);
        match self.place {
            Place::Known(_) => format!("{name}: forked: the ledger has another root at size {size}"),
            Place::Current | Place::Kept => format!("{name}: the lines have another root at size {size}"),
        }
    }

    fn beyond(&self, size: u64) -> String {
        let (name, signed) = (self.name(), self.head.size);
        match self.place {
            Place::Known(_) => format!("{name}: truncated: it was signed at size {signed}, the ledger has {size}"),
            Place::Current | Place::Kept => format!("{name}: {signed} lines were signed, {size} are there"),
        }
    }
}

/// A reading in progress.
#[derive(Debug)]
pub struct Audit {
    tree: TiledTree,
    history: History,
    /// Set where steps are only paired: what else they say is not gathered.
    moulds: Option<Moulds>,
    /// False once an entry could not follow the ones before it: what the history
    /// would say after that means nothing.
    following: bool,
    /// By size, largest first.
    claims: Vec<Claim>,
    origin: Option<String>,
    silence_max: Option<TimeDelta>,
    last_time: Option<DateTime<Utc>>,
    problems: Problems,
    before: AtCut,
}

impl Audit {
    /// `origin`: of the checkpoints; the first entry must name the same.
    #[must_use]
    pub fn new(mut claims: Vec<Claim>, origin: Option<String>, silence_max: Option<TimeDelta>) -> Self {
        claims.sort_by_key(|claim| std::cmp::Reverse(claim.head.size));
        let mut audit = Self {
            tree: TiledTree::default(),
            history: History::default(),
            moulds: None,
            following: true,
            claims,
            origin,
            silence_max,
            last_time: None,
            problems: Problems::default(),
            before: None,
        };
        audit.settle_claims();
        audit
    }

    /// For who wants to know whether everything fits and not what it says: batches
    /// and destructions are paired without making entries of their lines, which is
    /// several times as fast. The history then knows nothing else of them.
    #[must_use]
    pub fn pairing_only(self) -> Self {
        Self { moulds: Some(Moulds::default()), ..self }
    }

    /// Reads the next line (without its newline; at most `LINE_BYTES_MAX` bytes)
    /// and returns its entry if it is one and was made. Tiles that it fills go to `full`.
    pub fn line(&mut self, line: &[u8], full: impl FnMut(Tile)) -> Option<Entry> {
        let number = self.tree.tree().size() + 1;
        self.tree.append(line, full);
        let entry = self.entry(number, line);
        self.settle_claims();
        entry
    }

    /// What the line says, followed.
    fn entry(&mut self, number: u64, line: &[u8]) -> Option<Entry> {
        if let Some(told) = self.moulds.as_mut().and_then(|moulds| moulds.told(line)) {
            self.follow(number, told.time, |history| history.record_step(told.seq, told.time, told.step));
            return None;
        }
        let (read, is_pairing) = match &mut self.moulds {
            Some(moulds) => (moulds.read(line), true),
            None => (line::read(line), false),
        };
        match read {
            Ok(entry) => {
                let step = Step::of(&entry.event).filter(|_| is_pairing && entry.v == VERSION);
                self.follow(number, entry.time, |history| match step {
                    Some(step) => history.record_step(entry.seq, entry.time, step),
                    None => history.record(&entry),
                });
                Some(entry)
            }
            Err(error) => {
                self.problems.add(format!("line {number}: {error}"));
                self.following = false;
                None
            }
        }
    }

    fn follow(
        &mut self,
        number: u64,
        time: DateTime<Utc>,
        record: impl FnOnce(&mut History) -> Result<(), HistoryError>,
    ) {
        if let (Some(max), Some(last)) = (self.silence_max, self.last_time)
            && time - last > max
        {
            let seconds = (time - last).num_seconds();
            self.problems.add(format!("line {number}: {seconds} seconds of silence before it"));
        }
        self.last_time = Some(time);
        if !self.following {
            return;
        }
        if let Err(error) = record(&mut self.history) {
            self.problems.add(format!("line {number}: {error}; what follows it was not paired"));
            self.following = false;
        }
        if number == 1
            && let (Some(opened), Some(origin)) = (&self.history.opened, &self.origin)
            && opened.origin != *origin
        {
            self.problems.add(format!("line 1: it opens the ledger {}, not {origin}", opened.origin));
        }
    }

    /// Compares the claims that were made at today's size.
    fn settle_claims(&mut self) {
        let size = self.tree.tree().size();
        while let Some(claim) = self.claims.pop_if(|claim| claim.head.size <= size) {
            if claim.head != self.head() {
                self.problems.add(claim.contradicted());
            }
        }
    }

    /// Adds what was found wrong outside the lines.
    pub fn problem(&mut self, text: String) {
        self.problems.add(text);
    }

    #[must_use]
    pub const fn problems(&self) -> &Problems {
        &self.problems
    }

    #[must_use]
    pub const fn tiles(&self) -> &TiledTree {
        &self.tree
    }

    #[must_use]
    pub fn head(&self) -> Head {
        head_of(self.tree.tree())
    }

    /// Ends the reading: claims about lines that did not come are problems.
    #[must_use]
    pub fn finish(mut self) -> Audited {
        let head = self.head();
        self.settle_before();
        while let Some(claim) = self.claims.pop() {
            self.problems.add(claim.beyond(head.size));
        }
        Audited { head, tree: self.tree, history: self.history, problems: self.problems }
    }
}

/// A reading that has ended.
#[derive(Debug)]
pub struct Audited {
    pub head: Head,
    pub tree: TiledTree,
    /// Complete if there are no problems.
    pub history: History,
    pub problems: Problems,
}

/// Size and root of a tree.
#[must_use]
pub fn head_of(tree: &Tree) -> Head {
    Head { size: tree.size(), root: tree.root() }
}

#[cfg(test)]
mod tests;
