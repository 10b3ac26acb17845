//! Counts what is owed, with nothing that can write: the ledger for what was
//! done, a plan for what is to be done. Made at the start, after each cycle and
//! once an hour.

use crate::{
    adapters::{clock::AnyClock, ledger, metrics::Survey},
    cli::{error::CommandError, held, open},
    domain::{backlog::backlog, ledger::totals::Totals},
    flow::plan::plan,
    ports::{Clock, Failure},
    settings::Settings,
};

pub async fn survey(settings: &Settings, clock: AnyClock) -> Result<Survey, CommandError> {
    let mut totals = Totals::default();
    let ledger = ledger::open_read_only(&settings.ledger_dir(), |entry| totals.add(entry))?;
    let mut reading = open::reading(settings).await?;
    let buckets = reading.buckets().await?;
    let book = open::rulebook(settings, reading.simulation());
    let at = clock.read();
    let covered = held::covered(settings, &mut reading, &book, &buckets, at).await?;
    reading.close().await?;
    let mut sources = open::scans(settings).await?;
    let planned = plan(&book, &mut sources, (&buckets, &covered), &ledger.history, at, None).await?;
    let mut up: std::collections::BTreeMap<_, _> =
        settings.deployment.sources.iter().map(|source| (source.name.clone(), true)).collect();
    for failed in planned.failed.iter().filter(|failed| matches!(failed.failure, Failure::Unreachable(_))) {
        for dataset in settings.deployment.datasets_of(&failed.rule) {
            if failed.dataset.as_ref() == Some(&dataset.table) {
                up.insert(dataset.source.clone(), false);
            }
        }
    }
    let history = &ledger.history;
    let open = history.open_separations.len() + history.open_restores.len() + history.open_destructions.len();
    let wipes: usize = history.open_wipes.values().map(std::collections::BTreeSet::len).sum();
    let residue = wipes + history.residues.cases.len() + history.residues.taken.len();
    Ok(Survey {
        at,
        policy_version: settings.policy.version.clone(),
        backlog: backlog(book.policy, &book.calendar, &book.deployment.datasets, &planned.plan, &buckets),
        totals,
        residue_pending: residue as u64,
        open_intents: open as u64,
        sources: up,
        uncounted: planned.failed.into_iter().map(|failed| failed.rule).collect(),
    })
}
