//! The policies that a ledger adopted, as it holds them: an earlier one can be
//! named long after the rules file has changed.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::domain::id::{Digest, RuleId};

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyView {
    pub digest: Digest,
    pub title: String,
    pub version: String,
    pub effective: NaiveDate,
    pub adopted: DateTime<Utc>,
    /// How it counts; `None`: the ledger does not hold its text.
    pub counting: Option<String>,
    pub officer: Option<String>,
    pub rules: Vec<RuleView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleView {
    pub id: RuleId,
    pub ko: String,
    pub en: String,
    pub event: String,
    pub keep: String,
    /// `internal` or a statute's id.
    pub basis: String,
    pub clause: Option<String>,
    pub reason: Option<String>,
    pub approval: String,
}

impl PolicyView {
    /// From the canonical policy in `policy.adopted`.
    pub(super) fn read(&mut self, document: &Value) {
        self.counting = text(document, "counting");
        self.officer = document.get("officer").and_then(|officer| text(officer, "title"));
        let rules = document.get("rules").and_then(Value::as_array);
        self.rules = rules.into_iter().flatten().filter_map(rule).collect();
    }

    #[must_use]
    pub fn rule(&self, id: &RuleId) -> Option<&RuleView> {
        self.rules.iter().find(|rule| rule.id == *id)
    }
}

fn rule(rule: &Value) -> Option<RuleView> {
    let name = |language| rule.get("name").and_then(|name| text(name, language)).unwrap_or_default();
    let statute = || rule.get("basis").and_then(|basis| text(basis, "statute"));
    Some(RuleView {
        id: RuleId(text(rule, "id")?),
        ko: name("ko"),
        en: name("en"),
        event: text(rule, "event").unwrap_or_default(),
        keep: text(rule, "keep").unwrap_or_default(),
        basis: text(rule, "basis").or_else(statute).unwrap_or_default(),
        clause: text(rule, "clause"),
        reason: text(rule, "reason"),
        approval: text(rule, "approval").unwrap_or_default(),
    })
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).map(str::to_owned)
}
