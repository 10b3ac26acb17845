//! The keyring through its public face: what it opens, what it refuses, and what
//! nobody opens any more.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod adversary;
mod register;
mod states;
mod world;
