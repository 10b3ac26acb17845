//! The units that are shipped: systemd understands them, and their sandbox is as
//! tight as a client of a database allows.

use std::{path::Path, process::Command};

fn units() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let units = names.filter(|path| path.extension().is_some_and(|kind| kind == "service" || kind == "timer"));
    units.map(|path| path.display().to_string()).collect()
}

#[test]
fn systemd_has_nothing_to_say_about_the_units() {
    let units = units();
    assert!(units.len() >= 5, "{units:?}");
    let output = Command::new("systemd-analyze").arg("verify").args(&units).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // The program and its manual are installed by the package, not by this test.
    let absent = |line: &&str| {
        !line.contains("/usr/bin/retentiond is not executable") && !line.contains("Command 'man retentiond")
    };
    let said: Vec<&str> = said.lines().filter(absent).collect();
    assert!(said.is_empty(), "{}", said.join("\n"));
}

#[test]
fn every_service_is_exposed_by_one_point_at_most() {
    let services: Vec<String> = units().into_iter().filter(|unit| unit.ends_with(".service")).collect();
    for unit in &services {
        let mut command = Command::new("systemd-analyze");
        let output =
            command.args(["security", "--offline=true", "--threshold=10", "--no-pager"]).arg(unit).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("Overall exposure level"), "{unit}: {said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{unit} is exposed by more than 1.0:\n{said}");
    }
    assert!(services.len() >= 3, "{services:?}");
}

/// Ids of the messages in these sources.
fn message_ids(root: &Path) -> Vec<String> {
    let files = ["src/daemon/message.rs", "src/flow/message.rs"];
    let text: String = files.iter().map(|file| std::fs::read_to_string(root.join(file)).unwrap()).collect();
    let is_id = |text: &&str| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let ids: Vec<String> = text.split('"').filter(is_id).map(str::to_owned).collect();
    assert!(ids.len() >= 16, "{ids:?}");
    ids
}

#[test]
fn every_message_id_is_in_the_operators_document() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = std::fs::read_to_string(root.join("docs/OPERATIONS.md")).unwrap();
    for id in message_ids(root) {
        assert!(document.contains(&id), "{id} is not in docs/OPERATIONS.md");
    }
}

#[test]
fn the_journal_takes_the_catalogue_and_explains_every_message_with_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let host = tempfile::tempdir().unwrap();
    let folder = host.path().join("usr/lib/systemd/catalog");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(root.join("systemd/retentiond.catalog"), folder.join("retentiond.catalog")).unwrap();
    let journalctl = |arguments: &[&str]| {
        let output = Command::new("journalctl").arg("--root").arg(host.path()).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.is_empty(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    };
    journalctl(&["--update-catalog"]);
    let listed = journalctl(&["--list-catalog"]);
    let ids = message_ids(root);
    for id in &ids {
        assert!(listed.contains(id), "{id} is not explained:\n{listed}");
    }
    assert_eq!(listed.lines().count(), ids.len(), "each is of a message that there is:\n{listed}");
}
