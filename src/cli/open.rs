//! Opens what a command needs: files first, then the lock, keys, ledger and
//! vault, and compares what each remembers of the others. Whoever reads gets
//! handles that cannot write.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
    time::Duration,
};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{args::Cli, error::CommandError, exit::Exit, instant, output};
use crate::{
    adapters::{
        clock::{AnyClock, FixedClock, SystemClock},
        keyring::{
            FileKeyring,
            kek::{Kek, KekError},
        },
        ledger::{self, Context, FileLedger, LedgerView},
        sqlite::{SqliteScan, SqliteSource},
        vault::SqliteVault,
    },
    domain::{
        calendar::Calendar,
        deployment::Secret,
        destroy::BucketFacts,
        id::{RuleId, RunId},
        ledger::{Head, history::History},
    },
    flow::{custody::Custody, rulebook::Rulebook, sources::Sources},
    ports::{Clock, Ledger, Vault},
    settings::{self, Settings},
};

pub type OpenCustody = Custody<SqliteVault, FileKeyring, FileLedger<AnyClock>>;

/// Loads both files and shows their warnings.
pub fn settings(cli: &Cli) -> Result<Settings, CommandError> {
    let settings = match settings::load(&cli.config) {
        Ok(settings) => settings,
        Err(settings::SettingsError::Wrong { reports }) => {
            let texts: Vec<String> = reports.iter().map(|report| report.render(output::coloured())).collect();
            return Err(CommandError::new(Exit::Configuration, texts.join("\n")));
        }
        Err(error) => return Err(error.into()),
    };
    for report in &settings.warnings {
        output::note(&report.render(output::coloured()))?;
    }
    Ok(settings)
}

/// The policy in force with its deployment.
pub fn rulebook(settings: &Settings, simulation: bool) -> Rulebook<'_> {
    Rulebook {
        policy: &settings.policy,
        digest: settings.digest,
        calendar: Calendar::new(&settings.policy, &settings.holidays),
        deployment: &settings.deployment,
        simulation,
    }
}

/// A rule that the command line names.
pub fn rule(settings: &Settings, id: &str) -> Result<RuleId, CommandError> {
    let id = RuleId::from(id);
    if settings.policy.rule(&id).is_some() {
        return Ok(id);
    }
    let known: Vec<&str> = settings.policy.rules.iter().map(|rule| rule.id.as_str()).collect();
    Err(CommandError::new(Exit::Usage, format!("there is no rule {id}; hint: one of {}", known.join(", "))))
}

/// The clock of a command that only reads: any instant will do.
pub fn reading_clock(cli: &Cli, settings: &Settings) -> Result<AnyClock, CommandError> {
    Ok(match &cli.now {
        Some(text) => AnyClock::Fixed(FixedClock(instant::parse(text, settings.policy.timezone)?)),
        None => AnyClock::System(SystemClock),
    })
}

/// The clock of a command that writes: `--now` is for simulations.
pub fn writing_clock(cli: &Cli, settings: &Settings, simulation: bool) -> Result<AnyClock, CommandError> {
    if cli.now.is_some() && !simulation {
        let message = "--now is refused: this vault is not a simulation; hint: only `init --simulation` allows it, \
                       and never for real data";
        return Err(CommandError::new(Exit::Refused, message));
    }
    reading_clock(cli, settings)
}

/// Which parts of the separate store exist.
#[derive(Debug, Clone, Copy)]
struct Parts {
    vault: bool,
    ledger: bool,
    keys: bool,
}

impl Parts {
    fn of(settings: &Settings) -> Self {
        let there = |path: &Path| path.symlink_metadata().is_ok();
        Self {
            vault: there(&settings.vault_path()),
            ledger: there(&settings.ledger_dir()),
            keys: there(&settings.keyring_dir()),
        }
    }

    const fn any(self) -> bool {
        self.vault || self.ledger || self.keys
    }

    /// All parts belong together: where one is missing, nothing may be made in
    /// its place.
    fn complete(self, settings: &Settings) -> Result<(), CommandError> {
        let parts = [
            ("vault", self.vault, settings.vault_path()),
            ("ledger", self.ledger, settings.ledger_dir()),
            ("keystore", self.keys, settings.keyring_dir()),
        ];
        let missing: Vec<String> = parts
            .iter()
            .filter(|(_, there, _)| !there)
            .map(|(name, _, path)| format!("the {name} ({})", path.display()))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(CommandError::new(
            Exit::StateUnknown,
            format!(
                "{} missing, while the other parts exist; nothing is done; hint: put it back from where it was moved, \
                 or see docs/OPERATIONS.md on exit code 70",
                missing.join(" and ")
            ),
        ))
    }
}

