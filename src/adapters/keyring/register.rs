//! The register of holds: one sealed file per hold and per request to lift one.
//!
//! Files are written once and under names of their own, so that whoever places
//! a hold needs no lock and disturbs no runner. They are sealed under a key that
//! is derived from the operator's key alone: no destruction of a bucket touches
//! it, and no copy of a file says whom it is about. What is in force is decided
//! elsewhere.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

use super::{data_key::DataKey, kek::Kek, secret::Secret, unknown, unwritten};
use crate::{
    adapters::{durable, failpoint},
    domain::{
        hold::{Hold, Lift, Whose},
        id::{Digest, HoldId},
    },
    ports::{KeyringError, Register},
};

/// The name and version of a register file (`docs/FORMAT.md`).
pub const FORMAT: &str = "retentiond/hold@v1";
const FOLDER: &str = "holds";
const HOLD: &str = "hold";
const LIFT: &str = "lift";
/// A hold is a few hundred bytes; what is longer is none.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

#[derive(Debug)]
pub struct HoldRegister {
    dir: PathBuf,
    key: DataKey,
    /// What was read already: files are written once.
    read: BTreeMap<HoldId, Hold>,
}

impl HoldRegister {
    /// The register of the keystore in `dir`. Nothing is read or written yet.
    pub fn of(dir: &Path, origin: &str, kek: &Kek) -> Result<Self, KeyringError> {
        let length = (origin.len() as u64).to_be_bytes();
        let info: [&[u8]; 3] = [FORMAT.as_bytes(), &length, origin.as_bytes()];
        let key = Secret::derive(kek.secret().expose(), &info).map_err(unknown)?;
        Ok(Self { dir: dir.join(FOLDER), key: DataKey::from(key), read: BTreeMap::new() })
    }

    /// Whether anything was ever registered in the keystore in `dir`.
    #[must_use]
    pub fn there_is_one(dir: &Path) -> bool {
        dir.join(FOLDER).symlink_metadata().is_ok()
    }

    /// Places a hold. It is in force when this returns.
    pub fn place(&self, hold: &Hold) -> Result<(), KeyringError> {
        self.write(&hold.id, HOLD, hold)
    }

    /// Asks for a hold to be lifted. Asking twice is asking once.
    pub fn lift(&self, lift: &Lift) -> Result<(), KeyringError> {
        if self.path(&lift.hold, LIFT).try_exists().map_err(unwritten)? {
            return Ok(());
        }
        self.write(&lift.hold, LIFT, lift)
    }

    /// Everything that is registered.
    pub fn all(&mut self) -> Result<Register, KeyringError> {
        let mut register = Register::default();
        for name in self.names()? {
            let Some((id, kind)) = name.rsplit_once('.') else { continue };
            let id = HoldId::from(id);
            match kind {
                HOLD => register.holds.extend(self.hold(&id)?),
                LIFT => register.lifts.extend(self.open::<Lift>(&id, LIFT)?),
                // What an interrupted write left behind was never in force.
                _ => {}
            }
        }
        Ok(register)
    }

    /// Removes the hold first: a request without its hold asks for nothing.
    pub fn strike(&mut self, hold: &HoldId) -> Result<(), KeyringError> {
        self.read.remove(hold);
        for kind in [HOLD, LIFT] {
            match durable::remove_synced(&self.path(hold, kind)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(unwritten(error)),
            }
            failpoint::reach("register.struck");
        }
        Ok(())
    }

    pub fn digest(&self, whose: &Whose) -> Result<Digest, KeyringError> {
        let (purpose, text) = match whose {
            Whose::Subject(text) => ("subject", text),
            Whose::Key(text) => ("key", text),
        };
        self.key.digest(purpose, text.as_bytes()).map(Digest).map_err(unknown)
    }

    fn hold(&mut self, id: &HoldId) -> Result<Option<Hold>, KeyringError> {
        if let Some(hold) = self.read.get(id) {
            return Ok(Some(hold.clone()));
        }
        let hold: Option<Hold> = self.open(id, HOLD)?;
        if let Some(hold) = &hold {
            self.read.insert(id.clone(), hold.clone());
        }
        Ok(hold)
    }

    fn names(&self) -> Result<Vec<String>, KeyringError> {
        let unreadable = |error: io::Error| unknown(format!("register of holds {}: {error}", self.dir.display()));
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unreadable(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            names.extend(entry.map_err(unreadable)?.file_name().into_string());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn path(&self, id: &HoldId, kind: &str) -> PathBuf {
        self.dir.join(format!("{id}.{kind}"))
    }

    /// Bound to the file's name, so that no hold can be put in another's place.
    fn context(id: &HoldId, kind: &str) -> Vec<u8> {
        format!("{FORMAT}\n{id}.{kind}").into_bytes()
    }

    fn write(&self, id: &HoldId, kind: &str, value: &impl Serialize) -> Result<(), KeyringError> {
        durable::ensure_dir_private(&self.dir).map_err(unwritten)?;
        let text = serde_json::to_vec(value).map_err(unwritten)?;
        let sealed = self.key.seal(&Self::context(id, kind), &text).map_err(unwritten)?;
        failpoint::reach("register.sealed");
        durable::write_new(&self.path(id, kind), &sealed, durable::MODE_READ_ONLY).map_err(unwritten)?;
        failpoint::reach("register.written");
        Ok(())
    }

    /// `None`: it was struck since the folder was read.
    fn open<T: DeserializeOwned>(&self, id: &HoldId, kind: &str) -> Result<Option<T>, KeyringError> {
        let path = self.path(id, kind);
        let refuse = |reason: String| {
            unknown(format!(
                "{} cannot be read: {reason}; nothing is destroyed; hint: put it back from a backup",
                path.display()
            ))
        };
        let bytes = match fs::metadata(&path).and_then(|found| Ok((found.len(), fs::read(&path)?))) {
            Ok((length, _)) if length > FILE_BYTES_MAX => return Err(refuse("it is too long".to_owned())),
            Ok((_, bytes)) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(refuse(error.to_string())),
        };
        let text = self.key.unseal(&Self::context(id, kind), &bytes).map_err(|error| refuse(error.to_string()))?;
        serde_json::from_slice(&text).map(Some).map_err(|_| refuse("it is no entry of a register".to_owned()))
    }
}
