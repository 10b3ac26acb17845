//! The ledger's files from outside: what an auditor finds when somebody changed
//! them, and what a start finds when a crash left them half done.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod crash;
mod fixture;
mod interrupted;
mod pruning;
mod rekeying;
mod tampering;
mod writing;
