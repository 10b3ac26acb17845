//! From the fields of a line to an entry. Strict: a field that its kind of entry
//! does not have is refused.
//!
//! The derived reading of a flattened, tagged type would hold every line in
//! memory three times over; a ledger of many years is read entry by entry, so
//! this goes through the sorted fields once. Each kind therefore names its
//! fields **in sorted order**. `line::write` reads back what it has written.

use super::{
    LineError,
    fields::{Fields, instant, parsed, present, text, unquoted, word},
};
use crate::domain::{
    ledger::event::{
        DestroyIntent, DestroyOutcome, Entry, Event, HoldPlaced, LedgerDropped, LedgerPruned, ManualRecord, ReadIntent,
        RestoreIntent, SeparateIntent, VaultAcknowledged,
    },
    residue::Scan,
};

/// Reads an entry from its fields, sorted by key.
pub(super) fn entry(mut own: Vec<(&str, &str)>) -> Result<Entry, LineError> {
    let (mut actor, mut host, mut policy, mut run) = (None, None, None, None);
    let (mut seq, mut time, mut kind, mut v) = (None, None, None, None);
    own.retain(|&(key, value)| {
        let of_every_entry = match key {
            "actor" => &mut actor,
            "host" => &mut host,
            "policy" => &mut policy,
            "run" => &mut run,
            "seq" => &mut seq,
            "time" => &mut time,
            "type" => &mut kind,
            "v" => &mut v,
            _ => return true,
        };
        *of_every_entry = Some(value);
        false
    });
    let kind = unquoted(present("type", kind)?).ok_or(LineError::Field { name: "type" })?;
    let time = present("time", time)?;
    Ok(Entry {
        v: parsed("v", present("v", v)?)?,
        seq: parsed("seq", present("seq", seq)?)?,
        time: unquoted(time).and_then(|time| instant(time.as_bytes())).ok_or(LineError::Field { name: "time" })?,
        event: event(kind, &own)?,
        run: text("run", present("run", run)?)?,
        policy: word("policy", present("policy", policy)?)?,
        actor: text("actor", present("actor", actor)?)?,
        host: text("host", present("host", host)?)?,
    })
}

fn event(kind: &str, own: &[(&str, &str)]) -> Result<Event, LineError> {
    let mut own = Fields { rest: own };
    let f = &mut own;
    let event = match kind {
        "ledger.opened" => Event::LedgerOpened {
            origin: f.text("origin")?,
            simulation: f.json("simulation")?,
            version: f.text("version")?,
        },
        "policy.adopted" => Event::PolicyAdopted {
            by: f.optional("by")?,
            document: f.optional("document")?,
            effective: f.word("effective")?,
            title: f.text("title")?,
            version: f.text("version")?,
        },
        "run.started" => Event::RunStarted {
            accepted_guards: f.optional("accepted_guards")?.unwrap_or_default(),
            by: f.optional("by")?,
            plan: f.optional("plan")?,
            rule: f.optional("rule")?,
        },
        "run.finished" => Event::RunFinished {
            destroyed: f.number("destroyed")?,
            failed: f.json("failed")?,
            left: f.optional("left")?.unwrap_or_default(),
            refused: f.json("refused")?,
            separated: f.number("separated")?,
            verdict: f.json("verdict")?,
        },
        "separate.intent" => Event::SeparateIntent(separate_intent(f)?),
        "separate.outcome" => {
            Event::SeparateOutcome { batch: f.text("batch")?, reason: f.optional("reason")?, result: f.json("result")? }
        }
        "restore.intent" => Event::RestoreIntent(restore_intent(f)?),
        "restore.outcome" => Event::RestoreOutcome {
            operation: f.text("operation")?,
            reason: f.optional("reason")?,
            result: f.json("result")?,
        },
        "destroy.intent" => Event::DestroyIntent(destroy_intent(f)?),
        "destroy.outcome" => Event::DestroyOutcome(destroy_outcome(f)?),
        _ => step(kind, f)?,
    };
    if own.rest.is_empty() { Ok(event) } else { Err(LineError::UnknownField) }
}

