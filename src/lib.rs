//! `retentiond` carries out a published retention table: it separates due
//! records into an encrypted vault, destroys them irreversibly when their
//! period is over, and leaves a signed ledger as evidence.
//!
//! Modules stand in the order in which data flows: the `domain` decides, the
//! `ports` say what it needs from the world, each `flow` carries out one verb
//! through them, `adapters` talk to engines, keys and files, and `settings` and
//! `cli` put it together. A layer uses only those before it (`tests/tidy.rs`).

#![forbid(unsafe_code)]

pub mod domain;
pub mod ports;

pub mod flow;

pub mod adapters;

pub mod cli;
mod daemon;
pub mod settings;
