//! Somebody else's tools read what the program writes: Go's checksum database
//! libraries, Python's `cryptography`, and OpenSSL. They are what `docs/AUDIT.md`
//! gives to an auditor.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use retentiond::adapters::keyring::{data_key::DataKey, secret::Secret};
use tempfile::TempDir;

use crate::shop::demonstration;

fn tool(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools").join(name)
}

/// Runs a command; what it printed, as an error where it failed.
fn run(command: &mut Command) -> Result<Vec<u8>, String> {
    let ended = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; tests/run installs it"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if ended.status.success() { Ok(ended.stdout) } else { Err(text(&ended.stdout) + &text(&ended.stderr)) }
}

/// The Go program, built once.
pub fn audit(ledger: &Path, key: &Path, kept: &[&Path]) -> Result<String, String> {
    static BUILT: OnceLock<TempDir> = OnceLock::new();
    let dir = BUILT.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let mut build = Command::new("go");
        build.env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode").env("GOFLAGS", "");
        build.env("GOCACHE", dir.path().join("cache")).env("CGO_ENABLED", "0");
        build.arg("build").arg("-o").arg(dir.path().join("audit")).arg(tool("audit.go"));
        run(&mut build).unwrap();
        dir
    });
    let said = run(Command::new(dir.path().join("audit")).arg(ledger).arg(key).args(kept))?;
    Ok(String::from_utf8(said).unwrap())
}

pub fn check_signature(checkpoint: &Path, key: &Path) -> Result<Vec<u8>, String> {
    run(Command::new("sh").arg(tool("check_signature.sh")).arg(checkpoint).arg(key))
}

/// A copy of the demonstration's ledger to change.
fn copy() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let ledger = dir.path().join("ledger");
    run(Command::new("cp").arg("-a").arg(demonstration().join("state/ledger")).arg(&ledger)).unwrap();
    (dir, ledger)
}

fn put(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn go_verifies_signature_root_inclusion_and_consistency_of_a_real_ledger() {
    let ledger = demonstration().join("state/ledger");
    let kept = demonstration().join("copies-before-destruction/checkpoint");
    let said = audit(&ledger, &ledger.join("ledger.vkey"), &[&kept]).unwrap();
    let lines = fs::read_to_string(ledger.join("ledger.jsonl")).unwrap().lines().count();
    for text in ["signature    ok", "root         ok", &format!("inclusion    ok, {lines} lines"), "consistency  ok"] {
        assert!(said.contains(text), "{text} is not in {said}");
    }
    // One kept checkpoint an append, and the one from elsewhere.
    let kept = fs::read_dir(ledger.join("checkpoints")).unwrap().count() + 1;
    assert!(said.contains(&format!("{kept} checkpoints")), "{said}");
}

#[test]
fn go_refuses_a_changed_line_tile_or_checkpoint_another_key_and_a_truncated_ledger() {
    let (_dir, ledger) = copy();
    let key = ledger.join("ledger.vkey");
    let tile = fs::read_dir(ledger.join("tile/0")).unwrap().next().unwrap().unwrap().path();
    let tile = if tile.is_dir() { fs::read_dir(tile).unwrap().next().unwrap().unwrap().path() } else { tile };
    for path in [ledger.join("ledger.jsonl"), tile, ledger.join("checkpoint"), ledger.join("checkpoints/3")] {
        let before = fs::read(&path).unwrap();
        let mut changed = before.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        put(&path, &changed);
        assert!(audit(&ledger, &key, &[]).is_err(), "{}", path.display());
        put(&path, &before);
    }
    audit(&ledger, &key, &[]).unwrap();
    let other = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/format/ledger/ledger.vkey");
    assert!(audit(&ledger, &other, &[]).is_err());
    // The ledger as it was at its beginning, whole in itself.
    let newest = ledger.join("newest");
    fs::copy(ledger.join("checkpoint"), &newest).unwrap();
    let example = other.parent().unwrap();
    let refused = audit(example, &other, &[&newest]).unwrap_err();
    assert!(refused.contains("NOT VERIFIED"), "{refused}");
}

#[test]
fn openssl_verifies_every_checkpoint_and_refuses_a_changed_one() {
    let (_dir, ledger) = copy();
    let check = |file: &Path| check_signature(file, &ledger.join("ledger.vkey"));
    for file in ["checkpoint", "checkpoints/2", "checkpoints/9"] {
        let said = check(&ledger.join(file)).unwrap();
        assert!(String::from_utf8_lossy(&said).contains("Verified Successfully"), "{file}");
    }
    let text = fs::read_to_string(ledger.join("checkpoint")).unwrap();
    let (origin, rest) = text.split_once('\n').unwrap();
    put(&ledger.join("checkpoint"), format!("{origin}\n1{rest}").as_bytes());
    assert!(check(&ledger.join("checkpoint")).is_err());
}

/// Debian's own Python has the package; another one on the PATH may not.
fn open_segment(header: &Path, body: &Path, key: &[u8; 32]) -> Result<Vec<u8>, String> {
    run(Command::new("/usr/bin/python3").arg(tool("open_segment.py")).arg(header).arg(body).arg(hex::encode(key)))
}

#[test]
fn python_opens_the_segment_of_the_worked_example_with_its_data_key() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/format");
    let (header, body) = (cases.join("segment.header.json"), cases.join("segment.body"));
    let key: [u8; 32] = std::array::from_fn(|place| u8::try_from(place).unwrap());
    let packed = open_segment(&header, &body, &key).unwrap();
    let plain = zstd::decode_all(&packed[..]).unwrap();
    assert_eq!(plain, fs::read(cases.join("segment.plain")).unwrap());
    assert!(open_segment(&header, &body, &[7; 32]).unwrap_err().contains("does not belong"));
    assert!(open_segment(&cases.join("policy.json"), &body, &key).is_err());
}

