//! From the text of `retention-rules.toml` to a checked `Policy`.
//!
//! Each reader goes through all keys of its table before it puts a value
//! together, so that one wrong line hides no other.

use std::{collections::BTreeMap, ops::Range};

use chrono::{NaiveDate, TimeDelta};

use super::{Approval, Basis, Name, Officer, Policy, Rule, statute};
use crate::domain::{
    calendar::Counting,
    diagnostic::{Checked, Report},
    document::{self, Findings, Table, Text, Value, optional, owned, suggest},
    id::{EventName, RuleId},
    period::{Period, TimeSpan, Unit},
};

/// Days between the announcement of a policy and its effect (section 12 of the
/// policy itself).
const NOTICE_DAYS: i64 = 7;

const DESTROY_WITHIN: Period = Period { count: 5, unit: Unit::Days };
const COOLING_OFF: TimeSpan = TimeSpan(TimeDelta::hours(24));

const COUNTINGS: [(&str, Option<Counting>); 4] = [
    ("kr-civil", Some(Counting::KrCivil)),
    ("kr-administrative", Some(Counting::KrAdministrative)),
    ("eu-1182", Some(Counting::Eu1182)),
    ("calendar", Some(Counting::Calendar)),
];

const APPROVALS: [(&str, Option<Approval>); 2] = [("none", Some(Approval::None)), ("officer", None)];

/// Reads and checks the rules file, or reports everything that is wrong with it.
pub fn read(file: &str, text: &str) -> Result<Checked<Policy>, Report> {
    document::read(file, text, policy)
}

/// What `[policy]` says.
struct Head {
    title: String,
    version: String,
    announced: NaiveDate,
    effective: NaiveDate,
    timezone: chrono_tz::Tz,
    counting: Counting,
    destroy_within: Period,
    cooling_off: TimeSpan,
    statutes: Option<String>,
    holidays: Vec<NaiveDate>,
}

fn policy(mut root: Table<'_>, findings: &Findings) -> Option<Policy> {
    let head = root.need_table("policy", "version = \"1.0\"").map(|table| head(table, findings));
    let officer = root.need_table("officer", "contact = \"privacy@example.com\"").map(officer);
    let tables = root.tables("rule", "rule");
    if tables.as_ref().is_some_and(Vec::is_empty) {
        let hint = "add `[[rule]]`, and under it `id`, `name`, `event`, `keep` and `basis`";
        findings.missing(root.span(), "the policy has no rules", hint);
    }
    let mut ids = BTreeMap::new();
    let rules = tables.into_iter().flatten().map(|table| rule(table, &mut ids, findings));
    let rules: Vec<Option<Rule>> = rules.collect();
    root.finish();

    let head = head??;
    Some(Policy {
        title: head.title,
        version: head.version,
        announced: head.announced,
        effective: head.effective,
        timezone: head.timezone,
        counting: head.counting,
        destroy_within: head.destroy_within,
        cooling_off: head.cooling_off,
        statutes: head.statutes,
        holidays: head.holidays,
        officer: officer??,
        rules: rules.into_iter().collect::<Option<Vec<Rule>>>()?,
    })
}

fn head(mut table: Table<'_>, findings: &Findings) -> Option<Head> {
    let title = table.need("title", "title = \"개인정보 처리방침\"").and_then(|value| value.text());
    let version = table.need("version", "version = \"1.0\"").and_then(|value| value.line());
    let announced = table.need("announced", "announced = 2021-05-20").and_then(|value| value.date());
    let effective = table.need("effective", "effective = 2021-05-27").map(|value| (value.span(), value.date()));
    let timezone = table.need("timezone", "timezone = \"Asia/Seoul\"").and_then(|value| value.zone());
    let counting = optional(table.take("counting"), Counting::KrCivil, |value| value.choice(&COUNTINGS));
    let destroy_within = optional(table.take("destroy_within"), DESTROY_WITHIN, Value::period);
    let cooling = table.take("cooling_off");
    let cooling_span = cooling.as_ref().map_or_else(|| table.span(), Value::span);
    let cooling_off = optional(cooling, COOLING_OFF, Value::time_span);
    let statutes = optional(table.take("statutes"), Some("kr"), |value| {
        value.choice(&[("kr", Some(Some("kr"))), ("none", Some(None))])
    });
    let holidays = optional(table.take("holidays"), Vec::new(), dates);
    table.finish();

    if let (Some(announced), Some((span, Some(effective)))) = (announced, &effective) {
        check_notice(announced, *effective, span.clone(), findings);
    }
    if let (Some(destroy_within), Some(cooling_off)) = (destroy_within, cooling_off) {
        check_cooling_off(destroy_within, cooling_off, cooling_span, findings);
    }
    Some(Head {
        title: owned(title?),
        version: owned(version?),
        announced: announced?,
        effective: effective?.1?,
        timezone: timezone?,
        counting: counting?,
        destroy_within: destroy_within?,
        cooling_off: cooling_off?,
        statutes: statutes?.map(str::to_owned),
        holidays: holidays?,
    })
}

