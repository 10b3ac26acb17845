//! Replicas that fall behind, on real servers: the strain is seen, a cycle waits
//! for it and says why, and goes on when it is over.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]
#![allow(dead_code, reason = "the worlds are shared with other tests")]

#[path = "../daemon/daemon.rs"]
mod daemon;
mod mariadb;
mod postgres;
#[path = "../servers/mod.rs"]
mod servers;
#[path = "../whole_path/shop.rs"]
mod shop;
#[path = "../whole_path/world.rs"]
mod world;
