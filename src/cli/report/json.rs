//! The report for programs: all of the evidence, and for each destruction the
//! hashes that lead from its entry to the signed root.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::Serialize;

use super::{Material, Overdue};
use crate::domain::{
    ledger::{checkpoint::root_text, merkle::Hash, proof::Paths},
    report::{Destruction, Evidence, register::Row},
};

#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    evidence: &'a Evidence,
    now: String,
    /// The official register, row by row.
    register: &'a [Row],
    certificates: Vec<Certificate<'a>>,
    overdue: &'a [Overdue],
    ledger: Ledger<'a>,
}

#[derive(Serialize)]
struct Certificate<'a> {
    seq: u64,
    operation: &'a str,
    /// Every part of the destruction was verified.
    completed: bool,
    simulation: bool,
    /// SHA-256 of `00 ‖ line` of the entry `destroy.outcome`.
    leaf: String,
    /// RFC 6962 audit path, lowest first.
    proof: Vec<String>,
}

#[derive(Serialize)]
struct Ledger<'a> {
    entries: u64,
    root: String,
    checkpoint: &'a str,
    /// The checkpoints in which a signing key hands over, each under both
    /// signatures; left out where none did.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    handovers: &'a [String],
}

pub(super) fn text(material: &Material, leaves: Vec<Hash>) -> Result<String, serde_json::Error> {
    let paths = Paths::new(leaves);
    let certificate = |done| certificate(&paths, material.evidence.simulation, done);
    let report = Report {
        evidence: &material.evidence,
        now: material.now.to_rfc3339(),
        register: &material.register,
        certificates: material.evidence.destructions.iter().filter_map(certificate).collect(),
        overdue: &material.overdue,
        ledger: Ledger {
            entries: material.head.size,
            root: root_text(&material.head.root),
            checkpoint: &material.checkpoint,
            handovers: &material.handovers,
        },
    };
    serde_json::to_string_pretty(&report)
}

fn certificate<'a>(paths: &Paths, simulation: bool, done: &'a Destruction) -> Option<Certificate<'a>> {
    Some(Certificate {
        seq: done.seq,
        operation: done.operation.as_str(),
        completed: done.completed(),
        simulation,
        leaf: BASE64.encode(paths.leaf(done.seq)?),
        proof: paths.of(done.seq)?.iter().map(|hash| BASE64.encode(hash)).collect(),
    })
}
