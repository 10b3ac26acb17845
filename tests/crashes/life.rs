//! A life in rounds of three days, each with new rows, and the count of it. In
//! a round three members leave: the first is destroyed, the second is held until
//! its end, the third comes back. Whatever is hit by a fault is finished by `run`.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use chrono::{DateTime, Days, Utc};
use serde_json::Value;

use crate::{
    store::Store,
    world::{Fault, World},
};

/// Table, id and text of a row.
type Row = (String, String, String);
/// Faults and points by the step that they belong to.
pub type Faults = BTreeMap<&'static str, Fault>;
pub type Points = BTreeMap<&'static str, Vec<String>>;

pub const STEPS: [&str; 5] = ["separate", "hold", "destroy", "restore", "lift"];
/// Due visits of each of the first two members of a round.
const VISITS: u64 = 20;
const BY: [&str; 4] = ["--by", "desk", "--reason", "asked"];
/// Attempts until a killed session has let go of its locks.
const ATTEMPTS_MAX: u32 = 200;

pub struct Life<'s> {
    pub world: World<'s>,
    rounds: u64,
    pub killed: u32,
    /// How long each step took when it was last done without a fault.
    pub lengths: BTreeMap<&'static str, Duration>,
}

impl<'s> Life<'s> {
    pub fn begin(world: World<'s>) -> Self {
        let instant = world.source.instant();
        world.source.query(&format!(
            "CREATE TABLE members (id INTEGER PRIMARY KEY, name VARCHAR(60) NOT NULL, withdrawn_at {instant} NULL);
             CREATE TABLE addresses (id INTEGER PRIMARY KEY, member_id INTEGER NOT NULL, street VARCHAR(60) NOT NULL,
                 FOREIGN KEY (member_id) REFERENCES members (id));
             CREATE TABLE visits (id INTEGER PRIMARY KEY, member_id INTEGER NOT NULL, agent VARCHAR(60) NOT NULL,
                 visited_at {instant} NOT NULL);
             CREATE INDEX members_withdrawn_at ON members (withdrawn_at);
             CREATE INDEX addresses_member_id ON addresses (member_id);
             CREATE INDEX visits_visited_at ON visits (visited_at);"
        ));
        world.grant();
        let life = Self { world, rounds: 0, killed: 0, lengths: BTreeMap::new() };
        let now = life.at(0);
        life.world.done(&["init", "--simulation", "--now", &now]);
        life.world.done(&["plan", "--out", "plan.json", "--now", &now]);
        life.world.done(&["run", "--plan", "plan.json", "--by", "officer", "--now", &now]);
        life
    }

    /// Days after the first round began.
    fn day(&self, days: u64) -> DateTime<Utc> {
        let first: DateTime<Utc> = "2026-11-21T18:00:00Z".parse().unwrap();
        first + Days::new(self.rounds * 3 + days)
    }

    fn at(&self, days: u64) -> String {
        self.day(days).to_rfc3339()
    }

    fn member(&self, number: u64) -> u64 {
        self.rounds * 10 + number
    }

    /// Adds the rows of this round and returns them.
    fn add(&self) -> BTreeSet<Row> {
        let mut rows = BTreeSet::new();
        let mut script = "BEGIN;\n".to_owned();
        let mut insert = |table: &str, id: u64, text: String, sql: String| {
            script += &format!("INSERT INTO {table} VALUES ({sql});\n");
            rows.insert((table.to_owned(), id.to_string(), text));
        };
        for (number, days_ago) in [(1, 10), (2, 10), (3, 1)] {
            let id = self.member(number);
            let name = format!("name/{id}");
            let left = (self.day(0) - Days::new(days_ago)).format("%Y-%m-%d 01:00:00");
            insert("members", id, name.clone(), format!("{id}, '{name}', '{left}'"));
            for address in [id * 10 + 1, id * 10 + 2] {
                let street = format!("street/{address}");
                insert("addresses", address, street.clone(), format!("{address}, {id}, '{street}'"));
            }
        }
        for visit in 0..2 * VISITS {
            let (id, member) = (self.rounds * 1000 + visit, self.member(visit % 2 + 1));
            let agent = format!("agent/{id}");
            insert("visits", id, agent.clone(), format!("{id}, {member}, '{agent}', '2020-02-03 10:00:00'"));
        }
        self.world.source.query(&(script + "COMMIT;"));
        rows
    }

