//! The signing key hands over to the next one: who trusts either can verify all
//! of it, and no crash leaves a ledger that nobody can continue.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ed25519_dalek::SigningKey;
use retentiond::{
    adapters::ledger::{FileLedger, founding_key, handover_checkpoints, open_read_only, root_at, signing_key, verify},
    domain::ledger::{
        checkpoint::Checkpoint,
        keys::KeyError,
        note::{Note, VerifierKey},
        verify::{Verdict, Verification},
    },
    ports::{Ledger, LedgerError},
};

use crate::fixture::*;

fn secret(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

fn public(number: u8) -> VerifierKey {
    VerifierKey::new(ORIGIN, secret(number).verifying_key()).unwrap()
}

fn open_with(dir: &Path, number: u8) -> Result<FileLedger<Ticking>, LedgerError> {
    FileLedger::open(dir, ORIGIN, secret(number), context(), Ticking::default())
}

fn verify_with(dir: &Path, number: u8) -> Verification {
    verify(dir, &[], None, Some(&public(number).to_string())).unwrap()
}

/// Six entries: key 5 hands over to key 6 in entry 3, which goes on.
fn rotated() -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("ledger");
    let mut ledger = create(&dir);
    ledger.append(notes(1)).unwrap();
    assert_eq!(ledger.rekey(secret(6), "officer").unwrap().size, 4);
    ledger.append(notes(1)).unwrap();
    ledger.append(notes(1)).unwrap();
    (parent, dir)
}

/// Puts a kept checkpoint under other signatures.
fn sign_again(dir: &Path, name: &str, keys: &[u8]) {
    let path = dir.join(name);
    let bytes = fs::read(&path).unwrap();
    let text = Note::parse(&bytes).unwrap().unverified_text().to_owned();
    let secrets: Vec<_> = keys.iter().map(|number| secret(*number)).collect();
    let signed = Checkpoint::parse(&text).unwrap().sign_all(&secrets.iter().collect::<Vec<_>>()).unwrap();
    put(&path, signed.as_bytes());
}

#[test]
fn whoever_holds_any_key_of_the_chain_can_verify_all_of_it() {
    let (_parent, dir) = rotated();
    open_with(&dir, 6).unwrap().rekey(secret(7), "officer").unwrap();
    open_with(&dir, 7).unwrap().append(notes(1)).unwrap();
    assert_eq!(fs::read_to_string(dir.join("ledger.vkey")).unwrap(), format!("{}\n", public(7)));
    for number in [5, 6, 7] {
        let found = verify_with(&dir, number);
        assert_eq!((found.verdict, found.problems), (Verdict::Undecided, vec![]), "{number}");
        let handovers: Vec<_> = found.handovers.iter().map(|handover| (handover.seq, handover.next.clone())).collect();
        assert_eq!(handovers, [(3, public(6)), (6, public(7))]);
    }
    let stranger = verify_with(&dir, 8);
    assert_eq!(stranger.verdict, Verdict::Tampered);
    assert!(stranger.problems[0].contains("not the key that was given"), "{:?}", stranger.problems);

    let view = open_read_only(&dir, |_| {}).unwrap();
    assert_eq!((view.keys.first(), view.keys.current()), (&public(5), &public(7)));
    assert_eq!(founding_key(&dir).unwrap(), public(5).to_string());
    for size in [2, 3, 4, 5, 6, 7, 8] {
        assert!(root_at(&dir, &view.keys, size).unwrap().is_some(), "{size}");
    }
    assert_eq!(handover_checkpoints(&dir, &view.keys).unwrap().len(), 2);
    for number in [5, 6, 8] {
        assert!(is_unknown(&open_with(&dir, number)), "{number}");
    }
}

#[test]
fn the_checkpoint_of_a_handover_bears_both_signatures_and_no_other_one_does() {
    let (_parent, dir) = rotated();
    for (size, signers) in [(2, [true, false]), (3, [true, false]), (4, [true, true]), (5, [false, true])] {
        let bytes = fs::read(dir.join(format!("checkpoints/{size}"))).unwrap();
        let note = Note::parse(&bytes).unwrap();
        assert_eq!([5, 6].map(|number| note.verified(&public(number)).is_ok()), signers, "{size}");
    }
    let before = files(&dir);
    for (name, keys) in [
        ("checkpoints/4", &[5][..]),
        ("checkpoints/4", &[6]),
        ("checkpoints/4", &[6, 7]),
        ("checkpoints/5", &[5]),
        ("checkpoints/5", &[5, 6]),
        ("checkpoints/3", &[6]),
        ("checkpoints/3", &[5, 6]),
        ("checkpoint", &[5]),
        ("checkpoint", &[5, 6]),
    ] {
        sign_again(&dir, name, keys);
        for number in [5, 6] {
            let found = verify_with(&dir, number);
            assert_eq!(found.verdict, Verdict::Tampered, "{name} by {keys:?}");
            assert!(found.problems.iter().all(|text| text.starts_with(name)), "{:?}", found.problems);
        }
        restore(&dir, &before);
    }
    // Without it nobody can tell that the old key agreed.
    fs::remove_file(dir.join("checkpoints/4")).unwrap();
    assert_eq!(verdict(&dir), Verdict::Tampered);
    let keys = open_read_only(&dir, |_| {}).unwrap().keys;
    assert!(handover_checkpoints(&dir, &keys).is_err());
}

