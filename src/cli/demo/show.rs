//! The demonstration itself: every step through the same code as the commands,
//! every number measured.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Instant,
};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    stage::{Cycle, Stage},
    traces::{self, Trace},
};
use crate::{
    adapters::ledger::verify as verify_folder,
    cli::{args::DemoArgs, error::CommandError, exit::Exit, output, plan as plan_command, run as run_command},
    domain::{guard::Guard, ledger::verify, verdict::Verdict},
};

/// The same day everywhere, so that two people see the same demonstration.
const OPENING: &str = "2026-11-22T03:00:00+09:00";

/// Cooling-off and the member rule's five days are over by then.
const DAYS_LATER: i64 = 7;

pub async fn demo(args: &DemoArgs) -> Result<Exit, CommandError> {
    let started = Instant::now();
    let opening: DateTime<Utc> = OPENING.parse().map_err(|error| anyhow::anyhow!("opening instant: {error}"))?;
    let mut stage = Stage::set(&args.dir, args.members, opening).await?;
    let before = traces::distinctive_values(&stage.shop()).await?;
    introduce(&stage, args.members, before.len())?;

    separate(&mut stage).await?;
    let member = restore(&mut stage).await?;
    let kept = stage.keep_copies()?;
    let destroyed = destroy(&mut stage, opening + TimeDelta::days(DAYS_LATER)).await?;

    let after = traces::distinctive_values(&stage.shop()).await?;
    let evidence = Evidence::gather(&stage, &kept, before, after).await?;
    evidence.show()?;
    let report = stage.report().await?;
    finish(&stage, &evidence, destroyed, (&member, &report), started)
}

fn introduce(stage: &Stage, members: u32, values: usize) -> Result<(), CommandError> {
    title("1. A shop that has kept everything for ten years")?;
    let rows = stage.summary.rows.iter().map(|(table, rows)| vec![(*table).to_owned(), output::count(*rows)]);
    output::data(&output::table(&["table", "rows"], 1, rows.collect()))?;
    output::data(&format!(
        "{} members and what belongs to them, in {}. {} distinctive values (e-mail addresses, phone numbers, card \
         and order numbers, texts) are remembered, to look for them later.",
        output::count(u64::from(members)),
        stage.shop().display(),
        output::count(values as u64)
    ))?;
    Ok(())
}

async fn separate(stage: &mut Stage) -> Result<(), CommandError> {
    title("2. The dry run: what the policy asks for today")?;
    let plan = stage.plan().await?;
    output::data(&plan_command::text(&plan))?;
    output::data(
        "Notice the anomalies: rows without a readable date never move and are never passed over in silence. Notice \
         the guards too: ten years of backlog is more than a fifth of a table, so that a plain `run` is refused \
         until a person has reviewed this plan.",
    )?;

    title("3. The cycle: due records move into the encrypted vault")?;
    let refused = stage.cycle(Cycle { reviewed: None, accepted: &[] }).await;
    let Err(refusal) = refused else {
        return Err(failed("a cycle without a reviewed plan was not refused"));
    };
    output::data(&format!("Without a review: code {}, {}", refusal.exit.code(), refusal.message))?;
    let accepted: BTreeSet<Guard> = plan.guards.iter().map(|hit| hit.guard).collect();
    let accepted: Vec<Guard> = accepted.into_iter().collect();
    let report = stage.cycle(Cycle { reviewed: Some(&plan), accepted: &accepted }).await?;
    output::data(&format!("\nWith the reviewed plan:\n{}", run_command::text(&report)))?;
    expect(report.failed.is_empty() && report.refused.is_empty(), "the reviewed plan was not carried out")
}

/// A member who left by mistake comes back.
async fn restore(stage: &mut Stage) -> Result<String, CommandError> {
    title("4. A withdrawal that a thief made is undone")?;
    let Some(member) = stage.summary.just_left.first().copied() else {
        return Err(failed("nobody left within the last days"));
    };
    let restored = stage.restore(member).await?;
    let parts: Vec<String> = restored.rows.iter().map(|(rule, rows)| format!("{rows} {rule}")).collect();
    let back = stage.member(member).await?;
    let Some((email, withdrawn_at)) = back else {
        return Err(failed("the restored member is not in the shop's database"));
    };
    expect(withdrawn_at.is_none(), "the restored member still counts as withdrawn")?;
    output::data(&format!(
        "member {member} ({email}) is back with {}, and withdrawn_at is NULL again. Name and reason stand in the \
         ledger; the person does not.",
        parts.join(", ")
    ))?;
    Ok(email)
}

async fn destroy(stage: &mut Stage, later: DateTime<Utc>) -> Result<u64, CommandError> {
    title(&format!("5. {DAYS_LATER} days later: what is due is destroyed, key first"))?;
    stage.advance_to(later);
    let report = stage.cycle(Cycle { reviewed: None, accepted: &[] }).await?;
    output::data(&run_command::text(&report))?;
    expect(report.failed.is_empty() && report.refused.is_empty(), "the second cycle was not carried out")?;
    if report.verdict == Verdict::Unknown {
        output::data(
            "UNKNOWN is an honest answer: it names what this medium cannot promise, and is never shown as a success.",
        )?;
    }
    let rows = |item: &crate::flow::run::DestroyedRule| item.rows + item.children.values().sum::<u64>();
    Ok(report.destroyed.iter().map(rows).sum())
}