    /// Every row that the source has, by its own client.
    fn in_source(&self) -> BTreeSet<Row> {
        let printed = self.world.source.query(
            "SELECT 'members', id, name FROM members UNION ALL SELECT 'addresses', id, street FROM addresses
             UNION ALL SELECT 'visits', id, agent FROM visits;",
        );
        let row = |line: &str| {
            let mut parts = line.split('\t').map(str::to_owned);
            (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap())
        };
        printed.lines().map(row).collect()
    }

    /// Every row of a person that the vault shows; each only once.
    fn in_vault(&self, number: u64, now: &str) -> BTreeSet<Row> {
        let subject = self.member(number).to_string();
        let shown = self.world.json(&[&["read", "--subject", &subject, "--now", now], &BY[..]].concat());
        let mut rows = BTreeSet::new();
        for record in shown["records"].as_array().unwrap() {
            for (table, listed) in record["rows"].as_object().unwrap() {
                for row in listed.as_array().unwrap() {
                    let text = ["name", "street", "agent"].iter().find_map(|column| row[column].as_str()).unwrap();
                    let id = row["id"].as_str().map_or_else(|| row["id"].to_string(), str::to_owned);
                    let new = rows.insert((table.clone(), id.clone(), text.to_owned()));
                    assert!(new, "{table} {id} is in the vault twice");
                }
            }
        }
        rows
    }

    fn held(&self, now: &str) -> bool {
        let holds = self.world.json(&["hold", "list", "--format", "json", "--now", now]);
        !holds["holds"].as_array().unwrap().is_empty()
    }

    /// Runs until a cycle ends well and nothing of this round is left to move. A
    /// server may find out late that its client was killed.
    fn settle(&self, now: &str) {
        for _ in 0..ATTEMPTS_MAX {
            let output = self.world.output(&["run", "--now", now]);
            let code = output.status.code();
            let said = String::from_utf8_lossy(&output.stderr);
            if code == Some(0) {
                if !self.in_source().iter().any(|(table, ..)| table == "visits") {
                    return;
                }
            } else {
                let busy = !matches!(self.world.source, Store::File(_)) && matches!(code, Some(1 | 69 | 75));
                assert!(busy, "run after a crash: {code:?}: {said}");
            }
        }
        panic!("it never settled");
    }

    /// One command, with what is to happen to it.
    fn step(
        &mut self,
        step: &'static str,
        arguments: &[&str],
        now: &str,
        faults: &Faults,
        points: &mut Option<Points>,
    ) {
        let arguments = [arguments, &["--now", now]].concat();
        match (faults.get(step), points) {
            (Some(fault), _) => {
                let killed = self.world.suffer(&arguments, fault);
                assert!(killed || !matches!(fault, Fault::At(_, 1)), "{step} never came to {fault:?}");
                self.killed += u32::from(killed);
                self.settle(now);
            }
            (None, Some(points)) => drop(points.insert(step, self.world.points_of(&arguments))),
            (None, None) => {
                let started = Instant::now();
                self.world.done(&arguments);
                self.lengths.insert(step, started.elapsed());
            }
        }
    }

