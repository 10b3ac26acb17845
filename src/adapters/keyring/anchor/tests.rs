//! Roots come and go for good, and only their owner sees them.

use super::*;
use crate::domain::verdict::Verdict;

fn anchor() -> (tempfile::TempDir, FileAnchor) {
    let dir = tempfile::tempdir().unwrap();
    let anchor = FileAnchor::create(&dir.path().join("anchor")).unwrap();
    (dir, anchor)
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_root_is_private_and_loads_again() {
    let (_dir, anchor) = anchor();
    let root = Secret::random().unwrap();
    anchor.install(3, &root).unwrap();
    assert_eq!(anchor.load(3).unwrap(), root);
    assert_eq!(anchor.epochs().unwrap(), BTreeSet::from([3]));
    assert_eq!(mode_of(&anchor.path(3)), 0o400);
    assert_eq!(mode_of(&anchor.dir), 0o700);
    assert!(!anchor.leftover(3).exists());
}

#[test]
fn an_installed_root_is_never_replaced() {
    let (_dir, anchor) = anchor();
    let root = Secret::random().unwrap();
    anchor.install(1, &root).unwrap();
    assert!(matches!(anchor.install(1, &Secret::random().unwrap()), Err(AnchorError::Installed(1))));
    assert_eq!(anchor.load(1).unwrap(), root);
    fs::write(anchor.leftover(1), [5; 32]).unwrap();
    assert!(rename_to_new(&anchor.leftover(1), &anchor.path(1)).is_err());
    assert_eq!(anchor.load(1).unwrap(), root);
}

#[test]
fn a_destroyed_root_is_overwritten_and_gone() {
    let (dir, anchor) = anchor();
    let root = Secret::random().unwrap();
    anchor.install(1, &root).unwrap();
    let link = dir.path().join("link");
    fs::hard_link(anchor.path(1), &link).unwrap();
    let overwritten = overwrite(&anchor.path(1)).unwrap();
    // Seen through the other name, before a hole hides what lies there.
    let left = fs::read(&link).unwrap();
    let shared = |left: &[u8]| left.iter().zip(root.expose()).filter(|(left, old)| left == old).count();
    assert!(left.len() == SECRET_BYTES && shared(&left) < 8, "old bytes are still there");
    assert!(left.iter().filter(|byte| **byte == 0).count() < 8, "{left:?} is not random");
    remove(overwritten).unwrap();
    assert!(shared(&fs::read(&link).unwrap()) < 8);
    assert!(anchor.epochs().unwrap().is_empty());
}

#[test]
fn destruction_may_be_repeated_from_every_point_of_a_crash() {
    let (_dir, anchor) = anchor();
    let path = anchor.path(1);
    // Half overwritten and still read-only, cut, emptied, made writable.
    for (contents, mode) in [(&[9; 32][..], 0o400), (&[9; 5], 0o400), (&[], 0o600), (&[0; 4096], 0o600)] {
        fs::write(&path, contents).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        anchor.destroy(1).unwrap();
        assert!(!path.exists());
    }
    let finding = anchor.destroy(1).unwrap();
    assert_eq!(finding.verdict, Verdict::Unknown);
    assert!(finding.reasons.iter().any(|reason| reason.contains("already gone")), "{finding:?}");
}

#[test]
fn the_verdict_of_a_destruction_is_that_of_the_medium() {
    let (_dir, anchor) = anchor();
    anchor.install(1, &Secret::random().unwrap()).unwrap();
    let medium = medium::judge(&Facts::of(&anchor.path(1)).unwrap());
    assert_eq!(anchor.destroy(1).unwrap(), medium);
}

#[test]
fn what_is_no_root_is_neither_loaded_nor_erased() {
    let (dir, anchor) = anchor();
    let bystander = dir.path().join("bystander");
    fs::write(&bystander, [7; 32]).unwrap();
    std::os::unix::fs::symlink(&bystander, anchor.path(1)).unwrap();
    assert!(anchor.load(1).is_err());
    assert!(matches!(anchor.destroy(1), Err(AnchorError::NotARoot(_))));
    assert_eq!(fs::read(&bystander).unwrap(), [7; 32]);
    fs::write(anchor.path(2), [7; 31]).unwrap();
    assert!(matches!(anchor.load(2), Err(AnchorError::Damaged(2))));
    fs::write(anchor.path(3), [7; 5_000]).unwrap();
    assert!(matches!(anchor.load(3), Err(AnchorError::Damaged(3))));
    assert!(matches!(anchor.destroy(3), Err(AnchorError::NotARoot(_))));
}

#[test]
fn a_withdrawn_or_half_installed_root_is_erased_and_installed_ones_stay() {
    let (dir, anchor) = anchor();
    let root = Secret::random().unwrap();
    anchor.install(1, &root).unwrap();
    anchor.install(2, &Secret::random().unwrap()).unwrap();
    let link = dir.path().join("link");
    fs::hard_link(anchor.path(2), &link).unwrap();
    let before = fs::read(&link).unwrap();
    anchor.withdraw(2).unwrap();
    assert_ne!(fs::read(&link).unwrap(), before);
    anchor.withdraw(2).unwrap();

    fs::write(anchor.leftover(3), [7; 32]).unwrap();
    let link = dir.path().join("leftover");
    fs::hard_link(anchor.leftover(3), &link).unwrap();
    anchor.clear_leftovers().unwrap();
    assert_ne!(fs::read(&link).unwrap(), [7; 32]);
    assert_eq!(anchor.names().unwrap(), ["root.1"]);
    assert_eq!(anchor.load(1).unwrap(), root);
}

#[test]
fn a_folder_that_others_may_enter_is_refused() {
    let (_dir, anchor) = anchor();
    FileAnchor::open(&anchor.dir).unwrap();
    for mode in [0o750, 0o701, 0o755] {
        fs::set_permissions(&anchor.dir, Permissions::from_mode(mode)).unwrap();
        assert!(matches!(FileAnchor::open(&anchor.dir), Err(AnchorError::Exposed(_))), "{mode:o}");
    }
}
