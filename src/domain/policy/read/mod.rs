//! From the text of `retention-rules.toml` to a checked `Policy`.
//!
//! Each reader goes through all keys of its table before it puts a value
//! together, so that one wrong line hides no other.

mod example;
mod rule;

use std::ops::Range;

use chrono::{NaiveDate, TimeDelta};

use super::{
    Officer, Policy, Rule,
    statute::{self, Catalogue},
};
use crate::domain::{
    calendar::Counting,
    diagnostic::{Checked, Report},
    document::{self, Findings, Table, Value, optional, owned},
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
    let head = root.need_table("policy", "version = \"1.0\"").map(|table| (table.span(), head(table, findings)));
    let (place, head) = head.map_or((root.span(), None), |(place, head)| (place, head));
    let officer = root.need_table("officer", "contact = \"privacy@example.com\"").and_then(officer);
    let tables = root.tables("rule", "rule");
    if tables.as_ref().is_some_and(Vec::is_empty) {
        let hint = "add `[[rule]]`, and under it `id`, `name`, `event`, `keep` and `basis`";
        findings.missing(root.span(), "the policy has no rules", hint);
    }
    let catalogue = catalogue(findings)?;
    let compared = head.as_ref().filter(|head| head.statutes.is_some()).map(|head| head.counting);
    let mut reader = rule::Reader::new(catalogue, compared, findings);
    let rules: Vec<Option<Rule>> = tables.into_iter().flatten().map(|table| reader.read(table)).collect();
    let examples = root.tables("test", "test").into_iter().flatten();
    let examples: Vec<_> = examples.map(|table| example::read(table, findings)).collect();
    root.finish();

    let rules = rules.into_iter().collect::<Option<Vec<Rule>>>();
    if let (Some(rules), Some(_)) = (&rules, compared) {
        check_left_out(catalogue, rules, place, findings);
    }
    let (head, officer, rules) = (head?, officer?, rules?);
    let policy = Policy {
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
        officer,
        rules,
    };
    example::check(&policy, examples.into_iter().collect::<Option<Vec<_>>>()?, findings);
    Some(policy)
}

/// The duties that a basis may name.
fn catalogue(findings: &Findings) -> Option<&'static Catalogue> {
    let broken = |error: &statute::NotACatalogue| {
        findings.error(0..0, error.to_string(), "this program is damaged; install it again");
    };
    Catalogue::korea().inspect_err(|error| broken(error)).ok()
}

/// Names the duties that stand beside those the rules cite, and that no rule
/// carries out.
fn check_left_out(catalogue: &Catalogue, rules: &[Rule], place: Range<usize>, findings: &Findings) {
    let cited: Vec<&str> = rules.iter().flat_map(|rule| rule.basis.statutes()).collect();
    for duty in statute::left_out(catalogue, &cited) {
        let (message, hint) = statute::nothing_keeps(duty);
        findings.warning(place.clone(), message, hint);
    }
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
    let names_events = optional(table.take("names_events"), false, |value| value.boolean());
    if names_events == Some(false) {
        let hint = "say in the policy from which event each period is counted (`retentiond policy render` writes it \
                    out), then `names_events = true`";
        findings.warning(table.span(), "no event is named in the policy itself", hint);
    }
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
    let four_eyes = optional(table.take("four_eyes"), false, |value| value.boolean());
    table.finish();
    Some(Officer { title: owned(title?), contact: owned(contact?), four_eyes: four_eyes? })
}
