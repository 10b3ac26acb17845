//! The ledger as a folder of files: `ledger.jsonl`, `checkpoint`, `checkpoints/`,
//! `tile/`, `ledger.vkey`, and `before/` once old lines were dropped.
//!
//! Two classes of failure: what is refused before anything was written, and
//! *state unknown*, after which nothing more is appended until a start has read
//! everything again. A folder that is not what was signed is never repaired;
//! only what no checkpoint covers is cut off, and only files that follow from
//! the lines are made again.

mod append;
mod before;
mod folder;
mod handovers;
mod kept;
mod lines;
mod open;
mod prune;
mod rekey;
mod signatures;
pub mod signing_key;
mod tiles;
mod verify;

pub use append::{Context, FileLedger};
pub use handovers::founding_key;
pub use kept::{handover_checkpoints, root_at, verifier_key};
pub use open::{LedgerView, Read, open_outline, open_read_only, read_whole};
pub use prune::{Outlook, outlook};
pub use verify::{VerifyError, verify, verify_watched};
