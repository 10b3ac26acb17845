//! What `status` says of a vault that is an older copy than its ledger.

use serde::Serialize;

use crate::{
    adapters::ledger,
    cli::{error::CommandError, exit::Exit, open::Reading},
    domain::{
        id::Digest,
        old_copy::{Comparison, OldCopy, beyond_telling, suspected},
    },
    ports::Vault,
    settings::Settings,
};

#[derive(Debug, Serialize)]
pub(super) struct Found {
    /// What `ledger acknowledge` names.
    found: Digest,
    #[serde(flatten)]
    copy: OldCopy,
}

/// Compares the vault with the ledger while nobody writes. Where somebody does, it
/// is a cycle, which compares them itself.
pub(super) async fn find(settings: &Settings, reading: &mut Reading) -> Result<Option<Found>, CommandError> {
    let (Some(vault), Some(ledger)) = (&mut reading.vault, &reading.ledger) else { return Ok(None) };
    let knows = vault.remembered_head().await?.map_or(0, |head| head.size);
    let buckets = vault.buckets().await?;
    let acknowledged = ledger.history.acknowledged.is_some_and(|copy| copy.knows == knows);
    if acknowledged || !suspected(&ledger.history, knows, &buckets) {
        return Ok(None);
    }
    if let Some(reason) = beyond_telling(&ledger.history, knows) {
        return Err(CommandError::new(Exit::StateUnknown, reason));
    }
    let mut comparison = Comparison::from(knows);
    let now = ledger::open_read_only(&settings.ledger_dir(), |entry| comparison.entry(entry))?;
    if now.head != ledger.head {
        return Ok(None);
    }
    let copy = comparison.conclude(&now.history, &buckets);
    let found = copy.digest().map_err(anyhow::Error::from)?;
    Ok(Some(Found { found, copy }))
}

impl Found {
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = self.copy.lines();
        let hint = if self.copy.unexplained().is_some() {
            "no older copy of the vault explains this: put the newest copy of the ledger back".to_owned()
        } else {
            format!(
                "nothing is done with it: put the newest copy of the vault back; if there is none, `retentiond ledger \
                 acknowledge --found {} --by NAME --reason TEXT`",
                self.found
            )
        };
        lines.push(hint);
        let label = |first: bool| if first { "OLD COPY " } else { "         " };
        (0..).zip(lines).map(|(number, line)| format!("{}  {line}", label(number == 0))).collect()
    }
}
