//! Pagila, a rental shop on PostgreSQL: payments in a hundred partitions of
//! which six have foreign keys, RESTRICT everywhere else, addresses that are
//! shared, and dates before 1970 and in all eternity.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

use crate::{
    servers::{self, Database},
    world::{Line, World, anomalies, expected, folder, rows, separation},
};

const RULES: &str = include_str!("pagila/retention-rules.toml");
const DEPLOYMENT: &str = include_str!("pagila/retentiond.toml");

const DATES: [&str; 2] = ["2026-11-01", "2027-06-15"];

/// A case loaded anew, with a deployment that moves its records into another
/// database.
struct Case {
    source: Database<'static>,
    vault: Database<'static>,
    world: World,
    date: &'static str,
}

impl Case {
    fn new(folder: &Path, date: &'static str, rules: &str, deployment: &str) -> Self {
        let (source, vault) = (servers::postgres().database(), servers::postgres().database());
        source.load_packed(&folder.join("dump.sql.gz"));
        let deployment = deployment.replace("SOURCE", &source.url()).replace("VAULT", &vault.url());
        let case = Self { source, vault, world: World::new(rules, &deployment), date };
        case.world.at(&case.now(), &["init", "--simulation"]).ends_with(0);
        case
    }

    fn now(&self) -> String {
        format!("{}T00:00:00+09:00", self.date)
    }

    /// A number of the database; `REF` is the reference instant.
    fn number(&self, sql: &str) -> u64 {
        let reference = format!("timestamptz '{} 00:00:00+09'", self.date);
        u64::try_from(self.source.number(&sql.replace("REF", &reference))).unwrap()
    }
}

/// Rules by which nothing moves before it is due.
fn due_only() -> (String, String) {
    let rules = RULES.replace("separate_on = [\"withdrawal\"]\n", "");
    let through = DEPLOYMENT
        .lines()
        .filter(|line| !line.starts_with("events.withdrawal = { through"))
        .map(|line| format!("{line}\n"));
    (rules, through.collect())
}

/// What a person settles before all members who left can go: rentals that never
/// came back, and those who left only within the last five days.
const SETTLE: &str = "UPDATE rental SET return_date = REF - interval '1 year'
    WHERE (return_date IS NULL OR NOT isfinite(return_date) OR return_date > REF) AND customer_id IN
      (SELECT customer_id FROM customer WHERE isfinite(withdrawn_at) AND withdrawn_at > '1970-01-01' AND withdrawn_at <= REF);
    UPDATE customer SET withdrawn_at = NULL
    WHERE isfinite(withdrawn_at) AND withdrawn_at > REF - interval '5 days' AND withdrawn_at <= REF";

fn count(item: &Value, what: &str) -> u64 {
    item[what].as_u64().unwrap_or(0)
}

fn answer(answers: &mut BTreeMap<Line, u64>, rule: &str, action: &str, what: &str, rows: u64) {
    answers.insert((rule.to_owned(), action.to_owned(), what.to_owned()), rows);
}

const PARTITIONS: &str = "SELECT tableoid::regclass, count(*) FROM payment GROUP BY 1 ORDER BY 1";

