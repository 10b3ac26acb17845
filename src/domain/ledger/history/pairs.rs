//! Batches and destructions that are open: which of their steps may follow which.
//!
//! They are most of a ledger. What they say besides is another matter (`History`),
//! so that an auditor can follow them without making entries of their lines.

use std::collections::{BTreeMap, BTreeSet};

use super::HistoryError;
use crate::domain::ledger::event::{DestroyResult, Event};

/// A step of a batch or of a destruction, with its identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step<'a> {
    pub kind: StepKind,
    pub id: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    SeparateIntent,
    SeparateOutcome,
    DestroyIntent,
    KeyDestroyed,
    CiphertextDeleted,
    DestroyOutcome(DestroyResult),
}

impl<'a> Step<'a> {
    /// `None`: the event is no such step.
    #[must_use]
    pub fn of(event: &'a Event) -> Option<Self> {
        let (kind, id) = match event {
            Event::SeparateIntent(intent) => (StepKind::SeparateIntent, intent.batch.as_str()),
            Event::SeparateOutcome { batch, .. } => (StepKind::SeparateOutcome, batch.as_str()),
            Event::DestroyIntent(intent) => (StepKind::DestroyIntent, intent.operation.as_str()),
            Event::KeyDestroyed { operation, .. } => (StepKind::KeyDestroyed, operation.as_str()),
            Event::CiphertextDeleted { operation, .. } => (StepKind::CiphertextDeleted, operation.as_str()),
            Event::DestroyOutcome(outcome) => (StepKind::DestroyOutcome(outcome.result), outcome.operation.as_str()),
            _ => return None,
        };
        Some(Self { kind, id })
    }
}

/// What a destruction has behind it.
#[derive(Debug, Clone, Copy, Default)]
struct Steps {
    key_destroyed: bool,
    ciphertext_deleted: bool,
}

/// Identities of what has an intent and no outcome.
#[derive(Debug, Clone, Default)]
pub(super) struct Pairs {
    batches: BTreeSet<String>,
    destructions: BTreeMap<String, Steps>,
}

impl Pairs {
    /// Takes the next step into account. After an error nothing has changed.
    pub(super) fn take(&mut self, step: Step<'_>) -> Result<(), HistoryError> {
        let id = step.id;
        match step.kind {
            StepKind::SeparateIntent => {
                if !self.batches.insert(id.to_owned()) {
                    return Err(repeated("separate.intent", id));
                }
            }
            StepKind::SeparateOutcome => {
                if !self.batches.remove(id) {
                    return Err(without_intent("separate.outcome", id));
                }
            }
            StepKind::DestroyIntent => {
                if self.destructions.contains_key(id) {
                    return Err(repeated("destroy.intent", id));
                }
                self.destructions.insert(id.to_owned(), Steps::default());
            }
            StepKind::KeyDestroyed => {
                let steps = self.destruction("key.destroyed", id)?;
                if steps.key_destroyed {
                    return Err(repeated("key.destroyed", id));
                }
                steps.key_destroyed = true;
            }
            StepKind::CiphertextDeleted => {
                let steps = self.destruction("ciphertext.deleted", id)?;
                if steps.ciphertext_deleted {
                    return Err(repeated("ciphertext.deleted", id));
                }
                if !steps.key_destroyed {
                    return Err(out_of_order("ciphertext.deleted", id));
                }
                steps.ciphertext_deleted = true;
            }
            StepKind::DestroyOutcome(result) => self.end_destruction(id, result)?,
        }
        Ok(())
    }

    /// `Destroyed` needs both steps, `Abandoned` says that the keys are there.
    fn end_destruction(&mut self, id: &str, result: DestroyResult) -> Result<(), HistoryError> {
        let steps = self.destruction("destroy.outcome", id)?;
        let is_consistent = match result {
            DestroyResult::Destroyed => steps.key_destroyed && steps.ciphertext_deleted,
            DestroyResult::Abandoned => !steps.key_destroyed,
        };
        if !is_consistent {
            return Err(out_of_order("destroy.outcome", id));
        }
        self.destructions.remove(id);
        Ok(())
    }

    fn destruction(&mut self, kind: &'static str, id: &str) -> Result<&mut Steps, HistoryError> {
        self.destructions.get_mut(id).ok_or_else(|| without_intent(kind, id))
    }
}

fn repeated(kind: &'static str, id: &str) -> HistoryError {
    HistoryError::Repeated { kind, id: id.to_owned() }
}

fn without_intent(kind: &'static str, id: &str) -> HistoryError {
    HistoryError::WithoutIntent { kind, id: id.to_owned() }
}

fn out_of_order(kind: &'static str, id: &str) -> HistoryError {
    HistoryError::OutOfOrder { kind, id: id.to_owned() }
}
