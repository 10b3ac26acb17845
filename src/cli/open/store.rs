//! The separate store: vault, ledger and keys, opened for reading or, alone, for
//! writing, and compared with what each remembers of the others.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
};

use super::{context, fresh_run, kek, parts::Parts, writing_clock};
use crate::{
    adapters::{
        clock::AnyClock,
        engine::{AnyVault, Identity},
        failpoint,
        keyring::FileKeyring,
        ledger::{self, FileLedger, LedgerView, signing_key},
        vault::Claim,
    },
    cli::{args::Cli, error::CommandError, exit::Exit},
    domain::{
        destroy::BucketFacts,
        ledger::{Head, history::History, keys::Keychain},
    },
    flow::custody::Custody,
    ports::{Ledger, Vault},
    settings::Settings,
};

pub type OpenCustody = Custody<AnyVault, FileKeyring, FileLedger<AnyClock>>;

/// Ledger and vault for commands that only read; both are `None` before `init`.
#[derive(Debug)]
pub struct Reading {
    pub ledger: Option<LedgerView>,
    pub vault: Option<AnyVault>,
}

/// Opens ledger and vault read-only, where there are any. Another command may write
/// meanwhile: the ledger first, and its head to the vault after. So the vault is
/// asked first: a ledger that is read after it cannot be shorter than it remembers.
pub async fn reading(settings: &Settings) -> Result<Reading, CommandError> {
    let parts = Parts::of(settings).await?;
    if !parts.any() {
        return Ok(Reading { ledger: None, vault: None });
    }
    parts.complete(settings)?;
    let folder = settings.ledger_dir();
    let origin = &settings.deployment.ledger_origin;
    let deployment = ledger::founding_key(&folder)?;
    let identity = Identity { origin, deployment: &deployment };
    let mut vault = AnyVault::open_read_only(&settings.vault_place()?, identity).await?;
    let remembered = vault.remembered_head().await?;
    failpoint::reach("reading.between");
    let ledger = ledger::open_read_only(&folder, |_| {})?;
    same_past(&folder, &ledger.keys, ledger.head, remembered)?;
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
    open_for_writing(settings, |simulation| writing_clock(cli, settings, simulation), in_force).await
}

/// Opens the separate store to adopt the policy of `settings`, whichever is in force.
pub async fn adopting(cli: &Cli, settings: &Settings) -> Result<Writing, CommandError> {
    open_for_writing(settings, |simulation| writing_clock(cli, settings, simulation), |_, _| Ok(())).await
}

/// Opens the separate store for writing, alone, with a clock at hand.
pub async fn writing_at(settings: &Settings, clock: AnyClock) -> Result<Writing, CommandError> {
    open_for_writing(settings, |_| Ok(clock), in_force).await
}

async fn open_for_writing(
    settings: &Settings,
    clock: impl FnOnce(bool) -> Result<AnyClock, CommandError>,
    policy: impl FnOnce(&Settings, &History) -> Result<(), CommandError>,
) -> Result<Writing, CommandError> {
    let parts = Parts::of(settings).await?;
    if !parts.any() {
        let message = "there is no vault yet; hint: `retentiond init` creates vault, keystore and ledger";
        return Err(CommandError::new(Exit::Configuration, message));
    }
    parts.complete(settings)?;
    let lock = lock(&settings.lock_file())?;
    let folder = settings.ledger_dir();
    let simulated = simulation(&ledger::open_outline(&folder)?.history);
    let clock = clock(simulated)?;
    let run = fresh_run();
    let held = signing_key::load_held(&settings.signing_key())?;
    let origin = &settings.deployment.ledger_origin;
    let ledger = FileLedger::open(&folder, origin, held, context(settings, &run), clock)?;
    signing_key::settle(&settings.signing_key(), ledger.keys().current())?;
    policy(settings, ledger.history())?;
    let keyring = FileKeyring::open(&settings.keyring_dir(), origin, kek(settings)?)?;
    let deployment = ledger.keys().first().to_string();
    let identity = Identity { origin, deployment: &deployment };
    let mut vault = AnyVault::open(&settings.vault_place()?, identity, &Claim::under(&lock)?).await?;
    same_past(&folder, ledger.keys(), ledger.head(), vault.remembered_head().await?)?;
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

/// The policy that this command goes by must be the one adopted last, still.
fn in_force(settings: &Settings, history: &History) -> Result<(), CommandError> {
    let adopted = history.policy.as_ref();
    if adopted.is_some_and(|policy| policy.digest == settings.digest) {
        return Ok(());
    }
    let adopted =
        adopted.map_or_else(String::new, |policy| format!(" (version {}, {})", policy.version, policy.digest));
    Err(CommandError::new(
        Exit::Refused,
        format!(
            "version {} ({}) is not the policy that was adopted last{adopted}; nothing is done under it; hint: run the \
             command again, or reload the daemon",
            settings.policy.version, settings.digest
        ),
    ))
}

/// The vault remembers a head of the ledger: it must be one of this ledger's.
fn same_past(folder: &Path, keys: &Keychain, head: Head, remembered: Option<Head>) -> Result<(), CommandError> {
    let Some(remembered) = remembered else { return Ok(()) };
    let root = if remembered.size > head.size { None } else { ledger::root_at(folder, keys, remembered.size)? };
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
