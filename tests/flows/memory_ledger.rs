//! A ledger in memory that folds its history and looks at every line it takes.

use retentiond::{
    domain::{
        id::{Digest, RunId},
        ledger::{
            Head,
            event::{Entry, Event, VERSION},
            history::History,
            line,
        },
    },
    ports::{Ledger, LedgerError},
};

use super::disk::SharedDisk;

pub struct LedgerState {
    pub entries: Vec<Entry>,
    pub history: History,
    pub head: Head,
    /// No line may contain any of these.
    pub secrets: Vec<String>,
}

impl Default for LedgerState {
    fn default() -> Self {
        let head = Head { size: 0, root: Digest::of(b"") };
        Self { entries: Vec::new(), history: History::default(), head, secrets: Vec::new() }
    }
}

impl LedgerState {
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.entries.iter().map(|entry| &entry.event)
    }
}

pub struct MemoryLedger {
    disk: SharedDisk,
    run: RunId,
    policy: Digest,
    /// What this process knows of the ledger.
    history: History,
    head: Head,
    /// After a failed append it is not known what is on disk.
    poisoned: bool,
}

impl MemoryLedger {
    pub fn open(disk: &SharedDisk, run: RunId, policy: Digest) -> Self {
        let state = disk.ledger.borrow();
        Self { disk: disk.clone(), run, policy, history: state.history.clone(), head: state.head, poisoned: false }
    }

    fn add(&mut self, events: Vec<Event>, in_doubt: bool) -> Result<Head, LedgerError> {
        assert!(!events.is_empty(), "nothing to append");
        let unknown = |reason: String| LedgerError::StateUnknown { reason };
        if self.poisoned {
            return Err(unknown("an earlier append failed".to_owned()));
        }
        let disk = self.disk.clone();
        let failed = |trouble: super::faults::Trouble| LedgerError::Write { reason: trouble.to_string() };
        let (run, policy) = (self.run.clone(), self.policy);
        let name = if in_doubt { "ledger.append_in_doubt" } else { "ledger.append" };
        let appended = disk.note(name, failed, || {
            let mut state = disk.ledger.borrow_mut();
            for event in events {
                let last = state.history.last_time.unwrap_or_default();
                let time = if in_doubt { last } else { last.max(disk.now.get()) };
                let (run, actor, host) = (run.clone(), "root".to_owned(), "host".to_owned());
                let entry =
                    Entry { v: VERSION, seq: state.entries.len() as u64, time, event, run, policy, actor, host };
                state.take(entry);
            }
            Ok((state.history.clone(), state.head))
        });
        match appended {
            Ok((history, head)) => {
                (self.history, self.head) = (history, head);
                Ok(head)
            }
            Err(error) => {
                self.poisoned = true;
                Err(error)
            }
        }
    }
}

impl LedgerState {
    fn take(&mut self, entry: Entry) {
        self.history.record(&entry).unwrap_or_else(|error| panic!("{error}: {:?}", entry.event));
        let line = line::write(&entry).unwrap_or_else(|error| panic!("{error}: {:?}", entry.event));
        let readable = String::from_utf8_lossy(&line);
        let leaked = self.secrets.iter().find(|secret| readable.contains(secret.as_str()));
        assert!(leaked.is_none(), "personal data in the ledger: {readable}");
        let root = Digest::of(&[&self.head.root.0[..], &line].concat());
        self.head = Head { size: self.head.size + 1, root };
        self.entries.push(entry);
    }
}

impl Ledger for MemoryLedger {
    fn append(&mut self, events: Vec<Event>) -> Result<Head, LedgerError> {
        self.add(events, false)
    }

    fn append_in_doubt(&mut self, events: Vec<Event>) -> Result<Head, LedgerError> {
        self.add(events, true)
    }

    fn head(&self) -> Head {
        self.head
    }

    fn history(&self) -> &History {
        &self.history
    }

    fn replay(&self, each: impl FnMut(&Entry)) -> Result<(), LedgerError> {
        let failed = |trouble: super::faults::Trouble| LedgerError::StateUnknown { reason: trouble.to_string() };
        self.disk.read("ledger.replay", failed, || {
            self.disk.ledger.borrow().entries.iter().for_each(each);
            Ok(())
        })
    }
}
