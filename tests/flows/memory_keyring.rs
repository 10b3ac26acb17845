//! Keys in memory: a bucket's key is a number, sealing is a pad made from it.
//! Destruction goes through the same epochs as a keystore on disk.

use std::collections::BTreeMap;

use retentiond::{
    domain::{
        destroy::{KeysGone, Order},
        hold::Whose,
        id::{BucketId, Digest, HoldId},
        verdict::Finding,
    },
    ports::{Keyring, KeyringError, Register},
};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{disk::SharedDisk, faults::Trouble};

const SALT: usize = 24;
const PREFIX: usize = SALT + 32;

pub struct KeyState {
    pub epoch: u64,
    keys: BTreeMap<BucketId, u64>,
    keys_made: u64,
    seals: u64,
    /// The old epoch's root is still there.
    pub root_pending: bool,
    /// What the anchor's medium can promise.
    pub finding: Finding,
    /// What a destruction leaves behind, where it does not do what it says.
    pub leaves: Leaves,
    /// No room for another keystore.
    pub full: bool,
    /// What goes wrong while a body is sealed.
    pub spoil: Option<fn(&mut Vec<u8>)>,
    /// The folder of holds.
    pub register: Register,
}

/// How a destruction can be none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaves {
    Nothing,
    /// The keys themselves.
    Keys,
    /// The same keys under other names.
    Copies,
}

impl Default for KeyState {
    fn default() -> Self {
        Self {
            epoch: 1,
            keys: BTreeMap::new(),
            keys_made: 0,
            seals: 0,
            root_pending: false,
            finding: Finding::pass(),
            leaves: Leaves::Nothing,
            full: false,
            spoil: None,
            register: Register::default(),
        }
    }
}

impl KeyState {
    pub fn holds(&self, bucket: &BucketId) -> bool {
        self.keys.contains_key(bucket)
    }

    fn key(&self, bucket: &BucketId) -> Option<[u8; 32]> {
        self.keys.get(bucket).map(|number| Sha256::digest(format!("key {number}")).into())
    }

    fn forget(&mut self, victims: &[BucketId]) {
        if self.leaves == Leaves::Keys {
            return;
        }
        for victim in victims {
            let key = self.keys.remove(victim);
            if let (Leaves::Copies, Some(key)) = (self.leaves, key) {
                self.keys.insert(BucketId { rule: "copy".into(), date: victim.date }, key);
            }
        }
    }

    /// Any key that there is.
    pub fn opens(&self, header: &[u8], sealed: &[u8]) -> bool {
        let opens = |bucket: &BucketId| {
            let key = self.key(bucket).expect("it is listed");
            sealed.len() >= PREFIX && commitment(&key, header, &sealed[..SALT]) == sealed[SALT..PREFIX]
        };
        self.keys.keys().any(opens)
    }

    /// What an older keystore does not have.
    pub fn lose(&mut self, bucket: &BucketId) -> u64 {
        self.keys.remove(bucket).expect("the bucket has a key")
    }

    pub fn find_again(&mut self, bucket: &BucketId, key: u64) {
        self.keys.insert(bucket.clone(), key);
    }

    pub fn unseal(&self, bucket: &BucketId, header: &[u8], sealed: &[u8]) -> Result<Vec<u8>, KeyringError> {
        let key = self.key(bucket).ok_or_else(|| KeyringError::NoKey { bucket: bucket.to_string() })?;
        let refuse = |reason: &str| KeyringError::DoesNotOpen { bucket: bucket.to_string(), reason: reason.to_owned() };
        let body = sealed.get(PREFIX..).ok_or_else(|| refuse("it is cut short"))?;
        if commitment(&key, header, &sealed[..SALT]) != sealed[SALT..PREFIX] {
            return Err(refuse("its commitment differs"));
        }
        Ok(padded(&key, &sealed[..SALT], body))
    }
}

fn commitment(key: &[u8; 32], header: &[u8], salt: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(key).chain_update(salt).chain_update(header).finalize().into()
}

fn padded(key: &[u8; 32], salt: &[u8], body: &[u8]) -> Vec<u8> {
    let pad: [u8; 32] = Sha256::new().chain_update(b"pad").chain_update(key).chain_update(salt).finalize().into();
    body.iter().zip(pad.iter().cycle()).map(|(byte, pad)| byte ^ pad).collect()
}

pub struct MemoryKeyring(pub SharedDisk);

/// `Write` promises that nothing was changed.
fn failed(trouble: Trouble) -> KeyringError {
    match trouble {
        Trouble::NotApplied => KeyringError::Write { reason: trouble.to_string() },
        Trouble::Applied | Trouble::Dead => KeyringError::StateUnknown { reason: trouble.to_string() },
    }
}

fn past_return(trouble: Trouble) -> KeyringError {
    KeyringError::StateUnknown { reason: trouble.to_string() }
}

