//! Old copy: what to do when the vault is not the one that the ledger describes.
//!
//! Nothing is separated, restored or destroyed with it until a person has seen
//! what it lacks and has said so on record. Then what was destroyed and came back
//! is removed again, and the ledger goes on from what the vault holds.

use std::collections::BTreeSet;

use super::custody::Custody;
use crate::{
    domain::{
        id::{BucketId, Digest},
        ledger::event::{Event, VaultAcknowledged},
        old_copy::{Comparison, OldCopy, beyond_telling, first_difference, records_by_rule, suspected},
    },
    ports::{Failure, Keyring, Ledger, Vault},
};

/// Compares the vault with the ledger; `None` where they agree, or where a person
/// has acknowledged that they do not.
pub async fn survey<V: Vault, K, L: Ledger>(custody: &mut Custody<V, K, L>) -> Result<Option<OldCopy>, Failure> {
    let knows = custody.vault.remembered_head().await?.map_or(0, |head| head.size);
    if custody.ledger.history().acknowledged.is_some_and(|copy| copy.knows == knows) {
        return Ok(None);
    }
    let buckets = custody.vault.buckets().await?;
    if !suspected(custody.ledger.history(), knows, &buckets) {
        return Ok(None);
    }
    compared(custody).await.map(Some)
}

async fn compared<V: Vault, K, L: Ledger>(custody: &mut Custody<V, K, L>) -> Result<OldCopy, Failure> {
    let knows = custody.vault.remembered_head().await?.map_or(0, |head| head.size);
    if let Some(reason) = beyond_telling(custody.ledger.history(), knows) {
        return Err(Failure::StateUnknown(reason));
    }
    let buckets = custody.vault.buckets().await?;
    let mut comparison = Comparison::from(knows);
    custody.ledger.replay(|entry| comparison.entry(entry))?;
    Ok(comparison.conclude(custody.ledger.history(), &buckets))
}

/// Stops whoever would go on with an older copy.
pub async fn refuse<V: Vault, K: Keyring, L: Ledger>(custody: &mut Custody<V, K, L>) -> Result<(), Failure> {
    let Some(found) = survey(custody).await? else { return Ok(()) };
    may_be_acknowledged(custody, &found).await?;
    let difference = first_difference(custody.ledger.history(), &custody.vault.buckets().await?);
    let counts = difference.map_or_else(String::new, |(rule, there, expected)| {
        format!("the vault holds {there} records of rule {rule}, and by the ledger it must hold {expected}; ")
    });
    Err(Failure::StateUnknown(format!(
        "{counts}an old copy of the vault was put back: it knows {} entries of the ledger; nothing is done; hint: put \
         the newest copy back; if there is none, `retentiond status` says what is missing, and how to go on",
        found.knows
    )))
}

/// Some states no older copy of a vault explains: there it is ledger or keystore
/// that is older, and going on would hide it.
async fn may_be_acknowledged<V: Vault, K: Keyring, L>(
    custody: &mut Custody<V, K, L>,
    found: &OldCopy,
) -> Result<(), Failure> {
    if let Some(counts) = found.unexplained() {
        return Err(Failure::StateUnknown(format!(
            "the vault holds {} records of rule {}, and by the ledger it must hold {}; hint: an old copy of the ledger \
             was put back; put the newest one back",
            counts.in_vault, counts.rule, counts.by_ledger
        )));
    }
    let dead: BTreeSet<&BucketId> = found.destroyed.iter().collect();
    let buckets = custody.vault.buckets().await?;
    let mut living = buckets.iter().map(|facts| &facts.bucket).filter(|bucket| !dead.contains(bucket));
    match living.find(|bucket| !custody.keyring.holds(bucket)) {
        None => Ok(()),
        // With an intent open its keys may be gone already; recovery looks again.
        Some(_) if found.open > 0 => Ok(()),
        Some(bucket) => Err(Failure::StateUnknown(no_key(bucket))),
    }
}

/// Why a bucket without a key stops everything.
pub(super) fn no_key(bucket: &BucketId) -> String {
    format!(
        "there is no key for bucket {bucket}, which was not destroyed; hint: an old copy of the keystore was put back; \
         put the newest one back"
    )
}

/// Puts on record that a person has seen what the vault lacks. `found` is the
/// digest of what was shown: where it is another by now, nothing is acknowledged.
pub async fn acknowledge<V: Vault, K: Keyring, L: Ledger>(
    custody: &mut Custody<V, K, L>,
    found: Digest,
    by: &str,
    reason: &str,
) -> Result<OldCopy, Failure> {
    let again = "hint: `retentiond status` shows what there is now";
    let Some(shown) = survey(custody).await? else {
        return Err(Failure::Refused(format!("there is no old copy of the vault to acknowledge; {again}")));
    };
    may_be_acknowledged(custody, &shown).await?;
    let digest = shown.digest().map_err(|error| Failure::StateUnknown(error.to_string()))?;
    if digest != found {
        return Err(Failure::Refused(format!("what is found is {digest}, and not what was shown, {found}; {again}")));
    }
    custody.vault.keep_lease().await?;
    custody.ledger.append(vec![Event::VaultAcknowledged(VaultAcknowledged {
        found,
        by: by.to_owned(),
        reason: reason.to_owned(),
        knows: shown.knows,
        missing: shown.missing(),
        destroyed: shown.destroyed.len() as u64,
    })])?;
    Ok(shown)
}

/// Once nothing is under way any more: removes what was destroyed and came back,
/// and lets the ledger count from what the vault holds. May be called again.
pub async fn clear<V: Vault, K: Keyring, L: Ledger>(custody: &mut Custody<V, K, L>) -> Result<(), Failure> {
    let Some(acknowledged) = custody.ledger.history().acknowledged else { return Ok(()) };
    let found = compared(custody).await?;
    let (mut segments, mut records) = (0, 0);
    for bucket in &found.destroyed {
        let (removed, of_them) = remove(custody, bucket).await?;
        segments += removed;
        records += of_them;
    }
    let buckets = custody.vault.buckets().await?;
    if let Some(facts) = buckets.iter().find(|facts| !custody.keyring.holds(&facts.bucket)) {
        return Err(Failure::StateUnknown(no_key(&facts.bucket)));
    }
    let head = custody.ledger.append(vec![Event::VaultCleared {
        found: acknowledged.found,
        buckets: found.destroyed.len() as u64,
        segments,
        records,
        in_vault: records_by_rule(buckets.iter()),
    }])?;
    Ok(custody.vault.remember_head(&head).await?)
}

/// Removes ciphertext that no key opens; that none does is tested first.
async fn remove<V: Vault, K: Keyring, L>(
    custody: &mut Custody<V, K, L>,
    bucket: &BucketId,
) -> Result<(u64, u64), Failure> {
    let (mut segments, mut records) = (0, 0);
    for row in custody.vault.indexes_of(bucket).await? {
        let Some(segment) = custody.vault.segment(row.id).await? else { continue };
        if custody.keyring.opens_with_any_key(&segment.header, &segment.body) {
            return Err(Failure::StateUnknown(format!(
                "bucket {bucket} was destroyed, and a segment of it that came back opens; nothing is removed; hint: an \
                 old copy of the keystore was put back; stop the daemon, keep all files, and report it"
            )));
        }
        custody.vault.replace(&[(row.id, Vec::new())]).await?;
        segments += 1;
        records += segment.records;
    }
    Ok((segments, records))
}