/// Events that stand between others or alone.
fn step(kind: &str, f: &mut Fields<'_>) -> Result<Event, LineError> {
    Ok(match kind {
        "key.destroyed" => Event::KeyDestroyed {
            epoch: f.number("epoch")?,
            finding: f.json("finding")?,
            keys: f.number("keys")?,
            method: f.text("method")?,
            operation: f.text("operation")?,
        },
        "ciphertext.deleted" => Event::CiphertextDeleted {
            bytes: f.number("bytes")?,
            operation: f.text("operation")?,
            segments: f.number("segments")?,
        },
        "wipe.started" => {
            Event::WipeStarted { level: f.json("level")?, source: f.text("source")?, tables: f.json("tables")? }
        }
        "wipe.finished" => Event::WipeFinished {
            elapsed_ms: f.number("elapsed_ms")?,
            finding: f.json("finding")?,
            method: f.text("method")?,
            owed: f.optional("owed")?.unwrap_or_default(),
            rewritten: f.optional("rewritten")?.unwrap_or_default(),
            source: f.text("source")?,
            tables: f.json("tables")?,
            tool: f.text("tool")?,
        },
        "residue.scanned" => Event::ResidueScanned(residue_scanned(f)?),
        "residue.closed" => {
            Event::ResidueClosed { by: f.json("by")?, case: f.text("case")?, finding: f.json("finding")? }
        }
        "refused" => Event::Refused {
            limit: f.text("limit")?,
            rule: f.optional("rule")?,
            value: f.text("value")?,
            what: f.text("what")?,
        },
        "manual.recorded" => Event::ManualRecorded(manual_record(f)?),
        "ledger.dropped" => Event::LedgerDropped(LedgerDropped { cut: f.number("cut")?, lines: f.number("lines")? }),
        "heartbeat" => Event::Heartbeat {},
        _ => person(kind, f)?,
    })
}

/// Events in which a person decides something.
fn person(kind: &str, f: &mut Fields<'_>) -> Result<Event, LineError> {
    Ok(match kind {
        "hold.placed" => Event::HoldPlaced(HoldPlaced {
            by: f.text("by")?,
            category: f.json("category")?,
            dataset: f.optional("dataset")?,
            freeze: f.json("freeze")?,
            hold: f.text("hold")?,
            placed: f.json("placed")?,
            review: f.word("review")?,
            rule: f.optional("rule")?,
            whose: f.optional("whose")?,
        }),
        "hold.lifted" => Event::HoldLifted { by: f.text("by")?, hold: f.text("hold")?, reason: f.text("reason")? },
        "hold.sealing" => Event::HoldSealing {
            date: f.word("date")?,
            hold: f.text("hold")?,
            operation: f.text("operation")?,
            records: f.number("records")?,
            rule: f.text("rule")?,
        },
        "hold.sealed" => Event::HoldSealed {
            operation: f.text("operation")?,
            records: f.number("records")?,
            result: f.json("result")?,
        },
        "ledger.rekeyed" => {
            Event::LedgerRekeyed { by: f.text("by")?, next: f.text("next")?, previous: f.text("previous")? }
        }
        "ledger.pruned" => Event::LedgerPruned(LedgerPruned {
            before: f.word("before")?,
            by: f.text("by")?,
            cut: f.number("cut")?,
            dropped: f.number("dropped")?,
            file: f.word("file")?,
            kept: f.number("kept")?,
            root: f.word("root")?,
        }),
        "plan.approved" => Event::PlanApproved { by: f.text("by")?, plan: f.word("plan")? },
        "run.confirmed" => Event::RunConfirmed { by: f.text("by")?, confirmed: f.text("confirmed")? },
        "read.intent" => Event::ReadIntent(ReadIntent {
            by: f.text("by")?,
            operation: f.text("operation")?,
            reason: f.text("reason")?,
            rule: f.optional("rule")?,
            whose: f.word("whose")?,
        }),
        "read.outcome" => Event::ReadOutcome {
            operation: f.text("operation")?,
            records: f.number("records")?,
            result: f.json("result")?,
        },
        "vault.acknowledged" => Event::VaultAcknowledged(VaultAcknowledged {
            by: f.text("by")?,
            destroyed: f.number("destroyed")?,
            found: f.word("found")?,
            knows: f.number("knows")?,
            missing: f.json("missing")?,
            reason: f.text("reason")?,
        }),
        "vault.cleared" => Event::VaultCleared {
            buckets: f.number("buckets")?,
            found: f.word("found")?,
            in_vault: f.json("in_vault")?,
            records: f.number("records")?,
            segments: f.number("segments")?,
        },
        _ => return Err(LineError::NotAnEntry { reason: format!("its type {kind:?} is not known") }),
    })
}

