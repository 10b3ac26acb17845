//! The signatures of all kept checkpoints, which are most of the work where
//! every few entries have their own: read in the order of their sizes, verified
//! many at once, on every core. Says of each what it claims, or what is wrong.

use std::{
    fs,
    io::{self, Read as _},
    num::NonZero,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use super::folder::Folder;
use crate::{
    domain::ledger::{
        checkpoint::Checkpoint,
        keys::{KeyError, Keychain},
        note::{Batch, Note},
        verify::{Claim, Place},
    },
    ports::Progress,
};

/// Signatures that are verified together. More gain nothing.
const TOGETHER: usize = 256;

/// The longest checkpoint that is read: far above what any key list needs.
const CHECKPOINT_BYTES_MAX: u64 = 64 << 10;

/// What one kept checkpoint says, or what is wrong with it.
type Kept = Result<Claim, String>;

/// Reads and verifies the checkpoints of these sizes, in this order.
pub(super) fn check(folder: &Folder, sizes: &[u64], keys: &Keychain, progress: &mut impl Progress) -> Vec<Kept> {
    let before = std::iter::once(&0).chain(sizes).copied();
    let files: Vec<File> = sizes.iter().zip(before).map(|(size, before)| File { size: *size, before }).collect();
    let groups: Vec<&[File]> = files.chunks(TOGETHER).collect();
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let next = AtomicUsize::new(0);
    let (tell, told) = mpsc::channel();
    let mut checked = thread::scope(|scope| {
        for _ in 0..cores.min(groups.len()) {
            let (tell, next, groups) = (tell.clone(), &next, &groups);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(group) = groups.get(number) else { return };
                    // Nobody listens any more only if the reader has panicked.
                    if tell.send((number, together(folder, group, keys))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(tell);
        told.into_iter().inspect(|(_, kept)| progress.advance(kept.len() as u64)).collect::<Vec<_>>()
    });
    checked.sort_unstable_by_key(|(number, _)| *number);
    checked.into_iter().flat_map(|(_, kept)| kept).collect()
}

/// A file of `checkpoints`, and the size of the one before it.
#[derive(Debug, Clone, Copy)]
struct File {
    size: u64,
    before: u64,
}

/// One group. If its signatures do not hold together, each is looked at alone.
fn together(folder: &Folder, files: &[File], keys: &Keychain) -> Vec<Kept> {
    let contents: Vec<_> = files.iter().map(|file| read(folder, file.size)).collect();
    let notes = contents.iter().map(|bytes| match bytes {
        Ok(bytes) => Note::parse(bytes).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    });
    let notes: Vec<Result<Note<'_>, String>> = notes.collect();
    let mut batch = Batch::default();
    let read = files.iter().zip(&notes).filter_map(|(file, note)| note.as_ref().ok().map(|note| (file, note)));
    let in_turn = read.map(|(file, note)| file.add_to(&mut batch, note, keys)).all(|added| added.is_ok());
    let holds = in_turn && batch.holds();
    files
        .iter()
        .zip(notes)
        .map(|(file, note)| {
            let claim = note.and_then(|note| file.claim(&note, keys, holds));
            claim.map_err(|problem| format!("checkpoints/{}: {problem}", file.size))
        })
        .collect()
}

impl File {
    fn add_to<'a>(self, batch: &mut Batch<'a>, note: &Note<'a>, keys: &Keychain) -> Result<(), KeyError> {
        let signers = keys.signers(self.before, self.size)?;
        signers.iter().try_for_each(|key| batch.add(note, key))?;
        keys.only(note, &signers)
    }

    /// What its note claims. `holds`: its signatures were verified.
    fn claim(self, note: &Note<'_>, keys: &Keychain, holds: bool) -> Kept {
        let opened = if holds {
            Checkpoint::parse_of(note.unverified_text(), keys.current())
        } else {
            Checkpoint::open_in_turn(note, keys, self.before)
        };
        let head = opened.map_err(|error| error.to_string())?.head;
        if head.size == self.size {
            Ok(Claim { head, place: Place::Kept })
        } else {
            Err(format!("it is of size {}", head.size))
        }
    }
}

fn read(folder: &Folder, size: u64) -> io::Result<Vec<u8>> {
    // Asking for the length first would be one more call for each small file.
    let mut bytes = Vec::with_capacity(512);
    fs::File::open(folder.kept(size))?.take(CHECKPOINT_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}
