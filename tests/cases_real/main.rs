//! Databases of real applications: the numbers that must come out, and the whole
//! life of their records. The databases are not part of the repository: their
//! folder stands in `RETENTIOND_CASES`, and without it these tests say that they
//! did not run, and why.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its preparations too")]
#![allow(clippy::print_stderr, reason = "what did not run is said aloud")]

#[cfg(test)]
mod g7;
#[cfg(test)]
mod oscar;
#[cfg(test)]
mod pagila;
#[cfg(test)]
#[path = "../servers/mod.rs"]
mod servers;
#[cfg(test)]
mod world;
