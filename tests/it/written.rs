//! What is said of a change that failed: that nothing of it is written, or all of it; and how a run goes
//! back from there.

use std::fs;

use crate::ground::{Ground, Kind};

const HALTED: i32 = 5;

/// A zone file whose server refuses to load what a plan makes of it: it loads nothing with `bad` in it.
fn picky() -> Ground {
    let ground = Ground::new(Kind::Files, "www A 192.0.2.1\n");
    ground.plan("  - { zone: acme.test, name: bad, type: A, to: [ 192.0.2.2 ] }\n");
    let script = "grep -q '^bad' zones/acme.test.zone && { echo 'zone not loaded' >&2; exit 1; }\n\
        cp zones/acme.test.zone loaded\n";
    fs::write(ground.path().with_file_name("reload.sh"), script).expect("a script");
    let plan = fs::read_to_string(ground.path()).expect("the plan");
    let plan = plan.replace("directory: zones,", "directory: zones, reload: [ sh, reload.sh ],");
    fs::write(ground.path(), plan).expect("the plan");
    ground
}

fn file(ground: &Ground, name: &str) -> String {
    fs::read_to_string(ground.path().with_file_name(name)).unwrap_or_default()
}

/// Lines 20 and 41: a zone that the server refuses to load is told as it is, and the way back begins with
/// the file.
#[test]
fn a_file_that_is_not_loaded_is_put_back_first() {
    let ground = picky();
    let before = ground.held();
    for command in ["apply", "apply"] {
        let (code, text) = ground.cutover(&[command, "plan.yaml", "--wait", "--auto-approve"]);
        assert_eq!(code, HALTED, "{text}");
        for word in ["zone not loaded", "All of it is written.", "cutover rollback"] {
            assert!(text.contains(word), "no {word}: {text}");
        }
        assert!(!text.contains("somebody who has to answer"), "{text}");
        assert!(file(&ground, "zones/acme.test.zone").contains("bad"), "as it says");
    }
    let (_, status) = ground.cutover(&["status", "plan.yaml"]);
    assert!(status.contains("All of it is written."), "{status}");
    ground.goes_back();
    assert_eq!(ground.held(), before);
    // The serial has moved on, and the server has it.
    assert_eq!(file(&ground, "loaded"), file(&ground, "zones/acme.test.zone"));
}

/// Of a change that was refused before anything was sent, nothing is written.
#[test]
fn of_a_file_that_cannot_be_written_nothing_is() {
    let ground = Ground::new(Kind::Files, "www A 192.0.2.1\n");
    ground.plan("  - { zone: acme.test, name: www, type: A, to: [ 192.0.2.2 ] }\n");
    let (code, text) = ground.cutover(&["plan", "plan.yaml", "-o", "plan.json"]);
    assert_eq!(code, 0, "{text}");
    // Somebody else changes what the plan changes.
    let path = ground.path().with_file_name("zones/acme.test.zone");
    let zone = fs::read_to_string(&path).expect("the zone");
    fs::write(&path, zone.replace("192.0.2.1", "192.0.2.9")).expect("the zone");
    let (code, text) = ground.cutover(&["apply", "plan.json", "--wait", "--auto-approve"]);
    assert_eq!(code, HALTED, "{text}");
    assert!(text.contains("Nothing of it was written."), "{text}");
}