#[test]
fn python_opens_what_the_program_seals_at_every_length_around_a_chunk() {
    let key = [9; 32];
    let dir = tempfile::tempdir().unwrap();
    let (header, body) = (dir.path().join("header"), dir.path().join("body"));
    fs::write(&header, b"{}").unwrap();
    // What does not compress keeps its length: around one and two chunks of 16 KiB.
    for length in [0, 1, 16_370, 16_384, 32_768, 50_000] {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        let plain: Vec<u8> = (0..length).map(|_| next()).collect();
        let sealed = DataKey::from(Secret::copy_of(&key).unwrap()).seal(b"{}", &plain).unwrap();
        fs::write(&body, &sealed).unwrap();
        let packed = open_segment(&header, &body, &key).unwrap();
        assert_eq!(zstd::decode_all(&packed[..]).unwrap(), plain, "{length}");
        fs::write(&body, &sealed[..sealed.len() - 1]).unwrap();
        assert!(open_segment(&header, &body, &key).is_err(), "{length}");
    }
}

/// The shell blocks of `docs/AUDIT.md`, one after the other, as an auditor would
/// paste them. Each line that says what is printed is looked for.
#[test]
fn an_auditor_who_pastes_every_block_of_the_guide_gets_to_its_end() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(root.join("docs/AUDIT.md")).unwrap();
    let mut script = String::from("set -eu\n");
    let blocks = guide.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.for_each(|block| script.push_str(block));
    let dir = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_retentiond")).parent().unwrap();
    let path = format!("{}:/usr/bin:{}", program.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.arg("-c").arg(&script).current_dir(root).env("PATH", path).env("TMPDIR", dir.path());
    let said = run(&mut shell).unwrap_or_else(|error| panic!("{error}"));
    let said = String::from_utf8_lossy(&said);
    let expected = guide.split("```text\n").skip(1).flat_map(|rest| rest.split("```").next().unwrap().lines());
    let mut checked = 0;
    for line in expected {
        // Numbers, roots and names differ from day to day; the first words do not.
        let stable = line.split(['…', ',']).next().unwrap().trim_end();
        assert!(said.contains(stable), "{stable:?} was not printed:\n{said}");
        checked += 1;
    }
    assert!(checked > 8, "{checked}");
}
