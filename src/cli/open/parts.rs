//! Which parts of the separate store exist: all of them, or none.

use std::path::Path;

use crate::{
    adapters::engine::AnyVault,
    cli::{error::CommandError, exit::Exit},
    settings::Settings,
};

/// Which parts of the separate store exist.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts {
    vault: bool,
    ledger: bool,
    keys: bool,
}

impl Parts {
    /// Looks at the files, and asks the vault's server where it is on one. A
    /// server that does not answer is an error: it may well have a vault.
    pub(super) async fn of(settings: &Settings) -> Result<Self, CommandError> {
        let there = |path: &Path| path.symlink_metadata().is_ok();
        Ok(Self {
            vault: AnyVault::exists(&settings.vault_place()?).await?,
            ledger: there(&settings.ledger_dir()),
            keys: there(&settings.keyring_dir()),
        })
    }

    pub(super) const fn any(self) -> bool {
        self.vault || self.ledger || self.keys
    }

    /// All parts belong together: where one is missing, nothing may be made in
    /// its place.
    pub(super) fn complete(self, settings: &Settings) -> Result<(), CommandError> {
        let parts = [
            ("vault", self.vault, settings.vault_place()?.to_string()),
            ("ledger", self.ledger, settings.ledger_dir().display().to_string()),
            ("keystore", self.keys, settings.keyring_dir().display().to_string()),
        ];
        let missing: Vec<String> = parts
            .iter()
            .filter(|(_, there, _)| !there)
            .map(|(name, _, place)| format!("the {name} ({place})"))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(CommandError::new(
            Exit::StateUnknown,
            format!(
                "{} missing, while the other parts exist; nothing is done; hint: put it back from where it was moved, \
                 or see docs/OPERATIONS.md on exit code 70",
                missing.join(" and ")
            ),
        ))
    }
}

/// Refuses where anything of a separate store exists already.
pub async fn nothing_yet(settings: &Settings) -> Result<(), CommandError> {
    let parts = Parts::of(settings).await?;
    let names = [("vault", parts.vault), ("ledger", parts.ledger), ("keystore", parts.keys)];
    let there: Vec<&str> = names.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
    if there.is_empty() {
        return Ok(());
    }
    Err(CommandError::new(
        Exit::Refused,
        format!(
            "there is already a {} for this deployment; `init` never replaces one; hint: `retentiond status`",
            there.join(" and a ")
        ),
    ))
}
