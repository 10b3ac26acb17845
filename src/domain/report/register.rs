//! 파기 관리대장: the register of destructions (표준 개인정보 보호지침, form 5), in
//! its official order of columns, and as CSV that a spreadsheet opens with its
//! Korean intact. Names of fields, never values.

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::Serialize;

use super::{Destruction, Evidence, Manual, RuleView};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Ko,
    En,
}

/// Official headings, and what they mean.
const HEADINGS: [(&str, &str); 8] = [
    ("번호", "No."),
    ("개인정보파일명", "Personal information file"),
    ("자료의 종류", "Kinds of data"),
    ("생성일", "Created"),
    ("폐기일", "Destroyed"),
    ("폐기사유", "Reason"),
    ("처리담당자", "Carried out by"),
    ("처리부서장", "Confirmed by"),
];

/// One row of the register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    pub number: usize,
    /// Of its entry in the ledger.
    pub seq: u64,
    pub file: String,
    pub kinds: String,
    pub created: String,
    pub destroyed: NaiveDate,
    pub reason: String,
    pub handler: String,
    /// Empty until somebody confirmed the result.
    pub head: String,
}

/// The rows of a period, by date of destruction.
#[must_use]
pub fn rows(evidence: &Evidence, language: Language, zone: Tz) -> Vec<Row> {
    let electronic = evidence.destructions.iter().map(|done| electronic(evidence, done, language, zone));
    let by_hand = evidence.manual.iter().map(|manual| by_hand(evidence, manual, language));
    let mut rows: Vec<Row> = electronic.chain(by_hand).collect();
    if evidence.simulation {
        rows.iter_mut().for_each(|row| row.reason.insert_str(0, "SIMULATION: "));
    }
    rows.sort_by_key(|row| (row.destroyed, row.seq));
    (1..).zip(&mut rows).for_each(|(number, row)| row.number = number);
    rows
}

fn electronic(evidence: &Evidence, done: &Destruction, language: Language, zone: Tz) -> Row {
    let policy = evidence.policies.iter().rev().find(|policy| policy.digest == done.policy);
    let rule = policy.and_then(|policy| policy.rule(&done.rule));
    let tables = done.fields.iter().map(|(table, names)| format!("{table}: {}", names.join(", ")));
    Row {
        number: 0,
        seq: done.seq,
        file: rule.map_or_else(|| done.rule.to_string(), |rule| rule.name(language).to_owned()),
        kinds: tables.collect::<Vec<_>>().join("; "),
        created: if done.first == done.last {
            done.first.to_string()
        } else {
            format!("{} ~ {}", done.first, done.last)
        },
        destroyed: done.time.with_timezone(&zone).date_naive(),
        reason: rule.map_or_else(|| period_over(language).to_owned(), |rule| reason(rule, language)),
        handler: format!("{}@{}", done.actor, done.host),
        head: done.confirmed_by.clone().unwrap_or_default(),
    }
}

fn by_hand(evidence: &Evidence, manual: &Manual, language: Language) -> Row {
    let record = &manual.record;
    let rule = record.rule.as_ref().and_then(|id| evidence.policies.last().and_then(|policy| policy.rule(id)));
    let why = record.reason.clone().or_else(|| rule.map(|rule| reason(rule, language)));
    Row {
        number: 0,
        seq: manual.seq,
        file: record.what.clone(),
        kinds: record.fields.join(", "),
        created: record.created.map(|created| created.to_string()).unwrap_or_default(),
        destroyed: record.destroyed,
        reason: format!("{} ({})", why.unwrap_or_else(|| period_over(language).to_owned()), record.method),
        handler: match language {
            Language::Ko => format!("{} (입회 {})", record.by, record.witness),
            Language::En => format!("{} (witness {})", record.by, record.witness),
        },
        head: String::new(),
    }
}

fn reason(rule: &RuleView, language: Language) -> String {
    let clause = rule.clause.as_deref().map(|clause| format!(", {clause}")).unwrap_or_default();
    format!("{} ({}, {}{clause})", period_over(language), kept(&rule.keep, language), rule.basis)
}

/// `5 years` as Korean writes it.
fn kept(keep: &str, language: Language) -> String {
    let units = [("day", "일"), ("week", "주"), ("month", "개월"), ("year", "년")];
    let unit = |given: &str| units.iter().find(|(unit, _)| given.starts_with(unit)).map(|(_, korean)| *korean);
    match keep.split_once(' ') {
        Some((count, given)) if language == Language::Ko => format!("{count}{}", unit(given).unwrap_or(given)),
        _ => keep.to_owned(),
    }
}

const fn period_over(language: Language) -> &'static str {
    match language {
        Language::Ko => "보유기간 만료",
        Language::En => "retention period over",
    }
}

impl RuleView {
    #[must_use]
    pub fn name(&self, language: Language) -> &str {
        match language {
            Language::Ko => &self.ko,
            Language::En => &self.en,
        }
    }
}

/// The register as CSV (RFC 4180): UTF-8 with its mark, lines ending in CR LF.
#[must_use]
pub fn csv(rows: &[Row], language: Language) -> String {
    let headings = HEADINGS.map(|(ko, en)| if language == Language::Ko { ko } else { en }.to_owned());
    let mut text = String::from('\u{feff}');
    push_line(&mut text, &headings);
    for row in rows {
        let number = row.number.to_string();
        let destroyed = row.destroyed.to_string();
        let cells = [&number, &row.file, &row.kinds, &row.created, &destroyed, &row.reason, &row.handler, &row.head];
        push_line(&mut text, &cells.map(String::clone));
    }
    text
}

fn push_line(text: &mut String, cells: &[String]) {
    let cells: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
    text.push_str(&cells.join(","));
    text.push_str("\r\n");
}

/// What begins like a formula would be carried out by a spreadsheet: an
/// apostrophe makes it text.
fn quoted(cell: &str) -> String {
    let formula = cell.trim_start().starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']);
    let cell = if formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains(['"', ',', '\n', '\r', ';']) || cell != cell.trim() {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}
