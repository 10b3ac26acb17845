//! Engines, keys and files behind the ports. Nothing here decides.

pub mod apart;
pub mod clock;
pub mod durable;
pub mod engine;
pub mod failpoint;
#[cfg(test)]
mod file_faults;
pub mod keyring;
pub mod ledger;
pub mod metrics;
pub mod mysql;
pub mod postgres;
pub mod process;
pub mod residue;
pub mod room;
mod sql;
pub mod sqlite;
pub mod strain;
pub mod vault;
