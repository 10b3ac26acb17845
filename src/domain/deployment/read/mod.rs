//! From the text of `config/retentiond.toml` to a checked `Deployment`.
//!
//! One file per part of the text. Each reader goes through all keys of its table
//! before it puts a value together, so that one wrong line hides no other.

mod child;
mod condition;
mod dataset;
mod event;
mod operation;
mod source;

use std::ops::Range;

use toml::de::DeTable;

use super::{Dataset, Deployment};
use crate::domain::{
    diagnostic::{Checked, Report},
    document::{self, Findings, Table, owned},
    policy::Policy,
};

/// Reads and checks the deployment file against the policy it carries out, or
/// reports everything that is wrong with it. Without a policy (its own file is
/// broken) only what does not need one is checked.
pub fn read(file: &str, text: &str, policy: Option<&Policy>) -> Result<Checked<Deployment>, Report> {
    document::read(file, text, |root, findings| deployment(root, policy, findings))
}

/// The rules file that a deployment file names, as far as one can tell of a
/// file that may be broken elsewhere.
pub fn policy_path(text: &str) -> Option<String> {
    let (root, _) = DeTable::parse_recoverable(text);
    root.get_ref().get("policy")?.get_ref().as_str().map(str::to_owned)
}

fn deployment(mut root: Table<'_>, rules: Option<&Policy>, findings: &Findings) -> Option<Deployment> {
    let policy = root.need("policy", "policy = \"../retention-rules.toml\"").and_then(|value| value.line());
    let state_dir = root.need("state_dir", "state_dir = \"/var/lib/retentiond\"").and_then(|value| value.line());
    let sources = source::sources(&mut root, findings);
    let vault = root.need_table("vault", "url = \"sqlite://vault.db\"");
    let vault = vault.map(|table| source::vault(table, sources.all.as_deref().unwrap_or_default(), findings));
    let ledger = root.need_table("ledger", "origin = \"retention.example/shop\"");
    let ledger_origin = ledger.and_then(operation::ledger_origin);
    let keys = operation::keys(&mut root);
    let schedule = operation::schedule(&mut root);
    let limits = operation::limits(&mut root);
    let guards = operation::guards(&mut root);
    let metrics = operation::metrics(&mut root);
    let datasets = datasets(&mut root, rules, &sources, findings);
    root.finish();

    let vault = vault??;
    Some(Deployment {
        policy: owned(policy?),
        state_dir: owned(state_dir?),
        sources: sources.all?,
        vault,
        keys: keys?,
        ledger_origin: ledger_origin?,
        schedule: schedule?,
        limits: limits?,
        guards: guards?,
        metrics: metrics?,
        datasets: datasets?,
    })
}

fn datasets(
    root: &mut Table<'_>,
    policy: Option<&Policy>,
    sources: &source::Sources<'_>,
    findings: &Findings,
) -> Option<Vec<Dataset>> {
    let tables = root.tables("dataset", "dataset")?;
    let Some(start) = tables.first().map(Table::span) else {
        let hint = "add `[[dataset]]`, and under it `rule`, `source`, `table`, `key` and `events`";
        findings.missing(root.span(), "there are no datasets: nothing would ever be separated", hint);
        return None;
    };
    let mut reader = dataset::Reader::new(policy, sources, findings);
    let datasets: Vec<Option<Dataset>> = tables.into_iter().map(|table| reader.read(table)).collect();
    let datasets = datasets.into_iter().collect::<Option<Vec<Dataset>>>()?;
    if let Some(policy) = policy {
        rules_without_dataset(policy, &datasets, start, findings);
    }
    Some(datasets)
}

/// A rule that nothing carries out is legal (its records may be on paper), but
/// nobody should learn of it years later.
fn rules_without_dataset(policy: &Policy, datasets: &[Dataset], span: Range<usize>, findings: &Findings) {
    if !findings.is_whole() {
        return;
    }
    for rule in policy.rules.iter().filter(|rule| datasets.iter().all(|dataset| dataset.rule != rule.id)) {
        let message = format!("no dataset carries out rule `{}` ({})", rule.id, rule.name.ko);
        let hint = format!("add a `[[dataset]]` with `rule = \"{}\"`, or destroy its records by hand", rule.id);
        findings.warning(span.clone(), message, hint);
    }
}