/// Dates in their order, none of them twice.
fn dates(value: &Value<'_>) -> Option<Vec<NaiveDate>> {
    let mut dates: Vec<NaiveDate> = Vec::new();
    let mut all_right = true;
    for entry in value.list()? {
        match entry.date() {
            Some(date) if dates.contains(&date) => {
                let wrong: Option<()> =
                    entry.refuse(format!("{date} stands twice in `holidays`"), "remove one of the two");
                all_right = wrong.is_some();
            }
            Some(date) => dates.push(date),
            None => all_right = false,
        }
    }
    dates.sort();
    all_right.then_some(dates)
}

fn check_notice(announced: NaiveDate, effective: NaiveDate, span: Range<usize>, findings: &Findings) {
    let days = (effective - announced).num_days();
    if days < 0 {
        let hint = format!("it was announced on {announced}; a policy takes effect on that day or later");
        findings.error(span, "the policy takes effect before it is announced", hint);
    } else if days < NOTICE_DAYS {
        let plural = if days == 1 { "" } else { "s" };
        let message = format!("only {days} day{plural} between announcement and effect");
        findings.warning(
            span,
            message,
            format!("a change is announced at least {NOTICE_DAYS} days before it takes effect"),
        );
    }
}

/// A record may be destroyed only after its cooling-off and must be destroyed
/// before its latest, so there has to be time between the two.
fn check_cooling_off(within: Period, cooling_off: TimeSpan, span: Range<usize>, findings: &Findings) {
    let days = i64::from(within.count) * shortest_days(within.unit);
    if cooling_off.0 >= TimeDelta::days(days) {
        let hint = format!(
            "records must be destroyed within {within} of being due: shorten `cooling_off` or extend `destroy_within`"
        );
        findings.error(span, format!("a cooling-off of {cooling_off} leaves no time to destroy anything"), hint);
    }
}

/// The length of a unit at its shortest.
const fn shortest_days(unit: Unit) -> i64 {
    match unit {
        Unit::Days => 1,
        Unit::Weeks => 7,
        Unit::Months => 28,
        Unit::Years => 365,
    }
}

fn officer(mut table: Table<'_>) -> Option<Officer> {
    let title = table.need("title", "title = \"개인정보 보호책임자\"").and_then(|value| value.text());
    let contact = table.need("contact", "contact = \"privacy@example.com\"").and_then(|value| value.text());
    table.finish();
    Some(Officer { title: owned(title?), contact: owned(contact?) })
}

/// Reads one rule. `ids` are those of the rules before it, with their lines.
fn rule<'d>(mut table: Table<'d>, ids: &mut BTreeMap<&'d str, usize>, findings: &Findings) -> Option<Rule> {
    let id = table.need("id", "id = \"member\"").and_then(|value| rule_id(&value, ids, findings));
    let name =
        table.need("name", "name = { ko = \"회원 정보\", en = \"Member account\" }").and_then(|value| name(&value));
    let event = table.need("event", "event = \"withdrawal\"").and_then(|value| event(value.line()?, findings));
    let keep = table.need("keep", "keep = \"5 years\"").and_then(|value| value.period());
    let separate_on = optional(table.take("separate_on"), Vec::new(), |value| separate_on(value, findings));
    let basis = table.need("basis", "basis = \"internal\"").and_then(|value| basis(&value));
    let reason = optional(table.take("reason"), None, |value| value.text().map(Some));
    let clause = optional(table.take("clause"), None, |value| value.text().map(Some));
    let approval = optional(table.take("approval"), Approval::None, |value| value.choice(&APPROVALS));
    table.finish();

    Some(Rule {
        id: id?,
        name: name?,
        event: event?,
        keep: keep?,
        separate_on: separate_on?,
        basis: basis?,
        reason: reason?.map(owned),
        clause: clause?.map(owned),
        approval: approval?,
    })
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

fn basis(value: &Value<'_>) -> Option<Basis> {
    let given = *value.line()?.get_ref();
    if given == "internal" {
        return Some(Basis::Internal);
    }
    if statute::IDS.contains(&given) {
        return Some(Basis::Statute(given.to_owned()));
    }
    let known: Vec<&str> = std::iter::once("internal").chain(statute::IDS).collect();
    let hint = suggest::hint(given, &known, "a basis is one of");
    value.refuse(format!("`{given}` is not a basis that this version knows"), hint)
}