    /// One round. Says which faults it lived through when a count does not add up.
    pub fn round(&mut self, faults: &Faults, points: &mut Option<Points>) {
        let before = self.in_source();
        let added = self.add();
        let of = |members: &[u64]| -> BTreeSet<Row> {
            let ours = |id: &u64| members.iter().any(|number| self.member(*number) == *id);
            let owner = |(table, id, _): &Row| {
                let id: u64 = id.parse().unwrap();
                match table.as_str() {
                    "members" => id,
                    "addresses" => id / 10,
                    _ => self.member(id % 1000 % 2 + 1),
                }
            };
            added.iter().filter(|row| ours(&owner(row))).cloned().collect()
        };
        let parts = [of(&[1]), of(&[2]), of(&[3])];
        let nothing = BTreeSet::new();

        let start = self.at(0);
        self.step("separate", &["run"], &start, faults, points);
        assert_eq!(self.in_source(), before, "separated, {faults:?}");
        for (number, part) in (1..).zip(&parts) {
            assert_eq!(self.in_vault(number, &start), *part, "separated, {faults:?}");
        }

        let subject = self.member(2).to_string();
        let hold = [&["hold", "add", "--subject", &subject], &BY[..]].concat();
        self.step("hold", &hold, &start, faults, points);
        if !self.held(&start) {
            self.world.done(&[&hold[..], &["--now", &start]].concat());
        }

        let later = self.at(2);
        self.step("destroy", &["run"], &later, faults, points);
        assert_eq!(self.in_source(), before, "destroyed, {faults:?}");
        for (number, part) in (1..).zip([&nothing, &parts[1], &parts[2]]) {
            assert_eq!(self.in_vault(number, &later), *part, "destroyed, {faults:?}");
        }

        let subject = self.member(3).to_string();
        let restore = [&["restore", "--subject", &subject], &BY[..]].concat();
        self.step("restore", &restore, &later, faults, points);
        if self.in_source() == before {
            assert_eq!(self.in_vault(3, &later), parts[2], "restored, {faults:?}");
            self.world.done(&[&restore[..], &["--now", &later]].concat());
        }
        let after: BTreeSet<Row> = before.union(&parts[2]).cloned().collect();
        assert_eq!(self.in_source(), after, "restored, {faults:?}");
        assert_eq!(self.in_vault(3, &later), nothing, "restored, {faults:?}");

        let subject = self.member(2).to_string();
        let lift = [&["hold", "lift", "--subject", &subject], &BY[..]].concat();
        assert_eq!(self.in_vault(2, &later), parts[1], "held, {faults:?}");
        self.step("lift", &lift, &later, faults, points);
        if self.held(&later) {
            self.world.done(&[&lift[..], &["--now", &later]].concat());
        }
        self.settle(&later);
        assert_eq!(self.in_vault(2, &later), nothing, "lifted, {faults:?}");
        self.rounds += 1;
    }

    /// What the ledger says of the whole life: each step once, none open.
    pub fn end(self) {
        self.world.done(&["ledger", "verify"]);
        let entries = self.world.json(&["ledger", "list", "--format", "json"]);
        let entries = entries.as_array().unwrap();
        let committed = Pairs::of(entries, "separate", "batch").assert_closed("committed");
        let visits = 2 * VISITS * self.rounds;
        let expected = [("member", 3 * self.rounds), ("visit-log", visits)];
        assert_eq!(committed, expected.map(|(rule, rows)| (rule.to_owned(), rows)).into(), "separated");
        let destroyed = Pairs::of(entries, "destroy", "operation").assert_closed("destroyed");
        let expected = [("member", 2 * self.rounds), ("visit-log", visits)];
        assert_eq!(destroyed, expected.map(|(rule, rows)| (rule.to_owned(), rows)).into(), "destroyed");
        Pairs::of(entries, "restore", "operation").assert_closed("committed");
    }
}

/// Intents of one kind with the outcomes that name them.
struct Pairs<'a>(Vec<(&'a Value, Vec<&'a Value>)>);

impl<'a> Pairs<'a> {
    fn of(entries: &'a [Value], kind: &str, id: &str) -> Self {
        let named = |side: &str| {
            let name = format!("{kind}.{side}");
            entries.iter().filter(move |entry| entry["type"] == name.as_str()).collect::<Vec<_>>()
        };
        let (intents, outcomes) = (named("intent"), named("outcome"));
        let of = |intent: &Value| outcomes.iter().filter(|outcome| outcome[id] == intent[id]).copied().collect();
        Self(intents.into_iter().map(|intent| (intent, of(intent))).collect())
    }

    /// Records by rule of the intents that came to this end.
    fn assert_closed(self, result: &str) -> BTreeMap<String, u64> {
        let mut records = BTreeMap::new();
        for (intent, outcomes) in self.0 {
            assert_eq!(outcomes.len(), 1, "{intent}");
            if outcomes[0]["result"] == result && intent["rule"].is_string() {
                let rule = intent["rule"].as_str().unwrap().to_owned();
                *records.entry(rule).or_default() += intent["records"].as_u64().unwrap();
            }
        }
        records
    }
}
