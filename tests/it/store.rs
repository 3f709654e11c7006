//! The store of runs. A run continues after a crash, damage is refused with its place, one process
//! writes at a time, and a full disk loses nothing.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, LazyLock};

use chrono::TimeDelta;
use cutover::digest::Digest;
use cutover::graph::StepId;
use cutover::journal::{Entry, Event, Line};
use cutover::world::real::store::{Claim, Directory, Found, ReadError, Runs};

use crate::agreement::Dice;
use crate::storm::at_once;
use crate::zonefile_fixture::{ZONE, ZONE_DONE, ZonefileFixture};

/// A run that is finished, so nothing writes to it.
static DONE: LazyLock<ZonefileFixture> = LazyLock::new(|| {
    let fixture = ZonefileFixture::planned();
    fixture.ends(0, &["apply", "plan.json", "--auto-approve", "--wait"]);
    fixture
});

fn done_journal() -> Vec<u8> {
    fs::read(DONE.journal()).expect("a journal")
}

/// What a store returns for a run with this journal.
fn found(journal: &[u8]) -> Result<Option<Found>, ReadError> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let run = dir.path().join("move/0001");
    fs::create_dir_all(&run).expect("a directory can be made");
    fs::copy(DONE.path("plan.json"), run.join("artifact.json")).expect("copied");
    fs::write(run.join("journal.jsonl"), journal).expect("written");
    at_once(runs(dir.path()).newest())
}

/// The runs of the fixture's plan in a state directory.
fn runs(state: &Path) -> Runs {
    Runs::new(Arc::new(Directory::new(state)), "move")
}

/// Asserts that the journal is refused, and that the message names one of these lines. Returns the
/// message.
#[track_caller]
fn refused(journal: &[u8], lines: &[usize], context: &str) -> String {
    let said = match found(journal) {
        Ok(found) => panic!("{context}: {found:?}"),
        Err(error) => error.to_string(),
    };
    let named = lines.iter().any(|line| said.contains(&format!("journal.jsonl:{line}: ")));
    assert!(named, "{context}: {said}, and not one of {lines:?}");
    said
}

fn joined(lines: &[&[u8]]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line, &b"\n"[..]]).flatten().copied().collect()
}

#[test]
fn a_changed_octet_is_refused_with_its_line() {
    let journal = done_journal();
    let mut dice = Dice(1);
    let last = journal.len() - 400;
    for at in (0..last).step_by(7).chain(last..journal.len()) {
        let line = journal[..at].iter().filter(|octet| **octet == b'\n').count() + 1;
        let mut damaged = journal.clone();
        damaged[at] ^= u8::try_from(1 + dice.below(255)).expect("an octet");
        let context = format!("octet {at}, {:?} for {:?}", damaged[at], journal[at]);
        if at + 1 == journal.len() {
            // A change of the last line end makes the line look incomplete.
            let found = found(&damaged).expect("a torn line").expect("a run");
            assert!(found.incomplete_octets > 0 && found.run.state.finished.is_none(), "{context}");
            continue;
        }
        refused(&damaged, &[line], &context);
    }
}

#[test]
fn lines_that_are_missing_moved_or_added_are_refused() {
    let journal = done_journal();
    let lines: Vec<&[u8]> = journal.trim_ascii_end().split(|octet| *octet == b'\n').collect();
    for at in 0..lines.len() - 1 {
        let mut removed = lines.clone();
        removed.remove(at);
        refused(&joined(&removed), &[at + 1], &format!("line {} is missing", at + 1));
        let mut swapped = lines.clone();
        swapped.swap(at, at + 1);
        refused(&joined(&swapped), &[at + 1], &format!("line {} comes one line later", at + 1));
        for added in [lines[at], b"", b"{}", b"null", b"\xff\xfe", b"{\"seq\":0}"] {
            let mut twice = lines.clone();
            twice.insert(at + 1, added);
            refused(&joined(&twice), &[at + 2], &format!("{added:?} after line {}", at + 1));
        }
        let mut returned = lines.clone();
        let line = [lines[at], b"\r"].concat();
        returned[at] = &line;
        refused(&joined(&returned), &[at + 1], &format!("a CR after line {}", at + 1));
    }
    let spaced = journal.iter().flat_map(|o| if *o == b',' { vec![*o, b' '] } else { vec![*o] });
    refused(&spaced.collect::<Vec<u8>>(), &[1], "written otherwise");
}

