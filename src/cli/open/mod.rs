//! Opens what a command needs: files first, then the lock, keys, ledger and
//! vault, and compares what each remembers of the others. Whoever reads gets
//! handles that cannot write.

mod parts;
mod policy;
mod store;

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{args::Cli, error::CommandError, exit::Exit, instant, output};
use crate::{
    adapters::{
        clock::{AnyClock, FixedClock, SystemClock},
        engine::{AnyScan, AnySource, Patience, Place},
        keyring::kek::{Kek, KekError},
        ledger::Context,
        strain::Probe,
    },
    domain::{
        deployment::Secret,
        id::{RuleId, RunId, SourceName},
        period::TimeSpan,
    },
    flow::sources::Sources,
    ports::Clock,
    settings::{self, Settings},
};

pub use parts::nothing_yet;
pub use policy::{adopted, arms_at, in_force, rulebook};
pub use store::{Reading, adopting, lock, reading, writing, writing_at};

/// Loads both files as they are, and shows what is to be said about them.
pub fn files(cli: &Cli) -> Result<Settings, CommandError> {
    let settings = load(cli)?;
    for report in &settings.warnings {
        output::note(&report.render(output::coloured()))?;
    }
    Ok(settings)
}

/// Loads both files, and puts the policy in force in the place of a rules file that
/// nobody has adopted.
pub fn settings(cli: &Cli) -> Result<Settings, CommandError> {
    let settings = policy::in_force(load(cli)?)?;
    if let Some(proposed) = &settings.proposed {
        let adopted = &settings.policy.version;
        tracing::warn!(
            file = %proposed.digest, in_force = %settings.digest,
            "the rules file (version {}) is not adopted: version {adopted} stays in force; hint: `retentiond policy \
             diff`, then `retentiond policy adopt`",
            proposed.version
        );
    }
    let warnings: usize = settings.warnings.iter().map(|report| report.findings.len()).sum();
    if warnings > 0 {
        tracing::info!(warnings, "there are warnings about the files; hint: `retentiond check` shows them");
    }
    Ok(settings)
}

/// Loads both files, and asks no ledger which policy is in force.
pub fn load(cli: &Cli) -> Result<Settings, CommandError> {
    match settings::load(&cli.config) {
        Ok(settings) => Ok(settings),
        Err(settings::SettingsError::Wrong { reports }) => {
            let texts: Vec<String> = reports.iter().map(|report| report.render(output::coloured())).collect();
            Err(CommandError::new(Exit::Configuration, texts.join("\n")))
        }
        Err(error) => Err(error.into()),
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

/// How long a source may keep a cycle waiting. The file was checked to hold no
/// negative span.
fn patience(settings: &Settings) -> Patience {
    let time = |span: TimeSpan| span.0.to_std().unwrap_or(Duration::ZERO);
    let limits = &settings.deployment.limits;
    Patience { lock: time(limits.lock_timeout), statement: time(limits.statement_timeout) }
}

/// Opens every source so that it cannot be written. One that does not answer
/// takes only its own rules with it.
pub async fn scans(settings: &Settings) -> Result<Sources<AnyScan>, CommandError> {
    let mut sources = Sources::default();
    for source in &settings.deployment.sources {
        let place = settings.source_place(source)?;
        sources.add(source.name.clone(), AnyScan::open(source.name.clone(), &place, patience(settings)).await);
    }
    Ok(sources)
}

/// Opens every source for a cycle.
pub async fn sources(settings: &Settings) -> Result<Sources<AnySource>, CommandError> {
    let mut sources = Sources::default();
    for source in &settings.deployment.sources {
        let place = settings.source_place(source)?;
        sources.add(source.name.clone(), AnySource::open(source.name.clone(), &place, patience(settings)).await);
    }
    Ok(sources)
}

/// What is asked how strained each source is; one that has nothing to say is left out.
pub fn probes(settings: &Settings) -> Result<BTreeMap<SourceName, Probe>, CommandError> {
    let mut probes = BTreeMap::new();
    for source in &settings.deployment.sources {
        if let Place::Server(server) = settings.source_place(source)? {
            let probe = Probe::new(server, source.replicas.as_deref(), source.load.clone());
            probes.insert(source.name.clone(), probe);
        }
    }
    Ok(probes)
}

/// The instant of a clock, in the policy's zone, for people.
pub fn local(instant: DateTime<Utc>, settings: &Settings) -> String {
    instant.with_timezone(&settings.policy.timezone).format("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// Reads a command's clock once.
pub fn now(clock: &AnyClock) -> DateTime<Utc> {
    clock.read()
}
