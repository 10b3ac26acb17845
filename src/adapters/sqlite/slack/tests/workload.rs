//! Random work on a database, with `secure_delete` on and off. No value that is
//! gone from the tables may stand in the file while the search calls it clean.

use std::collections::BTreeMap;

use super::{Form, Shop, found};

/// Numbers that look random and are the same in every run (Knuth's MMIX).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Values in the tables, by key, and all that ever were.
#[derive(Default)]
struct Values {
    live: BTreeMap<u64, String>,
    dead: Vec<String>,
    made: u64,
}

impl Values {
    fn make(&mut self, chance: &mut Chance) -> String {
        self.made += 1;
        // Long enough at times for a chain of its own.
        let length = if chance.below(20) == 0 { 3000 } else { chance.below(60) };
        let length = usize::try_from(length).unwrap();
        format!("v{:07x}-{:04}{}", chance.below(1 << 28), self.made, ".".repeat(length))
    }
}

/// One statement for each table.
fn step(values: &mut Values, chance: &mut Chance) -> String {
    let known = values.live.keys().nth(usize::try_from(chance.below(values.live.len() as u64 + 1)).unwrap()).copied();
    match (chance.below(10), known) {
        (0..5, _) | (_, None) => {
            let (key, value) = (chance.below(1 << 20), values.make(chance));
            values.dead.extend(values.live.insert(key, value.clone()));
            format!(
                "INSERT OR REPLACE INTO plain VALUES ({key}, '{value}');
                 DELETE FROM keyed WHERE id = {key}; INSERT INTO keyed VALUES ('{value}', {key});"
            )
        }
        (5..7, Some(key)) => {
            let value = values.make(chance);
            values.dead.extend(values.live.insert(key, value.clone()));
            format!(
                "UPDATE plain SET value = '{value}' WHERE id = {key}; UPDATE keyed SET value = '{value}' WHERE id = {key};"
            )
        }
        (_, Some(key)) => {
            values.dead.extend(values.live.remove(&key));
            format!("DELETE FROM plain WHERE id = {key}; DELETE FROM keyed WHERE id = {key};")
        }
    }
}

#[tokio::test]
async fn no_value_that_is_gone_stands_in_a_file_that_is_called_clean() {
    let (mut with_residue, mut clean) = (0, 0);
    for seed in 0..48 {
        let chance = &mut Chance(seed);
        let page_bytes = [512, 1024, 4096][usize::try_from(chance.below(3)).unwrap()];
        let auto_vacuum = ["NONE", "FULL"][usize::try_from(chance.below(2)).unwrap()];
        let mut shop = Shop::open(Form { page_bytes, auto_vacuum, journal_mode: "WAL" }).await;
        shop.run(
            "CREATE TABLE plain (id INTEGER PRIMARY KEY, value TEXT); CREATE INDEX by_value ON plain (value);
             CREATE TABLE keyed (value TEXT PRIMARY KEY, id INTEGER) WITHOUT ROWID; CREATE INDEX by_id ON keyed (id);",
        )
        .await;
        let mut values = Values::default();
        for _ in 0..chance.below(8) + 2 {
            let secure = ["ON", "OFF", "FAST", "ON"][usize::try_from(chance.below(4)).unwrap()];
            let steps: String = (0..chance.below(120)).map(|_| step(&mut values, chance)).collect();
            shop.run(format!("PRAGMA secure_delete = {secure}; BEGIN; {steps} COMMIT")).await;
        }
        let end = ["", "REINDEX", "VACUUM", "DELETE FROM keyed; DELETE FROM plain"];
        shop.run(format!("PRAGMA secure_delete = ON; {}", end[usize::try_from(chance.below(4)).unwrap()])).await;
        let (slack, left) = (shop.slack().await, found(&shop.path(), &values.dead));
        assert!(left == 0 || slack.dirty_bytes() > 0, "seed {seed}: {left} values left, {slack:?}");
        with_residue += u32::from(left > 0);
        clean += u32::from(slack.dirty_bytes() == 0);
    }
    assert!(with_residue > 10 && clean > 5, "{with_residue} with residue, {clean} clean: this shows too little");
}
