//! PostgreSQL as a source.

pub(in crate::adapters) mod failure;
pub(in crate::adapters) mod session;
