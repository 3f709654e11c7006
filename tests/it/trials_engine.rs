//! Problems that trials found in how runs continue, reproduced on real servers: one test for each
//! reported line.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::bind_fixture::BindFixture;
use crate::gates::journals;
use crate::lab::{Unbound, sleep};
use crate::run::kind;

const DONE: i32 = 0;
const USAGE: i32 = 2;
const WAITING: i32 = 4;
const HALTED: i32 = 5;
const NEEDS_PERSON: i32 = 6;

const APPLY: &[&str] = &["apply", "plan.yaml", "--wait", "--auto-approve"];

/// A fixture whose plan was changed: the first text of each pair is replaced by the second, and
/// lines are added at the end.
fn fixture(changed: &[(&str, &str)], more: &str) -> BindFixture {
    let fixture = BindFixture::bind();
    edit(&fixture, changed, more);
    fixture
}

fn edit(fixture: &BindFixture, changed: &[(&str, &str)], more: &str) {
    let mut plan = fs::read_to_string(fixture.plan()).expect("the plan");
    for (from, to) in changed {
        assert!(plan.contains(from), "{from}");
        plan = plan.replace(from, to);
    }
    fs::write(fixture.plan(), format!("{plan}{more}")).expect("it is written");
}

fn script(fixture: &BindFixture, name: &str, text: &str) {
    fs::write(fixture.dir().join(name), text).expect("a script");
}

/// When each event first happened, by kind and step.
fn first(journal: &[Value]) -> BTreeMap<String, DateTime<Utc>> {
    let mut found = BTreeMap::new();
    for entry in journal {
        let at = entry["at"].as_str().expect("an instant").parse().expect("an instant");
        found.entry(kind(entry)).or_insert(at);
    }
    found
}

/// Waits until the newest run has an entry of this kind and step.
fn until(fixture: &BindFixture, child: &mut Child, wanted: &str) {
    let has = || journals(fixture).last().is_some_and(|run| run.iter().any(|e| kind(e) == wanted));
    while !has() {
        assert_eq!(child.try_wait().expect("a child"), None, "{wanted}");
        sleep(Duration::from_millis(5));
    }
}

const SYNCED: &str =
    "  - { fact: synced, host: old, from: contract, confirm: false, reason: a last copy is made }";
const SYNCED_BACK: &str = "  - { fact: synced, host: new, reason: mailboxes would be copied back }";