fn entries(journal: &[u8]) -> Vec<Entry> {
    let mut head = Digest::of(b"");
    let lines = journal.trim_ascii_end().split(|octet| *octet == b'\n');
    let entries = (0..).zip(lines).map(|(seq, line)| {
        let (entry, digest) = Entry::read(line, seq, head).expect("an entry that follows");
        head = digest;
        entry
    });
    entries.collect()
}

/// A journal with a complete chain that ends with an event that cannot follow.
#[test]
fn an_event_that_cannot_follow_is_refused_with_its_line() {
    let entries = entries(&done_journal());
    let step = |text: &str| StepId::new(text);
    let lower = || step("lower/acme.test/www/A");
    let (since, late) = (entries[3].at, entries[3].at + TimeDelta::seconds(9));
    let wait = || step("wait/lower/acme.test/www/A");
    let opened = entries[0].event.clone();
    let cases: Vec<(usize, Event, &str)> = vec![
        (0, Event::Finished, "not open"),
        (1, opened, "not open"),
        (1, Event::Written { step: lower(), serial: None }, "cannot be written: it is not begun"),
        (1, Event::Begun { step: wait() }, "comes after"),
        (1, Event::Begun { step: step("nobody") }, "no step `nobody`"),
        (1, Event::Finished, "cannot be finished: it is not begun"),
        (2, Event::Begun { step: lower() }, "cannot be begun: it is begun"),
        (4, Event::Begun { step: lower() }, "cannot be begun: it is done"),
        (4, Event::WaitBegun { step: wait(), since, until: late }, "begin and end"),
        (4, Event::WaitBegun { step: wait(), since: late, until: late }, "begin and end"),
        (
            4,
            Event::WaitBegun {
                step: wait(),
                since: since - TimeDelta::seconds(60),
                until: since - TimeDelta::seconds(58),
            },
            "begin and end",
        ),
        (5, Event::WaitEnded { step: wait() }, "cannot be ended: it is running"),
        (15, Event::Resumed { tool: "cutover".into() }, "not open"),
    ];
    for (kept, event, word) in cases {
        let context = format!("{event:?} as number {kept}");
        // With the time of the entry before it, and a complete chain.
        let at = entries[kept.saturating_sub(1)].at;
        let mut lines: Vec<Line> =
            entries[..kept].iter().map(|entry| entry.clone().line()).collect();
        let prev = lines.last().map_or(Digest::of(b""), Line::digest);
        let seq = u64::try_from(kept).expect("64 bits");
        lines.push(Entry { seq, at, steady: None, prev, event }.line());
        let lines: Vec<&str> = lines.iter().map(Line::text).collect();
        let said = refused((lines.join("\n") + "\n").as_bytes(), &[kept + 1], &context);
        assert!(said.contains(word), "{context}: {said}");
    }
}

#[test]
fn an_incomplete_last_line_is_cut_off() {
    let journal = done_journal();
    let whole: Vec<usize> = (1..=journal.len()).filter(|n| journal[n - 1] == b'\n').collect();
    for cut in 0..journal.len() {
        let lines = whole.iter().filter(|end| **end <= cut).count();
        let found = found(&journal[..cut]).expect("what a crash leaves is no damage");
        let Some(found) = found else {
            assert_eq!(lines, 0, "{cut}: a run is open from its first whole line");
            continue;
        };
        let end = lines.checked_sub(1).map_or(0, |last| whole[last]);
        assert_eq!(
            (found.run.seq, found.incomplete_octets),
            (lines as u64, (cut - end) as u64),
            "{cut}"
        );
    }
    // The incomplete line ends within a character.
    let torn = [&journal[..whole[3]], b"{\"seq\":4,\"\xe2\x82"].concat();
    assert_eq!(found(&torn).expect("a torn line").expect("a run").incomplete_octets, 12);
}

