//! The journal itself, in a mount namespace of its own: what an operator filters
//! by is there as fields.

use std::process::Command;

use serde_json::Value;

use super::daemon::{CYCLE_FINISHED, CYCLE_STARTED, EVERY_SECOND, world};
use super::world::LATER;

const SEPARATED: &str = "d429377cad5a4cf39932652f202fea93";
const DESTROYED: &str = "8b97c183443d4f37a7f8506a0f127de2";

/// As a unit's stderr, which is the journal's stream.
const SCRIPT: &str = r#"
set -eu
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal /run/log/journal
/lib/systemd/systemd-journald &
journald=$!
trap 'kill $journald' EXIT
until [ -S /run/systemd/journal/socket ]; do sleep 0.05; done
: >stream
JOURNAL_STREAM=$(stat -c %d:%i stream) "$program" --config retentiond.toml daemon --now "$now" 2>>stream &
daemon=$!
found() { journalctl --directory /run/log/journal --quiet --output json "$@"; }
until found MESSAGE_ID=718c9d3778f8469cb9dcb7e7b607203b | grep -q .; do kill -0 $daemon; sleep 0.05; done
kill -TERM $daemon
wait $daemon
until found MESSAGE_ID=711afdee6da9443d841415df85a60e6c | grep -q .; do sleep 0.05; done
found SYSLOG_IDENTIFIER=retentiond >journal.json
"#;

#[test]
fn the_journal_has_fields_and_message_ids_and_nothing_goes_to_the_stream() {
    let world = world(EVERY_SECOND);
    world.sql("INSERT INTO visits VALUES (2001, 1, 'agent', '2020-01-02 10:00:00'), (2002, 1, 'agent', '2020-01-03 10:00:00');");
    let mut script = Command::new("unshare");
    script.args(["--mount", "--map-root-user", "timeout", "60", "sh", "-c", SCRIPT]);
    script.env("program", env!("CARGO_BIN_EXE_retentiond")).env("now", LATER);
    let output = script.current_dir(world.path(".")).output().unwrap();
    let stream = std::fs::read_to_string(world.path("stream")).unwrap();
    assert!(output.status.success(), "{}{stream}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(stream, "");
    let journal = std::fs::read_to_string(world.path("journal.json")).unwrap();
    let entries: Vec<Value> = journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |id: &str| entries.iter().find(|entry| entry["MESSAGE_ID"] == id).unwrap_or_else(|| panic!("no {id}"));
    assert_eq!((&of(CYCLE_STARTED)["MESSAGE"], &of(CYCLE_STARTED)["PRIORITY"]), (&"cycle started".into(), &"5".into()));
    let finished = of(CYCLE_FINISHED);
    let separated: u64 = finished["SEPARATED"].as_str().unwrap().parse().unwrap();
    let destroyed: u64 = finished["DESTROYED"].as_str().unwrap().parse().unwrap();
    assert!(separated == 2 && destroyed > 0 && finished["RUN"].is_string(), "{finished}");
    // What the cycle says of each rule adds up to what it says of itself.
    let rows = |id: &str| -> u64 {
        let of_id = entries.iter().filter(|entry| entry["MESSAGE_ID"] == id);
        of_id.map(|entry| entry["ROWS"].as_str().unwrap().parse::<u64>().unwrap()).sum()
    };
    let total = |name: &str| -> u64 {
        let cycles = entries.iter().filter(|entry| entry["MESSAGE_ID"] == CYCLE_FINISHED);
        cycles.map(|entry| entry[name].as_str().unwrap().parse::<u64>().unwrap()).sum()
    };
    assert_eq!((rows(SEPARATED), rows(DESTROYED)), (total("SEPARATED"), total("DESTROYED")));
    assert!(entries.iter().all(|entry| entry["MESSAGE_ID"] != DESTROYED || entry["RULE"].is_string()));
}
