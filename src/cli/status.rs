//! `status`: what was done last, what is open, what comes next. Read-only.

mod old_copy;
mod residue;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{
    args::{Cli, Format, FormatArgs},
    error::CommandError,
    exit::Exit,
    held, open, output,
};
use crate::{
    daemon::{self, Owed, Published},
    domain::{
        destroy::BucketFacts,
        id::{Digest, RuleId, RunId},
        ledger::history::History,
        plan::PolicyRef,
        schedule::Planner,
        verdict::Verdict,
    },
    flow::{hold::Covered, rulebook::Rulebook},
    settings::Settings,
};

use old_copy::Found;
use residue::OpenResidue;

#[derive(Debug, Serialize)]
struct Status {
    now: String,
    initialised: bool,
    simulation: bool,
    policy: PolicyState,
    /// Why nothing is separated or destroyed at the moment, if that is so.
    paused: Option<String>,
    /// What the daemon does; `None`: no daemon runs.
    daemon: Option<Published>,
    /// When the next cycle starts by the schedule.
    next_cycle: Option<DateTime<Utc>>,
    last_run: Option<LastRun>,
    open: OpenIntents,
    /// What the vault lacks by the ledger; `None`: nothing.
    old_copy: Option<Found>,
    holds: HoldState,
    /// What left a source and is not proven gone from its files.
    residue: Vec<OpenResidue>,
    vault: Vec<RuleState>,
    ledger: Option<LedgerState>,
}

#[derive(Debug, Serialize)]
struct PolicyState {
    version: String,
    digest: Digest,
    /// The rules file is the policy that was adopted.
    adopted: bool,
    /// What the rules file says, where it is not the policy in force.
    proposed: Option<PolicyRef>,
    /// What the policy shortened is not due before, where that has not come yet.
    arms_at: Option<DateTime<Utc>>,
    /// A reviewed plan was run under it, so that cycles run by themselves.
    reviewed: bool,
}

#[derive(Debug, Serialize)]
struct LastRun {
    run: RunId,
    time: DateTime<Utc>,
    verdict: Verdict,
    separated: u64,
    destroyed: u64,
    failed: Vec<RuleId>,
    refused: Vec<RuleId>,
}

#[derive(Debug, Serialize)]
struct OpenIntents {
    separations: usize,
    restorations: usize,
    destructions: usize,
    wipes: usize,
}

/// Holds in force.
#[derive(Debug, Serialize)]
struct HoldState {
    in_force: usize,
    /// Of them, those whose day of review has come.
    review_due: usize,
}

/// What the vault holds of one rule.
#[derive(Debug, Serialize)]
struct RuleState {
    rule: RuleId,
    buckets: u64,
    records: u64,
    bytes: u64,
    due: u64,
    overdue: u64,
    /// Of those due, records that a hold keeps; never overdue.
    held: u64,
    /// Records that become due within the next 30 days.
    due_in_30_days: u64,
    next_due: Option<DateTime<Utc>>,
}

#[derive(Debug, Serialize)]
struct LedgerState {
    entries: u64,
    root: Digest,
    last: Option<DateTime<Utc>>,
}

pub async fn status(cli: &Cli, args: &FormatArgs) -> Result<Exit, CommandError> {
    let settings = open::settings(cli)?;
    let mut reading = open::reading(&settings).await?;
    let now = open::now(&open::reading_clock(cli, &settings)?);
    let history = reading.history();
    let book = open::rulebook(&settings, reading.simulation());
    let buckets = reading.buckets().await?;
    let old_copy = old_copy::find(&settings, &mut reading).await?;
    let covered = held::covered(&settings, &mut reading, &book, &buckets, now).await?;
    let status = Status {
        now: open::local(now, &settings),
        initialised: reading.ledger.is_some(),
        simulation: reading.simulation(),
        policy: policy(&settings, &history, book.calendar.arms_at().filter(|at| now < *at)),
        paused: daemon::paused(&settings.pause_file()),
        daemon: daemon::published(&settings),
        next_cycle: next_cycle(&settings, now)?,
        last_run: last_run(&history),
        open: OpenIntents {
            separations: history.open_separations.len(),
            restorations: history.open_restores.len(),
            destructions: history.open_destructions.len(),
            wipes: history.open_wipes.len(),
        },
        old_copy,
        holds: holds(&book, &history, now),
        residue: history.residues.cases.iter().map(OpenResidue::of).collect(),
        vault: rules(&book, &covered, &buckets, now),
        ledger: reading.ledger.as_ref().map(|ledger| LedgerState {
            entries: ledger.head.size,
            root: ledger.head.root,
            last: history.last_time,
        }),
    };
    reading.close().await?;
    match args.format {
        Format::Json => output::json(&status)?,
        Format::Text => output::data(&text(&status, &settings))?,
    }
    Ok(if status.old_copy.is_some() { Exit::StateUnknown } else { Exit::Done })
}