#[test]
fn an_incomplete_line_is_reported_and_the_run_continues() {
    let fixture = ZonefileFixture::waiting();
    let journal = fs::read(fixture.journal()).expect("a journal");
    fixture.write(".cutover/move/0001/journal.jsonl", &journal[..journal.len() - 9]);
    // Reading changes nothing.
    fixture.refuses(0, &["status", "plan.yaml"]);
    fixture.refuses(0, &["log", "plan.yaml"]);
    let said = fixture.ends(0, &["apply", "plan.json", "--wait"]);
    assert!(said.contains("was incomplete; its "), "{said}");
    assert_eq!(fixture.zone(), ZONE_DONE, "each change was made once");
    found(&fs::read(fixture.journal()).expect("a journal")).expect("a journal that is whole");
}

#[test]
fn damage_stops_every_command_and_changes_nothing() {
    let cases: [(&str, Damage, &str); 5] = [
        ("a journal", |d| damage(&d.journal(), 40), "journal.jsonl:1: "),
        ("an artifact", |d| damage(&artifact(d), 900), "artifact.json cannot be used: "),
        ("no artifact", |d| fs::remove_file(artifact(d)).expect("removed"), "artifact.json"),
        (
            "another artifact",
            |d| {
                d.write("plan.yaml", d.read("plan.yaml").replace("203.0.113.80", "203.0.113.81"));
                d.ends(0, &["plan", "plan.yaml", "-o", "other.json"]);
                fs::copy(d.path("other.json"), artifact(d)).expect("copied");
            },
            "journal.jsonl:1: the journal is of artifact ",
        ),
        ("an empty artifact", |d| fs::write(artifact(d), "").expect("written"), "artifact.json"),
    ];
    for (name, make, word) in cases {
        let fixture = ZonefileFixture::waiting();
        make(&fixture);
        for args in [
            &["apply", "plan.json", "--auto-approve", "--wait"][..],
            &["apply", "plan.yaml", "--auto-approve"],
            &["status", "plan.json"],
            &["log", "plan.json"],
        ] {
            let said = fixture.refuses(1, args);
            assert!(said.contains(word), "{name}: {args:?}: {said}");
        }
    }
}

/// A change that somebody makes to a fixture.
type Damage = fn(&ZonefileFixture);

fn artifact(fixture: &ZonefileFixture) -> std::path::PathBuf {
    fixture.path(".cutover/move/0001/artifact.json")
}

fn damage(path: &Path, at: usize) {
    let mut octets = fs::read(path).expect("a file");
    octets[at] ^= 1;
    fs::write(path, octets).expect("written");
}

fn ada() -> Claim {
    Claim { owner: "Ada, with another process".to_owned(), host: "build-3".to_owned() }
}

#[test]
fn one_process_writes_at_a_time() {
    let fixture = ZonefileFixture::waiting();
    let runs = runs(&fixture.path(".cutover"));
    let lease = at_once(runs.lease(&ada())).expect("nobody has it");
    for args in
        [&["apply", "plan.json", "--auto-approve"][..], &["apply", "plan.yaml", "--auto-approve"]]
    {
        let said = fixture.refuses(1, args);
        assert!(said.contains("locked by Ada, with another process on build-3 since "), "{said}");
    }
    // Reading is possible while another process writes.
    fixture.ends(0, &["status", "plan.yaml"]);
    drop(lease);
    // The file still contains Ada's name, but the lock is free.
    assert!(fixture.read(".cutover/move/lock").contains("Ada"));
    fixture.ends(0, &["apply", "plan.json", "--wait"]);
}

