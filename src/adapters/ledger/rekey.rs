//! Handing over to another signing key: the entry that says so, under a
//! checkpoint that both keys sign; then `ledger.vkey` names the new key, and the
//! old one never signs again. The files of the secrets are `signing_key`'s.

use std::io;

use ed25519_dalek::SigningKey;

use super::{append::FileLedger, folder::Folder};
use crate::{
    adapters::{
        durable::{self, MODE_READ_ONLY},
        failpoint,
    },
    domain::ledger::{Head, event::Event, keys::Keychain, note::VerifierKey},
    ports::{Clock, Ledger as _, LedgerError},
};

impl<C: Clock> FileLedger<C> {
    /// Hands over to `next`, which must be in a file already: once the checkpoint
    /// stands, only `next` can continue this ledger. `by`: who wants it.
    pub fn rekey(&mut self, next: SigningKey, by: &str) -> Result<Head, LedgerError> {
        let refused = |reason: String| LedgerError::Write { reason };
        let public =
            VerifierKey::new(&self.origin, next.verifying_key()).map_err(|error| refused(error.to_string()))?;
        let event = Event::LedgerRekeyed {
            by: by.to_owned(),
            previous: self.keys.current().to_string(),
            next: public.to_string(),
        };
        self.next = Some(next);
        let appended = self.append(vec![event]);
        let next = self.next.take();
        let head = appended?;
        failpoint::reach("ledger.handed-over");
        let keys = Keychain::new(public.clone(), self.history.handovers.clone());
        let published = publish(&self.folder, &public).map_err(|error| error.to_string());
        match (next, keys, published) {
            (Some(next), Ok(keys), Ok(())) => {
                (self.key, self.keys) = (next, keys);
                Ok(head)
            }
            (_, keys, published) => {
                // The old key must not sign any more, and the next start publishes.
                let reason = published.err().or_else(|| keys.err().map(|error| error.to_string())).unwrap_or_default();
                self.broken = Some(reason.clone());
                Err(LedgerError::StateUnknown { reason: format!("ledger.vkey: {reason}; hint: start again") })
            }
        }
    }
}

/// Writes the key that auditors verify with, durably.
pub(super) fn publish(folder: &Folder, key: &VerifierKey) -> io::Result<()> {
    durable::write_atomic(&folder.verifier_key(), format!("{key}\n").as_bytes(), MODE_READ_ONLY)
}
