//! Which policy is in force: the one that the ledger has adopted last, whatever
//! the rules file says by now. A changed file is a proposal until `policy adopt`.

use chrono::{DateTime, Utc};

use crate::{
    adapters::ledger,
    cli::{error::CommandError, exit::Exit},
    domain::{
        calendar::Calendar,
        ledger::history::{History, PolicyInForce},
        policy::Policy,
    },
    flow::rulebook::Rulebook,
    settings::{self, EarlierPolicy, Settings},
};

/// The settings under the policy in force, which is the rules file's where nothing
/// was adopted yet.
pub fn in_force(settings: Settings) -> Result<Settings, CommandError> {
    let folder = settings.ledger_dir();
    if folder.symlink_metadata().is_err() {
        return Ok(settings);
    }
    // A ledger that cannot be read stops whoever goes on to act, with its own words;
    // here it only means that the file is all there is to go by.
    let Ok(view) = ledger::open_outline(&folder) else { return Ok(settings) };
    let Some(adopted) = &view.history.policy else { return Ok(settings) };
    let mut settings = if adopted.digest == settings.digest { settings } else { kept(settings, adopted)? };
    settings.earlier = earlier(&view.history, &settings.policy)?;
    Ok(settings)
}

/// The settings under the adopted policy, as the ledger has it.
fn kept(settings: Settings, adopted: &PolicyInForce) -> Result<Settings, CommandError> {
    let proposed = (settings.policy.version.clone(), settings.digest);
    let refuse = |reason: String| {
        CommandError::new(
            Exit::Refused,
            format!(
                "the rules file (version {}, {}) is not the policy that was adopted (version {}, {}), and {reason}; \
                 nothing is done; hint: `retentiond policy diff`, then `retentiond policy adopt`, or put the adopted \
                 files back",
                proposed.0, proposed.1, adopted.version, adopted.digest
            ),
        )
    };
    let Some(document) = &adopted.document else {
        return Err(refuse("the ledger does not have that one whole".to_owned()));
    };
    let policy = Policy::from_document(document, adopted.digest).map_err(|error| refuse(error.to_string()))?;
    settings
        .under(policy, adopted.digest)
        .map_err(|error| refuse(format!("the deployment file does not fit that one:\n{error}")))
}

/// The policy in force, whatever the rules file says. `None` before `init`.
pub fn adopted(settings: &Settings) -> Result<Option<Policy>, CommandError> {
    let folder = settings.ledger_dir();
    if folder.symlink_metadata().is_err() {
        return Ok(None);
    }
    let history = ledger::open_outline(&folder)?.history;
    let Some(adopted) = history.policy else { return Ok(None) };
    if adopted.digest == settings.digest {
        return Ok(Some(settings.policy.clone()));
    }
    let unknown = |reason: String| {
        let hint = "hint: name its rules file: `policy diff OLD`";
        CommandError::new(Exit::Refused, format!("the policy in force cannot be read: {reason}; {hint}"))
    };
    let document = adopted.document.ok_or_else(|| unknown("the ledger does not have it whole".to_owned()))?;
    Policy::from_document(&document, adopted.digest).map(Some).map_err(|error| unknown(error.to_string()))
}

/// When a policy arms: its undo window is over and it has taken effect.
pub fn arms_at(policy: &Policy, adopted_at: DateTime<Utc>) -> Result<DateTime<Utc>, CommandError> {
    let holidays = settings::holidays(policy)?;
    let effective = Calendar::new(policy, &holidays).start_of(policy.effective);
    Ok(effective.max(adopted_at + policy.cooling_off.0))
}

/// The policies before the last one that still hold something back: the one before
/// it, and those before that which had not armed when it was adopted.
fn earlier(history: &History, policy: &Policy) -> Result<Vec<EarlierPolicy>, CommandError> {
    let Some(adopted) = &history.policy else { return Ok(Vec::new()) };
    let mut earlier: Vec<EarlierPolicy> = Vec::new();
    let mut until = arms_at(policy, adopted.adopted_at)?;
    for before in history.earlier_policies.iter().rev() {
        let document = before.document.as_ref();
        let known = document.and_then(|document| Policy::from_document(document, before.digest).ok());
        // Of a policy that cannot be read nothing is known to have been due.
        let before_policy = known.unwrap_or_else(|| Policy { rules: Vec::new(), ..policy.clone() });
        let armed = arms_at(&before_policy, before.adopted_at)?;
        earlier.push(EarlierPolicy { holidays: settings::holidays(&before_policy)?, policy: before_policy, until });
        if armed <= adopted.adopted_at {
            break;
        }
        until = armed;
    }
    Ok(earlier)
}

/// The policy in force with its deployment.
pub fn rulebook(settings: &Settings, simulation: bool) -> Rulebook<'_> {
    Rulebook {
        policy: &settings.policy,
        digest: settings.digest,
        calendar: calendar(&settings.policy, &settings.holidays, &settings.earlier),
        deployment: &settings.deployment,
        simulation,
    }
}

/// The calendar of a policy after those before it, newest first.
fn calendar<'a>(
    policy: &'a Policy,
    holidays: &'a crate::domain::holiday::Holidays,
    earlier: &'a [EarlierPolicy],
) -> Calendar<'a> {
    let own = Calendar::new(policy, holidays);
    match earlier.split_first() {
        None => own,
        Some((before, rest)) => {
            own.after(&before.policy, calendar(&before.policy, &before.holidays, rest), before.until)
        }
    }
}