/// What is due, by a plan; what stays, by the rows that are left after its run.
fn answers_of_due(case: &Case, answers: &mut BTreeMap<Line, u64>) {
    let plan = case.world.plan(&case.now(), &[]);
    let (order, member) = (separation(&plan["items"], "rental"), separation(&plan["items"], "customer"));
    answer(answers, "order", "due", "rental", count(order, "rows"));
    answer(
        answers,
        "order",
        "due",
        "payment (partitioned; FK only on 6 of its partitions)",
        rows(order, "children", "payment"),
    );
    answer(answers, "order", "skip", "rental.return_date infinite", anomalies(&plan, "rental", "malformed"));
    answer(answers, "member", "due", "customer", count(member, "rows") + count(member, "waiting"));
    answer(
        answers,
        "member",
        "blocked-by",
        "due customers with a rental that must stay (RESTRICT)",
        count(member, "waiting"),
    );
    let of_members = |kind| anomalies(&plan, "customer", kind);
    answer(
        answers,
        "member",
        "skip",
        "customer.withdrawn_at infinite or before 1970 (needs a person)",
        of_members("malformed") + of_members("ancient"),
    );
    answer(answers, "member", "skip", "customer.withdrawn_at later than reference", of_members("future"));
    assert_eq!(
        anomalies(&plan, "rental", "missing"),
        case.number("SELECT count(*) FROM rental WHERE return_date IS NULL")
    );

    let between = "SELECT count(*) FROM rental WHERE return_date <= REF - interval '5 years' \
        AND return_date > REF - interval '5 years' - interval '9 hours'";
    let (between_before, partitions) = (case.number(between), case.source.query(PARTITIONS));
    let report = case.world.reviewed_run(&case.now());
    assert_eq!(count(separation(&report["separated"], "rental"), "rows"), count(order, "rows"));
    answer(answers, "order", "tz", "rental due in KST but not in UTC days", between_before - case.number(between));
    let after = case.source.query(PARTITIONS);
    let touched = partitions.lines().filter(|line| !after.lines().any(|other| other == *line)).count();
    answer(answers, "order", "due-of-which", "payment partitions touched", touched as u64);
    answer(answers, "order", "keep", "rental", case.number("SELECT count(*) FROM rental"));
    answer(answers, "order", "keep", "payment", case.number("SELECT count(*) FROM payment"));
    let never = "SELECT count(*) FROM rental WHERE return_date IS NULL AND rental_date <= REF - interval '5 years'";
    answer(
        answers,
        "order",
        "skip",
        "rental never returned (trigger NULL) though older than 5 years",
        case.number(never),
    );
}

/// What moves when members leave.
fn answers_of_leaving(case: &Case, answers: &mut BTreeMap<Line, u64>) {
    let reference = format!("timestamptz '{} 00:00:00+09'", case.date);
    case.source.run(&SETTLE.replace("REF", &reference));
    let plan = case.world.plan(&case.now(), &[]);
    let (order, member) = (separation(&plan["items"], "rental"), separation(&plan["items"], "customer"));
    let due = |what: &str| answers[&("order".to_owned(), "due".to_owned(), what.to_owned())];
    let rentals = count(order, "rows") - due("rental");
    let payments = rows(order, "children", "payment") - due("payment (partitioned; FK only on 6 of its partitions)");
    answer(answers, "member", "hold", "rental of left members, not due", rentals);
    answer(answers, "member", "hold", "payment of those rentals", payments);
    answer(
        answers,
        "member",
        "parent-due",
        "address (customer points AT it, nobody else does)",
        rows(member, "children", "address"),
    );
    answer(
        answers,
        "member",
        "parent-keep",
        "address shared with someone who stays",
        rows(member, "shared", "address"),
    );
    assert_eq!(
        (count(member, "rows"), count(member, "waiting")),
        (answers[&("member".into(), "due".into(), "customer".into())], 0)
    );
}

#[test]
fn every_line_of_pagila_is_answered_at_both_dates() {
    let Some(folder) = folder("pagila") else { return };
    for date in DATES {
        let mut answers = BTreeMap::new();
        let (rules, deployment) = due_only();
        answers_of_due(&Case::new(&folder, date, &rules, &deployment), &mut answers);
        answers_of_leaving(&Case::new(&folder, date, RULES, DEPLOYMENT), &mut answers);
        assert_eq!(answers, expected(&folder, date), "{date}");
    }
}

const TABLES: [&str; 4] = ["rental", "payment", "customer", "address"];

fn counted(case: &Case) -> Vec<u64> {
    TABLES.iter().map(|table| case.number(&format!("SELECT count(*) FROM {table}"))).collect()
}

fn fingerprint(case: &Case, sql: &str) -> String {
    case.source.query(&format!("SELECT count(*), md5(string_agg(t::text, E'\\n' ORDER BY t::text)) FROM ({sql}) AS t"))
}

/// The tables of others are no business of ours.
const OTHERS: &str = "SELECT * FROM inventory";

