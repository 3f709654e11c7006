//! Problems that trials found in how a run communicates with people, reproduced with zone files.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::lab::sleep;
use crate::zonefile_fixture::ZonefileFixture;

const DONE: i32 = 0;
const USAGE: i32 = 2;
const WAITING: i32 = 4;
const HALTED: i32 = 5;
const NEEDS_PERSON: i32 = 6;

/// A move that takes seconds, and asks a person at the switch and after it.
const MOVE: &str = "version: 1
name: move
providers: { z: { type: zonefile, directory: zones, served: { assume_within: 1s } } }
resolver: none
zones: { acme.test: { provider: z } }
hosts:
  old: { exchanges: [ { preference: 10, name: mail.acme.test. } ], senders: [ { name: p, spf: \"ip4:192.0.2.10\" } ] }
  new: { exchanges: [ { preference: 10, name: mx1.newmail.test. } ], senders: [ { name: p, spf: \"ip4:198.51.100.25\" } ] }
migrate: { domains: [ acme.test ], from: old, to: new, cutover_ttl: 1s, keep_old: 1h, overrun: 1s }
clocks: { margin: 1s, queue_life: 2s, use: 1s }
assume:
  - { fact: published, name: mx1.newmail.test., reason: x }
  - { fact: accepts, host: new, reason: x }
  - { fact: serves, host: new, reason: x }
  - { fact: mail, host: old, value: relay, from: switch, reason: x }
  - { fact: routes_local, host: old, from: switch, reason: x }
  - { fact: clients, host: old, from: switch, reason: x }
  - { fact: sends, host: old, from: contract, reason: x }
  - { fact: synced, host: old, from: contract, reason: x }
  - { fact: routes_local, host: new, reason: x }
  - { fact: synced, host: new, reason: x }
  - { fact: clients, host: new, reason: x }
";

const ZONE: &str = "$TTL 2
@ SOA ns1 h 1 3600 600 86400 2
@ NS ns1
ns1 A 192.0.2.53
@ MX 10 mail
mail A 192.0.2.10
@ TXT \"v=spf1 ip4:192.0.2.10 -all\"
";

fn fixture() -> ZonefileFixture {
    let fixture = ZonefileFixture::new();
    fixture.write("plan.yaml", MOVE);
    fixture.write("zones/acme.test.zone", ZONE);
    fixture
}

/// Applies again and again until the command says this.
fn applied_until(fixture: &ZonefileFixture, more: &[&str], said: &str) -> String {
    for _ in 0..600 {
        let (ended, text) =
            fixture.cutover(&[&["apply", "plan.yaml", "--auto-approve"], more].concat());
        if text.contains(said) {
            return text;
        }
        assert!([WAITING, NEEDS_PERSON].contains(&ended), "{ended}: {text}");
        sleep(Duration::from_millis(100));
    }
    panic!("never: {said}");
}

/// A plan that was edited after the switch continues the same move: what people have confirmed is
/// not asked again, what they have not confirmed is, and `keep_old` counts from the switch.
#[test]
fn an_edited_plan_continues_the_move() {
    let fixture = fixture();
    applied_until(&fixture, &[], "assume/switch/clients/old waits for a person");
    for fact in ["mail", "routes_local"] {
        let step = format!("assume/switch/{fact}/old");
        fixture.ends(DONE, &["confirm", "plan.yaml", &step, "--reason", "it is so"]);
    }
    // The switch is propagated, and the run waits for `keep_old`.
    applied_until(&fixture, &[], "(in 59m");
    assert!(fixture.zone().contains("MX 10 mx1.newmail.test."), "{}", fixture.zone());
    // Mail from before lies in queues for `queue_life` and `margin`: the fact counts after that.
    sleep(Duration::from_secs(4));
    // The old and the new output are equal, except for the seconds that have passed meanwhile.
    let planned = || {
        let text = fixture.ends(DONE, &["plan", "plan.yaml", "--replan", "--full"]);
        assert!(text.contains("PROVED: no mail is lost"), "{text}");
        assert!(text.contains("assume/switch/clients/old"), "nobody has said that: {text}");
        assert!(!text.contains("assume/switch/mail/old"), "somebody has said that: {text}");
        assert!(text.contains("the switch was made"), "{text}");
        assert!(
            text.contains("wait 59m"),
            "`keep_old` is an hour, and some seconds are over: {text}"
        );
    };
    planned();
    fixture.write("plan.yaml", format!("{MOVE}# nothing but a comment\n"));
    planned();
    // If it moves to a different host, it is a different move.
    fixture.write("plan.yaml", MOVE.replace("mx1.newmail.test.", "mx9.newmail.test."));
    let (code, text) = fixture.cutover(&["plan", "plan.yaml", "--replan"]);
    assert!(code == USAGE && text.contains("which neither host of the move has"), "{code}: {text}");
}

/// A process that waits for a person says for whom, with the command that confirms, and where the
/// run is.
#[test]
fn a_process_that_waits_for_a_person_says_so() {
    let fixture = fixture();
    let mut command =
        fixture.command(&["apply", "plan.yaml", "--wait", "--auto-approve", "--state", "st B"]);
    let log = fs::File::create(fixture.path("log")).expect("a file");
    let mut child = command.stderr(log).stdout(Stdio::null()).spawn().expect("a process");
    let line = "When it is done, run `cutover confirm plan.yaml assume/switch/clients/old --reason WHY --state 'st B'`.";
    while !fixture.read("log").contains(line) {
        assert_eq!(child.try_wait().expect("a child"), None, "{}", fixture.read("log"));
        sleep(Duration::from_millis(20));
    }
    let confirm = |fact: &str| {
        let step = format!("assume/switch/{fact}/old");
        fixture.cutover(&["confirm", "plan.yaml", &step, "--state", "st B", "--reason", "it is so"])
    };
    // The second confirmation may come before the first was noticed.
    for fact in ["clients", "routes_local", "mail"] {
        let (code, text) = confirm(fact);
        assert_eq!(code, DONE, "{text}");
    }
    let status = || fixture.ends(DONE, &["status", "plan.yaml", "--state", "st B"]);
    while !status().contains("[x] assume/switch/clients/old") {
        sleep(Duration::from_millis(50));
    }
    child.kill().expect("it can be killed");
    child.wait().expect("a child");
    let text = fixture.read("log");
    assert_eq!(text.matches(line).count(), 1, "once: {text}");
}

/// After a way back, `status --exit-code` has the exit code of `apply`, and the commands that are
/// printed on the way work.
#[test]
fn after_a_way_back_status_says_so() {
    let fixture = fixture();
    let state = ["--state", "elsewhere"];
    applied_until(&fixture, &state, "--state elsewhere`");
    let mut rolled =
        fixture.cutover(&["rollback", "plan.yaml", "--auto-approve", "--state", "elsewhere"]);
    while rolled.0 != DONE {
        assert!([WAITING, NEEDS_PERSON].contains(&rolled.0), "{rolled:?}");
        if let Some((_, rest)) =
            rolled.1.split_once("When it is done, run `cutover confirm plan.yaml ")
        {
            let step = rest.split(' ').next().expect("a step").to_owned();
            let args = ["confirm", "plan.yaml", &step, "--reason", "so", "--state", "elsewhere"];
            let said = fixture.ends(DONE, &args);
            assert!(
                said.contains("go on with `cutover rollback plan.yaml --state elsewhere`"),
                "{said}"
            );
        }
        sleep(Duration::from_millis(100));
        rolled =
            fixture.cutover(&["rollback", "plan.yaml", "--auto-approve", "--state", "elsewhere"]);
    }
    let status = ["status", "plan.yaml", "--exit-code", "--state", "elsewhere"];
    fixture.ends(HALTED, &status);
    let said =
        fixture.ends(HALTED, &["apply", "plan.yaml", "--auto-approve", "--state", "elsewhere"]);
    assert!(said.contains("`cutover apply plan.yaml --again --state elsewhere`"), "{said}");
    assert!(fs::exists(fixture.path("elsewhere")).expect("a path"));
}

/// A new plan in the middle of a move accepts a confirmation only for exactly the same statement,
/// and only after its time has passed. Before mail has moved, the switch is still ahead.
#[test]
fn a_new_plan_accepts_exactly_what_was_confirmed() {
    let fixture = fixture();
    applied_until(&fixture, &[], "assume/switch/clients/old waits for a person");
    for fact in ["mail", "routes_local", "clients"] {
        let step = format!("assume/switch/{fact}/old");
        fixture.ends(DONE, &["confirm", "plan.yaml", &step, "--reason", "it is so"]);
    }
    applied_until(&fixture, &[], "(in 59m");
    sleep(Duration::from_secs(4));
    let replanned = |edit: &[(&str, &str)]| {
        let edited = edit.iter().fold(MOVE.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        });
        fixture.write("plan.yaml", edited);
        fixture.cutover(&["plan", "plan.yaml", "--replan", "--full", "-o", "other.json"])
    };
    let (code, text) = replanned(&[]);
    assert!(code == DONE && !text.contains("assume/switch/mail/old"), "{text}");
    // A different value is a different statement.
    let (_, text) = replanned(&[("value: relay, from: switch", "value: reject, from: switch")]);
    assert!(text.contains("assume/switch/mail/old"), "{text}");
    // And so is a different kind of confirmation.
    let (_, text) = replanned(&[(
        "host: old, from: switch, reason: x }\n  - { fact: clients",
        "host: old, from: switch, check: [ \"false\" ], reason: x }\n  - { fact: clients",
    )]);
    assert!(text.contains("assume/switch/routes_local/old"), "{text}");
    // A statement that has not settled yet starts again.
    let (_, text) = replanned(&[(
        "fact: clients, host: old, from: switch, reason: x",
        "fact: clients, host: old, from: switch, settle: 2h, reason: x",
    )]);
    assert!(text.contains("assume/switch/clients/old"), "{text}");
    // Mail that was accepted for relaying may be in queues that long.
    let (_, text) = replanned(&[("queue_life: 2s", "queue_life: 1h")]);
    assert!(text.contains("assume/switch/mail/old"), "{text}");
    // A sealed artifact that is to supersede the run relies on what the run has done, so it is
    // refused if that was rolled back.
    replanned(&[("keep_old: 1h", "keep_old: 2h")]);
    fixture.write("plan.yaml", MOVE);
    let mut rolled = fixture.cutover(&["rollback", "plan.yaml", "--to", "start", "--auto-approve"]);
    while rolled.0 != DONE {
        assert!([WAITING, NEEDS_PERSON].contains(&rolled.0), "{rolled:?}");
        if let Some((_, rest)) = rolled.1.split_once("`cutover confirm plan.yaml ") {
            let step = rest.split(' ').next().expect("a step").to_owned();
            fixture.ends(DONE, &["confirm", "plan.yaml", &step, "--reason", "so"]);
        }
        sleep(Duration::from_millis(100));
        rolled = fixture.cutover(&["rollback", "plan.yaml", "--to", "start", "--auto-approve"]);
    }
    let text = fixture.ends(USAGE, &["apply", "other.json", "--auto-approve"]);
    assert!(text.contains("which is no longer open"), "{text}");
}

/// Everything was ready for the switch, and mail had not moved: the switch is still ahead, with its
/// window, gates and tasks.
#[test]
fn a_new_plan_before_mail_moves_still_has_the_switch() {
    let fixture = fixture();
    fixture.ends(WAITING, &["apply", "plan.yaml", "--auto-approve"]);
    let zone = fixture.zone();
    let edited = zone.replace("MX 10 mail", "MX 20 mail");
    assert_ne!(zone, edited);
    fixture.write("zones/acme.test.zone", edited);
    let mut applied = fixture.cutover(&["apply", "plan.yaml", "--auto-approve"]);
    while applied.0 != HALTED {
        assert!([WAITING, NEEDS_PERSON].contains(&applied.0), "{applied:?}");
        sleep(Duration::from_millis(100));
        applied = fixture.cutover(&["apply", "plan.yaml", "--auto-approve"]);
    }
    let status = fixture.ends(DONE, &["status", "plan.yaml"]);
    assert!(status.contains("[x] checkpoint/before-switch"), "{status}");
    let text = fixture.ends(DONE, &["plan", "plan.yaml", "--replan", "--full"]);
    assert!(text.contains("checkpoint/before-switch"), "{text}");
}
