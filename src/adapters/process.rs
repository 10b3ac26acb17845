//! What this process asks of its kernel, so that keys and values of removed rows
//! stay in its memory.

use std::io;

use rustix::{
    mm::{MlockAllFlags, mlockall},
    process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit},
};

/// Where the pages of this process may end up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// In memory only.
    Locked,
    /// On the swap too: the limits of this process do not allow a lock.
    Swappable,
}

/// Forbids core dumps, keeps other processes of the same account from reading
/// this one's memory, and keeps its pages off the swap where the limits allow it.
/// Call before any key is loaded.
pub fn harden() -> io::Result<Memory> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(lock_memory())
}

/// Under a limit a lock on what is to come would make allocations fail later, so
/// that it is all or nothing.
fn lock_memory() -> Memory {
    let limit = getrlimit(Resource::Memlock);
    let unlimited = Rlimit { current: None, maximum: None };
    if limit.current.is_some() && setrlimit(Resource::Memlock, unlimited).is_err() {
        return Memory::Swappable;
    }
    match mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT) {
        Ok(()) => Memory::Locked,
        Err(_) => Memory::Swappable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_locked_is_seen_by_the_kernel() {
        let locked = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find(|line| line.starts_with("VmLck:")).unwrap().to_owned();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
        };
        if lock_memory() == Memory::Locked {
            assert!(locked() > 0, "the kernel says that nothing is locked");
        } else {
            assert_eq!(locked(), 0);
        }
    }
}
