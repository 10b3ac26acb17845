//! A disk that is full while records are sealed: a small file system of its own
//! lies over the vault's folder, in a mount namespace that ends with the test.

use std::{fs, process::Command};

use super::{
    shop::Rows,
    world::{DEPLOYMENT, NOW, RULES, World, succeeds},
};

/// Visits that are due, each with four hundred random bytes.
const VISITS: u32 = 3_000;

const SCRIPT: &str = "
    set -eu
    retentiond() { \"$program\" --config retentiond.toml --now \"$now\" \"$@\"; }
    mount -t tmpfs -o size=700k,mode=700 tmpfs vault
    retentiond init --simulation
    retentiond plan --out plan.json
    code=0
    retentiond run --plan plan.json --by officer --format json >full.json 2>full.err || code=$?
    echo $code >full.code
    sqlite3 -readonly shop/shop.db .dump >full.dump
    retentiond status --format json >full.status
    mount -o remount,size=64m,mode=700 vault
    # A reviewed cycle that did not come to its end has to be reviewed again.
    if [ $code -eq 70 ]; then
        retentiond plan --out again.json
        set -- --plan again.json --by officer
    fi
    code=0
    retentiond run \"$@\" --format json >room.json 2>room.err || code=$?
    echo $code >room.code
    retentiond status --format json >room.status
    retentiond ledger verify >room.verify
";

struct Ended {
    world: World,
    before: Rows,
}

impl Ended {
    /// Fills the vault's disk with a cycle that does not fit, and then gives it room.
    fn with_batches_of(rows: u32) -> Self {
        let deployment = DEPLOYMENT.replace("[guards]", &format!("[limits]\nbatch_rows = {rows}\n\n[guards]"));
        let world = World::with(&deployment, RULES);
        world.sql(&format!(
            "DELETE FROM visits;
             UPDATE members SET withdrawn_at = NULL;
             UPDATE orders SET ordered_at = '2025-01-01 00:00:00';
             UPDATE payments SET paid_at = '2025-01-01 00:00:00';
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {VISITS})
             INSERT INTO visits SELECT i, 1, hex(randomblob(400)), '2022-01-01 00:00:00' FROM n;"
        ));
        let before = world.rows();
        assert_eq!(before.count("visits"), VISITS as usize);
        let program = env!("CARGO_BIN_EXE_retentiond");
        let mut script = Command::new("unshare");
        script.args(["--mount", "--map-root-user", "sh", "-c", SCRIPT]).current_dir(world.path("."));
        succeeds(script.env("program", program).env("now", NOW).env("NO_COLOR", "1"));
        Self { world, before }
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.world.path(name)).unwrap()
    }

    fn json(&self, name: &str) -> serde_json::Value {
        serde_json::from_str(&self.text(name)).unwrap()
    }

    fn in_vault(&self, status: &str) -> u64 {
        let status = self.json(status);
        status["vault"].as_array().unwrap().iter().map(|rule| rule["records"].as_u64().unwrap()).sum()
    }

    #[track_caller]
    fn failed_cleanly(&self) {
        assert_eq!(self.text("full.code"), "1\n", "{}{}", self.text("full.json"), self.text("full.err"));
        let report = self.json("full.json");
        assert_eq!((&report["failed"][0]["rule"], &report["verdict"]), (&"visit-log".into(), &"FAIL".into()));
        assert_eq!(self.json("full.status")["open"], nothing_open());
        self.moves_once_there_is_room();
    }

    #[track_caller]
    fn moves_once_there_is_room(&self) {
        assert_eq!(self.text("room.code"), "0\n", "{}{}", self.text("room.json"), self.text("room.err"));
        assert_eq!(self.json("room.status")["open"], nothing_open());
        assert_eq!(self.in_vault("room.status"), u64::from(VISITS));
        let mut expected = self.before.clone();
        expected.0.retain(|(table, _), _| table != "visits");
        assert_eq!(self.world.rows(), expected);
    }
}

fn nothing_open() -> serde_json::Value {
    serde_json::json!({"separations":0,"restorations":0,"destructions":0,"wipes":0})
}

#[test]
fn where_the_vault_has_no_room_the_source_keeps_every_row_and_the_next_run_moves_them() {
    let ended = Ended::with_batches_of(5_000);
    assert_eq!(Rows::of_dump(&ended.text("full.dump")), ended.before);
    assert_eq!(ended.in_vault("full.status"), 0);
    ended.failed_cleanly();
}

#[test]
fn where_the_room_ends_between_two_batches_no_row_is_lost_and_the_next_run_moves_them() {
    let ended = Ended::with_batches_of(200);
    let left = Rows::of_dump(&ended.text("full.dump"));
    let stored = ended.in_vault("full.status");
    assert!(stored > 0 && stored < u64::from(VISITS), "{stored}");
    assert!(left.count("visits") as u64 + stored >= u64::from(VISITS));
    assert!(left.0.iter().all(|(key, row)| ended.before.0.get(key) == Some(row)));
    // A disk without any room cannot drop what it has of the transaction either: its
    // intents stay open, and everything stops until recovery has dropped it.
    assert_eq!(ended.text("full.code"), "70\n", "{}", ended.text("full.err"));
    let said = ended.text("full.err");
    assert!(said.contains("the source kept its rows") && said.contains("recovery drops it"), "{said}");
    assert_ne!(ended.json("full.status")["open"], nothing_open());
    ended.moves_once_there_is_room();
}