#[test]
fn the_lock_of_a_killed_process_is_free() {
    let fixture = ZonefileFixture::planned();
    let mut child = fixture.command(&["apply", "plan.json", "--auto-approve", "--wait"]);
    child.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = child.spawn().expect("the program can be started");
    let runs = runs(&fixture.path(".cutover"));
    while !at_once(runs.newest()).is_ok_and(|found| found.is_some()) {
        assert!(child.try_wait().expect("a child").is_none(), "it has the lock while it runs");
    }
    child.kill().expect("SIGKILL can be sent");
    child.wait().expect("the child can be waited for");
    fixture.ends(0, &["apply", "plan.json", "--wait"]);
    assert_eq!(fixture.zone(), ZONE_DONE);
}

#[test]
fn a_state_directory_that_cannot_be_written_fails_before_anything_is_done() {
    let fixture = ZonefileFixture::planned();
    for state in ["plan.yaml", "plan.yaml/x", "/proc/cutover"] {
        let said = fixture.refuses(1, &["apply", "plan.json", "--auto-approve", "--state", state]);
        assert!(said.contains("cannot be used"), "{said}");
    }
    assert_eq!(fixture.zone(), ZONE);
}

#[test]
fn the_state_is_in_the_requested_directory() {
    let fixture = ZonefileFixture::planned();
    fixture.ends(4, &["apply", "plan.json", "--auto-approve", "--state", "state"]);
    assert!(!fixture.path(".cutover").exists());
    assert_eq!(fixture.ends(0, &["status", "plan.yaml"]), "no run yet\n");
    let said = fixture.ends(0, &["status", "plan.yaml", "--state", "state"]);
    assert!(said.contains("[>] lower/acme.test/www/A  ") && said.contains(" written 20"), "{said}");
}

/// A folder that a crash left before its run was opened is not a run, and obstructs nothing.
#[test]
fn a_run_that_was_never_opened_does_not_count() {
    for journal in [None, Some(""), Some("{\"seq\":0,")] {
        let fixture = ZonefileFixture::planned();
        fs::create_dir_all(fixture.path(".cutover/move/0001")).expect("made");
        fs::copy(fixture.path("plan.json"), artifact(&fixture)).expect("copied");
        if let Some(journal) = journal {
            fixture.write(".cutover/move/0001/journal.jsonl", journal);
        }
        assert_eq!(fixture.ends(0, &["status", "plan.yaml"]), "no run yet\n");
        // The same with a plan that has changed meanwhile.
        fixture.write("plan.yaml", fixture.read("plan.yaml") + "# changed\n");
        fixture.ends(4, &["apply", "plan.yaml", "--auto-approve"]);
        let said = fixture.ends(0, &["status", "plan.yaml"]);
        assert!(
            said.contains("[>] lower/acme.test/www/A  ") && said.contains(" written 20"),
            "{said}"
        );
    }
}

/// Each process may write this many blocks to files, from too few to enough.
#[test]
fn a_full_disk_ends_with_an_error_and_loses_nothing() {
    let fixture = ZonefileFixture::planned();
    let mut failures = 0;
    for blocks in 1..80 {
        // Without the trap the system would kill the process, which then could not report the
        // error.
        let (code, said) = fixture.shell(&format!(
            "trap '' XFSZ; ulimit -f {blocks}; exec cutover apply plan.json --auto-approve --wait"
        ));
        match code {
            0 => break,
            1 => {
                assert!(said.contains("cannot be"), "{said}");
                failures += 1;
            }
            code => panic!("{code} with {blocks} blocks: {said}"),
        }
        let journal = fs::read(fixture.journal()).unwrap_or_default();
        let found = found(&journal).expect("a journal that is whole");
        assert!(
            found.is_none_or(|found| found.incomplete_octets == 0),
            "nothing half-done is left"
        );
    }
    assert!(failures > 3, "{failures} failures: or this shows nothing");
    fixture.ends(0, &["apply", "plan.json", "--wait"]);
    assert_eq!(fixture.zone(), ZONE_DONE, "each change was made once");
}
