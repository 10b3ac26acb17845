//! Run: one cycle from recovery to the verdict.
//!
//! doubt the clock → recover → plan → refuse what may not be done → separate →
//! sample → destroy → wipe → search → finish. A rule that fails is named and the
//! next one goes on; a state that nobody knows stops everything. A cycle that is
//! told to stop does so between two steps; the next one goes on.

mod refuse;
mod report;

use std::{collections::BTreeSet, ops::ControlFlow};

use chrono::{DateTime, Utc};

use super::{
    clock::{compare, doubt},
    custody::Custody,
    destroy::{self, Destroyed},
    hold::{self, Covered},
    message,
    plan::{self, FailedDataset},
    recover::{self, Unsettled},
    residue,
    rulebook::Rulebook,
    separate::{self, Moved},
    sources::Sources,
    wipe::{self, Touched},
};
use crate::{
    domain::{
        deployment::Dataset,
        destroy::BucketFacts,
        guard::Guard,
        id::{BucketId, Digest, RuleId},
        ledger::event::Event,
        plan::{Plan, Separation},
        verdict::{Finding, Verdict},
    },
    ports::{Clock, Failure, Keyring, Ledger, Left, Pace, Progress, Source, Turn, Vault},
};

pub use refuse::objection;
pub use report::{DestroyedRule, FailedRule, LeftDataset, Refusal, Report, SeparatedDataset};

/// What the operator asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Instructions<'a> {
    /// One rule only.
    pub rule: Option<&'a RuleId>,
    /// Exactly this plan, which a person has reviewed.
    pub reviewed: Option<&'a Plan>,
    /// Guards that the reviewed plan may pass.
    pub accepted: &'a [Guard],
    /// Who reviewed it.
    pub by: Option<&'a str>,
    /// A rules file that nobody has adopted.
    pub proposed: Option<Digest>,
}

/// One cycle at `now`.
pub async fn run<S: Source, V: Vault, K: Keyring, L: Ledger>(
    book: &Rulebook<'_>,
    sources: &mut Sources<S>,
    custody: &mut Custody<V, K, L>,
    clock: &impl Clock,
    instructions: &Instructions<'_>,
    progress: &mut (impl Progress + Pace),
) -> Result<Report, Failure> {
    let now = clock.read();
    // Only a reviewed plan may accept a guard.
    let accepted = if instructions.reviewed.is_some() { instructions.accepted } else { &[] };
    let instructions = &Instructions { accepted, ..*instructions };
    doubt(book, custody, now, accepted)?;
    compare(book, sources, custody, clock).await?;
    refuse::unadopted(book, custody, instructions.proposed)?;
    refuse::before_effect(book, custody, now)?;
    let recovered = recover::recover(book, sources, custody, clock).await?;
    let at = instructions.reviewed.map_or(now, |plan| plan.now.to_utc());
    let buckets = custody.vault.buckets().await?;
    let rule = instructions.reviewed.map_or(instructions.rule, |plan| plan.rule.as_ref());
    let holds = hold::in_force(custody)?;
    let covered = Covered::survey(book, (&mut custody.vault, &custody.keyring), holds, &buckets, at).await?;
    let planned = plan::plan(book, sources, (&buckets, &covered), custody.ledger.history(), at, rule).await?;
    refuse::plan(book, custody, instructions, &planned.plan, now)?;
    let mut cycle = Cycle::start(book, custody, instructions, planned.plan, buckets)?;
    for failed in planned.failed {
        cycle.fail(failed);
    }
    recovered.unsettled.into_iter().for_each(|unsettled| cycle.leave_out(unsettled));
    cycle.separate(sources, custody, clock, progress).await?;
    // Once their keys are gone, nobody can search for what they were.
    let sampled = residue::sample(book, custody).await?;
    cycle.destroy(custody, clock, progress).await?;
    cycle.wipe(sources, custody, clock).await?;
    cycle.finding.absorb(residue::verify(book, sampled, sources, custody, clock).await?);
    cycle.finish(custody).await
}

