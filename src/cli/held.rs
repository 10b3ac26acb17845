//! What commands that only read know of holds. The keystore is opened, for
//! reading, only where a hold is registered.

use chrono::{DateTime, Utc};

use super::{
    error::CommandError,
    open::{self, Reading},
};
use crate::{
    adapters::keyring::{FileKeyring, register::HoldRegister},
    domain::{
        destroy::BucketFacts,
        hold::{Hold, Holds},
    },
    flow::{hold::Covered, rulebook::Rulebook},
    ports::Keyring as _,
    settings::Settings,
};

/// What holds cover in the vault at `now`.
pub async fn covered(
    settings: &Settings,
    reading: &mut Reading,
    book: &Rulebook<'_>,
    buckets: &[BucketFacts],
    now: DateTime<Utc>,
) -> Result<Covered, CommandError> {
    let history = reading.history();
    let dir = settings.keyring_dir();
    let Some(vault) = reading.vault.as_mut().filter(|_| HoldRegister::there_is_one(&dir)) else {
        return Ok(Covered { holds: Holds::on_record(&history), ..Covered::default() });
    };
    let origin = &settings.deployment.ledger_origin;
    let mut keyring = FileKeyring::open_read_only(&dir, origin, open::kek(settings)?)?;
    let holds = Holds::registered(&history, keyring.register()?.holds);
    Ok(Covered::survey(book, (vault, &keyring), holds, buckets, now).await?)
}

/// The register of holds, which needs no lock.
pub fn register(settings: &Settings) -> Result<HoldRegister, CommandError> {
    let origin = &settings.deployment.ledger_origin;
    Ok(HoldRegister::of(&settings.keyring_dir(), origin, &open::kek(settings)?)?)
}

/// Holds that are registered and were not lifted, oldest first.
pub fn in_force(settings: &Settings, reading: &Reading) -> Result<Vec<Hold>, CommandError> {
    let all = register(settings)?.all()?;
    let asked = |hold: &Hold| all.lifts.iter().any(|lift| lift.hold == hold.id);
    let named = all.holds.iter().filter(|hold| !asked(hold)).cloned().collect();
    Ok(Holds::registered(&reading.history(), named).named().to_vec())
}
