//! Shops of which nobody chose the rows: what is counted is what moves, whatever
//! points at what, and all of it comes back.

use std::collections::{BTreeMap, BTreeSet};

use retentiond::domain::{
    deployment::{Dataset, Edge},
    record::Cell,
};

use super::{
    engine::Database,
    fixture::{Moved, child, dataset},
    steps::{census, errors, move_due, put_back},
};

const TABLES: [&str; 7] = ["addresses", "tags", "orders", "parts", "marks", "notes", "claims"];

const SCHEMA: &str = "CREATE TABLE addresses (id INTEGER PRIMARY KEY, word VARCHAR(9));
     CREATE TABLE tags (id INTEGER PRIMARY KEY, address_id INTEGER, FOREIGN KEY (address_id) REFERENCES addresses (id));
     CREATE TABLE orders (id INTEGER PRIMARY KEY, at DATETIME, ship_id INTEGER, bill_id INTEGER,
        FOREIGN KEY (ship_id) REFERENCES addresses (id), FOREIGN KEY (bill_id) REFERENCES addresses (id));
     CREATE TABLE parts (id INTEGER PRIMARY KEY, order_id INTEGER, from_id INTEGER,
        FOREIGN KEY (order_id) REFERENCES orders (id), FOREIGN KEY (from_id) REFERENCES addresses (id));
     CREATE TABLE marks (id INTEGER PRIMARY KEY, part_id INTEGER, order_id INTEGER,
        FOREIGN KEY (part_id) REFERENCES parts (id), FOREIGN KEY (order_id) REFERENCES orders (id));
     CREATE TABLE notes (id INTEGER PRIMARY KEY, order_id INTEGER, part_id INTEGER,
        FOREIGN KEY (order_id) REFERENCES orders (id), FOREIGN KEY (part_id) REFERENCES parts (id));
     CREATE TABLE claims (id INTEGER PRIMARY KEY, part_id INTEGER, FOREIGN KEY (part_id) REFERENCES parts (id))";

/// Numbers that look like chance and are always the same for a seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    /// The number of one of `rows` rows, or none.
    fn link(&mut self, rows: u64) -> String {
        match self.below(rows + 2) {
            row if row < rows => row.to_string(),
            _ => "NULL".to_owned(),
        }
    }

    fn rows(&mut self, table: &str, count: u64, row: impl Fn(&mut Self) -> String) -> String {
        let rows: Vec<String> = (0..count).map(|id| format!("({id}, {})", row(self))).collect();
        format!("INSERT INTO {table} VALUES {}", rows.join(", "))
    }
}

fn shop(seed: u64) -> String {
    let mut chance = Chance(seed);
    let ages =
        ["'2020-01-01 00:00:00'", "'2019-05-05 10:00:00'", "'2021-01-01 00:00:00'", "'2026-01-01 00:00:00'", "NULL"];
    let statements = [
        SCHEMA.to_owned(),
        chance.rows("addresses", 8, |_| "'x'".to_owned()),
        chance.rows("tags", 6, |chance| chance.link(8)),
        chance.rows("orders", 12, |chance| {
            let age = ages[usize::try_from(chance.below(5)).unwrap()];
            format!("{age}, {}, {}", chance.link(8), chance.link(8))
        }),
        chance.rows("parts", 12, |chance| format!("{}, {}", chance.link(12), chance.link(8))),
        chance.rows("marks", 10, |chance| format!("{}, {}", chance.link(12), chance.link(12))),
        chance.rows("notes", 10, |chance| format!("{}, {}", chance.link(12), chance.link(12))),
        chance.rows("claims", 2, |chance| chance.link(12)),
    ];
    statements.join("; ")
}

fn orders() -> Dataset {
    let mut orders = dataset("orders", &["id"]);
    orders.children = vec![
        child("parts", "orders", &[("order_id", "id")], Edge::Own),
        child("marks", "parts", &[("part_id", "id")], Edge::Own),
        child("notes", "orders", &[("order_id", "id")], Edge::Unlink),
        child("notes", "parts", &[("part_id", "id")], Edge::Unlink),
        child("claims", "parts", &[("part_id", "id")], Edge::Wait),
        child("addresses", "orders", &[("id", "ship_id")], Edge::Reference),
        child("addresses", "orders", &[("id", "bill_id")], Edge::Reference),
        child("addresses", "parts", &[("id", "from_id")], Edge::Reference),
        child("tags", "addresses", &[("address_id", "id")], Edge::Own),
    ];
    // A mark may also point at an order that its part does not belong to.
    orders.children.insert(2, child("marks", "orders", &[("order_id", "id")], Edge::Own));
    orders
}

/// Rows by table; what was only unlinked under its own heading.
fn by_table(moved: &Moved, unlinked: bool) -> BTreeMap<String, u64> {
    let mut rows = BTreeMap::new();
    for (heading, count) in moved.tables.iter().zip(moved.counts()).skip(1) {
        if heading.unlinked == unlinked {
            *rows.entry(heading.name.clone()).or_default() += count;
        }
    }
    rows
}

/// Links of moved rows to addresses that are still there, each once for its edge.
fn shared(moved: &Moved, left: &BTreeSet<String>) -> u64 {
    let mut links = BTreeSet::new();
    for row in moved.rows() {
        let name = moved.tables[row.table].name.as_str();
        let columns = &moved.tables[row.table].columns;
        for (column, cell) in columns.iter().zip(&row.cells) {
            let is_link =
                matches!((name, column.name.as_str()), ("orders", "ship_id" | "bill_id") | ("parts", "from_id"));
            let text = match cell {
                Cell::Integer(id) => id.to_string(),
                Cell::Text(id) => String::from_utf8(id.clone()).unwrap(),
                _ => continue,
            };
            if is_link && left.contains(&text) {
                links.insert((column.name.clone(), text));
            }
        }
    }
    links.len() as u64
}

pub async fn what_is_counted_moves_and_comes_back_whatever_points_at_what<D: Database>() {
    let (mut moved_rows, mut stayed) = (0, 0);
    for seed in 0..12 {
        let database = D::new(&shop(seed)).await;
        let orders = orders();
        assert_eq!(errors(&database, &orders).await, "", "{seed}");
        let before = database.dump(&TABLES).await;
        let counted = census(&database, &orders).await;
        // All at once: an order that waits for none of the others' rows.
        let moved = move_due(&database, &orders, 100).await;
        assert_eq!(moved.records.len() as u64, counted.rows, "{seed}");
        if counted.rows == 0 {
            continue;
        }
        let only_some = |rows: BTreeMap<String, u64>| {
            rows.into_iter().filter(|(_, rows)| *rows > 0).collect::<BTreeMap<String, u64>>()
        };
        assert_eq!(only_some(by_table(&moved, false)), only_some(counted.children), "{seed}");
        assert_eq!(only_some(by_table(&moved, true)), only_some(counted.unlinked), "{seed}");
        let left: BTreeSet<String> = database.ask("SELECT id FROM addresses").await.into_iter().collect();
        let still_shared: u64 = counted.shared.values().sum();
        assert_eq!(shared(&moved, &left), still_shared, "{seed}");
        put_back(&database, &orders, &moved.tables, moved.rows()).await;
        assert_eq!(database.dump(&TABLES).await, before, "{seed}");
        moved_rows += moved.rows().len();
        stayed += still_shared;
    }
    assert!(moved_rows > 80 && stayed > 5, "{moved_rows} rows moved, {stayed} were shared");
}