/// A cycle under way.
struct Cycle<'a> {
    book: &'a Rulebook<'a>,
    plan: Plan,
    /// What the vault held when the plan was made.
    buckets: Vec<BucketFacts>,
    at: DateTime<Utc>,
    report: Report,
    /// Destructions that wait for the officer; nothing else of their rules does.
    waiting: Vec<Refusal>,
    /// Rules of which it is not known where the records of an interrupted step are.
    unsettled: BTreeSet<RuleId>,
    touched: Touched,
    finding: Finding,
}

impl<'a> Cycle<'a> {
    fn start<V, K, L: Ledger>(
        book: &'a Rulebook<'a>,
        custody: &mut Custody<V, K, L>,
        instructions: &Instructions<'_>,
        plan: Plan,
        buckets: Vec<BucketFacts>,
    ) -> Result<Self, Failure> {
        let touched = Touched::owed(book, custody.ledger.history());
        custody.ledger.append(vec![Event::RunStarted {
            plan: instructions.reviewed.map(|plan| plan.digest),
            by: instructions.by.map(str::to_owned),
            accepted_guards: instructions.accepted.iter().map(ToString::to_string).collect(),
            rule: plan.rule.clone(),
        }])?;
        let mut report = Report::new(&plan, custody.run());
        for rule in book.policy.rules.iter().map(|rule| &rule.id) {
            report.refused.extend(refuse::guards(book, custody, &plan, rule, instructions.accepted)?);
        }
        let waiting = refuse::unapproved(book, custody, &plan, instructions)?;
        let (at, finding, unsettled) = (plan.now.to_utc(), Finding::pass(), BTreeSet::new());
        Ok(Self { book, plan, buckets, at, report, waiting, unsettled, touched, finding })
    }

    fn refused(&self, rule: &RuleId) -> bool {
        self.report.refused.iter().any(|refusal| refusal.rule.as_ref() == Some(rule))
    }

    /// A dataset that could not even be counted.
    fn fail(&mut self, failed: FailedDataset) {
        self.report.fail(failed, Moved::default());
    }

    /// Rules with a step that recovery could not settle: nothing of them moves and
    /// nothing is destroyed.
    fn leave_out(&mut self, unsettled: Unsettled) {
        for rule in unsettled.rules {
            let reason = format!("{}; what was interrupted there is settled once it can be reached", unsettled.reason);
            let failure = Failure::Unreachable(reason);
            self.fail(FailedDataset { rule: rule.clone(), dataset: None, failure });
            self.unsettled.insert(rule);
        }
    }

    /// Separates the datasets of the plan in the order in which they may move.
    async fn separate<S: Source, V: Vault, K: Keyring, L: Ledger>(
        &mut self,
        sources: &mut Sources<S>,
        custody: &mut Custody<V, K, L>,
        clock: &impl Clock,
        progress: &mut (impl Progress + Pace),
    ) -> Result<(), Failure> {
        let book = self.book;
        let ordered = book.datasets_in_order().map_err(|error| Failure::StateUnknown(error.to_string()))?;
        let stored: BTreeSet<BucketId> = self.buckets.iter().map(|facts| facts.bucket.clone()).collect();
        for dataset in ordered {
            let planned = self.planned(dataset).unwrap_or_default();
            let (rows_max, ahead_max, idle) = (planned.rows, self.ahead(dataset), self.idle());
            if rows_max + ahead_max == 0 || self.is_out(&dataset.rule) || self.report.stopped.is_some() {
                continue;
            }
            progress.begin(&format!("separate {}", dataset.table), rows_max);
            let job = separate::Job { book, dataset, at: self.at, rows_max, ahead_max, idle: &idle, stored: &stored };
            let result = self.separate_dataset(&job, planned, sources, custody, clock, progress).await;
            progress.end();
            result?;
        }
        Ok(())
    }