/// What can be measured once records are gone.
struct Evidence {
    /// Values of rows that left the shop.
    gone: usize,
    /// Of those, how many were found in any file.
    found: usize,
    files: usize,
    bytes: u64,
    /// Values of rows that stayed, and how many of them were found: the search works.
    stayed: usize,
    stayed_found: usize,
    /// How the old keystore answered when it was put back.
    old_keystore: String,
    old_keystore_opens: bool,
    verification: crate::domain::ledger::verify::Verification,
}

impl Evidence {
    async fn gather(
        stage: &Stage,
        kept: &super::stage::Copies,
        before: Vec<Trace>,
        after: Vec<Trace>,
    ) -> Result<Self, CommandError> {
        let still: BTreeSet<&str> = after.iter().map(|trace| trace.value.as_str()).collect();
        let (stayed, gone): (Vec<_>, Vec<_>) =
            before.iter().map(|trace| trace.value.as_str()).partition(|value| still.contains(value));
        let files = stage.files()?;
        let found = distinct_found(&files, &gone)?;
        let (old_keystore_opens, old_keystore) = stage.try_old_keystore(kept).await?;
        Ok(Self {
            gone: gone.len(),
            found,
            files: files.len(),
            bytes: files.iter().filter_map(|path| path.metadata().ok()).map(|file| file.len()).sum(),
            stayed: stayed.len(),
            stayed_found: distinct_found(&files, &stayed)?,
            old_keystore,
            old_keystore_opens,
            verification: verify_folder(&stage.ledger_dir(), std::slice::from_ref(&kept.checkpoint), None, None)?,
        })
    }

    fn show(&self) -> Result<(), CommandError> {
        title("6. Looking for what should be gone")?;
        output::data(&format!(
            "{} files, {} KiB searched for {} values of rows that left the shop: {} found. (The search works: of {} \
             values of rows that stayed, {} are found.)",
            self.files,
            output::count(self.bytes / 1024),
            output::count(self.gone as u64),
            self.found,
            output::count(self.stayed as u64),
            output::count(self.stayed_found as u64)
        ))?;
        output::data(&format!(
            "The keystore and the vault as they were before the destruction, put back together with today's root: {}",
            self.old_keystore
        ))?;
        output::data(&format!(
            "Ledger: {} entries, root {}, compared with a checkpoint kept since before the destruction: {}",
            self.verification.entries, self.verification.root, self.verification.verdict
        ))?;
        Ok(())
    }

    fn sound(&self) -> bool {
        self.found == 0
            && self.gone > 0
            && self.stayed_found == self.stayed
            && !self.old_keystore_opens
            && self.verification.verdict == verify::Verdict::Intact
    }
}

fn distinct_found(files: &[PathBuf], values: &[&str]) -> Result<usize, CommandError> {
    let found = traces::search(files, values)?;
    Ok(found.iter().flat_map(|file| file.values.iter().copied()).collect::<BTreeSet<_>>().len())
}

fn finish(
    stage: &Stage,
    evidence: &Evidence,
    destroyed: u64,
    (member, report): (&str, &Path),
    started: Instant,
) -> Result<Exit, CommandError> {
    title("Summary")?;
    let config = stage.config();
    let config = config.display();
    output::data(&format!(
        "{} rows destroyed; {} of the {} values that left the shop found in any file of source, vault and keystore\n\
         ledger {}\n\
         files in {} (source shop.db, vault vault.db, state/)\n\
         report {} (open it in a browser; the key to paste is in {})\n\
         {:.1} s\n\n\
         Next:\n  sqlite3 {} \"SELECT count(*) FROM members\"\n  grep -ac '{member}' {}\n  \
         retentiond --config {config} status\n  retentiond --config {config} ledger list\n  \
         retentiond --config {config} --now 2027-06-01 plan",
        output::count(destroyed),
        evidence.found,
        output::count(evidence.gone as u64),
        evidence.verification.verdict,
        stage.dir().display(),
        report.display(),
        stage.ledger_dir().join("ledger.vkey").display(),
        started.elapsed().as_secs_f64(),
        stage.shop().display(),
        stage.vault().display(),
    ))?;
    if destroyed == 0 || !evidence.sound() {
        return Err(failed("the demonstration did not show what it promises; please report this with its output"));
    }
    Ok(Exit::Done)
}

fn title(text: &str) -> Result<(), CommandError> {
    output::data(&format!("\n== {text}"))?;
    Ok(())
}

fn expect(holds: bool, otherwise: &str) -> Result<(), CommandError> {
    if holds { Ok(()) } else { Err(failed(otherwise)) }
}

pub(super) fn failed(reason: &str) -> CommandError {
    CommandError::new(Exit::Failed, reason)
}

/// Where a demonstration may put its files.
pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}
