//! Everything that survives a crash.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use chrono::{DateTime, Utc};
use retentiond::{
    domain::id::SourceName,
    ports::{Clock, Route},
};

use super::{
    faults::Faults, memory_keyring::KeyState, memory_ledger::LedgerState, memory_vault::VaultState, tables::Database,
    truth::Truth,
};

pub struct Disk {
    pub now: Cell<DateTime<Utc>>,
    /// That all sources take.
    pub route: Cell<Route>,
    pub sources: RefCell<BTreeMap<SourceName, Database>>,
    pub vault: RefCell<VaultState>,
    pub keys: RefCell<KeyState>,
    pub ledger: RefCell<LedgerState>,
    pub faults: RefCell<Faults>,
    pub truth: RefCell<Truth>,
    /// A copy of the vault that lies on a shelf.
    pub shelf: RefCell<Option<VaultState>>,
    /// Values that sources were searched for.
    pub searched: RefCell<Vec<Vec<u8>>>,
}

pub type SharedDisk = Rc<Disk>;

/// The clock on the wall of the machine.
#[derive(Clone)]
pub struct MemoryClock(pub SharedDisk);

impl Clock for MemoryClock {
    fn read(&self) -> DateTime<Utc> {
        self.0.now.get()
    }
}
