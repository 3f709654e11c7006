//! What trials found in how a run and its people speak to one another, made anew with zone files.

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

/// A move that is made in seconds, and asks a person at the switch and after it.
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

/// A plan that was edited after the switch goes on with the same move: what people have said is not
/// asked again, what they have not said is, and `keep_old` counts from the switch.
#[test]
fn an_edited_plan_goes_on_with_the_move() {
    let fixture = fixture();
    applied_until(&fixture, &[], "assume/switch/clients/old waits for a person");
    for fact in ["mail", "routes_local"] {
        let step = format!("assume/switch/{fact}/old");
        fixture.ends(DONE, &["confirm", "plan.yaml", &step, "--reason", "it is so"]);
    }
    // The switch is seen, and `keep_old` is waited for.
    applied_until(&fixture, &[], "(in 59m");
    assert!(fixture.zone().contains("MX 10 mx1.newmail.test."), "{}", fixture.zone());
    sleep(Duration::from_secs(2));
    // What the old and the new text come to, but for the seconds that have passed in between.
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
    // Where it leads elsewhere, it is another move.
    fixture.write("plan.yaml", MOVE.replace("mx1.newmail.test.", "mx9.newmail.test."));
    let (code, text) = fixture.cutover(&["plan", "plan.yaml", "--replan"]);
    assert!(code == USAGE && text.contains("which neither host of the move has"), "{code}: {text}");
}

/// Who waits says whom it waits for, with the command that says that it is done, and where the run is.
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
    // The second word need not wait until the first was taken up.
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

/// After a way back `status --exit-code` is what `apply` would end with, and the commands that are
/// printed on the way are those that go on.
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

/// A replan in the middle of a move takes for granted only what was said of this very statement, and what has
/// had its time; until mail was led, the switch is still to come.
#[test]
fn a_replan_takes_for_granted_what_was_said_and_no_more() {
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
    // Another value is another statement.
    let (_, text) = replanned(&[("value: relay, from: switch", "value: reject, from: switch")]);
    assert!(text.contains("assume/switch/mail/old"), "{text}");
    // So is another way to ask.
    let (_, text) = replanned(&[(
        "host: old, from: switch, reason: x }\n  - { fact: clients",
        "host: old, from: switch, check: [ \"false\" ], reason: x }\n  - { fact: clients",
    )]);
    assert!(text.contains("assume/switch/routes_local/old"), "{text}");
    // What has not settled yet begins anew.
    let (_, text) = replanned(&[(
        "fact: clients, host: old, from: switch, reason: x",
        "fact: clients, host: old, from: switch, settle: 2h, reason: x",
    )]);
    assert!(text.contains("assume/switch/clients/old"), "{text}");
    // Mail that was taken for relaying may lie in queues for as long.
    let (_, text) = replanned(&[("queue_life: 2s", "queue_life: 1h")]);
    assert!(text.contains("assume/switch/mail/old"), "{text}");
    // What was sealed to take the run's place counts on what it has done: not when that was taken back.
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

/// All was ready for the switch, and mail was not led yet: the switch is still to come, with its window, its
/// gates and its tasks.
#[test]
fn a_replan_before_mail_is_led_has_the_switch_before_it() {
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