    /// Nothing of the rule moves any more.
    fn is_out(&self, rule: &RuleId) -> bool {
        self.refused(rule) || self.report.failed.iter().any(|failed| &failed.rule == rule)
    }

    /// Rules by which nothing is due in this cycle, also those not asked for.
    fn idle(&self) -> BTreeSet<RuleId> {
        let asked = |rule: &RuleId| self.plan.rule.as_ref().is_none_or(|only| only == rule);
        let idle = |rule: &&RuleId| !asked(rule) || self.is_out(rule);
        self.book.policy.rules.iter().map(|rule| &rule.id).filter(idle).cloned().collect()
    }

    /// At most so many records of a dataset belong to what the plan moves by
    /// other rules, and move before it. Which of them do, `idle` decides.
    fn ahead(&self, dataset: &Dataset) -> u64 {
        let beside = |item: &&Separation| item.source == dataset.source;
        self.plan.separations().filter(beside).flat_map(|item| item.sooner.values()).sum()
    }

    /// What the plan moves from a dataset; `None` if it was not planned.
    fn planned(&self, dataset: &Dataset) -> Option<Moved> {
        let mut separations = self.plan.separations();
        let planned = separations
            .find(|item| item.rule == dataset.rule && item.source == dataset.source && item.dataset == dataset.table);
        planned.map(|item| Moved { rows: item.rows, children: item.children.clone() })
    }

    async fn separate_dataset<S: Source, V: Vault, K: Keyring, L: Ledger>(
        &mut self,
        job: &separate::Job<'_>,
        planned: Moved,
        sources: &mut Sources<S>,
        custody: &mut Custody<V, K, L>,
        clock: &impl Clock,
        progress: &mut (impl Progress + Pace),
    ) -> Result<(), Failure> {
        let dataset = job.dataset;
        let mut moved = Moved::default();
        let result = match sources.get(&dataset.source) {
            Ok(source) => separate::separate(job, source, custody, clock, progress, &mut moved).await,
            Err(failure) => Err(failure),
        };
        let result = result.map(|flow| match flow {
            ControlFlow::Break(reason) => self.report.stopped = Some(reason),
            ControlFlow::Continue(left) => self.leave(dataset, left),
        });
        let undone = planned.without(&moved);
        if moved.rows > 0 {
            let (message_id, rule, source) = (message::SEPARATED, &dataset.rule, &dataset.source);
            tracing::info!(message_id, %rule, dataset = %dataset.table, %source, rows = moved.rows, "separated");
            self.touched.note(dataset);
            self.report.separated.push(SeparatedDataset::of(dataset, moved));
        }
        self.keep_going(&dataset.rule, Some(&dataset.table), undone, result)
    }

    /// Notes what was planned and could not be had; the next cycle finds it again.
    fn leave(&mut self, dataset: &Dataset, left: Left) {
        if left.rows() == 0 {
            return;
        }
        let (message_id, rule, source) = (message::LEFT, &dataset.rule, &dataset.source);
        let (dataset_name, Left { locked, waiting }) = (&dataset.table, left);
        tracing::warn!(
            message_id, %rule, dataset = %dataset_name, %source, rows = left.rows(), locked, waiting,
            "left for the next cycle: the application holds rows"
        );
        self.report.left.push(LeftDataset::of(dataset, left));
    }

