//! The report as its readers have it: a spreadsheet's CSV, a program's JSON, and
//! one HTML file in a real browser, opened from disk; and
//! the ledger as somebody else's tools read it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(missing_debug_implementations, reason = "nothing here is used from elsewhere")]

mod browser;
mod files;
mod large;
mod page;
mod pruned;
mod real;
mod rekeyed;
mod shop;
mod tools;
