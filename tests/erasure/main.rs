//! What is left of records in the files of their engines, through the whole
//! program: from the cycle that takes them out of the source to the certificate
//! of their destruction. The files are searched here with other means than the
//! program's own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod life;
mod mariadb;
mod postgres;
mod rows;
#[path = "../servers/mod.rs"]
mod servers;
mod traces;
mod world;