    /// Destroys what the plan destroys, rule by rule.
    async fn destroy<V: Vault, K: Keyring, L: Ledger>(
        &mut self,
        custody: &mut Custody<V, K, L>,
        clock: &impl Clock,
        progress: &mut (impl Progress + Pace),
    ) -> Result<(), Failure> {
        let planned: Vec<_> = self.plan.destructions().cloned().collect();
        for item in planned {
            let waits = self.waiting.iter().any(|refusal| refusal.rule.as_ref() == Some(&item.rule));
            let out = waits || self.refused(&item.rule) || self.unsettled.contains(&item.rule);
            if out || self.stops(progress).await {
                continue;
            }
            if item.held > 0 {
                tracing::info!(message_id = message::HELD, rule = %item.rule, rows = item.held, "kept by a hold");
            }
            if item.rows > 0 {
                progress.begin(&format!("destroy {}", item.rule), item.rows);
            }
            let mut destroyed = Destroyed::default();
            let planned = (self.buckets.as_slice(), self.at);
            let result = destroy::destroy(self.book, custody, clock, &item.rule, planned, &mut destroyed).await;
            progress.advance(destroyed.rows);
            progress.end();
            let left = Moved { rows: item.rows.saturating_sub(destroyed.rows), ..Moved::default() };
            self.finding.absorb(destroyed.finding.clone());
            if destroyed.rows > 0 {
                let (message_id, verdict) = (message::DESTROYED, destroyed.finding.verdict);
                let (rule, rows, buckets) = (&item.rule, destroyed.rows, destroyed.buckets);
                tracing::info!(message_id, %rule, rows, buckets, ?verdict, "destroyed");
                let dataset = self.book.deployment.only_table_of(&item.rule).map(str::to_owned);
                self.report.destroyed.push(DestroyedRule::of(&item.rule, dataset, destroyed));
            }
            self.keep_going(&item.rule, None, left, result)?;
        }
        Ok(())
    }

    /// Whether the cycle ends before the next destruction.
    async fn stops(&mut self, pace: &mut impl Pace) -> bool {
        if self.report.stopped.is_none()
            && let Turn::Stop(reason) = pace.turn(None).await
        {
            self.report.stopped = Some(reason);
        }
        self.report.stopped.is_some()
    }

    /// A cycle that was stopped owes its wipe, on record; the next one does it.
    async fn wipe<S: Source, V: Vault, K: Keyring, L: Ledger>(
        &mut self,
        sources: &mut Sources<S>,
        custody: &mut Custody<V, K, L>,
        clock: &impl Clock,
    ) -> Result<(), Failure> {
        if self.report.stopped.is_some() {
            return wipe::owe(&self.touched, custody);
        }
        self.finding.absorb(wipe::wipe(self.book, &self.touched, sources, custody, clock).await?);
        Ok(())
    }

    /// A failed rule is noted and the next one goes on; everything else stops.
    fn keep_going(
        &mut self,
        rule: &RuleId,
        dataset: Option<&str>,
        left: Moved,
        result: Result<(), Failure>,
    ) -> Result<(), Failure> {
        match result {
            Ok(()) => Ok(()),
            Err(failure @ (Failure::Rule(_) | Failure::Unreachable(_))) => {
                let message_id = message::RULE_FAILED;
                tracing::error!(message_id, %rule, dataset, reason = %failure, "rule failed; the next one goes on");
                let dataset = dataset.map(str::to_owned);
                self.report.fail(FailedDataset { rule: rule.clone(), dataset, failure }, left);
                Ok(())
            }
            Err(failure @ (Failure::StateUnknown(_) | Failure::TakenOver(_) | Failure::Refused(_))) => Err(failure),
        }
    }

    async fn finish<V: Vault, K: Keyring, L: Ledger>(
        mut self,
        custody: &mut Custody<V, K, L>,
    ) -> Result<Report, Failure> {
        self.report.refused.append(&mut self.waiting);
        self.report.conclude(self.finding);
        let head = custody.ledger.append(vec![self.report.finished()])?;
        custody.vault.remember_head(&head).await?;
        if self.report.verdict == Verdict::Fail {
            let message_id = message::VERDICT_FAIL;
            tracing::error!(message_id, reasons = ?self.report.reasons, "the cycle's verdict is FAIL");
        }
        Ok(self.report)
    }
}
