//! Errors of commands: each one knows the code it ends the program with.

use super::exit::Exit;
use crate::{
    adapters::ledger::VerifyError,
    ports::{Failure, KeyringError, LedgerError, SourceError, VaultError},
    settings::SettingsError,
};

/// Why a command ends without its result.
#[derive(Debug)]
pub struct CommandError {
    pub exit: Exit,
    pub message: String,
}

impl CommandError {
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }
}

macro_rules! ends_with {
    ($error:ty, |$name:ident| $exit:expr) => {
        impl From<$error> for CommandError {
            fn from($name: $error) -> Self {
                Self { exit: $exit, message: $name.to_string() }
            }
        }
    };
}

ends_with!(SettingsError, |_error| Exit::Configuration);
ends_with!(LedgerError, |_error| Exit::StateUnknown);
ends_with!(VerifyError, |_error| Exit::Failed);
ends_with!(anyhow::Error, |_error| Exit::Failed);
ends_with!(std::io::Error, |_error| Exit::Failed);
ends_with!(serde_json::Error, |_error| Exit::Failed);
ends_with!(KeyringError, |error| match error {
    KeyringError::Write { .. } | KeyringError::NotSealed { .. } => Exit::Failed,
    KeyringError::NoKey { .. } | KeyringError::DoesNotOpen { .. } | KeyringError::StateUnknown { .. } => {
        Exit::StateUnknown
    }
});
ends_with!(SourceError, |error| match error {
    SourceError::Unreachable { .. } => Exit::Unreachable,
    SourceError::Schema { .. } => Exit::Configuration,
    SourceError::RolledBack { .. } | SourceError::Engine { .. } => Exit::Failed,
});
ends_with!(VaultError, |error| match error {
    VaultError::Unreachable { .. } => Exit::Unreachable,
    VaultError::Locked { .. } | VaultError::TakenOver { .. } => Exit::Locked,
    VaultError::Foreign { .. } => Exit::StateUnknown,
    VaultError::Full { .. } | VaultError::Engine { .. } => Exit::Failed,
});
ends_with!(Failure, |error| match error {
    Failure::Rule(_) => Exit::Failed,
    Failure::Refused(_) => Exit::Refused,
    Failure::Unreachable(_) => Exit::Unreachable,
    Failure::TakenOver(_) => Exit::Locked,
    Failure::StateUnknown(_) => Exit::StateUnknown,
});