#[test]
fn members_of_pagila_leave_return_and_are_destroyed() {
    let Some(folder) = folder("pagila") else { return };
    let case = Case::new(&folder, DATES[0], RULES, DEPLOYMENT);
    case.source.run(&SETTLE.replace("REF", "timestamptz '2026-11-01 00:00:00+09'"));
    // Somebody who left two days ago and regrets it.
    let who = case.source.query(
        "SELECT customer_id FROM customer AS c JOIN rental AS r USING (customer_id) WHERE withdrawn_at IS NULL \
         AND address_id IN (SELECT address_id FROM customer GROUP BY 1 HAVING count(*) = 1) \
         GROUP BY 1 HAVING bool_and(isfinite(return_date)) AND min(return_date) < '2021-10-01' \
         AND max(return_date) BETWEEN '2021-12-01' AND '2026-10-01' ORDER BY 1 LIMIT 1",
    );
    case.source.run(&format!("UPDATE customer SET withdrawn_at = '2026-10-30 12:00+09' WHERE customer_id = {who}"));
    let his = [
        format!("SELECT * FROM rental WHERE customer_id = {who} AND return_date > '2021-11-01 00:00+09'"),
        format!(
            "SELECT p.* FROM payment AS p JOIN rental AS r USING (rental_id) WHERE r.customer_id = {who} \
             AND return_date > '2021-11-01 00:00+09'"
        ),
        format!("SELECT a.* FROM address AS a JOIN customer USING (address_id) WHERE customer_id = {who}"),
        format!(
            "SELECT customer_id, first_name, last_name, email, address_id, create_date FROM customer WHERE customer_id = {who}"
        ),
    ];
    let before = counted(&case);
    let (his_before, others) = (his.clone().map(|sql| fingerprint(&case, &sql)), fingerprint(&case, OTHERS));
    let report = case.world.reviewed_run(&case.now());
    let (orders, members) = (separation(&report["separated"], "rental"), separation(&report["separated"], "customer"));
    let gone = [
        count(orders, "rows"),
        rows(orders, "children", "payment"),
        count(members, "rows"),
        rows(members, "children", "address"),
    ];
    assert_eq!((gone[2], gone[3]), (95, 94));
    let left: Vec<u64> = before.iter().zip(gone).map(|(before, gone)| before - gone).collect();
    assert_eq!(counted(&case), left);
    assert_eq!(fingerprint(&case, OTHERS), others);
    let dangling = "SELECT count(*) FROM payment LEFT JOIN rental USING (rental_id) WHERE rental.rental_id IS NULL";
    assert_eq!(case.number(dangling), 0);

    // What was due is destroyed when the cooling-off is over; the member's own
    // orders that are not yet due stay in the vault.
    let arguments = [
        "restore",
        "--subject",
        &who,
        "--by",
        "officer",
        "--reason",
        "he says that he did not leave",
        "--format",
        "json",
    ];
    let restored = case.world.at(&case.now(), &arguments).ends_with(0).json();
    assert_eq!(restored["restored"]["member"], 1, "{restored}");
    assert!(restored["due"].as_u64().unwrap() > 0, "what is due stays: {restored}");
    let his_now = his.clone().map(|sql| fingerprint(&case, &sql));
    assert_eq!(his_now, his_before);
    assert!(case.number(&format!("SELECT count(*) FROM rental WHERE customer_id = {who}")) > 0);
    assert_eq!(case.source.query(&format!("SELECT withdrawn_at IS NULL FROM customer WHERE customer_id = {who}")), "t");

    let in_vault = "SELECT coalesce(sum(records), 0) FROM retentiond.segment WHERE bucket_rule = ";
    let members_before = case.vault.number(&format!("{in_vault}'member'"));
    assert_eq!(members_before, 94);
    let later = "2026-11-03T00:00:00+09:00";
    let report = case.world.at(later, &["run", "--format", "json"]);
    let report = report.json();
    let destroyed: u64 = report["destroyed"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item["rule"] == "member")
        .map(|item| count(item, "rows"))
        .sum();
    assert_eq!(destroyed, 94, "{report}");
    assert_eq!(case.vault.number(&format!("{in_vault}'member'")), 0);
    let left_in_vault = case.vault.number(&format!("{in_vault}'order'"));
    let orders_destroyed: u64 = report["destroyed"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item["rule"] == "order")
        .map(|item| count(item, "rows"))
        .sum();
    assert!(orders_destroyed > 5000 && left_in_vault > 1000, "{orders_destroyed} {left_in_vault}");
    let verified = case.world.at(later, &["ledger", "verify", "--format", "json"]).ends_with(0).json();
    // Without a checkpoint that someone else keeps, nothing proves that all is there.
    assert_eq!((&verified["verdict"], &verified["problems"]), (&"undecided".into(), &Value::Array(Vec::new())));
}
