//! Reading both files anew while the daemon runs. What is not fit to be in force
//! is refused whole, and what is in force stays.

use std::path::Path;

use crate::{
    cli::{error::CommandError, exit::Exit, open},
    settings::{self, Settings},
};

/// Both files; their warnings go where the daemon's log goes.
pub fn read(config: &Path) -> Result<Settings, CommandError> {
    let settings = open::in_force(settings::load(config)?)?;
    for report in &settings.warnings {
        tracing::warn!("{report}");
    }
    Ok(settings)
}

/// The settings on disk, if they may take the place of `current`.
pub fn load(config: &Path, current: &Settings) -> Result<Settings, CommandError> {
    let settings = read(config)?;
    let fixed = [
        ("state_dir", current.state_dir() == settings.state_dir()),
        ("[vault] url", current.deployment.vault.address == settings.deployment.vault.address),
        ("[ledger] origin", current.deployment.ledger_origin == settings.deployment.ledger_origin),
    ];
    if let Some((name, _)) = fixed.iter().find(|(_, same)| !same) {
        let message = format!("{name} was changed, and belongs to what the daemon has open; hint: restart it");
        return Err(CommandError::new(Exit::Configuration, message));
    }
    adopted(&settings)?;
    Ok(settings)
}

/// A policy that was changed and not adopted is not one to work under.
fn adopted(settings: &Settings) -> Result<(), CommandError> {
    let Some(proposed) = &settings.proposed else { return Ok(()) };
    Err(CommandError::new(
        Exit::Refused,
        format!(
            "the rules file (version {}, {}) is not the policy that was adopted; hint: put it in force first with \
             `retentiond policy adopt`, then reload",
            proposed.version, proposed.digest
        ),
    ))
}
