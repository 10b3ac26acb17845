//! Pure decisions about what must be kept, moved and destroyed.
//!
//! Nothing here opens a file, a connection or a clock: functions take `now` and
//! facts, and return data that carries its reason.

pub mod approval;
pub mod backlog;
pub mod calendar;
pub mod canonical;
pub mod census;
pub mod deployment;
pub mod destroy;
pub mod diagnostic;
pub mod document;
pub mod event;
pub mod explain;
#[cfg(test)]
pub(crate) mod fixture;
pub mod guard;
pub mod hold;
pub mod holiday;
pub mod horizon;
pub mod id;
pub mod index;
pub mod ledger;
pub mod locator;
pub mod old_copy;
pub mod pace;
pub mod period;
pub mod plan;
pub mod policy;
pub mod record;
pub mod report;
pub mod residue;
pub mod schedule;
pub mod seal;
pub mod segment;
pub mod selection;
pub mod verdict;
