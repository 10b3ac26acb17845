//! One verb a file, carried out through the ports.
//!
//! A flow never looks at a clock, a file or an engine by itself, and never goes
//! on after an error it does not understand: it returns a `Failure`, and the
//! ledger keeps the intent open for `recover`.

pub mod approve;
pub mod clock;
pub mod custody;
pub mod destroy;
pub mod explain;
pub mod foresight;
pub mod heartbeat;
pub mod hold;
pub mod impact;
pub mod locate;
mod message;
pub mod old_copy;
pub mod part;
pub mod plan;
pub mod read;
pub mod recover;
pub mod residue;
pub mod restore;
pub mod rulebook;
pub mod run;
pub mod seal;
pub mod separate;
pub mod sources;
pub mod wipe;
