//! The separate store with its keys and its ledger: what every irreversible
//! step needs, and needs together.

use crate::{
    domain::id::{BatchId, OperationId, RunId},
    ports::{Failure, KeyringError, LedgerError, SourceError, VaultError},
};

#[derive(Debug)]
pub struct Custody<V, K, L> {
    pub vault: V,
    pub keyring: K,
    pub ledger: L,
    run: RunId,
    issued: u32,
}

impl<V, K, L> Custody<V, K, L> {
    pub const fn new(vault: V, keyring: K, ledger: L, run: RunId) -> Self {
        Self { vault, keyring, ledger, run, issued: 0 }
    }

    pub const fn run(&self) -> &RunId {
        &self.run
    }

    /// A name for the next batch, unique because runs are.
    pub fn next_batch(&mut self) -> BatchId {
        BatchId(self.next())
    }

    /// A name for the next destruction or restoration.
    pub fn next_operation(&mut self) -> OperationId {
        OperationId(self.next())
    }

    fn next(&mut self) -> String {
        self.issued += 1;
        format!("{}.{}", self.run, self.issued)
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Unreachable { .. } => Self::Unreachable(error.to_string()),
            SourceError::Schema { .. } | SourceError::RolledBack { .. } | SourceError::Engine { .. } => {
                Self::Rule(error.to_string())
            }
        }
    }
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Unreachable { .. } | VaultError::Locked { .. } => Self::Unreachable(error.to_string()),
            VaultError::Full { .. } | VaultError::Engine { .. } => Self::Rule(error.to_string()),
            VaultError::TakenOver { .. } => Self::TakenOver(error.to_string()),
            VaultError::Foreign { .. } => Self::StateUnknown(error.to_string()),
        }
    }
}

impl From<KeyringError> for Failure {
    fn from(error: KeyringError) -> Self {
        match error {
            KeyringError::Write { .. } | KeyringError::NotSealed { .. } => Self::Rule(error.to_string()),
            // A segment that its own key does not open is evidence of damage.
            KeyringError::NoKey { .. } | KeyringError::DoesNotOpen { .. } | KeyringError::StateUnknown { .. } => {
                Self::StateUnknown(error.to_string())
            }
        }
    }
}

/// Without a ledger nothing may be done, so that every failure of it stops.
impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        Self::StateUnknown(error.to_string())
    }
}