fn residue_scanned(f: &mut Fields<'_>) -> Result<Scan, LineError> {
    Ok(Scan {
        batches: f.json("batches")?,
        case: f.text("case")?,
        elapsed_ms: f.number("elapsed_ms")?,
        finding: f.json("finding")?,
        locations: f.json("locations")?,
        rules: f.json("rules")?,
        sample: f.json("sample")?,
        source: f.text("source")?,
        tables: f.json("tables")?,
    })
}

fn separate_intent(f: &mut Fields<'_>) -> Result<SeparateIntent, LineError> {
    Ok(SeparateIntent {
        again: f.optional("again")?.unwrap_or_default(),
        batch: f.text("batch")?,
        buckets: f.number("buckets")?,
        cause: f.json("cause")?,
        children: f.json("children")?,
        dataset: f.text("dataset")?,
        digest: f.word("digest")?,
        first: f.date("first")?,
        last: f.date("last")?,
        records: f.number("records")?,
        rule: f.text("rule")?,
        source: f.text("source")?,
    })
}

fn restore_intent(f: &mut Fields<'_>) -> Result<RestoreIntent, LineError> {
    Ok(RestoreIntent {
        by: f.text("by")?,
        digest: f.word("digest")?,
        keep_event: f.json("keep_event")?,
        operation: f.text("operation")?,
        reason: f.text("reason")?,
        records: f.json("records")?,
        segments: f.json("segments")?,
        source: f.text("source")?,
    })
}

fn destroy_intent(f: &mut Fields<'_>) -> Result<DestroyIntent, LineError> {
    Ok(DestroyIntent {
        children: f.json("children")?,
        dates: f.dates("dates")?,
        epoch: f.number("epoch")?,
        fields: f.optional("fields")?.unwrap_or_default(),
        hold: f.optional("hold")?,
        holidays: f.optional("holidays")?,
        operation: f.text("operation")?,
        records: f.number("records")?,
        rule: f.text("rule")?,
        segments: f.number("segments")?,
    })
}

fn manual_record(f: &mut Fields<'_>) -> Result<ManualRecord, LineError> {
    Ok(ManualRecord {
        attachment: f.optional("attachment")?,
        by: f.text("by")?,
        count: f.number("count")?,
        created: f.optional("created")?,
        destroyed: f.word("destroyed")?,
        fields: f.optional("fields")?.unwrap_or_default(),
        method: f.text("method")?,
        operation: f.text("operation")?,
        place: f.text("place")?,
        reason: f.optional("reason")?,
        rule: f.optional("rule")?,
        unit: f.text("unit")?,
        what: f.text("what")?,
        witness: f.text("witness")?,
    })
}

fn destroy_outcome(f: &mut Fields<'_>) -> Result<DestroyOutcome, LineError> {
    Ok(DestroyOutcome {
        buckets: f.number("buckets")?,
        children: f.json("children")?,
        due: f.instant("due")?,
        finding: f.json("finding")?,
        first: f.date("first")?,
        last: f.date("last")?,
        late_seconds: f.number("late_seconds")?,
        latest: f.instant("latest")?,
        operation: f.text("operation")?,
        records: f.number("records")?,
        result: f.json("result")?,
        rule: f.text("rule")?,
    })
}
