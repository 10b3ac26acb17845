//! The live shop: forty members, and for every kind of row some that move at
//! `world::NOW` and some that stay. Every text in it is told from every other.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

const SCHEMA: &str = "
PRAGMA journal_mode = WAL;
PRAGMA foreign_keys = ON;
CREATE TABLE members (
    id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT NOT NULL, photo BLOB, score REAL,
    withdrawn_at TIMESTAMP);
CREATE TABLE addresses (
    id INTEGER PRIMARY KEY, member_id INTEGER NOT NULL REFERENCES members (id), street TEXT NOT NULL);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, member_id INTEGER NOT NULL REFERENCES members (id), ordered_at TIMESTAMP NOT NULL,
    memo TEXT);
CREATE TABLE order_lines (
    id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL REFERENCES orders (id), product TEXT NOT NULL,
    quantity INTEGER NOT NULL);
CREATE TABLE payments (
    id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL REFERENCES orders (id), member_id INTEGER NOT NULL,
    card TEXT, paid_at TIMESTAMP NOT NULL);
CREATE TABLE visits (
    id INTEGER PRIMARY KEY, member_id INTEGER NOT NULL, agent TEXT NOT NULL, visited_at TIMESTAMP NOT NULL);
CREATE INDEX members_withdrawn_at ON members (withdrawn_at);
CREATE INDEX addresses_member_id ON addresses (member_id);
CREATE INDEX orders_member_id ON orders (member_id);
CREATE INDEX orders_ordered_at ON orders (ordered_at);
CREATE INDEX order_lines_order_id ON order_lines (order_id);
CREATE INDEX payments_order_id ON payments (order_id);
CREATE INDEX payments_member_id ON payments (member_id);
CREATE INDEX payments_paid_at ON payments (paid_at);
CREATE INDEX visits_member_id ON visits (member_id);
CREATE INDEX visits_visited_at ON visits (visited_at);
";

pub const MEMBERS: u32 = 40;
/// Visits in all, and those whose three years are over.
pub const VISITS: u32 = 60;
pub const VISITS_DUE: u32 = 12;

/// When a member left, if so.
pub const fn withdrawn_at(member: u32) -> Option<&'static str> {
    match member {
        1..=4 => Some("2026-11-20 10:00:00"),
        // Due on the 16th and overdue from the 21st on.
        5..=6 => Some("2026-11-10 23:59:59"),
        _ => None,
    }
}

/// Members that have an order of 2018 beside the one of 2025.
pub const fn has_old_order(member: u32) -> bool {
    matches!(member, 2 | 7..=10)
}

/// Orders of a member with their dates.
pub fn orders(member: u32) -> Vec<(u32, String)> {
    let day = member % 28 + 1;
    let mut orders = vec![(member * 10 + 1, format!("2025-03-{day:02} 09:30:00"))];
    if has_old_order(member) {
        orders.push((member * 10 + 2, format!("2018-05-{day:02} 18:00:00")));
    }
    orders
}

pub fn visited_at(visit: u32) -> String {
    let (year, day) = (if visit <= VISITS_DUE { 2022 } else { 2026 }, visit % 28 + 1);
    format!("{year}-06-{day:02} 12:00:00")
}

/// The script that makes the shop.
pub fn script() -> String {
    let mut script = format!("{SCHEMA}BEGIN;\n");
    for member in 1..=MEMBERS {
        let left = withdrawn_at(member).map_or("NULL".to_owned(), |at| format!("'{at}'"));
        let values = format!(
            "{member}, '{}', '{}', x'00ff{member:04x}', {member}.5, {left}",
            text("email", member),
            text("홍길동", member)
        );
        writeln!(script, "INSERT INTO members VALUES ({values});").unwrap();
        for address in [member * 10 + 1, member * 10 + 2] {
            let street = text("street", address);
            writeln!(script, "INSERT INTO addresses VALUES ({address}, {member}, '{street}');").unwrap();
        }
        for (order, ordered_at) in orders(member) {
            script.push_str(&order_script(member, order, &ordered_at));
        }
    }
    for visit in 1..=VISITS {
        let (member, agent, at) = (visit % MEMBERS + 1, text("agent", visit), visited_at(visit));
        writeln!(script, "INSERT INTO visits VALUES ({visit}, {member}, '{agent}', '{at}');").unwrap();
    }
    script + "COMMIT;\n"
}

fn order_script(member: u32, order: u32, at: &str) -> String {
    let mut script = String::new();
    let memo = text("memo", order);
    writeln!(script, "INSERT INTO orders VALUES ({order}, {member}, '{at}', '{memo}');").unwrap();
    for line in [order * 10 + 1, order * 10 + 2] {
        let product = text("product", line);
        writeln!(script, "INSERT INTO order_lines VALUES ({line}, {order}, '{product}', 1);").unwrap();
    }
    let (payment, card) = (order * 10 + 1, text("card", order * 10 + 1));
    writeln!(script, "INSERT INTO payments VALUES ({payment}, {order}, {member}, '{card}', '{at}');").unwrap();
    script
}

/// A text that stands in one column of one row and nowhere else.
pub fn text(column: &str, id: u32) -> String {
    format!("{column}/{id:05}/canary")
}

/// Rows of the shop as the dump writes them, by table and id.
#[derive(Clone, PartialEq, Eq)]
pub struct Rows(pub BTreeMap<(String, u32), String>);

/// How many, and the beginning: all of them would tell nobody anything.
impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows, such as ", self.0.len())?;
        f.debug_list().entries(self.0.values().take(5)).finish()
    }
}

impl Rows {
    pub fn of_dump(dump: &str) -> Self {
        let rows = dump.lines().filter_map(|line| {
            let (table, values) = line.strip_prefix("INSERT INTO ")?.split_once(" VALUES(")?;
            let id = values.split([',', ')']).next()?.parse().ok()?;
            Some(((table.to_owned(), id), line.to_owned()))
        });
        Self(rows.collect())
    }

    /// The rows that the policy moves at `world::NOW`, and those that it does not.
    pub fn parted(&self) -> (Self, Self) {
        let (go, stay) = self.0.clone().into_iter().partition(|((table, id), _)| moves(table, *id));
        (Self(go), Self(stay))
    }

    /// The rows of these members and what hangs on them, visits apart.
    pub fn of_member(&self, member: u32) -> Self {
        let rows = self.0.clone().into_iter();
        Self(rows.filter(|((table, id), _)| table != "visits" && member_of(table, *id) == member).collect())
    }

    pub fn count(&self, table: &str) -> usize {
        self.0.keys().filter(|(of, _)| of == table).count()
    }

    /// The distinctive texts of these rows.
    pub fn texts(&self) -> Vec<String> {
        let lines = self.0.values();
        lines.flat_map(|line| line.split('\'').filter(|part| part.ends_with("/canary")).map(str::to_owned)).collect()
    }
}

/// Ids are made so that a row tells whose it is.
fn member_of(table: &str, id: u32) -> u32 {
    match table {
        "members" => id,
        "addresses" | "orders" => id / 10,
        "order_lines" | "payments" => id / 100,
        "visits" => id % MEMBERS + 1,
        other => panic!("a table nobody made: {other}"),
    }
}

fn moves(table: &str, id: u32) -> bool {
    let member = member_of(table, id);
    let left = withdrawn_at(member).is_some();
    let old = |order: u32| order % 10 == 2;
    match table {
        "members" | "addresses" => left,
        "orders" => left || old(id),
        "order_lines" | "payments" => left || old(id / 10),
        "visits" => id <= VISITS_DUE,
        other => panic!("a table nobody made: {other}"),
    }
}
