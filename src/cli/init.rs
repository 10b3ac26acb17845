//! `init`: makes vault, keystore and ledger, and adopts the policy.

use super::{
    args::{Cli, InitArgs},
    error::CommandError,
    exit::Exit,
    open, output,
};
use crate::{
    adapters::{
        clock::AnyClock,
        durable,
        engine::{AnyVault, Identity, Place},
        failpoint,
        keyring::{FileKeyring, kek::Kek},
        ledger::{FileLedger, signing_key, verifier_key},
        vault::Claim,
    },
    domain::{
        ledger::event::Event,
        verdict::{Finding, Verdict},
    },
    ports::{Clock, Ledger, Vault},
    settings::Settings,
};

pub async fn init(cli: &Cli, args: &InitArgs) -> Result<Exit, CommandError> {
    let settings = open::files(cli)?;
    if cli.now.is_some() && !args.simulation {
        return Err(CommandError::new(Exit::Usage, "--now needs --simulation; hint: a real ledger bears real times"));
    }
    let clock = open::reading_clock(cli, &settings)?;
    let medium = create(&settings, args.simulation, clock).await?;
    output::data(&text(&settings, &settings.vault_place()?, args.simulation))?;
    if medium.verdict != Verdict::Pass {
        for reason in &medium.reasons {
            output::note(&format!("note: destructions will end with UNKNOWN: {reason}"))?;
        }
    }
    Ok(Exit::Done)
}

/// Makes everything, the vault last: an attempt that was interrupted leaves
/// parts that the next command names, never a store that looks whole. Returns
/// what the anchor's medium can promise.
pub async fn create(settings: &Settings, simulation: bool, clock: AnyClock) -> Result<Finding, CommandError> {
    open::nothing_yet(settings).await?;
    durable::ensure_dir_private(&settings.state_dir())?;
    let lock = open::lock(&settings.lock_file())?;
    let origin = &settings.deployment.ledger_origin;
    let kek = match &settings.deployment.keys.kek {
        Some(_) => open::kek(settings)?,
        None if settings.kek_file().exists() => open::kek(settings)?,
        None => {
            Kek::generate(&settings.kek_file()).map_err(|error| CommandError::new(Exit::Failed, error.to_string()))?
        }
    };
    let keyring = FileKeyring::create(&settings.keyring_dir(), origin, kek)?;
    failpoint::reach("init.keyring");
    let signing_key = signing_key::generate(&settings.signing_key())?;
    failpoint::reach("init.signing-key");
    let run = open::fresh_run();
    let opened =
        Event::LedgerOpened { origin: origin.clone(), simulation, version: env!("CARGO_PKG_VERSION").to_owned() };
    let adopted = Event::policy_adopted(&settings.policy, None).map_err(anyhow::Error::from)?;
    let context = open::context(settings, &run);
    let ledger =
        FileLedger::create(&settings.ledger_dir(), origin, signing_key, context, clock, vec![opened, adopted])?;
    failpoint::reach("init.ledger");
    let deployment = verifier_key(&settings.ledger_dir())?;
    let identity = Identity { origin, deployment: &deployment };
    let mut vault = AnyVault::create(&settings.vault_place()?, (identity, &Claim::under(&lock)?), simulation).await?;
    failpoint::reach("init.vault");
    vault.remember_head(&ledger.head()).await?;
    vault.close().await?;
    tracing::info!(at = %clock.read(), "vault, keystore and ledger made");
    Ok(keyring.medium()?)
}

fn text(settings: &Settings, vault: &Place, simulation: bool) -> String {
    let kek = match &settings.deployment.keys.kek {
        Some(_) => "as configured in [keys]".to_owned(),
        None => format!("{} (keep a copy elsewhere)", settings.kek_file().display()),
    };
    let mut lines = vec![
        format!("vault     {vault}"),
        format!("keystore  {}", settings.keyring_dir().display()),
        format!("ledger    {} (verifier key: ledger.vkey)", settings.ledger_dir().display()),
        format!("kek       {kek}"),
        format!("policy    version {} adopted ({})", settings.policy.version, settings.digest),
        String::new(),
        format!(
            "Back up the key-encryption key, the keystore files, the vault and the ledger. NEVER copy {}: what is \
             in it is what a destruction destroys, and losing it loses every record in the vault.",
            settings.keyring_dir().join("anchor").display()
        ),
        "Next: `retentiond plan --out plan.json`, review it, `retentiond run --plan plan.json --by NAME`.".to_owned(),
    ];
    if simulation {
        lines.insert(0, "SIMULATION: every command accepts --now, and every report says so.".to_owned());
    }
    lines.join("\n")
}
