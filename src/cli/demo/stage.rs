//! The stage: a folder with the shop, the shipped rules and the shipped
//! deployment, and a clock that is moved by hand.

use std::{
    fs,
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};
use sqlx::{ConnectOptions as _, Connection as _, Row as _, sqlite::SqliteConnectOptions};

use super::{
    database::{self, Summary},
    show::{failed, shown},
};
use crate::{
    adapters::{
        clock::{AnyClock, FixedClock},
        keyring::FileKeyring,
        vault::SqliteVault,
    },
    cli::{error::CommandError, exit::Exit, init, open, progress::TerminalProgress, report},
    domain::{guard::Guard, index::Locator, plan::Plan},
    flow::{
        hold::Covered,
        plan::plan,
        restore::{Request, Restored, restore},
        run::{Instructions, Report, run},
        seal,
    },
    ports::Vault,
    settings::{self, Settings},
};

const RULES: &str = include_str!("../../../retention-rules.toml");
const DEPLOYMENT: &str = include_str!("../../../config/retentiond.toml");
/// The shipped deployment lies in a folder of its own, below the rules.
const POLICY: (&str, &str) = ("\"../retention-rules.toml\"", "\"retention-rules.toml\"");
/// Marks a folder that a later demonstration may replace.
const MARK: &str = ".retentiond-demo";

pub struct Stage {
    dir: PathBuf,
    settings: Settings,
    clock: AnyClock,
    pub summary: Summary,
}

/// What a thief might have copied before the destruction.
pub struct Copies {
    dir: PathBuf,
    pub checkpoint: PathBuf,
}

/// One cycle of the demonstration.
pub struct Cycle<'a> {
    pub reviewed: Option<&'a Plan>,
    pub accepted: &'a [Guard],
}

impl Stage {
    /// Makes the folder, the shop and the separate store.
    pub async fn set(dir: &Path, members: u32, now: DateTime<Utc>) -> Result<Self, CommandError> {
        clear(dir)?;
        fs::create_dir_all(dir)?;
        fs::write(dir.join(MARK), "made by `retentiond demo`; replaced by the next one\n")?;
        fs::write(dir.join("retention-rules.toml"), RULES)?;
        fs::write(dir.join("retentiond.toml"), DEPLOYMENT.replace(POLICY.0, POLICY.1))?;
        let settings = settings::load(&dir.join("retentiond.toml"))?;
        let summary = database::build(&dir.join("shop.db"), members, now, settings.policy.timezone).await?;
        let clock = AnyClock::Fixed(FixedClock(now));
        init::create(&settings, true, clock).await?;
        Ok(Self { dir: dir.to_owned(), settings, clock, summary })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn config(&self) -> PathBuf {
        self.dir.join("retentiond.toml")
    }

    pub fn shop(&self) -> PathBuf {
        self.dir.join("shop.db")
    }

    pub fn vault(&self) -> PathBuf {
        self.dir.join("vault.db")
    }

    pub fn ledger_dir(&self) -> PathBuf {
        self.settings.ledger_dir()
    }

    pub fn advance_to(&mut self, now: DateTime<Utc>) {
        self.clock = AnyClock::Fixed(FixedClock(now));
    }

    pub async fn plan(&self) -> Result<Plan, CommandError> {
        let mut reading = open::reading(&self.settings).await?;
        let mut sources = open::scans(&self.settings).await?;
        let book = open::rulebook(&self.settings, reading.simulation());
        let buckets = reading.buckets().await?;
        let now = open::now(&self.clock);
        let covered = Covered::default();
        let planned = plan(&book, &mut sources, (&buckets, &covered), &reading.history(), now, None).await?;
        reading.close().await?;
        match planned.failed.into_iter().next() {
            None => Ok(planned.plan),
            Some(failed) => Err(failed.failure.into()),
        }
    }

    pub async fn cycle(&self, cycle: Cycle<'_>) -> Result<Report, CommandError> {
        let mut writing = open::writing_at(&self.settings, self.clock).await?;
        let mut sources = open::sources(&self.settings).await?;
        let book = open::rulebook(&self.settings, writing.simulation);
        let by = cycle.reviewed.map(|_| "demo");
        let (reviewed, accepted) = (cycle.reviewed, cycle.accepted);
        let instructions = Instructions { reviewed, accepted, by, ..Instructions::default() };
        let mut progress = TerminalProgress::default();
        let report = run(&book, &mut sources, &mut writing.custody, &self.clock, &instructions, &mut progress).await?;
        writing.close().await?;
        Ok(report)
    }

    /// Writes what an auditor would be given.
    pub async fn report(&self) -> Result<PathBuf, CommandError> {
        let path = self.dir.join("report.html");
        report::page(&self.settings, path.clone(), open::now(&self.clock)).await?;
        Ok(path)
    }

    pub async fn restore(&self, member: u64) -> Result<Restored, CommandError> {
        let mut writing = open::writing_at(&self.settings, self.clock).await?;
        let mut sources = open::sources(&self.settings).await?;
        let book = open::rulebook(&self.settings, writing.simulation);
        let subject = member.to_string();
        let request = Request {
            by: Locator::Subject,
            locator: subject.as_bytes(),
            rule: None,
            name: "demo",
            reason: "withdrawal made by a thief (도용)",
            keep_event: false,
        };
        let now = open::now(&self.clock);
        let restored = restore(&book, &mut sources, &mut writing.custody, &request, now).await?;
        writing.close().await?;
        Ok(restored)
    }

    /// E-mail address and withdrawal of a member in the live database.
    pub async fn member(&self, id: u64) -> Result<Option<(String, Option<String>)>, CommandError> {
        let options = SqliteConnectOptions::new().filename(self.shop()).read_only(true);
        let read = async {
            let mut connection = options.connect().await?;
            let row = sqlx::query("SELECT email, withdrawn_at FROM members WHERE id = ?1")
                .bind(i64::try_from(id)?)
                .fetch_optional(&mut connection)
                .await?;
            connection.close().await?;
            row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
        };
        let found: anyhow::Result<Option<(String, Option<String>)>> = read.await;
        Ok(found?)
    }

    /// Every file of source, vault and separate store.
    pub fn files(&self) -> Result<Vec<PathBuf>, CommandError> {
        let mut files = Vec::new();
        let mut folders = vec![self.dir.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        Ok(files)
    }

    /// Copies vault and keystore, as a backup would: everything but the anchor.
    pub fn keep_copies(&self) -> Result<Copies, CommandError> {
        let dir = self.dir.join("copies-before-destruction");
        let keys = dir.join("keys");
        fs::create_dir_all(&keys)?;
        fs::copy(self.vault(), dir.join("vault.db"))?;
        for entry in fs::read_dir(self.settings.keyring_dir())? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                fs::copy(entry.path(), keys.join(entry.file_name()))?;
            }
        }
        let checkpoint = dir.join("checkpoint");
        fs::copy(self.ledger_dir().join("checkpoint"), &checkpoint)?;
        Ok(Copies { dir, checkpoint })
    }

