//! What an earlier version has left behind is read and finished: artifacts and journals keep their
//! format.
//!
//! Each directory of `tests/fixtures/runs` has a plan, its zone, and the state of a run in the middle of
//! its switch, made by the program of that day.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::bind_fixture::said;

/// A copy of the files of an earlier version, with the state where it belongs.
fn copied(from: &Path) -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut open = vec![PathBuf::new()];
    while let Some(below) = open.pop() {
        let to = match below.strip_prefix("state") {
            Ok(rest) => dir.path().join(".cutover").join(rest),
            Err(_) => dir.path().join(&below),
        };
        let path = from.join(&below);
        if path.is_dir() {
            fs::create_dir_all(&to).expect("a directory");
            let entries = fs::read_dir(&path).expect("a directory");
            open.extend(entries.map(|entry| below.join(entry.expect("an entry").file_name())));
        } else {
            fs::copy(&path, &to).expect("a file");
        }
    }
    dir
}

fn cutover(dir: &TempDir, args: &[&str]) -> (i32, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_cutover"));
    said(&command.args(args).current_dir(dir.path()).output().expect("the program can be run"))
}

fn zone(dir: &TempDir) -> String {
    fs::read_to_string(dir.path().join("zones/acme.test.zone")).expect("the zone")
}

#[test]
fn runs_of_earlier_versions_are_finished_or_rolled_back() {
    let runs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs");
    let all: Vec<PathBuf> = fs::read_dir(runs)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    assert!(!all.is_empty());
    for from in all {
        let dir = copied(&from);
        let (code, text) = cutover(&dir, &["status", "plan.yaml"]);
        assert!(code == 0 && text.contains("[x] switch/acme.test/@/MX"), "{code}: {text}");
        let (code, text) = cutover(&dir, &["apply", "plan.yaml", "--auto-approve", "--wait"]);
        assert_eq!(code, 0, "{text}");
        let done = zone(&dir);
        assert!(done.contains("MX 10 mx.new.test.") && done.contains("spf1 ip4:203.0.113.25 -all"));

        let dir = copied(&from);
        let back = ["rollback", "plan.yaml", "--to", "start", "--auto-approve", "--wait"];
        let (code, text) = cutover(&dir, &back);
        assert_eq!(code, 0, "{text}");
        assert!(zone(&dir).contains("MX 10 mail.old.test."), "{}", zone(&dir));

        // An edited journal is refused.
        let dir = copied(&from);
        let journal = dir.path().join(".cutover/move/0001/journal.jsonl");
        let text = fs::read_to_string(&journal).expect("the journal");
        fs::write(&journal, text.replacen("written", "Written", 1)).expect("the journal");
        let (code, text) = cutover(&dir, &["apply", "plan.yaml", "--auto-approve"]);
        assert_eq!(code, 1, "{text}");
    }
}
