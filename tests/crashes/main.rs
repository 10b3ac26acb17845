//! Real crashes of the real binary: killed at every failpoint, at random
//! instants, and with its database servers killed under it; and lives without a fault, from
//! each engine to each. What is there
//! afterwards is counted by plain SQL and by what `read` and `ledger list` say.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says its seed"
)]

mod blackouts;
mod failpoints;
mod life;
mod moments;
mod pairs;
mod pruning;
mod reading;
mod rotation;
#[path = "../servers/mod.rs"]
mod servers;
mod store;
mod world;
