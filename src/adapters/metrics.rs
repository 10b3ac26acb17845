//! Metrics in the text form of OpenMetrics, out of what the ledger and a plan
//! say. Nothing is counted here while things happen: every number can be had
//! again from the ledger, also after a restart. Labels are rules, sources and
//! states; never anything of a row.

use std::{collections::BTreeMap, fmt, sync::atomic::AtomicU64};

use chrono::{DateTime, Utc};
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::domain::{
    backlog::{Backlog, Standing},
    id::SourceName,
    ledger::totals::Totals,
};

/// What was found out at one instant.
#[derive(Debug, Clone)]
pub struct Survey {
    pub at: DateTime<Utc>,
    pub policy_version: String,
    pub backlog: Vec<Backlog>,
    pub totals: Totals,
    /// Open cases, batches and tables whose rows may still be in a source's files.
    pub residue_pending: u64,
    pub open_intents: u64,
    /// Which sources could be counted.
    pub sources: BTreeMap<SourceName, bool>,
    /// Rules that could not be counted whole.
    pub uncounted: Vec<crate::domain::id::RuleId>,
}

/// What the daemon is doing at this moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Live {
    pub paused: bool,
    pub running: bool,
    pub next: Option<DateTime<Utc>>,
    /// The files on disk are not those in force.
    pub reload_refused: bool,
}

impl Survey {
    /// Rules that failed in the last cycle, or cannot be counted now.
    fn failing(&self) -> Vec<crate::domain::id::RuleId> {
        self.totals.failed.iter().chain(&self.uncounted).cloned().collect()
    }

    /// How each rule stands.
    pub fn standings(&self, paused: bool) -> Vec<(&Backlog, Standing)> {
        let failing = self.failing();
        let standing = |backlog| Standing::of(backlog, paused, &failing, &self.totals.refused_rules);
        self.backlog.iter().map(|backlog| (backlog, standing(backlog))).collect()
    }
}

type Labels = Vec<(&'static str, String)>;
type Numbers = Family<Labels, Gauge<f64, AtomicU64>>;
type Counts = Family<Labels, Counter>;

/// From an hour to a quarter, in seconds.
const LATENESS_BOUNDS: [f64; 7] = [0.0, 3_600.0, 86_400.0, 259_200.0, 604_800.0, 2_592_000.0, 7_776_000.0];

/// All metrics as text.
pub fn render(survey: Option<&Survey>, live: Live) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("retentiond");
    if let Some(survey) = survey {
        backlog(&mut registry, survey, live.paused);
        ledger(&mut registry, survey);
    }
    daemon(&mut registry, survey, live);
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

/// A family of gauges, one for each pair of label and value.
fn numbers<'a>(registry: &mut Registry, name: &str, help: &str, values: impl Iterator<Item = (Labels, f64)> + 'a) {
    let family = Numbers::default();
    for (labels, value) in values {
        family.get_or_create(&labels).set(value);
    }
    registry.register(name, help, family);
}