/// By the schedule and what the last daemon kept of it.
fn next_cycle(settings: &Settings, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, CommandError> {
    let deployment = &settings.deployment;
    let broken =
        |error: &dyn std::fmt::Display| CommandError::new(Exit::Configuration, format!("[schedule] cycle: {error}"));
    let planner = Planner::new(&deployment.schedule, settings.policy.timezone, &deployment.ledger_origin);
    let Some(planner) = planner.map_err(|error| broken(&error))? else { return Ok(None) };
    let memory = planner.resume(daemon::memory(settings)?, now);
    Ok(Some(planner.next(&memory, now).map_err(|error| broken(&error))?.start))
}

fn policy(settings: &Settings, history: &History, arms_at: Option<DateTime<Utc>>) -> PolicyState {
    let proposed = settings.proposed.as_ref();
    PolicyState {
        version: settings.policy.version.clone(),
        digest: settings.digest,
        adopted: proposed.is_none() && history.policy.as_ref().is_some_and(|policy| policy.digest == settings.digest),
        proposed: proposed.map(|file| PolicyRef { version: file.version.clone(), digest: file.digest }),
        arms_at,
        reviewed: history.reviewed == Some(settings.digest),
    }
}

fn last_run(history: &History) -> Option<LastRun> {
    history.last_finished.clone().map(|run| LastRun {
        run: run.run,
        time: run.time,
        verdict: run.verdict,
        separated: run.separated,
        destroyed: run.destroyed,
        failed: run.failed,
        refused: run.refused,
    })
}

fn holds(book: &Rulebook<'_>, history: &History, now: DateTime<Utc>) -> HoldState {
    let today = book.calendar.date_of(now);
    let review_due = history.holds.values().filter(|hold| hold.review <= today).count();
    HoldState { in_force: history.holds.len(), review_due }
}

fn rules(book: &Rulebook<'_>, covered: &Covered, buckets: &[BucketFacts], now: DateTime<Utc>) -> Vec<RuleState> {
    let soon = now + chrono::TimeDelta::days(30);
    let of_rule = |rule: &crate::domain::policy::Rule| {
        let id = rule.id.clone();
        let mut state = RuleState {
            rule: id,
            buckets: 0,
            records: 0,
            bytes: 0,
            due: 0,
            overdue: 0,
            held: 0,
            due_in_30_days: 0,
            next_due: None,
        };
        for facts in buckets.iter().filter(|facts| facts.bucket.policy_rule() == rule.id) {
            let term = book.calendar.term(rule, facts.bucket.date);
            let term = covered.holds.term(&book.calendar, &facts.bucket, term);
            let whole = if covered.holds.keep(&facts.bucket) { facts.records } else { 0 };
            let held = covered.in_buckets.get(&facts.bucket).copied().unwrap_or(whole);
            state.buckets += 1;
            state.records += facts.records;
            state.bytes += facts.bytes;
            if term.is_due(now) {
                state.due += facts.records;
                state.held += held;
            } else {
                state.due_in_30_days += if term.due <= soon { facts.records } else { 0 };
                state.next_due = Some(state.next_due.map_or(term.due, |next| next.min(term.due)));
            }
            state.overdue += if term.is_overdue(now) { facts.records - held } else { 0 };
        }
        state
    };
    book.policy.rules.iter().map(of_rule).collect()
}

fn text(status: &Status, settings: &Settings) -> String {
    let simulation = if status.simulation { " (SIMULATION)" } else { "" };
    let mut lines = vec![format!("now        {}{simulation}", status.now)];
    lines.push(policy_line(status, settings));
    if !status.initialised {
        lines.push("vault      none yet; hint: `retentiond init`".to_owned());
        return lines.join("\n");
    }
    lines.extend(daemon_lines(status, settings));
    lines.push(status.last_run.as_ref().map_or_else(
        || "last run   none".to_owned(),
        |run| {
            format!(
                "last run   {}: {} separated, {} destroyed, {} rules failed, {} refused",
                open::local(run.time, settings),
                output::count(run.separated),
                output::count(run.destroyed),
                run.failed.len(),
                run.refused.len()
            )
        },
    ));
    let open = &status.open;
    let open_count = open.separations + open.restorations + open.destructions + open.wipes;
    lines.push(if open_count == 0 {
        "open       nothing".to_owned()
    } else {
        format!(
            "open       {} separations, {} restorations, {} destructions, {} wipes; the next `run` settles them first",
            open.separations, open.restorations, open.destructions, open.wipes
        )
    });
    lines.extend(status.old_copy.iter().flat_map(Found::lines));
    if status.holds.in_force > 0 {
        let (holds, due) = (output::plural(status.holds.in_force as u64, "hold"), status.holds.review_due);
        let due = if due > 0 { format!("; {due} to be reviewed: `retentiond hold list`") } else { String::new() };
        lines.push(format!("held       {holds} in force{due}"));
    }
    lines.extend(status.residue.iter().map(|case| case.line(settings)));
    if let Some(ledger) = &status.ledger {
        lines.push(format!("ledger     {} entries, root {}", output::count(ledger.entries), ledger.root));
    }
    let header = ["in the vault", "next due", "buckets", "records", "due", "held", "overdue", "due in 30 days"];
    let rows = status.vault.iter().map(|rule| {
        let numbers = [rule.buckets, rule.records, rule.due, rule.held, rule.overdue, rule.due_in_30_days];
        let next = rule.next_due.map_or_else(String::new, |due| open::local(due, settings));
        [rule.rule.to_string(), next].into_iter().chain(numbers.map(output::count)).collect()
    });
    lines.push(output::table(&header, 2, rows.collect()));
    if let Some(owed) = status.daemon.as_ref().and_then(|daemon| daemon.owed.as_ref()) {
        lines.push(owed_table(owed, settings));
    }
    lines.join("\n")
}

/// Who runs cycles, what it does, and why it waits.
fn daemon_lines(status: &Status, settings: &Settings) -> Vec<String> {
    let next = status.next_cycle.map(|next| open::local(next, settings));
    let mut lines = vec![match (&status.daemon, next) {
        (Some(daemon), _) if daemon.step.is_some() || daemon.waiting.is_some() => {
            let doing = [&daemon.step, &daemon.waiting].into_iter().flatten().cloned().collect::<Vec<_>>();
            format!("daemon     {}", doing.join(": "))
        }
        (Some(daemon), next) => match daemon.next.map(|next| open::local(next, settings)).or(next) {
            Some(next) => format!("daemon     next cycle {next}"),
            None => "daemon     runs, and [schedule] has no cycle".to_owned(),
        },
        (None, Some(next)) => format!("daemon     NOT RUNNING; by the schedule the next cycle is {next}"),
        (None, None) => "daemon     none; cycles are started by hand or by a timer".to_owned(),
    }];
    let daemon = status.daemon.as_ref();
    if let (None, Some(reason)) = (daemon.and_then(|daemon| daemon.waiting.as_ref()), &status.paused) {
        lines.push(format!("paused     {reason}"));
    }
    if let Some(problem) = daemon.and_then(|daemon| daemon.last_cycle.as_ref()?.problem.as_ref()) {
        lines.push(format!("problem    {problem}"));
    }
    if let Some(reason) = daemon.and_then(|daemon| daemon.reload_refused.as_ref()) {
        lines.push(format!("reload     REFUSED, the old configuration stays in force: {reason}"));
    }
    lines
}

/// What the daemon counted last, source and vault together.
fn owed_table(owed: &Owed, settings: &Settings) -> String {
    let at = format!("owed at {}", open::local(owed.at, settings));
    let header = [at.as_str(), "overdue since", "overdue", "to separate", "to destroy", "held", "waiting", "anomalies"];
    let rows = owed.backlog.iter().map(|rule| {
        let numbers = [rule.overdue, rule.due_in_source, rule.due_in_vault, rule.held, rule.waiting, rule.anomalies];
        let since = rule.overdue_since.map_or_else(String::new, |since| open::local(since, settings));
        [rule.rule.to_string(), since].into_iter().chain(numbers.map(output::count)).collect()
    });
    output::table(&header, 2, rows.collect())
}

fn policy_line(status: &Status, settings: &Settings) -> String {
    let state = match (status.initialised, status.policy.reviewed) {
        (false, _) => "not adopted yet",
        (true, false) => "in force; waits for a reviewed plan (`plan --out FILE`, then `run --plan FILE`)",
        (true, true) => "in force",
    };
    let mut line = format!("policy     version {}, {state}", status.policy.version);
    if let Some(at) = status.policy.arms_at {
        line.push_str(&format!("\n           what it shortened is not due before {}", open::local(at, settings)));
    }
    if let Some(file) = &status.policy.proposed {
        line.push_str(&format!(
            "\n           the rules file is CHANGED, version {} ({}), and not adopted: `retentiond policy diff`",
            file.version, file.digest
        ));
    }
    line
}
