//! A process that may be started again and again over the same disk.

use std::{
    cell::{Cell as StdCell, RefCell},
    collections::BTreeSet,
    ops::ControlFlow,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use chrono::{DateTime, TimeDelta, Utc};
use retentiond::{
    domain::{
        calendar::Calendar,
        deployment::{Dataset, Deployment, EventPlace},
        event::{Reading, interpret},
        hold::Holds,
        holiday::Holidays,
        id::{RuleId, RunId, SourceName},
        ledger::event::Event,
        plan::Plan,
        policy::Policy,
        record::Cell,
        verdict::Verdict,
    },
    flow::{
        clock::{compare, doubt},
        custody::Custody,
        hold::Covered,
        plan::{Planned, plan},
        recover::{Recovered, recover},
        restore::{Request, Restored, restore},
        rulebook::Rulebook,
        run::{Instructions, Report, run},
        separate::{Job, Moved, separate},
        sources::Sources,
    },
    ports::{Failure, Keyring, Ledger, Pace, Progress, Route, SourceError, Vault},
};

use super::{
    disk::{Disk, MemoryClock, SharedDisk},
    faults::Fault,
    memory_keyring::MemoryKeyring,
    memory_ledger::MemoryLedger,
    memory_source::MemorySource,
    memory_vault::MemoryVault,
    shop,
    tables::{Database, encode},
    truth::{Place, TrueRecord, Truth, blanked},
};

pub type Process = Custody<MemoryVault, MemoryKeyring, MemoryLedger>;

pub struct World {
    pub disk: SharedDisk,
    pub policy: Policy,
    pub deployment: Deployment,
    pub simulation: bool,
    /// Sources that cannot be reached.
    pub down: Vec<SourceName>,
    holidays: Holidays,
    runs: StdCell<u32>,
}

struct Silent;

impl Progress for Silent {
    fn begin(&mut self, _: &str, _: u64) {}
    fn advance(&mut self, _: u64) {}
    fn end(&mut self) {}
}

impl Pace for Silent {}

/// How often a flow may give way to the other half of what it does.
const TURNS_MAX: usize = 10_000;

/// Runs a future whose ports never wait.
pub fn now_or_never<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    for _ in 0..TURNS_MAX {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
    panic!("a memory port waited")
}

pub fn at(instant: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(instant).expect("an instant").to_utc()
}

impl World {
    /// The shop at the instant at which every test starts, with its ledger
    /// opened and its policy adopted.
    pub fn new() -> Self {
        Self::of(shop::policy(), shop::deployment())
    }

    pub fn of(policy: Policy, deployment: Deployment) -> Self {
        let disk = Rc::new(Disk {
            now: StdCell::new(at("2026-11-22T03:00:00+09:00")),
            route: StdCell::new(Route::ByEvent),
            sources: RefCell::new(shop::sources()),
            vault: RefCell::default(),
            keys: RefCell::default(),
            ledger: RefCell::default(),
            faults: RefCell::default(),
            truth: RefCell::default(),
            shelf: RefCell::default(),
            searched: RefCell::default(),
        });
        let (down, holidays, runs) = (Vec::new(), Holidays::default(), StdCell::new(0));
        let world = Self { disk, policy, deployment, simulation: false, down, holidays, runs };
        let origin = world.deployment.ledger_origin.clone();
        let opened = Event::LedgerOpened { origin, simulation: false, version: "0".to_owned() };
        world.process().ledger.append(vec![opened]).expect("the ledger opens");
        world.adopt();
        world.learn();
        world
    }

    /// Puts the policy in force.
    pub fn adopt(&self) {
        let adopted = Event::policy_adopted(&self.policy, None).expect("the policy has a canonical form");
        self.process().ledger.append(vec![adopted]).expect("the policy is adopted");
    }

    /// Takes what the sources hold now for the truth.
    pub fn learn(&self) {
        let sources = self.disk.sources.borrow();
        let records =
            self.deployment.datasets.iter().flat_map(|dataset| self.learn_of(dataset, &sources[&dataset.source]));
        *self.disk.truth.borrow_mut() = Truth { records: records.collect() };
        let cells = sources.values().flat_map(|db| db.tables.values()).flat_map(|table| table.rows.iter().flatten());
        let texts = cells.filter_map(|cell| match cell {
            Cell::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        });
        // All values but the dates are a word and a number: `person-2`.
        let words = texts.filter_map(|text| text.rsplit_once('-')).filter(|(word, _)| !word.starts_with('2'));
        let secrets: BTreeSet<String> = words.map(|(word, _)| format!("{word}-")).collect();
        self.disk.ledger.borrow_mut().secrets = secrets.into_iter().collect();
    }

    fn learn_of(&self, dataset: &Dataset, database: &Database) -> Vec<TrueRecord> {
        let rule = self.policy.rule(&dataset.rule).expect("the rule exists");
        let table = database.table(&dataset.table);
        let Some(EventPlace::Own(column)) = dataset.events.get(&rule.event) else { panic!("events are own columns") };
        let name = column.column.names().next().expect("a column");
        let learn = |root: &Vec<Cell>| {
            let cell = &root[table.column(name)];
            let calendar = self.book().calendar;
            let due = match interpret(cell, column.format, self.policy.timezone, &column.absent) {
                Reading::At(at) => Some(calendar.term(rule, calendar.date_of(at)).due),
                Reading::Absent | Reading::Malformed => None,
            };
            let Cell::Text(key) = &root[0] else { panic!("keys are texts") };
            TrueRecord {
                dataset: dataset.clone(),
                key: String::from_utf8(key.clone()).expect("keys are texts"),
                rows: encode(&database.record(dataset, root)),
                blanked: rule.separate_on.contains(&rule.event).then(|| blanked(database, dataset, root, name)),
                due,
            }
        };
        table.rows.iter().map(learn).collect()
    }

    pub fn book(&self) -> Rulebook<'_> {
        Rulebook {
            policy: &self.policy,
            digest: self.policy.digest().expect("a policy has a digest"),
            calendar: Calendar::new(&self.policy, &self.holidays),
            deployment: &self.deployment,
            simulation: self.simulation,
        }
    }

    /// A new process over what is durable.
    pub fn process(&self) -> Process {
        self.disk.faults.borrow_mut().dead = false;
        self.runs.set(self.runs.get() + 1);
        let run = RunId(format!("run-{}", self.runs.get()));
        let ledger = MemoryLedger::open(&self.disk, run.clone(), self.book().digest);
        Custody::new(MemoryVault::open(&self.disk), MemoryKeyring(self.disk.clone()), ledger, run)
    }

    pub fn sources(&self) -> Sources<MemorySource> {
        let mut sources = Sources::default();
        for name in self.disk.sources.borrow().keys() {
            let reason = || SourceError::Unreachable { source_name: name.to_string(), reason: "no route".to_owned() };
            let up = !self.down.contains(name);
            sources.add(name.clone(), up.then(|| MemorySource::new(&self.disk, name)).ok_or_else(reason));
        }
        sources
    }

    fn clock(&self) -> MemoryClock {
        MemoryClock(self.disk.clone())
    }

    pub fn advance(&self, days: i64) {
        self.disk.now.set(self.disk.now.get() + TimeDelta::days(days));
    }

    /// The dry run.
    pub fn planned(&self, only: Option<&RuleId>) -> Result<Planned, Failure> {
        let mut process = self.process();
        now_or_never(async {
            let buckets = process.vault.buckets().await?;
            let now = self.disk.now.get();
            let holds = Holds::registered(process.ledger.history(), process.keyring.register()?.holds);
            let ports = (&mut process.vault, &process.keyring);
            let covered = Covered::survey(&self.book(), ports, holds, &buckets, now).await?;
            plan(&self.book(), &mut self.sources(), (&buckets, &covered), process.ledger.history(), now, only).await
        })
    }

    pub fn plan(&self) -> Plan {
        self.planned(None).expect("a plan").plan
    }

    pub fn run(&self, instructions: &Instructions<'_>) -> Result<Report, Failure> {
        self.run_at(instructions, &mut Silent)
    }

    /// The same at a pace.
    pub fn run_at(
        &self,
        instructions: &Instructions<'_>,
        pace: &mut (impl Progress + Pace),
    ) -> Result<Report, Failure> {
        let mut process = self.process();
        let (book, clock) = (self.book(), self.clock());
        now_or_never(run(&book, &mut self.sources(), &mut process, &clock, instructions, pace))
    }

    /// A cycle as the schedule starts it.
    pub fn cycle(&self) -> Result<Report, Failure> {
        self.run(&Instructions::default())
    }

    pub fn run_plan(&self, plan: &Plan) -> Result<Report, Failure> {
        self.run(&Instructions { reviewed: Some(plan), by: Some("officer"), ..Instructions::default() })
    }

    /// Makes a plan, as a person would, and runs it.
    pub fn reviewed_cycle(&self) -> Result<Report, Failure> {
        self.run_plan(&self.planned(None)?.plan)
    }

    /// The ledger of a world in which a plan of all rules was reviewed and run.
    pub fn count_as_reviewed(&self, plan: &Plan) {
        let started = Event::RunStarted { plan: Some(plan.digest), by: None, accepted_guards: vec![], rule: None };
        let (failed, refused) = (vec![], vec![]);
        let finished =
            Event::RunFinished { verdict: Verdict::Pass, separated: 0, left: 0, destroyed: 0, failed, refused };
        self.process().ledger.append(vec![started, finished]).unwrap();
    }

    /// Separates one dataset as if so many rows had been planned. Returns how many
    /// moved.
    pub fn separate_at_most(&self, dataset: usize, rows_max: u64) -> u64 {
        let (mut process, mut sources, book) = (self.process(), self.sources(), self.book());
        let dataset = &self.deployment.datasets[dataset];
        let (at, none, stored) = (self.disk.now.get(), BTreeSet::new(), BTreeSet::new());
        let job = Job { book: &book, dataset, at, rows_max, ahead_max: 0, idle: &none, stored: &stored };
        let (source, mut moved) = (sources.get(&dataset.source).unwrap(), Moved::default());
        let flow = now_or_never(separate(&job, source, &mut process, &self.clock(), &mut Silent, &mut moved)).unwrap();
        assert!(matches!(flow, ControlFlow::Continue(_)), "nothing stops it");
        moved.rows
    }

    pub fn recover(&self) -> Result<Recovered, Failure> {
        let mut process = self.process();
        now_or_never(recover(&self.book(), &mut self.sources(), &mut process, &self.clock()))
    }

    /// The command: doubt, compare, recover, restore.
    pub fn restore(&self, request: &Request<'_>) -> Result<Restored, Failure> {
        let mut process = self.process();
        let (book, clock, now) = (self.book(), self.clock(), self.disk.now.get());
        let mut sources = self.sources();
        now_or_never(async {
            doubt(&book, &mut process, now, &[])?;
            compare(&book, &mut sources, &mut process, &clock).await?;
            recover(&book, &mut sources, &mut process, &clock).await?.whole()?;
            restore(&book, &mut sources, &mut process, request, now).await
        })
    }

    /// Changes a source, as its application would.
    pub fn edit(&self, source: &str, change: impl FnOnce(&mut Database)) {
        change(self.disk.sources.borrow_mut().get_mut(&source.into()).expect("the source exists"));
    }

    pub fn has_row(&self, source: &str, table: &str, key: &str) -> bool {
        self.disk.sources.borrow()[&source.into()].has(table, key)
    }

    /// Makes the next call of this name fail, after `skip` others of it.
    pub fn fail(&self, name: &'static str, skip: usize, fault: Fault) {
        self.disk.faults.borrow_mut().fail(name, skip, fault);
    }

    pub fn place(&self, name: &str) -> Place {
        self.disk.place_of(name)
    }

    /// Names of the records that are there.
    pub fn all_at(&self, place: Place) -> Vec<String> {
        let places = self.disk.places().into_iter();
        places.filter(|(_, there)| *there == place).map(|(name, _)| name).collect()
    }

    pub fn events(&self) -> Vec<Event> {
        self.disk.ledger.borrow().events().cloned().collect()
    }
}