fn number(registry: &mut Registry, name: &str, help: &str, value: f64) {
    let gauge = Gauge::<f64, AtomicU64>::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

fn of_rule(rule: &crate::domain::id::RuleId) -> Labels {
    vec![("rule", rule.to_string())]
}

/// Overdue first: it is what nobody may miss.
fn backlog(registry: &mut Registry, survey: &Survey, paused: bool) {
    let mut gauge = |name: &str, help: &str, value: &dyn Fn(&Backlog) -> f64| {
        numbers(registry, name, help, survey.backlog.iter().map(|rule| (of_rule(&rule.rule), value(rule))));
    };
    let age = |since: DateTime<Utc>| (survey.at - since).num_seconds().max(0) as f64;
    gauge("overdue_rows", "Records past their latest", &|rule| rule.overdue as f64);
    gauge("oldest_overdue_age_seconds", "How long the oldest overdue record has been overdue", &|rule| {
        rule.overdue_since.map_or(0.0, age)
    });
    gauge("due_source_rows", "Records to be separated now", &|rule| rule.due_in_source as f64);
    gauge("due_vault_rows", "Records to be destroyed now", &|rule| rule.due_in_vault as f64);
    gauge("held_rows", "Records that a hold keeps", &|rule| rule.held as f64);
    gauge("waiting_rows", "Records that wait for others or for their cooling-off", &|rule| rule.waiting as f64);
    gauge("anomaly_rows", "Records whose event cannot be believed", &|rule| rule.anomalies as f64);
    gauge("vault_rows", "Records in the vault", &|rule| rule.in_vault as f64);
    gauge("due_soon_rows", "Records of the vault that become due within 30 days", &|rule| rule.due_soon as f64);
    let standings = survey.standings(paused);
    let states = standings.iter().flat_map(|(backlog, standing)| {
        Standing::ALL.map(|state| {
            let labels = vec![("rule", backlog.rule.to_string()), ("state", state.name().to_owned())];
            (labels, f64::from(u8::from(state == *standing)))
        })
    });
    numbers(registry, "rule_state", "How a rule stands; green needs nobody", states);
}

fn ledger(registry: &mut Registry, survey: &Survey) {
    let totals = &survey.totals;
    for (name, help, counted) in [
        ("separated_rows", "Records that left a source for the vault", &totals.separated),
        ("destroyed_rows", "Records destroyed", &totals.destroyed),
    ] {
        let family = Counts::default();
        // A rule that moved nothing yet is 0 and not absent.
        for backlog in &survey.backlog {
            family.get_or_create(&of_rule(&backlog.rule)).inc_by(0);
        }
        for (rule, rows) in counted {
            family.get_or_create(&of_rule(rule)).inc_by(*rows);
        }
        registry.register(name, help, family);
    }
    let refusals = Counter::<u64, AtomicU64>::default();
    refusals.inc_by(totals.refused);
    registry.register("refusals", "Refusals on record", refusals);
    let lateness = Histogram::new(LATENESS_BOUNDS);
    totals.late_seconds.iter().for_each(|seconds| lateness.observe(*seconds as f64));
    registry.register("destruction_lateness_seconds", "How long after its latest a destruction came", lateness);
    number(registry, "ledger_entries", "Entries of the ledger", totals.entries as f64);
    number(registry, "open_intents", "Steps that were begun and have no outcome", survey.open_intents as f64);
    number(
        registry,
        "residue_pending",
        "Open cases of rows that may still be in a source's files",
        survey.residue_pending as f64,
    );
    let sources = survey.sources.iter().map(|(name, up)| {
        let labels = vec![("source", name.to_string())];
        (labels, f64::from(u8::from(*up)))
    });
    numbers(registry, "source_up", "Whether a source could be counted", sources);
    instant(registry, "last_cycle_timestamp_seconds", "When the last cycle ended", totals.last_finished);
    instant(
        registry,
        "last_success_timestamp_seconds",
        "When a cycle last ended without a failed or refused rule",
        totals.last_success,
    );
}

fn daemon(registry: &mut Registry, survey: Option<&Survey>, live: Live) {
    let flag = |value: bool| f64::from(u8::from(value));
    number(registry, "paused", "Nothing starts until somebody resumes", flag(live.paused));
    number(registry, "cycle_running", "A cycle is at work", flag(live.running));
    number(registry, "reload_refused", "The files on disk are not those in force", flag(live.reload_refused));
    instant(registry, "next_cycle_timestamp_seconds", "When the next cycle starts", live.next);
    instant(registry, "survey_timestamp_seconds", "When the rows were counted", survey.map(|survey| survey.at));
    let versions = vec![
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("policy", survey.map(|survey| survey.policy_version.clone()).unwrap_or_default()),
    ];
    numbers(registry, "build", "Version of the program and of the policy", std::iter::once((versions, 1.0)));
}

/// An instant that is not known has no sample: 0 would be 1970.
fn instant(registry: &mut Registry, name: &str, help: &str, instant: Option<DateTime<Utc>>) {
    if let Some(instant) = instant {
        number(registry, name, help, instant.timestamp_millis() as f64 / 1e3);
    }
}
