//! Files, paths and secrets of a deployment: the step from texts that the domain
//! has checked to things that exist on this host.

use std::{
    env, fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};
use zeroize::Zeroizing;

use crate::{
    adapters::engine::{Password, Place, Server},
    domain::{
        deployment::{self, Address, Database, Deployment, Secret, Source},
        diagnostic::{Checked, Report},
        holiday::Holidays,
        id::Digest,
        policy::{self, Policy},
    },
};

/// Both files, checked, with the folder that relative paths start from.
#[derive(Debug)]
pub struct Settings {
    pub policy: Policy,
    pub digest: Digest,
    /// The program's table with the days that the policy adds.
    pub holidays: Holidays,
    pub deployment: Deployment,
    /// Findings that do not stop anything.
    pub warnings: Vec<Report>,
    /// Policies before this one that still hold something back, newest first.
    pub earlier: Vec<EarlierPolicy>,
    /// What the rules file says, where that is not the policy in force.
    pub proposed: Option<Proposed>,
    base: PathBuf,
    deployment_file: File,
}

/// A text file that was read.
#[derive(Debug)]
struct File {
    shown: String,
    text: String,
}

/// A policy that another one took the place of.
#[derive(Debug)]
pub struct EarlierPolicy {
    pub policy: Policy,
    pub holidays: Holidays,
    /// When the one after it arms.
    pub until: DateTime<Utc>,
}

/// A rules file that nobody has adopted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed {
    pub version: String,
    pub digest: Digest,
}

#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("{path} cannot be read: {reason}")]
    Unreadable { path: String, reason: io::Error },
    #[error("{path} may be changed by others than its owner (mode {mode:o}); hint: chmod go-w {path}")]
    Writable { path: String, mode: u32 },
    /// Everything that is wrong with both files.
    #[error("{}", reports.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Wrong { reports: Vec<Report> },
    #[error("{0}")]
    Place(String),
    #[error("secret {what} cannot be had: {reason}")]
    Secret { what: String, reason: String },
}

/// Loads the deployment file and the rules file that it names.
pub fn load(config: &Path) -> Result<Settings, SettingsError> {
    let deployment_file = File { shown: config.display().to_string(), text: read(config)? };
    let base = config.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
    let File { shown, text: deployment_text } = &deployment_file;
    // The rules file is named by the deployment file; when that one is broken
    // elsewhere, what it says of the rules file still counts.
    let Some(policy_path) = deployment::policy_path(deployment_text) else {
        let reports = deployment::read(shown, deployment_text, None).err().into_iter().collect();
        return Err(SettingsError::Wrong { reports });
    };
    let policy_path = base.join(policy_path);
    let policy_text = read(&policy_path)?;
    let policy = policy::read(&policy_path.display().to_string(), &policy_text);
    let deployment = deployment::read(shown, deployment_text, policy.as_ref().ok().map(|checked| &checked.value));
    match (policy, deployment) {
        (Ok(policy), Ok(deployment)) => assemble(policy, deployment, base, deployment_file),
        (policy, deployment) => {
            Err(SettingsError::Wrong { reports: policy.err().into_iter().chain(deployment.err()).collect() })
        }
    }
}

fn assemble(
    policy: Checked<Policy>,
    deployment: Checked<Deployment>,
    base: PathBuf,
    deployment_file: File,
) -> Result<Settings, SettingsError> {
    let digest = policy.value.digest().map_err(|error| SettingsError::Place(error.to_string()))?;
    let warnings = [policy.warnings, deployment.warnings];
    let warnings = warnings.into_iter().filter(|report| !report.findings.is_empty()).collect();
    let settings = Settings {
        holidays: holidays(&policy.value)?,
        policy: policy.value,
        digest,
        deployment: deployment.value,
        warnings,
        earlier: Vec::new(),
        proposed: None,
        base,
        deployment_file,
    };
    settings.refuse_shared_file()?;
    Ok(settings)
}

/// The program's table with the days that a policy adds.
pub fn holidays(policy: &Policy) -> Result<Holidays, SettingsError> {
    let table = Holidays::korea().map_err(|error| SettingsError::Place(error.to_string()))?;
    Ok(table.with(&policy.holidays))
}

/// Reads a rules file beside the one that the deployment names.
pub fn rules(path: &Path) -> Result<Policy, SettingsError> {
    let text = read(path)?;
    match policy::read(&path.display().to_string(), &text) {
        Ok(checked) => Ok(checked.value),
        Err(report) => Err(SettingsError::Wrong { reports: vec![report] }),
    }
}

/// Reads a file that decides what is destroyed: nobody but its owner may be able
/// to change it.
fn read(path: &Path) -> Result<String, SettingsError> {
    let shown = || path.display().to_string();
    let unreadable = |reason| SettingsError::Unreadable { path: shown(), reason };
    let mode = fs::metadata(path).map_err(unreadable)?.permissions().mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(SettingsError::Writable { path: shown(), mode });
    }
    fs::read_to_string(path).map_err(unreadable)
}