/// Line 56: the last copy is made when nothing more is stored at the old host, and the old host is
/// released after it. On the way back, a copy is made when nothing more is stored at the new host.
#[test]
fn copies_come_last_in_both_directions() {
    let by = [
        (
            SYNCED,
            "  - { fact: synced, host: old, by: task/copy-late, reason: a last copy is made }",
        ),
        (
            SYNCED_BACK,
            "  - { fact: synced, host: new, by: task/copy-back, reason: it is copied back }",
        ),
    ];
    let tasks = "tasks:
  before_contract: [ { name: tell, run: [ sh, log, tell ] } ]
  before_release:
    - { name: look, run: [ sh, log, look ] }
    - { name: copy-late, run: [ sh, log, late ], undo: [ sh, log, undo-late ] }
  way_back: [ { name: copy-back, run: [ sh, log, back ] } ]
";
    let fixture = fixture(&by, tasks);
    script(&fixture, "log", "echo $1 >>ran; test ! -e no-$1");
    script(&fixture, "no-late", "");
    let (code, text) = fixture.cutover(APPLY);
    assert!(code == HALTED && text.contains("halted at task/copy-late"), "{code}: {text}");
    fs::remove_file(fixture.dir().join("no-late")).expect("the copy can be made now");
    let (code, text) = fixture.cutover(APPLY);
    assert_eq!(code, DONE, "{text}");
    let ran = || fs::read_to_string(fixture.dir().join("ran")).expect("they ran");
    assert_eq!(ran(), "tell\nlook\nlate\nlate\n");
    let at = first(&journals(&fixture)[0]);
    let switched = at["propagated switch/acme.test/@/MX"];
    // The TTL of 2 s, a second of margin, and a second for resolvers that keep records too long.
    assert!(at["begun task/copy-late"] - switched >= chrono::TimeDelta::seconds(4));
    for (before, after) in [
        ("wait_ended wait/keep-old/switch/acme.test/@/MX", "begun task/tell"),
        ("did task/tell", "reached checkpoint/before-contract"),
        ("reached checkpoint/before-contract", "begun task/look"),
        ("did task/look", "begun task/copy-late"),
        ("halted task/copy-late", "did task/copy-late"),
        ("did task/copy-late", "reached checkpoint/release-old"),
    ] {
        assert!(at[before] <= at[after], "{before}, {after}: {at:?}");
    }
    // The verdict says the same.
    let (_, text) = fixture.cutover(&["show", ".cutover/two-domains/0001/artifact.json"]);
    assert!(text.contains("from the end of `task/copy-late` on"), "{text}");

    let gate = "gates:
  after_switch: [ { probe: command, run: [ \"false\" ], delay: 1s, on_fail: rollback } ]
";
    let fixture = self::fixture(&by, &format!("{tasks}{gate}"));
    script(&fixture, "log", "echo $1 >>ran");
    let (code, text) = fixture.cutover(APPLY);
    assert!(code == HALTED && text.contains("rolled back: "), "{code}: {text}");
    assert_eq!(fs::read_to_string(fixture.dir().join("ran")).expect("it ran"), "back\n");
    let at = first(&journals(&fixture)[1]);
    let led_back = at["propagated back/switch/acme.test/@/MX"];
    assert!(at["begun task/copy-back"] - led_back >= chrono::TimeDelta::seconds(3), "{at:?}");
}

/// Line 56: facts that a task brings about are checked with the rest of the plan.
#[test]
fn facts_by_tasks_are_checked() {
    for (line, tasks, wanted) in [
        ("by: task/copy", "", "the plan has no task `copy`"),
        ("by: copy", "", "`copy` is not a task"),
        (
            "by: task/copy, from: contract",
            "tasks: { before_release: [ { name: copy, run: [ \"true\" ] } ] }\n",
            "both say when the fact becomes true",
        ),
        (
            "by: task/copy",
            "tasks: { way_back: [ { name: copy, run: [ \"true\" ] } ] }\n",
            "cannot be brought about on the way back",
        ),
        (
            "by: task/copy",
            "tasks: { way_back: [ { name: copy, run: [ \"true\" ], undo: [ \"true\" ] } ] }\n",
            "has no undo",
        ),
    ] {
        let line =
            format!("  - {{ fact: synced, host: old, {line}, reason: a last copy is made }}");
        let (code, text) = fixture(&[(SYNCED, &line)], tasks).cutover(&["check", "plan.yaml"]);
        assert!(code == USAGE && text.contains(wanted), "{code}: {text}");
    }
    // Too early, it is not a last copy, because the plan has nothing before it to wait for.
    let line = "  - { fact: synced, host: old, by: task/copy, reason: a last copy is made }";
    let tasks = "tasks: { before_switch: [ { name: copy, run: [ \"true\" ] } ] }\n";
    let (code, text) = fixture(&[(SYNCED, line)], tasks).cutover(&["plan", "plan.yaml"]);
    assert!(code == 3 && text.contains("one-mailbox is broken"), "{code}: {text}");
}

fn found(fixture: &BindFixture, gate: &str) -> Vec<String> {
    let entries = journals(fixture).remove(0).into_iter();
    let probed = entries.filter_map(|entry| Some(entry["event"].get("probed")?.clone()));
    let mine = probed.filter(|probed| probed["step"] == gate);
    mine.map(|probed| probed["finding"].as_str().expect("a word").to_owned()).collect()
}

/// Line 57: a resolver that keeps records longer than their TTL, but within the plan's own
/// `overrun`, is queried until that is over, and does not count as a failure.
#[test]
fn a_resolver_that_keeps_records_too_long_has_time() {
    let fixture = BindFixture::bind();
    let unbound = Unbound::before(&fixture.primary, "cache-min-ttl: 6");
    let gate = format!(
        "gates: {{ after_switch: [ {{ probe: seen, resolvers: [ \"{}\" ], every: 1s }} ] }}\n\
         tasks: {{ before_switch: [ {{ name: fill, run: [ sh, fill ] }} ] }}\n",
        unbound.addresses()[0]
    );
    edit(&fixture, &[("overrun: 1s", "overrun: 9s")], &gate);
    // It caches the records that exist before the switch, after their TTLs have been lowered.
    script(
        &fixture,
        "fill",
        "until grep -q 'propagated.*lower/acme.test/@/MX' .cutover/two-domains/0001/journal.jsonl; do :; done",
    );
    let mut child = fixture.command(APPLY);
    let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    while !journals(&fixture)
        .last()
        .is_some_and(|run| run.iter().any(|entry| kind(entry) == "begun switch/acme.test/@/MX"))
    {
        assert!(unbound.look_up("acme.test", "MX").contains("acme.test."));
        assert_eq!(child.try_wait().expect("a child"), None);
    }
    assert_eq!(child.wait().expect("a child").code(), Some(DONE));
    let found = found(&fixture, "gate/after-switch/seen");
    let (last, before) = found.split_last().expect("it was queried");
    assert_eq!(last, "pass", "{found:?}");
    assert!(
        !before.is_empty() && before.iter().all(|finding| finding == "inconclusive"),
        "{found:?}"
    );
}

/// Line 58: a probe that may query anything runs when all users can have moved, and the plan warns
/// if it says otherwise.
#[test]
fn a_command_runs_when_all_users_can_have_moved() {
    let gate = |more: &str| {
        format!("gates: {{ after_switch: [ {{ probe: command, run: [ \"true\" ]{more} }} ] }}\n")
    };
    let fixture = self::fixture(&[], &gate(""));
    let (code, text) = fixture.cutover(APPLY);
    assert!(code == DONE && !text.contains("asked-early"), "{code}: {text}");
    let at = first(&journals(&fixture)[0]);
    let (switched, probed) =
        (at["propagated switch/acme.test/@/MX"], at["probed gate/after-switch/command"]);
    assert!(probed - switched >= chrono::TimeDelta::seconds(3), "the TTL, and a second of margin");
    let fixture = self::fixture(&[], &gate(", delay: 1s"));
    let (code, text) = fixture.cutover(&["plan", "--full", "plan.yaml"]);
    assert_eq!(code, DONE, "{text}");
    let wanted =
        "it probes 1s after the switch, but caches may send everybody to the old side for 3s";
    assert_eq!(text.matches(wanted).count(), 2, "in the plan, and as a warning: {text}");
}

/// Line 59: a probe that breaks down has no result, and exit codes mean what the plan says.
#[test]
fn exit_codes_have_meanings_and_a_breakdown_has_none() {
    let python = "import sys\nraise ValueError('no such host')\n";
    for (run, more, finding) in [
        ("python3, broken", "", "unanswered"),
        ("sh, -c, \"kill -9 $$\"", "", "unanswered"),
        ("sh, -c, \"./no-such-program\"", "", "unanswered"),
        ("sh, -c, \"exit 1\"", "", "fail"),
        ("sh, -c, \"exit 2\"", "", "inconclusive"),
        ("sh, -c, \"exit 1\"", ", exits: nagios", "inconclusive"),
        ("sh, -c, \"exit 2\"", ", exits: nagios", "fail"),
        ("sh, -c, \"exit 3\"", ", exits: nagios", "unanswered"),
        ("sh, -c, \"exit 4\"", ", exits: { pass: [ 4 ], fail: [ 1, 9 ] }", "pass"),
        ("sh, -c, \"exit 9\"", ", exits: { pass: [ 4 ], fail: [ 1, 9 ] }", "fail"),
        ("sh, -c, \"exit 2\"", ", exits: { pass: [ 4 ], fail: [ 1, 9 ] }", "unanswered"),
    ] {
        let gate = format!(
            "gates: {{ before_switch: [ {{ probe: command, run: [ {run} ], unanswered_limit: 0{more} }} ] }}\n"
        );
        let fixture = fixture(&[], &gate);
        script(&fixture, "broken", python);
        let wanted = "probed gate/before-switch/command";
        let mut child = fixture.spawn(APPLY);
        until(&fixture, &mut child, wanted);
        child.kill().and_then(|()| child.wait()).expect("it can be ended");
        assert_eq!(found(&fixture, "gate/before-switch/command"), [finding], "{run}{more}");
    }
    let twice = "gates: { before_switch: [ { probe: command, run: [ x ], exits: { pass: [ 4 ], fail: [ 4 ] } } ] }\n";
    let (code, text) = fixture(&[], twice).cutover(&["check", "plan.yaml"]);
    assert!(code == USAGE && text.contains("an exit code has two meanings"), "{code}: {text}");
    // If the check of a task breaks down, that does not mean that the task was not done.
    let task = "tasks: { before_switch: [ { name: copy, run: [ sh, copy ], check: [ python3, broken ] } ] }\n";
    let fixture = fixture(&[], task);
    script(&fixture, "broken", python);
    script(&fixture, "copy", "echo copied >>ran");
    let (code, text) = fixture.cutover(APPLY);
    assert!(code == NEEDS_PERSON && text.contains("its check ended with code 1"), "{code}: {text}");
    assert!(!fixture.dir().join("ran").exists(), "nobody knows whether it was done");
}

/// Line 60: a halted run that is applied again and again, as by cron, has one halt in its journal
/// and sends one notification. It continues when it can.
#[test]
fn a_halt_is_recorded_and_notified_once() {
    let gate = "gates: { before_switch: [ { probe: command, run: [ test, -e, ready ] } ] }
notify: [ { at: [ halted ], mail: { server: \"127.0.0.1:1\", tls: none, from: a@acme.test, to: [ b@acme.test ] } } ]
";
    let fixture = fixture(&[], gate);
    let counts = |fixture: &BindFixture| {
        let entries = &journals(fixture)[0];
        let of = |wanted: &str| entries.iter().filter(|e| kind(e).starts_with(wanted)).count();
        (of("halted"), of("told"), entries.len())
    };
    let (code, text) = fixture.cutover(APPLY);
    assert_eq!(code, HALTED, "{text}");
    let (halts, tells, entries) = counts(&fixture);
    assert_eq!((halts, tells), (1, 1));
    for _ in 0..8 {
        let (code, text) = fixture.cutover(APPLY);
        assert!(code == HALTED && text.contains("halted at gate/before-switch/command"), "{text}");
    }
    assert_eq!(counts(&fixture), (1, 1, entries));
    let (_, log) = fixture.cutover(&["log", "plan.yaml"]);
    assert!(log.contains("notify of `halted` at gate/before-switch/command"), "{log}");
    fs::write(fixture.dir().join("ready"), "").expect("a file");
    // Drift is a halt like any other.
    fixture
        .primary
        .nsupdate("update delete acme.test MX\nupdate add acme.test 2 MX 20 mx.acme.test.");
    for _ in 0..4 {
        let (code, text) = fixture.cutover(APPLY);
        assert!(code == HALTED && text.contains("MX 20 mx.acme.test."), "{code}: {text}");
    }
    let (halts, tells, entries) = counts(&fixture);
    assert_eq!((halts, tells), (2, 2));
    let (code, _) = fixture.cutover(APPLY);
    assert_eq!((code, counts(&fixture).2), (HALTED, entries));
    fixture
        .primary
        .nsupdate("update delete acme.test MX\nupdate add acme.test 2 MX 10 mail.acme.test.");
    let (code, text) = fixture.cutover(APPLY);
    assert_eq!(code, DONE, "{text}");
}

/// Line 61: the exit code says if a person has to act.
#[test]
fn waiting_for_a_person_exits_with_six() {
    let task = "tasks: { before_switch: [ { name: slow, run: [ sleep, \"60\" ], within: 1s } ] }\n";
    let fixture = fixture(&[], task);
    for args in [APPLY, &["status", "plan.yaml", "--exit-code"]] {
        let (code, text) = fixture.cutover(args);
        assert_eq!(code, NEEDS_PERSON, "{text}");
    }
    let confirm = ["confirm", "plan.yaml", "task/slow", "--reason", "it was quick enough"];
    let (code, text) = fixture.cutover(&confirm);
    assert_eq!(code, DONE, "{text}");
    let (code, text) = fixture.cutover(APPLY);
    assert_eq!(code, DONE, "{text}");
}

/// Line 62: a slow gate does not hold up anything else: neither the end of a task, nor another
/// gate.
#[test]
fn a_slow_gate_holds_nothing_up() {
    let more = "tasks: { after_switch: [ { name: quick, run: [ sleep, \"2\" ] }, { name: next, run: [ \"true\" ] } ] }
gates:
  after_switch:
    - { probe: command, run: [ sh, -c, \"until test -e go; do sleep 0.1; done\" ], delay: 1s }
    - { probe: served, every: 1s, for: 5s }
";
    let fixture = fixture(&[], more);
    let mut child = fixture.spawn(APPLY);
    let of = |wanted: &str| {
        journals(&fixture).first().map_or(0, |run| run.iter().filter(|e| kind(e) == wanted).count())
    };
    // The gate passes when the file exists, which is created after everything else has ended.
    while of("did task/next") == 0 || of("probed gate/after-switch/served") < 6 {
        assert_eq!(child.try_wait().expect("a child"), None, "all else goes on");
        sleep(Duration::from_millis(20));
    }
    assert_eq!(of("probed gate/after-switch/command"), 0, "the others came first");
    fs::write(fixture.dir().join("go"), "").expect("a file can be written");
    assert_eq!(child.wait().expect("a child").code(), Some(DONE));
}

/// Line 63: a run that another process drives can be asked to go back, and does.
#[test]
fn a_waiting_process_can_be_asked_to_go_back() {
    let task = "tasks: { after_switch: [ { name: wait, manual: \"Wait for ever\" } ] }\n";
    for waits in [true, false] {
        let fixture = fixture(&[], task);
        let mut child = fixture.spawn(APPLY);
        until(&fixture, &mut child, "propagated switch/acme.test/@/MX");
        let mut args = vec!["rollback", "plan.yaml", "--to", "before-switch", "--auto-approve"];
        args.extend(waits.then_some("--wait"));
        let (code, text) = fixture.cutover(&args);
        assert!(text.contains("was told to roll back to `before-switch`"), "{text}");
        assert_eq!(code, if waits { DONE } else { WAITING }, "{text}");
        let ended = child.wait().expect("a child").code();
        assert_eq!(ended, Some(HALTED), "whoever has applied it learns that it went back");
        let zone = fixture.served().concat();
        assert!(zone.contains(&"acme.test. 2 IN MX 10 mail.acme.test.".to_owned()), "{zone:?}");
        assert_eq!(journals(&fixture).len(), 2);
        let (code, text) = fixture.cutover(APPLY);
        assert!(code == HALTED && text.contains("--again"), "{code}: {text}");
    }
}

/// A task that talks to the new host hangs because that host is down. It does not hold up the way
/// back, is ended, and is undone after mail has gone back.
#[test]
fn a_running_task_does_not_hold_up_the_way_back() {
    let task = "tasks: { after_switch: [ { name: relay, run: [ sleep, \"600\" ], undo: [ sh, -c, \"echo undone >>undone\" ] } ] }\n";
    let gate = "gates: { after_switch: [ { probe: command, run: [ \"false\" ], delay: 1s, on_fail: rollback } ] }\n";
    for by_gate in [true, false] {
        let more = if by_gate { format!("{task}{gate}") } else { task.to_owned() };
        let fixture = fixture(&[], &more);
        let mut child = fixture.spawn(APPLY);
        until(&fixture, &mut child, "begun task/relay");
        if !by_gate {
            let args =
                ["rollback", "plan.yaml", "--to", "before-switch", "--auto-approve", "--wait"];
            let (code, text) = fixture.cutover(&args);
            assert_eq!(code, DONE, "{text}");
        }
        assert_eq!(child.wait().expect("a child").code(), Some(HALTED));
        let [there, back] = &journals(&fixture)[..] else { panic!("a run, and its way back") };
        let (there, back) = (first(there), first(back));
        let turned = there["turned_back "];
        let led_back = back["written back/switch/acme.test/@/MX"];
        assert!(led_back - turned < chrono::TimeDelta::seconds(30), "{turned} to {led_back}");
        assert!(back["did back/task/relay"] > led_back, "{back:?}");
        assert_eq!(
            fs::read_to_string(fixture.dir().join("undone")).expect("it was undone"),
            "undone\n"
        );
        let zone = fixture.served().concat();
        assert!(zone.contains(&"acme.test. 2 IN MX 10 mail.acme.test.".to_owned()), "{zone:?}");
    }
}

/// A recipient of a notice about the rollback does not answer. Mail goes back first, and the
/// notification follows.
#[test]
fn a_silent_recipient_does_not_hold_up_the_way_back() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = silent.local_addr().expect("an address").port();
    let gate = "gates: { after_switch: [ { probe: command, run: [ \"false\" ], delay: 1s, on_fail: rollback } ] }\n";
    let notify = format!(
        "notify: [ {{ at: [ rollback ], mail: {{ server: \"127.0.0.1:{port}\", tls: none, from: a@acme.test, to: [ b@acme.test ] }} }} ]\n"
    );
    let fixture = fixture(&[], &format!("{gate}{notify}"));
    let mut child = fixture.spawn(APPLY);
    assert_eq!(child.wait().expect("a child").code(), Some(HALTED));
    let [there, back] = &journals(&fixture)[..] else { panic!("a run, and its way back") };
    let (there, back) = (first(there), first(back));
    let turned = there["turned_back "];
    let notified =
        *there.iter().find(|(key, _)| key.starts_with("told")).expect("a notification").1;
    let led_back = back["written back/switch/acme.test/@/MX"];
    assert!(led_back - turned < chrono::TimeDelta::seconds(5), "{turned} to {led_back}");
    assert!(notified > led_back, "{led_back} and {notified}");
    let (_, log) = fixture.cutover(&["log", "plan.yaml", "--all"]);
    assert!(log.contains("could not notify of `rollback`"), "{log}");
}

/// Line 13: in one state directory, open runs of two plans cannot change the same records.
#[test]
fn a_second_plan_over_the_same_records_is_refused() {
    let fixture = BindFixture::bind();
    let plan = fs::read_to_string(fixture.plan()).expect("the plan");
    let (head, _) = plan.split_once("hosts:").expect("a plan with hosts");
    let write = |plan: &str, record: &str| {
        let head = head.replace("name: two-domains", &format!("name: {plan}"));
        let text = format!("{head}records: [ {{ zone: acme.test, {record} }} ]\n");
        fs::write(fixture.dir().join(format!("{plan}.yaml")), text).expect("a plan");
    };
    write("first", "name: www, type: A, to: [ 192.0.2.81 ], lower_ttl: 3s");
    let (code, text) = fixture.cutover(&["apply", "first.yaml", "--auto-approve"]);
    assert_eq!(code, WAITING, "{text}");
    write("other", "name: www, type: A, to: [ 192.0.2.82 ]");
    let open = "the open run of `first` changes the same records: www.acme.test. A";
    let (code, text) = fixture.cutover(&["plan", "other.yaml"]);
    assert!(code == DONE && text.contains(open), "a warning: {code}: {text}");
    let (code, text) = fixture.cutover(&["apply", "other.yaml", "--auto-approve"]);
    assert!(code == USAGE && text.contains(open), "{code}: {text}");
    write("other", "name: elsewhere, type: A, to: [ 192.0.2.82 ]");
    let (code, text) = fixture.cutover(&["apply", "other.yaml", "--wait", "--auto-approve"]);
    assert_eq!(code, DONE, "{text}");
    // It is accepted after the first has finished.
    let (code, text) = fixture.cutover(&["apply", "first.yaml", "--wait", "--auto-approve"]);
    assert_eq!(code, DONE, "{text}");
    write("third", "name: www, type: A, to: [ 192.0.2.82 ]");
    let (code, text) = fixture.cutover(&["apply", "third.yaml", "--wait", "--auto-approve"]);
    assert_eq!(code, DONE, "{text}");
}

/// Line 68: each point of the plan can be notified, with step and reason.
#[test]
fn each_point_of_the_plan_can_be_notified() {
    let notify = "notify: [ { at: [ switch, contract, release, done ], mail: { server: \"127.0.0.1:1\", tls: none, from: a@acme.test, to: [ b@acme.test ] } } ]\n";
    let fixture = fixture(&[], notify);
    let (code, text) = fixture.cutover(APPLY);
    assert_eq!(code, DONE, "{text}");
    let (_, log) = fixture.cutover(&["log", "plan.yaml"]);
    for wanted in [
        "notify of `switch` at checkpoint/before-switch",
        "notify of `contract` at checkpoint/before-contract",
        "notify of `release` at checkpoint/release-old",
        "notify of `done`",
    ] {
        assert_eq!(log.matches(wanted).count(), 1, "{wanted}: {log}");
    }
}

/// Lines 64 and 65: the plan says for each point when senders are back, and gives one line for each
/// reason to wait.
#[test]
fn the_plan_says_when_senders_are_back_and_why_it_waits() {
    let fixture = BindFixture::bind();
    let (code, text) = fixture.cutover(&["plan", "--full", "plan.yaml"]);
    assert_eq!(code, DONE, "{text}");
    // The records are made with a TTL of 2 s, and have 6 s again in the end; a second of margin.
    assert!(text.contains("the last sender returns within 3s"), "{text}");
    assert!(
        text.contains("after restore/acme.test/@/MX, the last sender returns within 7s"),
        "{text}"
    );
    let table = text.split("Exposure").nth(1).expect("a table");
    let table = table.split("\n\n").nth(1).expect("its rows");
    let mut rows: Vec<(String, String, String)> = Vec::new();
    for row in table.lines().skip(1) {
        let words: Vec<&str> = row.split_whitespace().collect();
        let key = format!("{} {}", words[0], words[1]);
        let row = (key, words[2].to_owned(), (*words.last().expect("a reason")).to_owned());
        assert!(!rows.contains(&row), "{row:?} stands there twice: {table}");
        rows.push(row);
    }
    for reason in ["reach", "keep_old", "one-mailbox"] {
        let is_it =
            |(key, _, of): &(String, String, String)| key == "acme.test. MX" && of == reason;
        assert!(rows.iter().any(is_it), "{reason}: {table}");
    }
}
