//! `[[dataset]]`: where the records of a rule are.

use std::{collections::BTreeMap, ops::Range};

use super::{child, condition::condition, event, source::Sources};
use crate::domain::{
    deployment::{Dataset, Events, Mode, VerifyLevel, WipeLevel},
    document::{Findings, Table, Text, Value, optional, owned, suggest},
    id::EventName,
    policy::{Policy, Rule},
};

const MODES: [(&str, Option<Mode>); 2] = [("move", Some(Mode::Move)), ("redact", None)];

const WIPES: [(&str, Option<WipeLevel>); 3] =
    [("none", Some(WipeLevel::None)), ("engine", Some(WipeLevel::Engine)), ("rewrite", Some(WipeLevel::Rewrite))];

const VERIFICATIONS: [(&str, Option<VerifyLevel>); 2] =
    [("none", Some(VerifyLevel::None)), ("residue-scan", Some(VerifyLevel::ResidueScan))];

/// Rows whose values are searched for, unless said otherwise.
const SAMPLE_ROWS: u32 = 200;

/// More would make the search slow and prove little more.
const SAMPLE_ROWS_MAX: u32 = 2_000;

/// Reads datasets against the policy and the sources they refer to.
pub struct Reader<'a, 'd> {
    policy: Option<&'a Policy>,
    sources: &'a Sources<'d>,
    findings: &'a Findings,
    /// Lines of the datasets so far, by rule, source and table.
    lines: BTreeMap<(&'d str, &'d str, &'d str), usize>,
}

impl<'a, 'd> Reader<'a, 'd> {
    pub fn new(policy: Option<&'a Policy>, sources: &'a Sources<'d>, findings: &'a Findings) -> Self {
        Self { policy, sources, findings, lines: BTreeMap::new() }
    }

    pub fn read(&mut self, mut table: Table<'d>) -> Option<Dataset> {
        let header = table.span();
        let rule = table.need("rule", "rule = \"member\"").and_then(|value| value.line());
        let source = table.need("source", "source = \"shop\"").and_then(|value| value.line());
        let name = table.need("table", "table = \"members\"").and_then(|value| value.line());
        let key = table.need("key", "key = [\"id\"]").and_then(|value| key(&value));
        let subject = optional(table.take("subject"), None, |value| value.line().map(Some));
        let of_policy = rule.as_ref().and_then(|rule| self.known_rule(rule));
        let known_source = source.as_ref().and_then(|source| self.known_source(source));
        let event = of_policy.map_or("withdrawal", |rule| rule.event.as_str());
        let events = table.need("events", &format!("events.{event} = \"…\""));
        let events = events.and_then(|value| self.events(&value, of_policy));
        let condition = optional(table.take("where"), None, |value| condition(value).map(Some));
        let mode = optional(table.take("mode"), Mode::Move, |value| value.choice(&MODES));
        let wipe = optional(table.take("wipe"), WipeLevel::Engine, |value| value.choice(&WIPES));
        let verify = optional(table.take("verify"), VerifyLevel::None, |value| value.choice(&VERIFICATIONS));
        let sample = optional(table.take("sample"), SAMPLE_ROWS, |value| value.whole(1..=SAMPLE_ROWS_MAX));
        let root = name.as_ref().map(|name| *name.get_ref());
        let children = table.tables("child", "dataset.child");
        let references = table.tables("reference", "dataset.reference");
        let edges = children.zip(references);
        let children =
            edges.and_then(|(children, references)| child::children(children, references, root, self.findings));
        table.finish();

        let (rule, source, name) = (rule?, source?, name?);
        self.check_unique((rule.get_ref(), source.get_ref(), name.get_ref()), header)?;
        known_source?;
        Some(Dataset {
            rule: owned(rule).as_str().into(),
            source: owned(source).as_str().into(),
            table: owned(name),
            key: key?,
            subject: subject?.map(owned),
            events: events?,
            condition: condition?,
            mode: mode?,
            wipe: wipe?,
            verify: verify?,
            sample: sample?,
            children: children?,
        })
    }

