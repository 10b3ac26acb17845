//! The program from its command line to its files: every test runs the real
//! binary on real SQLite databases in a folder of its own.
//!
//! Nothing here reaches into the library, but for the table of exit codes and
//! the verification of a ledger: what an operator sees is what is tested.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod ahead;
mod approve;
mod bad_input;
mod ci_examples;
mod clock_and_lock;
mod cycle;
mod demonstration;
mod destroyed;
mod documents;
mod dry_run;
mod explain;
mod files;
mod full_disk;
mod hold;
mod kill;
mod lease;
mod ledger;
mod memory;
mod missing_parts;
mod old_copies;
mod pipeline;
mod policy;
mod residue;
mod restore;
mod review;
mod shop;
mod wiping;
mod world;
