//! The demonstration: an invented online shop, and the whole job carried out on
//! it. Every person, address and number in it is made up.

mod chance;
mod database;
mod people;
mod shop;
mod show;
mod stage;
mod traces;
mod wording;

pub use show::demo;