    fn known_rule(&self, rule: &Text<'_>) -> Option<&'a Rule> {
        let policy = self.policy?;
        let given = *rule.get_ref();
        let known = policy.rules.iter().find(|known| known.id.as_str() == given);
        if known.is_none() {
            let ids: Vec<&str> = policy.rules.iter().map(|rule| rule.id.as_str()).collect();
            let hint = suggest::hint(given, &ids, "the policy has the rules");
            self.findings.error(rule.span(), format!("`{given}` is not a rule of the policy"), hint);
        }
        known
    }

    /// Notes a source that does not exist, where all names could be read.
    fn known_source(&self, source: &Text<'_>) -> Option<()> {
        let names = self.sources.names.as_ref()?;
        let given = *source.get_ref();
        if names.contains(&given) {
            return Some(());
        }
        let hint = suggest::hint(given, names, "this file has the sources");
        self.findings.missing(source.span(), format!("there is no source `{given}`"), hint);
        None
    }

    fn check_unique(&mut self, identity: (&'d str, &'d str, &'d str), header: Range<usize>) -> Option<()> {
        if let Some(line) = self.lines.get(&identity) {
            let (rule, source, table) = identity;
            let message = format!("table `{table}` of source `{source}` is there twice for rule `{rule}`");
            let hint = format!("the first one is on line {line}; remove one, or join their `where` with OR");
            self.findings.error(header, message, hint);
            return None;
        }
        self.lines.insert(identity, self.findings.line_of(header.start));
        Some(())
    }

    fn events(&self, value: &Value<'_>, rule: Option<&Rule>) -> Option<Events> {
        if !value.is_table() {
            let hint = "say which event the column holds: `events.withdrawal = \"withdrawn_at\"`";
            return value.refuse("`events` is a table of events and columns", hint);
        }
        let entries = value.table()?.free_entries();
        let mut wanted: Vec<&str> = rule.map(used_events).unwrap_or_default();
        let mut complete = true;
        let mut events = Events::new();
        for (name, column) in &entries {
            let is_used = rule.is_none_or(|rule| self.is_used(name, rule, &mut wanted));
            match event::place(column, self.findings) {
                Some(place) if is_used => drop(events.insert(EventName::from(*name.get_ref()), place)),
                _ => complete = false,
            }
        }
        for event in wanted {
            complete = false;
            let rule = rule.map(|rule| rule.id.as_str()).unwrap_or_default();
            let message = format!("rule `{rule}` uses the event `{event}`, and this dataset does not say where it is");
            let hint = format!("add `events.{event} = \"…\"` with the column that holds it");
            self.findings.missing(value.span(), message, hint);
        }
        complete.then_some(events)
    }

    /// Whether the rule uses an event; takes it, or what it is a slip of, off
    /// those still `wanted`.
    fn is_used(&self, name: &Text<'_>, rule: &Rule, wanted: &mut Vec<&str>) -> bool {
        let given = *name.get_ref();
        let used = used_events(rule);
        let is_used = used.contains(&given);
        let meant = if is_used { Some(given) } else { suggest::closest(given, wanted.iter().copied()) };
        wanted.retain(|event| Some(*event) != meant);
        if !is_used {
            let hint = match meant {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => {
                    format!("it uses {}; remove this line, or add the event to the rule", suggest::quoted_list(&used))
                }
            };
            self.findings.error(name.span(), format!("rule `{}` does not use the event `{given}`", rule.id), hint);
        }
        is_used
    }
}

/// The events that a rule counts from or moves on, each once.
fn used_events(rule: &Rule) -> Vec<&str> {
    let mut events = vec![rule.event.as_str()];
    events.extend(rule.separate_on.iter().map(EventName::as_str).filter(|event| *event != rule.event.as_str()));
    events
}

fn key(value: &Value<'_>) -> Option<Vec<String>> {
    let columns = value.distinct_lines()?;
    if columns.is_empty() {
        return value.refuse("`key` names no column", "name the columns that identify a record: `key = [\"id\"]`");
    }
    columns.into_iter().map(|column| column.map(owned)).collect()
}
