//! PostgreSQL as a source, against a real server: every type travels byte for
//! byte, every condition agrees with the value it selects, and what is locked,
//! lost or cut off is neither moved nor lost.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its preparations too")]

#[cfg(test)]
mod bytes;
#[cfg(test)]
mod events;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod grants;
#[cfg(test)]
mod inspection;
#[cfg(test)]
#[path = "../servers/mod.rs"]
mod servers;
#[cfg(test)]
mod types;
