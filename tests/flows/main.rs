//! The flows on memory ports that assert their contracts, with faults at every
//! call of every port.
//!
//! What is durable lives in `disk` and survives a crash; what a process holds
//! (an open transaction, a ledger's own view) lives in the ports and does not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]
#![allow(missing_debug_implementations, reason = "nothing here is used from elsewhere")]

mod approving;
mod crash_matrix;
mod deleting;
mod destroying;
mod disk;
mod every_call;
mod faults;
mod guarding;
mod heartbeats;
mod holding;
mod leasing;
mod memory_keyring;
mod memory_ledger;
mod memory_source;
mod memory_vault;
mod old_copies;
mod pacing;
mod reading;
mod recovering;
mod residue;
mod restoring;
mod reviewing;
mod scenario;
mod selecting;
mod separating;
mod shop;
mod tables;
mod truth;
mod wiping;
mod world;