#[test]
fn a_handover_is_made_by_both_keys_or_not_at_all() {
    let (_parent, dir) = small();
    let before = files(&dir);
    let mut ledger = open(&dir).unwrap();
    let alone = retentiond::domain::ledger::event::Event::LedgerRekeyed {
        by: "b".into(),
        previous: public(5).to_string(),
        next: public(6).to_string(),
    };
    assert!(matches!(ledger.append(vec![alone]), Err(LedgerError::Write { .. })));
    // To itself is no handover.
    assert!(matches!(ledger.rekey(secret(5), "officer"), Err(LedgerError::Write { .. })));
    assert_eq!(files(&dir), before);
    ledger.rekey(secret(6), "officer").unwrap();
    assert!(ledger.rekey(secret(5), "officer").is_err(), "a key that has signed before");
    ledger.append(notes(1)).unwrap();
    assert_eq!(problems(&dir), Vec::<String>::new());
    let used = KeyError::Used { next: public(5).to_string() };
    assert!(used.to_string().contains("signed before"));
}

#[test]
fn flipping_any_byte_of_a_ledger_with_a_handover_is_found() {
    let (_parent, dir) = rotated();
    for (path, bytes) in files(&dir) {
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            put(&path, &changed);
            assert_eq!(verdict(&dir), Verdict::Tampered, "{} byte {at}", path.display());
        }
        put(&path, &bytes);
    }
    assert_eq!(verdict(&dir), Verdict::Undecided);
}

#[test]
fn a_checkpoint_from_elsewhere_is_checked_with_the_key_of_its_size() {
    let (parent, dir) = rotated();
    let kept = parent.path().join("kept");
    for size in [2, 3, 4, 5, 6] {
        fs::copy(dir.join(format!("checkpoints/{size}")), &kept).unwrap();
        assert_eq!(known(&dir, &kept), (Verdict::Intact, vec![]), "{size}");
    }
    // What somebody signs with the old key after its handover is no checkpoint.
    sign_again(&dir, "checkpoints/5", &[5]);
    fs::copy(dir.join("checkpoints/5"), &kept).unwrap();
    sign_again(&dir, "checkpoints/5", &[6]);
    assert_eq!(known(&dir, &kept).0, Verdict::Tampered);
}

/// Every state that a crash of a rotation can leave: its writes in their order,
/// each done or not.
#[test]
fn an_interrupted_rotation_is_settled_by_the_next_start_whatever_was_written() {
    let parent = tempfile::tempdir().unwrap();
    let (state, dir) = (parent.path().join("state"), parent.path().join("state/ledger"));
    let (old, new) = (state.join("ledger.key"), state.join("ledger.key.next"));
    fs::create_dir(&state).unwrap();
    let secret_file = |path: &Path, bytes: &[u8]| {
        use std::os::unix::fs::PermissionsExt as _;
        put(path, bytes);
        fs::set_permissions(path, fs::Permissions::from_mode(0o400)).unwrap();
    };
    create(&dir).append(notes(1)).unwrap();
    secret_file(&old, &[5; 32]);
    let before = files(&state);
    open(&dir).unwrap().rekey(secret(6), "officer").unwrap();
    let after = files(&state);
    let order = |path: &Path| {
        let name = path.strip_prefix(&dir).unwrap();
        let steps = ["ledger.jsonl", "tile", "checkpoint", "checkpoints", "ledger.vkey"];
        steps.iter().position(|step| name.starts_with(step))
    };
    let mut steps: Vec<_> = after.iter().filter(|(path, bytes)| before.get(*path) != Some(bytes)).collect();
    steps.sort_by_key(|(path, _)| order(path));
    let signing = steps.iter().position(|(path, _)| path.ends_with("checkpoint")).unwrap();
    assert!(steps.last().unwrap().0.ends_with("ledger.vkey"));
    // The last two: the old secret overwritten, the new one in its place.
    for done in 0..=steps.len() + 2 {
        restore(&state, &before);
        steps.iter().take(done).for_each(|(path, bytes)| put(path, bytes));
        secret_file(&old, if done > steps.len() { &[99; 32] } else { &[5; 32] });
        secret_file(&new, &[6; 32]);
        if done == steps.len() + 2 {
            fs::rename(&new, &old).unwrap();
        }
        let current = if done > signing { 6 } else { 5 };
        assert_eq!(open_read_only(&dir, |_| {}).unwrap().keys.current(), &public(current), "{done} steps");
        let held = signing_key::load_held(&old).unwrap();
        let mut ledger = FileLedger::open(&dir, ORIGIN, held, context(), Ticking::default()).unwrap();
        signing_key::settle(&old, ledger.keys().current()).unwrap();
        assert_eq!(fs::read(&old).unwrap(), [current; 32], "{done} steps");
        assert!(!new.exists(), "{done} steps");
        assert_eq!(problems(&dir), Vec::<String>::new(), "{done} steps");
        ledger.append(notes(1)).unwrap();
        assert_eq!(verify_with(&dir, 5).problems, Vec::<String>::new(), "{done} steps");
    }
}
