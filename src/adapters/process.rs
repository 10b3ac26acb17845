//! What this process asks of its kernel, so that keys stay in its memory.

use std::io;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// Forbids core dumps and keeps other processes of the same account from
/// reading this one's memory. Call before any key is loaded.
pub fn harden() -> io::Result<()> {
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}
