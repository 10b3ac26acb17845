//! The deployment: the checked contents of `config/retentiond.toml`, which says
//! where the records of each rule are and what operations allow.
//!
//! Paths and URLs stay as they were written; `settings` resolves them against
//! the folder of the file.

mod address;
mod dataset;
mod read;
mod window;

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{
    id::{EventName, RuleId, SourceName},
    period::{Period, TimeSpan},
};

pub use address::{Address, Engine, Host, NotAnAddress, SCHEMES, ServerAddress};
pub use dataset::{Child, Dataset, Edge, EventPlace, Mode, VerifyLevel, WipeLevel};
pub use read::{policy_path, read};
pub use window::{NotAWindow, WeeklyWindow, Window};

#[derive(Debug, Clone)]
pub struct Deployment {
    pub policy: String,
    pub state_dir: String,
    pub sources: Vec<Source>,
    pub vault: Database,
    pub keys: Keys,
    /// The origin line of the ledger, such as `retention.example/shop`.
    pub ledger_origin: String,
    pub schedule: Schedule,
    pub limits: Limits,
    pub guards: Guards,
    /// Where metrics are served; `None`: nowhere.
    pub metrics: Option<Listen>,
    pub datasets: Vec<Dataset>,
}

/// A place on this host at which metrics are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// Address and port, of the loopback interface.
    Loopback(String),
    /// The path of a Unix socket.
    Socket(String),
}

#[derive(Debug, Clone)]
pub struct Source {
    pub name: SourceName,
    pub database: Database,
    pub medium: Medium,
    /// When a rewrite may lock; in the policy's time zone.
    pub maintenance_window: Option<WeeklyWindow>,
    /// How long backups of this source live.
    pub backups_kept: Option<Period>,
    /// Replicas whose lag is asked of themselves. `None`: PostgreSQL is asked for
    /// those that stream from it, and no other engine knows of any.
    pub replicas: Option<Vec<ServerAddress>>,
    pub load: Option<LoadSignal>,
}

/// A query of the operator's that returns one number: above `max` we wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadSignal {
    pub sql: String,
    pub max: u64,
}

/// A database's address, and where the password for it is found.
#[derive(Debug, Clone)]
pub struct Database {
    pub address: Address,
    pub password: Option<Secret>,
}

/// Where a secret is found; the secret itself never stands in a file of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// A systemd credential.
    Credential(String),
    File(String),
    Env(String),
}

/// What lies under an engine's files, as the operator states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    Discard,
    Encrypted,
    Unknown,
}

#[derive(Debug, Clone)]
pub struct Keys {
    /// The operator's key-encryption key; by default a file that `init` makes.
    pub kek: Option<Secret>,
}

#[derive(Debug, Clone)]
pub struct Schedule {
    /// Six cron fields in the policy's time zone; `None`: cycles run by hand.
    pub cycle: Option<String>,
    pub missed: Missed,
    /// Outside of it a cycle stops between batches; in the policy's time zone.
    pub window: Option<Window>,
    /// Up to this long after its time a cycle starts, so that many deployments
    /// do not start at once.
    pub jitter: TimeSpan,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    RunOnce,
    Skip,
}

/// Batches that one transaction of a source holds at most. With more of them less
/// time is lost at its ends, and its locks last longer.
pub const BATCHES_PER_TRANSACTION: u32 = 4;

#[derive(Debug, Clone)]
pub struct Limits {
    /// Records that are taken, sealed and stored together.
    pub batch_rows: u32,
    /// 0: no limit.
    pub rows_per_second: u32,
    pub replica_lag_max: TimeSpan,
    pub lock_timeout: TimeSpan,
    /// Zero: no limit.
    pub statement_timeout: TimeSpan,
}

#[derive(Debug, Clone)]
pub struct Guards {
    pub rows_max: u64,
    /// Parts per million of the table, so that a plan stays free of floats.
    pub table_share_max_ppm: u32,
    pub median_factor: u32,
    pub clock_skew_max: TimeSpan,
    pub clock_jump_max: TimeSpan,
    pub not_before: NaiveDate,
}

impl Limits {
    /// Records of the largest transaction of a source.
    #[must_use]
    pub const fn transaction_rows(&self) -> u32 {
        self.batch_rows.saturating_mul(BATCHES_PER_TRANSACTION)
    }
}

impl Deployment {
    /// The datasets of a rule, in the order of the file.
    pub fn datasets_of<'a>(&'a self, rule: &'a RuleId) -> impl Iterator<Item = &'a Dataset> {
        self.datasets.iter().filter(move |dataset| &dataset.rule == rule)
    }

    /// The table of a rule that has exactly one dataset.
    #[must_use]
    pub fn only_table_of<'a>(&'a self, rule: &'a RuleId) -> Option<&'a str> {
        let mut datasets = self.datasets_of(rule);
        let only = datasets.next().filter(|_| datasets.next().is_none())?;
        Some(&only.table)
    }
}

/// Event columns by event.
pub type Events = BTreeMap<EventName, EventPlace>;

#[cfg(test)]
mod tests;