impl Settings {
    /// The same deployment under another policy than that of the rules file. An
    /// error where the one does not fit the other.
    pub fn under(self, policy: Policy, digest: Digest) -> Result<Self, SettingsError> {
        let File { shown, text } = &self.deployment_file;
        let deployment = deployment::read(shown, text, Some(&policy))
            .map_err(|report| SettingsError::Wrong { reports: vec![report] })?;
        let proposed = Some(Proposed { version: self.policy.version, digest: self.digest });
        let (holidays, deployment) = (holidays(&policy)?, deployment.value);
        Ok(Self { policy, digest, holidays, deployment, proposed, ..self })
    }

    pub fn state_dir(&self) -> PathBuf {
        self.base.join(&self.deployment.state_dir)
    }

    pub fn ledger_dir(&self) -> PathBuf {
        self.state_dir().join("ledger")
    }

    pub fn signing_key(&self) -> PathBuf {
        self.state_dir().join("ledger.key")
    }

    pub fn keyring_dir(&self) -> PathBuf {
        self.state_dir().join("keys")
    }

    pub fn kek_file(&self) -> PathBuf {
        self.state_dir().join("kek")
    }

    /// While it exists, nothing is separated or destroyed.
    pub fn pause_file(&self) -> PathBuf {
        self.state_dir().join("pause")
    }

    /// What the daemon keeps of its schedule.
    pub fn schedule_file(&self) -> PathBuf {
        self.state_dir().join("schedule")
    }

    /// What the running daemon shows.
    pub fn published_file(&self) -> PathBuf {
        self.state_dir().join("daemon.json")
    }

    pub fn daemon_lock(&self) -> PathBuf {
        self.state_dir().join("daemon.lock")
    }

    pub fn lock_file(&self) -> PathBuf {
        self.state_dir().join("lock")
    }

    /// Where the vault is, with its password.
    pub fn vault_place(&self) -> Result<Place, SettingsError> {
        self.place(&self.deployment.vault)
    }

    /// Where a source is, with its password.
    pub fn source_place(&self, source: &Source) -> Result<Place, SettingsError> {
        self.place(&source.database)
    }

    fn place(&self, database: &Database) -> Result<Place, SettingsError> {
        let address = match &database.address {
            Address::File(path) => return Ok(Place::File(self.beside(path))),
            Address::Server(address) => address.clone(),
        };
        let root_certificate = address.root_certificate.as_deref().map(|path| self.beside(path));
        let password = database.password.as_ref().map(|secret| self.password(secret)).transpose()?;
        Ok(Place::Server(Server { address, root_certificate, password }))
    }

    /// A path of the deployment file, which starts from the folder of that file.
    pub fn beside(&self, path: &str) -> PathBuf {
        self.base.join(path)
    }

    /// A vault in its source's own file would be destroyed with it, and a mistake
    /// in either would reach the other. Servers were compared when the file was
    /// read.
    fn refuse_shared_file(&self) -> Result<(), SettingsError> {
        let Address::File(vault) = &self.deployment.vault.address else { return Ok(()) };
        let vault = self.beside(vault);
        let in_vault = |source: &&Source| match &source.database.address {
            Address::File(path) => same_file(&vault, &self.beside(path)),
            Address::Server(_) => false,
        };
        self.deployment.sources.iter().find(in_vault).map_or(Ok(()), |source| {
            Err(SettingsError::Place(format!(
                "the vault and source {} are the same file, {}; hint: give [vault] url a file of its own",
                source.name,
                vault.display()
            )))
        })
    }

    /// A password, without the line end that files and editors leave behind it.
    fn password(&self, secret: &Secret) -> Result<Password, SettingsError> {
        let bytes = self.secret(secret)?;
        let line = bytes.strip_suffix(b"\n").map(|line| line.strip_suffix(b"\r").unwrap_or(line)).unwrap_or(&bytes);
        let refuse = |reason: &str| SettingsError::Secret { what: "password".to_owned(), reason: reason.to_owned() };
        let text = std::str::from_utf8(line).map_err(|_| refuse("it is not UTF-8"))?;
        if text.is_empty() || text.contains(char::is_control) {
            return Err(refuse("it must be one line of text"));
        }
        Ok(Password::new(Zeroizing::new(text.to_owned())))
    }

    /// The bytes behind a reference.
    pub fn secret(&self, secret: &Secret) -> Result<Zeroizing<Vec<u8>>, SettingsError> {
        let refuse = |what: &str, reason: String| SettingsError::Secret { what: what.to_owned(), reason };
        let file = |name: &str, path: PathBuf| {
            fs::read(path).map(Zeroizing::new).map_err(|error| refuse(name, error.to_string()))
        };
        match secret {
            Secret::File(path) => file(path, self.beside(path)),
            Secret::Credential(name) => {
                let folder = env::var_os("CREDENTIALS_DIRECTORY");
                let missing = || refuse(name, "not run by systemd with LoadCredential=".to_owned());
                file(name, PathBuf::from(folder.ok_or_else(missing)?).join(name))
            }
            Secret::Env(name) => {
                let value = env::var(name).map_err(|error| refuse(name, error.to_string()))?;
                Ok(Zeroizing::new(value.into_bytes()))
            }
        }
    }
}

/// True for one file under two names: links are followed, and a file that does
/// not exist yet is known by its folder.
fn same_file(one: &Path, other: &Path) -> bool {
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => place(one) == place(other),
    }
}

fn place(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    path.file_name().map_or_else(|| folder.clone(), |name| folder.join(name))
}