/// Refuses where anything of a separate store exists already.
pub fn nothing_yet(settings: &Settings) -> Result<(), CommandError> {
    let parts = Parts::of(settings);
    let names = [("vault", parts.vault), ("ledger", parts.ledger), ("keystore", parts.keys)];
    let there: Vec<&str> = names.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
    if there.is_empty() {
        return Ok(());
    }
    Err(CommandError::new(
        Exit::Refused,
        format!(
            "there is already a {} for this deployment; `init` never replaces one; hint: `retentiond status`",
            there.join(" and a ")
        ),
    ))
}

/// Ledger and vault for commands that only read; both are `None` before `init`.
#[derive(Debug)]
pub struct Reading {
    pub ledger: Option<LedgerView>,
    pub vault: Option<SqliteVault>,
}

/// Opens ledger and vault read-only, where there are any.
pub async fn reading(settings: &Settings) -> Result<Reading, CommandError> {
    let parts = Parts::of(settings);
    if !parts.any() {
        return Ok(Reading { ledger: None, vault: None });
    }
    parts.complete(settings)?;
    let folder = settings.ledger_dir();
    let ledger = ledger::open_read_only(&folder, |_| {})?;
    let origin = &settings.deployment.ledger_origin;
    let deployment = ledger::verifier_key(&folder)?;
    let mut vault = SqliteVault::open_read_only(&settings.vault_path(), origin, &deployment).await?;
    same_past(&folder, ledger.head, vault.remembered_head().await?)?;
    Ok(Reading { ledger: Some(ledger), vault: Some(vault) })
}

impl Reading {
    /// Closes the vault in an orderly way.
    pub async fn close(self) -> Result<(), CommandError> {
        match self.vault {
            Some(vault) => Ok(vault.close().await?),
            None => Ok(()),
        }
    }

    pub fn simulation(&self) -> bool {
        self.ledger.as_ref().is_some_and(|ledger| simulation(&ledger.history))
    }

    pub fn history(&self) -> History {
        self.ledger.as_ref().map(|ledger| ledger.history.clone()).unwrap_or_default()
    }

    pub async fn buckets(&mut self) -> Result<Vec<BucketFacts>, CommandError> {
        match &mut self.vault {
            Some(vault) => Ok(vault.buckets().await?),
            None => Ok(Vec::new()),
        }
    }
}

/// Everything for a command that writes. The lock is held as long as it lives.
#[derive(Debug)]
pub struct Writing {
    pub custody: OpenCustody,
    pub clock: AnyClock,
    pub simulation: bool,
    _lock: File,
}

impl Writing {
    /// Closes the vault in an orderly way, so that it is one file again when the
    /// lock is free, and whoever copies it then copies all of it.
    pub async fn close(self) -> Result<(), CommandError> {
        Ok(self.custody.vault.close().await?)
    }
}

/// Opens the separate store for writing, alone, with the command's clock.
pub async fn writing(cli: &Cli, settings: &Settings) -> Result<Writing, CommandError> {
    open_for_writing(settings, |simulation| writing_clock(cli, settings, simulation)).await
}

/// Opens the separate store for writing, alone, with a clock at hand.
pub async fn writing_at(settings: &Settings, clock: AnyClock) -> Result<Writing, CommandError> {
    open_for_writing(settings, |_| Ok(clock)).await
}

async fn open_for_writing(
    settings: &Settings,
    clock: impl FnOnce(bool) -> Result<AnyClock, CommandError>,
) -> Result<Writing, CommandError> {
    let parts = Parts::of(settings);
    if !parts.any() {
        let message = "there is no vault yet; hint: `retentiond init` creates vault, keystore and ledger";
        return Err(CommandError::new(Exit::Configuration, message));
    }
    parts.complete(settings)?;
    let lock = lock(&settings.lock_file())?;
    let folder = settings.ledger_dir();
    let simulated = simulation(&ledger::open_read_only(&folder, |_| {})?.history);
    let clock = clock(simulated)?;
    let run = fresh_run();
    let signing_key = ledger::signing_key::load(&settings.signing_key())?;
    let origin = &settings.deployment.ledger_origin;
    let ledger = FileLedger::open(&folder, origin, signing_key, context(settings, &run), clock)?;
    in_force(settings, ledger.history())?;
    let keyring = FileKeyring::open(&settings.keyring_dir(), origin, kek(settings)?)?;
    let deployment = ledger::verifier_key(&folder)?;
    let mut vault = SqliteVault::open(&settings.vault_path(), origin, &deployment).await?;
    same_past(&folder, ledger.head(), vault.remembered_head().await?)?;
    let custody = Custody::new(vault, keyring, ledger, run);
    Ok(Writing { custody, clock, simulation: simulated, _lock: lock })
}