impl Keyring for MemoryKeyring {
    fn epoch(&self) -> u64 {
        self.0.keys.borrow().epoch
    }

    fn open_buckets(&mut self, buckets: &[BucketId]) -> Result<(), KeyringError> {
        self.0.write("keyring.open_buckets", failed, || {
            let mut state = self.0.keys.borrow_mut();
            for bucket in buckets {
                if !state.holds(bucket) {
                    state.keys_made += 1;
                    let number = state.keys_made;
                    state.keys.insert(bucket.clone(), number);
                }
            }
            Ok(())
        })
    }

    fn seal(&self, bucket: &BucketId, header: &[u8], body: &[u8]) -> Result<Vec<u8>, KeyringError> {
        let failed = |trouble| match trouble {
            Trouble::Dead => past_return(trouble),
            _ => KeyringError::NotSealed { bucket: bucket.to_string(), reason: trouble.to_string() },
        };
        self.0.compute("keyring.seal", failed)?;
        let mut state = self.0.keys.borrow_mut();
        let key = state.key(bucket).ok_or_else(|| KeyringError::NoKey { bucket: bucket.to_string() })?;
        state.seals += 1;
        let mut salt = [0; SALT];
        salt[..8].copy_from_slice(&state.seals.to_le_bytes());
        let mut body = padded(&key, &salt, body);
        if let Some(spoil) = state.spoil {
            spoil(&mut body);
        }
        Ok([&salt[..], &commitment(&key, header, &salt), &body].concat())
    }

    fn unseal(&self, bucket: &BucketId, header: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
        let failed =
            |trouble: Trouble| KeyringError::DoesNotOpen { bucket: bucket.to_string(), reason: trouble.to_string() };
        self.0.compute("keyring.unseal", failed)?;
        self.0.keys.borrow().unseal(bucket, header, sealed).map(Zeroizing::new)
    }

    fn digest(&self, bucket: &BucketId, purpose: &str, bytes: &[u8]) -> Result<[u8; 32], KeyringError> {
        self.0.compute("keyring.digest", past_return)?;
        let key = self.0.keys.borrow().key(bucket).ok_or_else(|| KeyringError::NoKey { bucket: bucket.to_string() })?;
        Ok(Sha256::new()
            .chain_update(key)
            .chain_update(purpose)
            .chain_update([0])
            .chain_update(bytes)
            .finalize()
            .into())
    }

    fn opens_with_any_key(&self, header: &[u8], sealed: &[u8]) -> bool {
        self.0.keys.borrow().opens(header, sealed)
    }

    fn buckets(&self) -> Vec<BucketId> {
        self.0.keys.borrow().keys.keys().cloned().collect()
    }

    fn holds(&self, bucket: &BucketId) -> bool {
        self.0.keys.borrow().holds(bucket)
    }

    fn destroy(&mut self, order: Order) -> Result<KeysGone, KeyringError> {
        let disk = &self.0;
        disk.assert_destruction_is_open(&order);
        if disk.keys.borrow().full {
            return Err(KeyringError::Write { reason: "no space left".to_owned() });
        }
        let victims: Vec<BucketId> = order.bucket_ids().cloned().collect();
        if victims.iter().any(|bucket| self.holds(bucket)) {
            disk.write("keyring.write_next", failed, || Ok(()))?;
            // The point of no return: the next epoch's root is installed.
            disk.write("keyring.install_next", past_return, || {
                let mut state = disk.keys.borrow_mut();
                state.forget(&victims);
                state.epoch += 1;
                state.root_pending = true;
                Ok(())
            })?;
        }
        disk.write("keyring.destroy_root", past_return, || {
            disk.keys.borrow_mut().root_pending = false;
            Ok(())
        })?;
        let finding = disk.keys.borrow().finding.clone();
        Ok(order.keys_gone(finding))
    }

    fn register(&mut self) -> Result<Register, KeyringError> {
        self.0.read("keyring.register", past_return, || Ok(self.0.keys.borrow().register.clone()))
    }

    fn strike(&mut self, hold: &HoldId) -> Result<(), KeyringError> {
        self.0.write("keyring.strike", failed, || {
            let lifted = self.0.ledger.borrow().history.lifted.contains_key(hold);
            assert!(lifted, "hold {hold} is struck before the ledger says that it is lifted");
            let register = &mut self.0.keys.borrow_mut().register;
            register.holds.retain(|held| held.id != *hold);
            register.lifts.retain(|lift| lift.hold != *hold);
            Ok(())
        })
    }

    fn whose(&self, whose: &Whose) -> Result<Digest, KeyringError> {
        self.0.compute("keyring.whose", past_return)?;
        let (Whose::Subject(text) | Whose::Key(text)) = whose;
        Ok(Digest::of(&[b"register".as_slice(), text.as_bytes()].concat()))
    }
}
