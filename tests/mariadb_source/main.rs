//! MariaDB as a source, against a real server: every type to the byte, locks and
//! crashes, and what is refused.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its preparations too")]

#[cfg(test)]
mod failures;
#[cfg(test)]
#[path = "../conformance/fixture.rs"]
#[allow(dead_code, reason = "shared with the suite for all engines")]
mod fixture;
#[cfg(test)]
mod grants;
#[cfg(test)]
#[path = "../servers/mod.rs"]
mod servers;
#[cfg(test)]
mod types;
#[cfg(test)]
mod weak;
#[cfg(test)]
mod world;
