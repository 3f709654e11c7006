//! The wall clock is set while a run waits, and the process is stopped. No wait gets shorter.

use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::time::Duration;

use cutover::artifact::Artifact;
use cutover::calendar::Steady;
use cutover::graph::Primitive;
use serde_json::Value;

use crate::bind_fixture::{BindFixture, end_state, said};
use crate::lab::{SetClock, sleep};
use crate::run::kind;

const APPLY: &[&str] = &["apply", "plan.yaml", "--auto-approve"];
const STAY: &[&str] = &["apply", "plan.yaml", "--auto-approve", "--wait"];

fn steady(entry: &Value) -> Steady {
    entry["steady"].as_str().and_then(|text| text.parse().ok()).expect("this machine has a clock")
}

/// Checks by the machine's monotonic clock that every wait has lasted as long as the artifact says.
/// Returns the number of waits.
fn waits_are_whole(fixture: &BindFixture) -> usize {
    let sealed = fixture.dir().join(".cutover/two-domains/0001/artifact.json");
    let artifact = std::fs::read_to_string(sealed).expect("the artifact");
    let artifact = Artifact::decode(&artifact).expect("an artifact");
    let journal = fixture.journal();
    let ends = ["propagated ", "reached ", "wait_ended "];
    let mut done: BTreeMap<String, Steady> = BTreeMap::new();
    for entry in &journal {
        let kind = kind(entry);
        if let Some(step) = ends.iter().find_map(|word| kind.strip_prefix(word)) {
            done.insert(step.to_owned(), steady(entry));
        }
    }
    let mut count = 0;
    for step in artifact.graph.steps() {
        let Primitive::Wait(wait) = &step.primitive else { continue };
        let Some(end) = done.get(step.id.as_str()) else { continue };
        let before = step.after.keys().map(|id| done[id.as_str()]);
        let begin = before.max_by_key(|steady| steady.millis).expect("it waits after a step");
        let lasted = end.since(begin).expect("one boot");
        let tolerance = Duration::from_secs(1);
        assert!(lasted + tolerance >= wait.span, "{} lasted {lasted:?}", step.id);
        count += 1;
    }
    count
}

fn start(fixture: &BindFixture, clock: &SetClock, args: &[&str]) -> Child {
    let mut command = fixture.command(args);
    clock.give_to(&mut command);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it can be started")
}

/// Waits until the first wait has begun.
fn waits(fixture: &BindFixture, child: &mut Child) {
    while !fixture.journal().iter().any(|entry| kind(entry).starts_with("wait_begun ")) {
        assert_eq!(child.try_wait().expect("a child"), None);
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_clock_that_is_set_between_two_processes_ends_no_wait() {
    let (fixture, clock) = (BindFixture::bind(), SetClock::right());
    let apply = |args: &[&str]| {
        let mut command = fixture.command(args);
        clock.give_to(&mut command);
        said(&command.output().expect("the program can be run"))
    };
    let (code, said) = apply(APPLY);
    assert!(code == 4 && said.contains("waiting"), "{code}: {said}");
    for offset in ["+1h", "-1h", "+1h"] {
        clock.set(offset);
        let (code, said) = apply(APPLY);
        assert!(code == 4 && said.contains("waiting"), "{offset}: {code}: {said}");
        assert_eq!(waits_are_whole(&fixture), 0, "{offset}");
    }
    // The server refuses what is signed by a wrong clock (RFC 8945 §5.2.3). Until then the waits
    // last their time.
    let (code, said) = apply(STAY);
    assert!(code == 5 && said.contains("BADTIME"), "{code}: {said}");
    assert!(waits_are_whole(&fixture) > 0);
    clock.set("+0s");
    let (code, said) = apply(STAY);
    assert_eq!(code, 0, "{said}");
    assert!(waits_are_whole(&fixture) > 3);
    assert_eq!(fixture.served(), end_state());
}

#[test]
fn a_clock_that_is_set_under_a_process_ends_no_wait() {
    for (offset, code) in [("+1h", 5), ("-2s", 0)] {
        let (fixture, clock) = (BindFixture::bind(), SetClock::right());
        let mut child = start(&fixture, &clock, STAY);
        waits(&fixture, &mut child);
        clock.set(offset);
        let status = child.wait().expect("a child");
        assert_eq!(status.code(), Some(code), "{offset}");
        clock.set("+0s");
        let mut child = start(&fixture, &clock, STAY);
        assert_eq!(child.wait().expect("a child").code(), Some(0), "{offset}");
        assert!(waits_are_whole(&fixture) > 3, "{offset}");
        assert_eq!(fixture.served(), end_state(), "{offset}");
    }
}

/// For a process, a suspended machine looks the same as a stopped process.
#[test]
fn a_process_that_was_stopped_goes_on() {
    let (fixture, clock) = (BindFixture::bind(), SetClock::right());
    let mut child = start(&fixture, &clock, STAY);
    waits(&fixture, &mut child);
    let signal = |name: &str| {
        let mut kill = std::process::Command::new("/bin/kill");
        let status = kill.args(["-s", name, &child.id().to_string()]).status();
        assert!(status.expect("kill can be run").success());
    };
    signal("STOP");
    sleep(Duration::from_secs(9));
    signal("CONT");
    assert_eq!(child.wait().expect("a child").code(), Some(0));
    assert!(waits_are_whole(&fixture) > 3);
    assert_eq!(fixture.served(), end_state());
}
