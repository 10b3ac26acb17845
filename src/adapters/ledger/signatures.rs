//! The signatures of all kept checkpoints, which are most of the work where
//! every few entries have their own: read in the order of their sizes, verified
//! many at once, on every core. Says of each what it claims, or what is wrong.

use std::{
    fs::File,
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
        checkpoint::{Checkpoint, CheckpointError},
        note::{Batch, Note, VerifierKey},
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
pub(super) fn check(folder: &Folder, sizes: &[u64], key: &VerifierKey, progress: &mut impl Progress) -> Vec<Kept> {
    let groups: Vec<&[u64]> = sizes.chunks(TOGETHER).collect();
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
                    if tell.send((number, together(folder, group, key))).is_err() {
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

/// One group. If its signatures do not hold together, each is looked at alone.
fn together(folder: &Folder, sizes: &[u64], key: &VerifierKey) -> Vec<Kept> {
    let files: Vec<_> = sizes.iter().map(|size| read(folder, *size)).collect();
    let notes: Vec<_> = files.iter().map(|file| file.as_deref().map_err(ToString::to_string)).collect();
    let notes: Vec<Result<Note<'_>, String>> =
        notes.into_iter().map(|file| Note::parse(file?).map_err(|error| error.to_string())).collect();
    let mut batch = Batch::default();
    let signed = notes.iter().flatten().try_for_each(|note| batch.add(note, key));
    let all_hold = signed.is_ok() && batch.holds();
    sizes
        .iter()
        .zip(&notes)
        .map(|(size, note)| {
            let problem = |text: String| format!("checkpoints/{size}: {text}");
            let note = note.as_ref().map_err(|error| problem(error.clone()))?;
            let claim = claim(note, *size, key, all_hold);
            claim.map_err(|error| problem(error.to_string()))?.ok_or_else(|| problem(other_size(note)))
        })
        .collect()
}

/// What a note claims, its signature verified. `None`: it is of another size.
fn claim(note: &Note<'_>, size: u64, key: &VerifierKey, holds: bool) -> Result<Option<Claim>, CheckpointError> {
    let text = if holds { note.unverified_text() } else { note.verified(key)? };
    let head = Checkpoint::parse_of(text, key)?.head;
    Ok((head.size == size).then_some(Claim { head, place: Place::Kept }))
}

fn other_size(note: &Note<'_>) -> String {
    let size = note.unverified_text().lines().nth(1).unwrap_or_default();
    format!("it is of size {size}")
}

fn read(folder: &Folder, size: u64) -> io::Result<Vec<u8>> {
    // Asking for the length first would be one more call for each small file.
    let mut bytes = Vec::with_capacity(512);
    File::open(folder.kept(size))?.take(CHECKPOINT_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}
