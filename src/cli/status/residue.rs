//! What left a source and is not proven gone from its files, and when it will be.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::super::{open, output};
use crate::{
    domain::{
        id::{OperationId, RuleId, SourceName},
        ledger::history::{Case, DestroyedInCase},
        residue,
    },
    settings::Settings,
};

/// A case of residue, and the destructions that are closed with it.
#[derive(Debug, Serialize)]
pub struct OpenResidue {
    case: OperationId,
    source: SourceName,
    rules: Vec<RuleId>,
    since: DateTime<Utc>,
    /// When it closes by itself; `None`: a later search has to close it.
    closes: Option<DateTime<Utc>>,
    reasons: Vec<String>,
    destructions: Vec<OpenDestruction>,
}

#[derive(Debug, Serialize)]
struct OpenDestruction {
    operation: OperationId,
    rule: RuleId,
    time: DateTime<Utc>,
    records: u64,
}

impl OpenResidue {
    pub fn of(case: &Case) -> Self {
        let destruction = |one: &DestroyedInCase| OpenDestruction {
            operation: one.operation.clone(),
            rule: one.rule.clone(),
            time: one.time,
            records: one.records,
        };
        Self {
            case: case.scan.case.clone(),
            source: case.scan.source.clone(),
            rules: case.scan.rules.clone(),
            since: case.since,
            closes: residue::closes(&case.scan.locations),
            reasons: case.scan.finding.reasons.clone(),
            destructions: case.destroyed.iter().map(destruction).collect(),
        }
    }

    pub fn line(&self, settings: &Settings) -> String {
        let closes = self.closes.map_or_else(
            || "closes when a later search finds it clean".to_owned(),
            |closes| format!("closes at {}", open::local(closes, settings)),
        );
        let records: u64 = self.destructions.iter().map(|one| one.records).sum();
        let destructions = output::plural(self.destructions.len() as u64, "destruction");
        format!(
            "residue    source {} since {}: {destructions} open ({} records); {closes}; {}",
            self.source,
            open::local(self.since, settings),
            output::count(records),
            self.reasons.join("; ")
        )
    }
}