fn simulation(history: &History) -> bool {
    history.opened.as_ref().is_some_and(|opened| opened.simulation)
}

/// Takes the lock of this deployment, or ends with 75. It lasts until the file
/// is closed, however the process ends.
pub fn lock(path: &Path) -> Result<File, CommandError> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(CommandError::new(
            Exit::Locked,
            format!("another retentiond is at work here ({} is locked); hint: wait for it", path.display()),
        )),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// The policy file must be the one that was adopted, and in effect.
fn in_force(settings: &Settings, history: &History) -> Result<(), CommandError> {
    let adopted = history.policy.as_ref().map(|policy| policy.digest);
    if adopted == Some(settings.digest) {
        return Ok(());
    }
    Err(CommandError::new(
        Exit::Refused,
        format!(
            "the rules file (version {}, {}) is not the policy that was adopted{}; nothing is done under it; hint: put \
             the adopted rules back; this version cannot adopt a changed policy yet",
            settings.policy.version,
            settings.digest,
            history
                .policy
                .as_ref()
                .map(|policy| format!(" (version {}, {})", policy.version, policy.digest))
                .unwrap_or_default()
        ),
    ))
}

/// The vault remembers a head of the ledger: it must be one of this ledger's.
fn same_past(folder: &Path, head: Head, remembered: Option<Head>) -> Result<(), CommandError> {
    let Some(remembered) = remembered else { return Ok(()) };
    let root = if remembered.size > head.size { None } else { ledger::root_at(folder, remembered.size)? };
    let problem = match root {
        Some(root) if root == remembered.root => return Ok(()),
        Some(_) => "its entries are not those that the vault remembers",
        None => "it is shorter than the vault remembers",
    };
    Err(CommandError::new(
        Exit::StateUnknown,
        format!(
            "the ledger is not the one that this vault belongs to: {problem} ({} entries); hint: an old copy of the \
             ledger or of the vault was put back; see docs/OPERATIONS.md on exit code 70",
            remembered.size
        ),
    ))
}

/// The operator's key-encryption key.
pub fn kek(settings: &Settings) -> Result<Kek, CommandError> {
    let unknown = |error: KekError| CommandError::new(Exit::StateUnknown, error.to_string());
    match &settings.deployment.keys.kek {
        // A file of the operator's is held to the same permissions as our own.
        Some(Secret::File(path)) => Kek::load(&settings.beside(path)).map_err(unknown),
        Some(secret) => Kek::from_bytes(&settings.secret(secret)?).map_err(unknown),
        None => Kek::load(&settings.kek_file()).map_err(unknown),
    }
}

/// Who acts, for the ledger.
pub fn context(settings: &Settings, run: &RunId) -> Context {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let account = std::env::var("USER").unwrap_or_else(|_| format!("uid {}", rustix::process::getuid().as_raw()));
    Context { run: run.clone(), policy: settings.digest, actor: account, host }
}

pub fn fresh_run() -> RunId {
    RunId(Uuid::now_v7().to_string())
}

/// How long a source may keep a cycle waiting for its lock. The file was checked
/// to hold no negative span.
fn lock_timeout(settings: &Settings) -> Duration {
    settings.deployment.limits.lock_timeout.0.to_std().unwrap_or(Duration::ZERO)
}

/// Opens every source so that it cannot be written.
pub async fn scans(settings: &Settings) -> Sources<SqliteScan> {
    let mut sources = Sources::default();
    for source in &settings.deployment.sources {
        let timeout = lock_timeout(settings);
        let opened = SqliteScan::open(source.name.clone(), &settings.source_path(source), timeout).await;
        sources.add(source.name.clone(), opened);
    }
    sources
}

/// Opens every source for a cycle.
pub async fn sources(settings: &Settings) -> Sources<SqliteSource> {
    let mut sources = Sources::default();
    for source in &settings.deployment.sources {
        let timeout = lock_timeout(settings);
        let opened = SqliteSource::open(source.name.clone(), &settings.source_path(source), timeout).await;
        sources.add(source.name.clone(), opened);
    }
    sources
}

/// The instant of a clock, in the policy's zone, for people.
pub fn local(instant: DateTime<Utc>, settings: &Settings) -> String {
    instant.with_timezone(&settings.policy.timezone).format("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// Reads a command's clock once.
pub fn now(clock: &AnyClock) -> DateTime<Utc> {
    clock.read()
}
