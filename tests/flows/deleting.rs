//! Every path of the flows that deletes something, by name: each asks for holds,
//! or what it deletes is elsewhere. A new one has to be added here, with a reason
//! and a test of its own.

use std::{fs, path::Path};

/// Calls of ports that delete.
const DELETING: [&str; 8] = [
    "source.take(",
    ".finish_removal(",
    "source.take_on(",
    "keyring.destroy(",
    "vault.drop_batch(",
    "vault.replace(",
    "vault.erase(",
    "source.wipe(",
];

/// File, call, why no hold is broken, and the text next to it by which that is so.
const PATHS: [(&str, &str, &str, &str); 12] = [
    (
        "transaction.rs",
        "source.take(",
        "frozen rows are not selected, and a batch that has one is undone",
        "let held = job.held(custody)?;",
    ),
    (
        "transaction.rs",
        "source.take_on(",
        "the register is read anew for each batch of a transaction",
        "// A hold that was placed since the last batch",
    ),
    ("transaction.rs", "vault.drop_batch(", "the source has undone the deletion and has the rows", "roll_back(source"),
    ("recover.rs", "vault.drop_batch(", "the rows were found in the source, the same", "Presence::Same => {"),
    (
        "recover.rs",
        ".finish_removal(",
        "half of the batch is deleted, the vault's copy of all of it was compared, and holds cover it there",
        "SealReceipt::compare(intent.batch",
    ),
    (
        "destroy.rs",
        "keyring.destroy(",
        "the register is read once more just before",
        "still_free(custody, intent, &order)",
    ),
    ("destroy.rs", "vault.erase(", "the keys are gone by an order that needed a clearance", "(&holds, &clearance)"),
    ("hold.rs", "vault.replace(", "what leaves a segment is put into another in the same transaction", "chain([held])"),
    ("restore.rs", "vault.replace(", "the source has taken the records back", "put_back("),
    (
        "old_copy.rs",
        "vault.replace(",
        "it came back with an older copy, and no key opens what is removed: nothing is left to hold",
        "opens_with_any_key(",
    ),
    ("wipe.rs", "source.wipe(", "it erases what rows left behind that the vault has", "Touched"),
    // The order of a resumed destruction is issued anew, with holds.
    (
        "recover.rs",
        "Order::issue(",
        "an interrupted destruction gives way while its keys are there",
        "searched(custody, &ids)",
    ),
];

fn files(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn every_path_that_deletes_is_known_and_consults_holds_or_needs_not() {
    let mut found = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/flow"), &mut found);
    let mut calls = 0;
    for (file, text) in &found {
        for call in DELETING {
            let times = text.matches(call).count();
            let known = PATHS.iter().filter(|(name, named, ..)| name == file && *named == call).count();
            assert_eq!(times, known, "{call} in src/flow/{file}: say in PATHS why it breaks no hold");
            calls += times;
        }
    }
    assert_eq!(calls, PATHS.len() - 1, "every entry but the order's is a call");
    for (file, call, why, by) in PATHS {
        let (_, text) = found.iter().find(|(name, _)| name == file).unwrap();
        assert!(text.contains(call) && text.contains(by), "src/flow/{file}: {call} no longer has {by:?}: {why}");
    }
}

#[test]
fn no_order_is_issued_without_holds_and_a_search() {
    let mut found = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/flow"), &mut found);
    for (file, text) in found {
        let issued = text.matches("Order::issue(").count();
        assert_eq!(text.matches("(&holds, &clearance)").count(), issued, "{file}");
    }
}
