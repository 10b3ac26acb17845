//! `[[rule]]`: one row of the table, compared with the duties that it cites.

use std::{collections::BTreeMap, ops::Range};

use crate::domain::{
    calendar::Counting,
    diagnostic::Severity,
    document::{Findings, Table, Text, Value, optional, owned, suggest},
    id::{EventName, RuleId},
    period::Period,
    policy::{
        Approval, Basis, Name, Rule,
        statute::{self, About, Catalogue, Duty},
    },
};

const APPROVALS: [(&str, Option<Approval>); 2] = [("none", Some(Approval::None)), ("officer", Some(Approval::Officer))];

/// Reads rules, and compares each with the duties that it cites.
pub struct Reader<'a, 'd> {
    catalogue: &'a Catalogue,
    /// How to count, where rules are compared with their duties at all.
    compared: Option<Counting>,
    findings: &'a Findings,
    /// Ids so far, with their lines.
    ids: BTreeMap<&'d str, usize>,
}

impl<'a, 'd> Reader<'a, 'd> {
    pub fn new(catalogue: &'a Catalogue, compared: Option<Counting>, findings: &'a Findings) -> Self {
        Self { catalogue, compared, findings, ids: BTreeMap::new() }
    }

    pub fn read(&mut self, mut table: Table<'d>) -> Option<Rule> {
        let findings = self.findings;
        let id = table.need("id", "id = \"member\"").and_then(|value| rule_id(&value, &mut self.ids, findings));
        let name =
            table.need("name", "name = { ko = \"회원 정보\", en = \"Member account\" }").and_then(|value| name(&value));
        let event = table.need("event", "event = \"withdrawal\"").and_then(|value| event(value.line()?, findings));
        let keep = table.need("keep", "keep = \"5 years\"").and_then(|value| Some((value.span(), value.period()?)));
        let separate_on = optional(table.take("separate_on"), Vec::new(), |value| separate_on(value, findings));
        let basis = table.need("basis", "basis = \"internal\"");
        let basis = basis.and_then(|value| Some((value.span(), read_basis(&value, self.catalogue)?)));
        let reason = optional(table.take("reason"), None, |value| value.text().map(Some));
        let clause = optional(table.take("clause"), None, |value| value.text().map(Some));
        let approval = optional(table.take("approval"), Approval::None, |value| value.choice(&APPROVALS));
        table.finish();

        if let (Some(id), Some((keep_at, keep)), Some((basis_at, basis))) = (&id, &keep, &basis) {
            self.compare(id, (keep_at, *keep), (basis_at, basis));
        }
        Some(Rule {
            id: id?,
            name: name?,
            event: event?,
            keep: keep?.1,
            separate_on: separate_on?,
            basis: basis?.1,
            reason: reason?.map(owned),
            clause: clause?.map(owned),
            approval: approval?,
        })
    }

    /// Notes what the duties of the basis say about the period.
    fn compare(
        &self,
        id: &RuleId,
        (keep_at, keep): (&Range<usize>, Period),
        (basis_at, basis): (&Range<usize>, &Basis),
    ) {
        let Some(counting) = self.compared else { return };
        let duties: Vec<&Duty> = basis.statutes().filter_map(|id| self.catalogue.duty(id)).collect();
        for objection in statute::judge(counting, id.as_str(), keep, &duties) {
            let place = match objection.about {
                About::Keep => keep_at.clone(),
                About::Basis => basis_at.clone(),
            };
            match objection.severity {
                Severity::Error => self.findings.error(place, objection.message, objection.hint),
                Severity::Warning => self.findings.warning(place, objection.message, objection.hint),
            }
        }
    }
}

fn rule_id<'d>(value: &Value<'d>, ids: &mut BTreeMap<&'d str, usize>, findings: &Findings) -> Option<RuleId> {
    let id = *value.line()?.get_ref();
    let mut letters = id.chars();
    let is_id = letters.next().is_some_and(|first| first.is_ascii_lowercase())
        && letters.all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-');
    if !is_id {
        let hint =
            "an id starts with a letter and holds small letters a-z, digits and hyphens, such as `identity-check`";
        return value.refuse(format!("`{id}` cannot be the id of a rule"), hint);
    }
    if let Some(line) = ids.get(id) {
        let hint = format!("the first one is on line {line}; every rule needs an id of its own");
        return value.refuse(format!("rule `{id}` is there twice"), hint);
    }
    ids.insert(id, findings.line_of(value.span().start));
    Some(id.into())
}

fn name(value: &Value<'_>) -> Option<Name> {
    if !value.is_table() {
        let hint = "write both languages: `name = { ko = \"회원 정보\", en = \"Member account\" }`";
        return value.refuse("a rule has a Korean and an English name", hint);
    }
    let mut table = value.table()?;
    let ko = table.need("ko", "ko = \"회원 정보\"").and_then(|value| value.text());
    let en = table.need("en", "en = \"Member account\"").and_then(|value| value.text());
    table.finish();
    Some(Name { ko: owned(ko?), en: owned(en?) })
}

/// Events are keys of the deployment file and words of the ledger.
fn is_event_name(text: &str) -> bool {
    text.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_'))
}

fn event(text: Text<'_>, findings: &Findings) -> Option<EventName> {
    let name = *text.get_ref();
    if !is_event_name(name) {
        let hint = "an event is one word of letters, digits, `-` and `_`, such as `withdrawal`";
        findings.error(text.span(), format!("`{name}` cannot be the name of an event"), hint);
        return None;
    }
    Some(name.into())
}

fn separate_on(value: &Value<'_>, findings: &Findings) -> Option<Vec<EventName>> {
    let events = value.distinct_lines()?.into_iter().map(|text| event(text?, findings));
    events.collect::<Vec<_>>().into_iter().collect()
}

fn read_basis(value: &Value<'_>, catalogue: &Catalogue) -> Option<Basis> {
    if !value.is_list() {
        return match statute(value, catalogue)? {
            "internal" => Some(Basis::Internal),
            id => Some(Basis::Statute(id.to_owned())),
        };
    }
    let texts = value.distinct_lines()?;
    let mut ids = Vec::new();
    for (entry, text) in value.list()?.iter().zip(texts) {
        text?;
        match statute(entry, catalogue)? {
            "internal" => {
                let hint = "a list names statutes; write `basis = \"internal\"` where there is none";
                return entry.refuse("`internal` is no statute", hint);
            }
            id => ids.push(id.to_owned()),
        }
    }
    if ids.is_empty() {
        return value.refuse("`basis` is empty", "name a statute, or write `basis = \"internal\"`");
    }
    ids.sort();
    Some(if ids.len() == 1 { Basis::Statute(ids.remove(0)) } else { Basis::Statutes(ids) })
}

/// `internal`, or the id of a duty.
fn statute<'d>(value: &Value<'d>, catalogue: &Catalogue) -> Option<&'d str> {
    let given = *value.line()?.get_ref();
    if given == "internal" || catalogue.duty(given).is_some() {
        return Some(given);
    }
    let ids = catalogue.duties.iter().map(|duty| duty.id.as_str());
    let known: Vec<&str> = std::iter::once("internal").chain(ids).collect();
    let hint = suggest::hint(given, &known, "a basis is one of");
    value.refuse(format!("`{given}` is not a basis that this version knows"), hint)
}
