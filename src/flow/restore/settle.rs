//! A restoration that was interrupted: whether the source took the rows decides
//! whether the vault's copy goes.

use super::{outcome, remove_from_vault};
use crate::{
    domain::ledger::event::{RestoreIntent, RestoreResult},
    flow::{custody::Custody, part::Part, recover::OLD_COPY, rulebook::Rulebook, seal, sources::Sources},
    ports::{Failure, Keyring, Ledger, Presence, Restoration, Source, Vault},
};

/// Settles one open restoration and says how it ended.
pub async fn settle<S: Source, V: Vault, K: Keyring, L: Ledger>(
    book: &Rulebook<'_>,
    sources: &mut Sources<S>,
    custody: &mut Custody<V, K, L>,
    intent: &RestoreIntent,
) -> Result<RestoreResult, Failure> {
    let matches = matches(custody, intent).await?;
    if matches.is_empty() {
        // The vault lets go only after the source has committed.
        let old_copy = custody.ledger.history().acknowledged.is_some();
        let reason = if old_copy { OLD_COPY } else { "interrupted after the source committed and the vault let go" };
        outcome(custody, intent, RestoreResult::Committed, Some(reason.to_owned()))?;
        return Ok(RestoreResult::Committed);
    }
    let (result, reason) = match presence(book, sources, intent, &matches).await? {
        Presence::Same => {
            remove_from_vault(custody, &matches).await?;
            (RestoreResult::Committed, "interrupted after the source committed")
        }
        Presence::Absent => {
            (RestoreResult::RolledBack, "interrupted before the source committed; the vault keeps its copy")
        }
        Presence::Mixed => {
            finish(book, sources, intent, &matches).await?;
            remove_from_vault(custody, &matches).await?;
            (RestoreResult::Committed, "interrupted while the source inserted row by row; the rest was inserted")
        }
    };
    outcome(custody, intent, result, Some(reason.to_owned()))?;
    Ok(result)
}

/// Goes on with what the source could only insert row by row.
async fn finish<S: Source>(
    book: &Rulebook<'_>,
    sources: &mut Sources<S>,
    intent: &RestoreIntent,
    matches: &[Part],
) -> Result<(), Failure> {
    let records = matches.iter().map(|found| found.restoration(book, !intent.keep_event));
    let records: Vec<Restoration<'_>> = records.collect::<Result<_, _>>()?;
    let is_finished = sources.get(&intent.source)?.finish_restoration(&records).await?;
    if is_finished { Ok(()) } else { Err(mixed(intent)) }
}

fn mixed(intent: &RestoreIntent) -> Failure {
    Failure::StateUnknown(format!(
        "restoration {} was interrupted, and its rows are neither all in source {} as they were restored nor all \
             missing; both copies are kept; hint: find out who changed them since, then remove one of the two",
        intent.operation, intent.source
    ))
}

/// The segments of the intent that the vault still has as they were. Replacing
/// gives a segment a new number, so that one that is gone was let go of.
async fn matches<V: Vault, K: Keyring, L>(
    custody: &mut Custody<V, K, L>,
    intent: &RestoreIntent,
) -> Result<Vec<Part>, Failure> {
    let mut matches = Vec::new();
    for (id, numbers) in &intent.segments {
        let Some(segment) = custody.vault.segment(*id).await? else { continue };
        let opened = seal::open(&custody.keyring, &segment)?;
        matches.push(Part { id: *id, segment, opened, numbers: numbers.clone() });
    }
    Ok(matches)
}

async fn presence<S: Source>(
    book: &Rulebook<'_>,
    sources: &mut Sources<S>,
    intent: &RestoreIntent,
    matches: &[Part],
) -> Result<Presence, Failure> {
    let source = sources.get(&intent.source)?;
    let mut seen = None;
    for found in matches {
        let here = source.presence(&found.restoration(book, !intent.keep_event)?).await?;
        if seen.replace(here).is_some_and(|before| before != here) {
            return Ok(Presence::Mixed);
        }
    }
    Ok(seen.unwrap_or(Presence::Absent))
}
