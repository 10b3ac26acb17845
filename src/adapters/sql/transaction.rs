//! What is open on the one session of a source, and up to where its tables were
//! read.

use std::{collections::BTreeMap, mem};

use crate::{
    domain::{deployment::Dataset, id::BatchId, seal::SealReceipt, selection::Cause},
    ports::SourceError,
};

/// Up to where a dataset's table was read for a cause: what lies before it was
/// taken or has to wait, and need not be read again in this cycle.
pub(crate) type Position = (String, String, Cause);

/// The positions of all datasets, as `R`.
pub(crate) type Positions<R> = BTreeMap<Position, R>;

pub(crate) fn position_key(dataset: &Dataset, cause: &Cause) -> Position {
    (dataset.rule.to_string(), dataset.table.clone(), cause.clone())
}

/// Begins anew, at `start` where there is one.
pub(crate) fn set_out<R>(positions: &mut Positions<R>, position: Position, start: Option<R>) {
    match start {
        Some(start) => positions.insert(position, start),
        None => positions.remove(&position),
    };
}

#[derive(Debug)]
pub(crate) enum Transaction<R, X> {
    None,
    /// Something began and was not seen to end: it failed, or its future was
    /// dropped.
    Unfinished,
    /// Batches are deleted and wait for their receipt.
    Taken(Open<R, X>),
}

#[derive(Debug)]
pub(crate) struct Open<R, X> {
    pub(crate) position: Position,
    /// To go on from once it is committed.
    pub(crate) reached: Option<R>,
    pub(crate) batches: usize,
    /// What else the engine has to know at its end.
    pub(crate) engine: X,
}

impl<R, X> Transaction<R, X> {
    /// For another batch within the transaction. Until that is put back there is
    /// nothing to commit.
    pub(crate) fn go_on(&mut self, position: &Position) -> Result<Open<R, X>, SourceError> {
        match mem::replace(self, Self::Unfinished) {
            Self::Taken(open) if open.position == *position => Ok(open),
            other => {
                *self = other;
                Err(SourceError::Engine { reason: "no batch of this dataset and cause is open".to_owned() })
            }
        }
    }

    /// The transaction that this receipt is for: all of it, or none.
    pub(crate) fn permitted(&mut self, receipt: &SealReceipt) -> Result<Open<R, X>, SourceError> {
        let named = receipt.batches();
        match mem::replace(self, Self::None) {
            Self::Taken(open) if open.batches == named.len() => Ok(open),
            other => {
                *self = other;
                let named = named.iter().map(BatchId::as_str).collect::<Vec<_>>().join(", ");
                Err(SourceError::Engine { reason: format!("no batch is open for receipt {named}") })
            }
        }
    }
}

impl<R, X> Open<R, X> {
    /// Remembers where to go on, now that the transaction is committed.
    pub(crate) fn remember(self, positions: &mut Positions<R>) {
        set_out(positions, self.position, self.reached);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Digest;

    fn open(batches: usize) -> Transaction<u8, ()> {
        Transaction::Taken(Open { position: position("visits"), reached: Some(7), batches, engine: () })
    }

    fn position(table: &str) -> Position {
        ("visit-log".to_owned(), table.to_owned(), Cause::Due)
    }

    fn receipt(batches: &[&str]) -> SealReceipt {
        let one = |batch: &&str| SealReceipt::compare((*batch).into(), Digest::of(b""), Digest::of(b"")).unwrap();
        batches.iter().map(one).fold(None, |all, one| Some(SealReceipt::joined(all, one))).unwrap()
    }

    #[test]
    fn a_receipt_for_some_of_the_batches_permits_nothing() {
        for (batches, named) in [(2, &["a"][..]), (1, &["a", "b"]), (3, &["a", "b"])] {
            let mut transaction = open(batches);
            assert!(transaction.permitted(&receipt(named)).is_err());
            assert!(matches!(transaction, Transaction::Taken(_)), "it is still there to be undone");
        }
        let mut transaction = open(2);
        let mut positions = Positions::new();
        transaction.permitted(&receipt(&["a", "b"])).unwrap().remember(&mut positions);
        assert_eq!(positions.get(&position("visits")), Some(&7));
        assert!(transaction.permitted(&receipt(&["a", "b"])).is_err(), "once");
    }

    #[test]
    fn while_more_is_taken_there_is_nothing_to_commit() {
        let mut transaction = open(1);
        assert!(transaction.go_on(&position("orders")).is_err(), "another dataset's");
        transaction.go_on(&position("visits")).unwrap();
        assert!(transaction.permitted(&receipt(&["a"])).is_err());
        assert!(transaction.go_on(&position("visits")).is_err());
    }
}
