//! How ports fail. Texts are lower case, without a full stop, and never carry a
//! value of a row, a key of a row or a secret.

/// A source failed.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("source {source_name} cannot be reached: {reason}")]
    Unreachable { source_name: String, reason: String },
    #[error("dataset {dataset} does not fit the database: {reason}")]
    Schema { dataset: String, reason: String },
    #[error("the source undid the batch: {reason}")]
    RolledBack { reason: String },
    #[error("the source refused: {reason}")]
    Engine { reason: String },
}

/// The vault failed.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("the vault cannot be reached: {reason}")]
    Unreachable { reason: String },
    #[error("the vault has no room: {reason}")]
    Full { reason: String },
    #[error("the vault refused: {reason}")]
    Engine { reason: String },
    #[error("another retentiond is at work in the vault: {reason}")]
    Locked { reason: String },
    /// The lease is somebody else's by now: nothing was changed, and nothing may be.
    #[error(
        "another runner took over the vault, and this one stops: {reason}; hint: `retentiond status` on each host; let \
             only one of them run"
    )]
    TakenOver { reason: String },
    /// The vault is not what the ledger and the keystore say it is.
    #[error("the vault is not the one this ledger describes: {reason}")]
    Foreign { reason: String },
}

/// The keyring failed.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    #[error("no key for bucket {bucket}")]
    NoKey { bucket: String },
    #[error("segment of bucket {bucket} does not open: {reason}")]
    DoesNotOpen { bucket: String, reason: String },
    #[error("segment of bucket {bucket} cannot be sealed: {reason}")]
    NotSealed { bucket: String, reason: String },
    /// Nothing was destroyed, and every key is still there.
    #[error("the keystore cannot be written: {reason}")]
    Write { reason: String },
    /// Keystore, key-encryption key and root do not belong together, or one of
    /// them is missing.
    #[error("the keystore is in a state that needs a person: {reason}")]
    StateUnknown { reason: String },
}

/// The ledger failed.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("the ledger cannot be written: {reason}")]
    Write { reason: String },
    /// Lines, tree and checkpoints do not agree, or something is missing.
    #[error("the ledger is not what was signed: {reason}")]
    StateUnknown { reason: String },
}

/// How a flow ends when it does not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// This rule failed and nothing else is in doubt; the next one goes on.
    #[error("{0}")]
    Rule(String),
    /// A guard, the clock, drift or a missing approval stopped it.
    #[error("{0}")]
    Refused(String),
    /// A database cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// Another runner took over the vault; nothing more may be done.
    #[error("{0}")]
    TakenOver(String),
    /// It is not known what holds; nothing more may be done.
    #[error("{0}")]
    StateUnknown(String),
}