    /// Puts the copied keystore beside today's root and the operator's key, and
    /// tries to open the copied vault's segments with it. Says whether anything
    /// opened, and how the attempt ended.
    pub async fn try_old_keystore(&self, copies: &Copies) -> Result<(bool, String), CommandError> {
        let keys = copies.dir.join("keys");
        let anchor = keys.join("anchor");
        fs::create_dir_all(&anchor)?;
        set_private(&anchor)?;
        for entry in fs::read_dir(self.settings.keyring_dir().join("anchor"))? {
            let entry = entry?;
            fs::copy(entry.path(), anchor.join(entry.file_name()))?;
        }
        let origin = &self.settings.deployment.ledger_origin;
        let opened = FileKeyring::open_read_only(&keys, origin, open::kek(&self.settings)?);
        // A copy of today's root is the very thing that must not lie around.
        fs::remove_dir_all(&anchor)?;
        let keyring = match opened {
            Err(error) => return Ok((false, format!("refused ({error})"))),
            Ok(keyring) => keyring,
        };
        let vkey = fs::read_to_string(self.ledger_dir().join("ledger.vkey"))?;
        let mut vault = SqliteVault::open_read_only(&copies.dir.join("vault.db"), origin, vkey.trim()).await?;
        let mut opens = 0_u64;
        for facts in vault.buckets().await? {
            if let Some(segment) = vault.sample(&facts.bucket).await? {
                opens += u64::from(seal::open(&keyring, &segment).is_ok());
            }
        }
        Ok((opens > 0, format!("{opens} buckets opened")))
    }
}

/// Removes an earlier demonstration; anything else is not touched.
fn clear(dir: &Path) -> Result<(), CommandError> {
    if dir.join(MARK).is_file() {
        return Ok(fs::remove_dir_all(dir)?);
    }
    let empty = !dir.exists() || fs::read_dir(dir)?.next().is_none();
    if empty {
        return Ok(());
    }
    let message = format!("{} exists and is no demonstration; hint: name another folder with --dir", shown(dir));
    Err(CommandError { exit: Exit::Usage, ..failed(&message) })
}

fn set_private(folder: &Path) -> Result<(), CommandError> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?)
}
