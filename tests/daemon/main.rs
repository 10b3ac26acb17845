//! The real daemon: a schedule of seconds, a service manager that is a socket of
//! the test, signals, and metrics that are compared with the ledger. Whatever is
//! waited for has a deadline; nothing sleeps for a fixed time and hopes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]
#![allow(dead_code, reason = "the world is shared with the tests of the whole path")]

mod daemon;
mod ending;
mod journal;
mod life;
mod misfits;
mod schedule;
#[path = "../whole_path/shop.rs"]
mod shop;
mod units;
#[path = "../whole_path/world.rs"]
mod world;
