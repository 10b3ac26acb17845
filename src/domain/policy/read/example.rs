//! `[[test]]`: what the owner of the policy expects of it. An expectation that the
//! rules do not meet is an error like any other, so that no policy is put in force
//! against its own examples.

use std::ops::Range;

use chrono::NaiveDate;

use crate::domain::{
    calendar::Calendar,
    document::{Findings, Table, Text, suggest},
    holiday::Holidays,
    policy::Policy,
};

/// A record of `rule` whose event fell on `event` is due on `due`.
pub struct Example<'d> {
    rule: Text<'d>,
    event: NaiveDate,
    due: Option<(Range<usize>, NaiveDate)>,
    last: Option<(Range<usize>, NaiveDate)>,
}

pub fn read<'d>(mut table: Table<'d>, findings: &Findings) -> Option<Example<'d>> {
    let rule = table.need("rule", "rule = \"contract\"").and_then(|value| value.line());
    let event = table.need("event", "event = 2019-02-28").and_then(|value| value.date());
    let due = table.take("due").map(|value| (value.span(), value.date()));
    let last = table.take("last").map(|value| (value.span(), value.date()));
    let place = table.span();
    table.finish();
    if due.is_none() && last.is_none() {
        let hint = "add the first day on which the record may be destroyed, `due = 2024-03-01`, or the last day of \
                    its period, `last = 2024-02-29`";
        findings.missing(place, "this [[test]] expects nothing", hint);
        return None;
    }
    let dated = |given: Option<(Range<usize>, Option<NaiveDate>)>| match given {
        None => Some(None),
        Some((place, date)) => date.map(|date| Some((place, date))),
    };
    Some(Example { rule: rule?, event: event?, due: dated(due)?, last: dated(last)? })
}

/// Counts every example under the policy.
pub fn check(policy: &Policy, examples: Vec<Example<'_>>, findings: &Findings) {
    let Ok(holidays) = Holidays::korea().map(|holidays| holidays.with(&policy.holidays)) else {
        return findings.error(0..0, "the table of holidays is damaged", "install this program again");
    };
    let calendar = Calendar::new(policy, &holidays);
    for example in examples {
        let given = *example.rule.get_ref();
        let Some(rule) = policy.rules.iter().find(|rule| rule.id.as_str() == given) else {
            let ids: Vec<&str> = policy.rules.iter().map(|rule| rule.id.as_str()).collect();
            let hint = suggest::hint(given, &ids, "the policy has the rules");
            findings.error(example.rule.span(), format!("`{given}` is not a rule of the policy"), hint);
            continue;
        };
        let term = calendar.term(rule, example.event);
        let due = calendar.date_of(term.due);
        let what = |verb: &str, is: NaiveDate, expected: NaiveDate| {
            format!("a record of rule `{given}` with its event on {} {verb} {is}, not on {expected}", example.event)
        };
        let hint = format!(
            "{} counted from {}: first day {}, last day {}, due on {due}; correct the test, or the rule",
            rule.keep, rule.event, term.first, term.last
        );
        if let Some((place, expected)) = example.due.filter(|(_, expected)| *expected != due) {
            findings.error(place, what("is due on", due, expected), hint.clone());
        }
        if let Some((place, expected)) = example.last.filter(|(_, expected)| *expected != term.last) {
            findings.error(place, what("has its last day on", term.last, expected), hint);
        }
    }
}
