//! Tasks on a real server: commands and manual work before and after the switch.

use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::bind_fixture::{BindFixture, end_state, is_nowhere};
use crate::lab::sleep;
use crate::run::kind;

const APPLY: &[&str] = &["apply", "plan.yaml", "--wait", "--auto-approve"];

/// A fixture whose plan has tasks, as flow mappings.
pub(crate) fn with_tasks(before_switch: &[&str], after_switch: &[&str], more: &str) -> BindFixture {
    let fixture = BindFixture::bind();
    let list = |key: &str, tasks: &[&str]| {
        let lines: String = tasks.iter().map(|task| format!("    - {task}\n")).collect();
        if lines.is_empty() { lines } else { format!("  {key}:\n{lines}") }
    };
    let tasks = list("before_switch", before_switch) + &list("after_switch", after_switch);
    let plan = fs::read_to_string(fixture.plan()).expect("the plan");
    fs::write(fixture.plan(), format!("{plan}\ntasks:\n{tasks}{more}")).expect("it is written");
    fixture
}

fn script(fixture: &BindFixture, name: &str, text: &str) {
    fs::write(fixture.dir().join(name), text).expect("a script");
}

/// Waits until the journal has an entry of this kind and step.
fn until(fixture: &BindFixture, child: &mut Child, wanted: &str) {
    while !fixture.journal().iter().any(|entry| kind(entry) == wanted) {
        assert_eq!(child.try_wait().expect("a child"), None, "{wanted}");
        sleep(Duration::from_millis(5));
    }
}

fn is_gone(fixture: &BindFixture, file: &str) -> bool {
    let number = fs::read_to_string(fixture.dir().join(file)).expect("a number");
    let state = fs::read_to_string(format!("/proc/{}/stat", number.trim())).unwrap_or_default();
    state.is_empty() || state.contains(") Z ")
}

/// Tasks run in order, each once, without holding up what does not depend on them. Their output is
/// kept, without the secrets in it.
#[test]
fn commands_are_run_once_and_their_output_is_kept() {
    let before = ["{ name: first, run: [ sh, first ] }", "{ name: second, run: [ sh, second ] }"];
    let fixture = with_tasks(&before, &["{ name: third, run: [ sh, third ] }"], "");
    script(
        &fixture,
        "first",
        "echo first >>ran; sleep 1; echo \"it knows $FIXTURE_TSIG\"; yes | head -c 1000000",
    );
    script(&fixture, "second", "echo second >>ran");
    script(&fixture, "third", "echo third >>ran");
    let (code, said) = fixture.cutover(APPLY);
    assert_eq!(code, 0, "{said}");
    assert_eq!(fixture.served(), end_state());
    let ran = fs::read_to_string(fixture.dir().join("ran")).expect("they ran");
    assert_eq!(ran, "first\nsecond\nthird\n");
    let kinds: Vec<String> = fixture.journal().iter().map(kind).collect();
    let at = |wanted: &str| kinds.iter().position(|kind| kind == wanted).expect(wanted);
    assert!(at("propagated lower/acme.test/@/MX") < at("did task/first"), "nothing waits for it");
    assert!(at("did task/second") < at("reached checkpoint/before-switch"));
    assert!(at("propagated switch/acme.test/@/MX") < at("begun task/third"));
    assert!(at("did task/third") < at("reached checkpoint/before-contract"));
    let secret = &fixture.primary.key().secret;
    is_nowhere(secret, &fixture.dir().join(".cutover"));
    let (_, log) = fixture.cutover(&["log", "plan.yaml"]);
    assert!(log.contains("it knows [secret]") && log.len() < 20_000, "{}", log.len());
}

/// A run that supersedes another one does not repeat its work, and says so. What was changed is run
/// again.
#[test]
fn a_new_plan_keeps_the_work_of_the_run_before() {
    let before =
        ["{ name: first, run: [ sh, first, there ] }", "{ name: second, manual: \"look at it\" }"];
    let fixture = with_tasks(&before, &[], "");
    script(&fixture, "first", "echo $1 >>ran");
    let ran = || fs::read_to_string(fixture.dir().join("ran")).expect("it ran");
    let apply = ["apply", "plan.yaml", "--auto-approve"];
    let replan = ["apply", "plan.yaml", "--auto-approve", "--replan"];
    let waits = |args: &[&str]| {
        let (code, said) = fixture.cutover(args);
        assert!([4, 6].contains(&code), "{code}: {said}");
        said
    };
    // The task is looked at again until its program has ended.
    waits(&apply);
    assert_eq!(ran(), "there\n");
    for _ in 0..2 {
        // Another comment makes another plan.
        let plan = fs::read_to_string(fixture.plan()).expect("the plan");
        fs::write(fixture.plan(), format!("{plan}# once more\n")).expect("the plan");
        let (_, planned) = fixture.cutover(&["plan", "plan.yaml", "--replan"]);
        let told = "not done again, as the open run has done it: task/first\n";
        assert!(planned.contains(told), "{planned}");
        waits(&replan);
        assert_eq!(ran(), "there\n");
        let (_, log) = fixture.cutover(&["log", "plan.yaml"]);
        let (_, status) = fixture.cutover(&["status", "plan.yaml"]);
        let line = status.lines().find(|line| line.contains("task/first")).expect("its step");
        assert!(line.contains("[x]") && line.contains("done by an earlier run 2"), "{line}");
        assert!(log.contains("task/first: unchanged, and done by an earlier run at "), "{log}");
    }
    let (code, said) =
        fixture.cutover(&["confirm", "plan.yaml", "task/second", "--reason", "looked at"]);
    assert_eq!(code, 0, "{said}");
    let plan = fs::read_to_string(fixture.plan()).expect("the plan");
    fs::write(fixture.plan(), plan.replace("first, there", "first, here")).expect("the plan");
    let (code, said) = fixture.cutover(&[&replan[..], &["--wait"]].concat());
    assert_eq!(code, 0, "{said}");
    assert_eq!(ran(), "there\nhere\n", "what was changed is run again, once");
    assert_eq!(fixture.served(), end_state());
    let (_, log) = fixture.cutover(&["log", "plan.yaml", "--all"]);
    assert_eq!(
        log.matches("task/second: unchanged, and done by an earlier run").count(),
        1,
        "{log}"
    );
}

/// At its time limit a command is killed with all its child processes. The check finds out what it
/// has done by then; without a check, a person has to say it.
#[test]
fn a_command_that_takes_too_long_is_killed_and_looked_for() {
    let slow = "sleep 600 & echo $! >child; echo once >>ran; wait";
    let task = "{ name: slow, run: [ sh, slow ], within: 2s }";
    let fixture = with_tasks(&[task], &[], "");
    script(&fixture, "slow", slow);
    let (code, said) = fixture.cutover(APPLY);
    assert_eq!(code, 6, "a person has to say it: {said}");
    assert!(said.contains("nobody knows whether the task was done"), "{said}");
    assert!(said.contains("cutover confirm plan.yaml task/slow --not-done"), "{said}");
    assert!(is_gone(&fixture, "child"), "its child is killed with it");
    let (code, said) = fixture.cutover(&["confirm", "plan.yaml", "task/slow", "--not-done"]);
    assert_eq!(code, 0, "{said}");
    script(&fixture, "slow", "echo twice >>ran");
    let (code, said) = fixture.cutover(APPLY);
    assert_eq!(code, 0, "{said}");
    assert_eq!(fs::read_to_string(fixture.dir().join("ran")).expect("it ran"), "once\ntwice\n");

    let task = "{ name: slow, run: [ sh, slow ], within: 2s, check: [ test, -e, ran ] }";
    let fixture = with_tasks(&[task], &[], "");
    script(&fixture, "slow", slow);
    let (code, said) = fixture.cutover(APPLY);
    assert_eq!(code, 0, "the check has found it done: {said}");
    assert_eq!(fs::read_to_string(fixture.dir().join("ran")).expect("it ran"), "once\n");
}

/// A process that dies leaves its command running. The command is checked when its time limit is
/// over, and not run a second time meanwhile.
#[test]
fn killed_in_the_middle_of_a_command() {
    let task = "{ name: copy, run: [ sh, copy ], within: 6s, check: [ grep, -q, done, ran ] }";
    let fixture = with_tasks(&[task], &[], "");
    script(&fixture, "copy", "echo begun >>ran; sleep 3; echo done >>ran");
    fs::write(fixture.dir().join("ran"), "").expect("a file");
    let mut child = fixture.spawn(APPLY);
    until(&fixture, &mut child, "begun task/copy");
    sleep(Duration::from_millis(300));
    child.kill().expect("SIGKILL can be sent");
    child.wait().expect("a child");
    let (code, said) = fixture.cutover(APPLY);
    assert_eq!(code, 0, "{said}");
    assert_eq!(fs::read_to_string(fixture.dir().join("ran")).expect("it ran"), "begun\ndone\n");
    assert_eq!(fixture.served(), end_state());
}

/// A command that fails halts the run, and is run again when somebody has fixed the cause.
#[test]
fn a_command_that_fails_halts_and_is_run_again() {
    let fixture = with_tasks(&["{ name: copy, run: [ sh, copy ] }"], &[], "");
    script(&fixture, "copy", "echo 'the disk is full'; exit 3");
    let (code, said) = fixture.cutover(APPLY);
    assert_eq!(code, 5, "{said}");
    assert!(
        said.contains("the task has failed") && said.contains("code 3: the disk is full"),
        "{said}"
    );
    script(&fixture, "copy", "exit 0");
    let (code, said) = fixture.cutover(APPLY);
    assert_eq!(code, 0, "{said}");
}

/// Manual work is confirmed from another terminal while the run continues, or found done.
#[test]
fn manual_work_is_confirmed() {
    let tell = "{ name: tell, manual: \"Tell everybody\" }";
    let fixture = with_tasks(
        &[tell],
        &["{ name: look, manual: \"Look at it\", check: [ test, -e, seen ] }"],
        "",
    );
    let (code, said) = fixture.cutover(&["apply", "plan.yaml", "--auto-approve"]);
    assert!(
        code == 4 && said.contains("task/tell waits for a person: Tell everybody"),
        "{code}: {said}"
    );
    let mut child = fixture
        .command(APPLY)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    until(&fixture, &mut child, "wait_ended wait/publish/acme.test/mx/A");
    for step in ["task/look", "task/nothing", "switch/acme.test/@/MX"] {
        let (code, said) = fixture.cutover(&["confirm", "plan.yaml", step, "--reason", "so it is"]);
        assert!(code == 2 && said.contains("cannot be confirmed now"), "{step}: {code}: {said}");
    }
    let (code, said) =
        fixture.cutover(&["confirm", "plan.yaml", "task/tell", "--reason", "by letter"]);
    assert!(
        code == 0 && said.contains("passed on to the process that runs the plan"),
        "{code}: {said}"
    );
    until(&fixture, &mut child, "propagated switch/acme.test/@/MX");
    fs::write(fixture.dir().join("seen"), "").expect("a file");
    assert_eq!(child.wait().expect("a child").code(), Some(0));
    assert_eq!(fixture.served(), end_state());
    let (_, log) = fixture.cutover(&["log", "plan.yaml"]);
    assert!(log.contains("task/tell: confirmed by a person: by letter"), "{log}");
    assert!(log.contains("task/look: done"), "{log}");
}

/// On the way back, tasks are undone in reverse order, and a task that was not done is not undone.
#[test]
fn tasks_are_undone() {
    let task = |name: &str| {
        format!("{{ name: {name}, run: [ sh, do, {name} ], undo: [ sh, undo, {name} ] }}")
    };
    let (one, two, three) = (task("one"), task("two"), task("three"));
    let gate = "gates:\n  after_switch: [ { probe: command, run: [ \"false\" ], delay: 4s, on_fail: rollback } ]\n";
    let never = "{ name: never, manual: \"Wait for ever\" }";
    let fixture =
        with_tasks(&[&one, "{ name: stays, run: [ \"true\" ] }"], &[&two, never, &three], gate);
    script(&fixture, "do", "echo do $1 >>ran");
    script(&fixture, "undo", "echo undo $1 >>ran");
    let (code, said) = fixture.cutover(APPLY);
    assert!(code == 5 && said.contains("rolled back: gate/after-switch/command"), "{code}: {said}");
    let ran = || fs::read_to_string(fixture.dir().join("ran")).expect("they ran");
    assert_eq!(ran(), "do one\ndo two\nundo two\n");
    let to_start = ["rollback", "plan.yaml", "--to", "start", "--wait", "--auto-approve"];
    // A task without `undo` is undone by a person, or accepted as it is, and the run waits for
    // that.
    let mut child = fixture.spawn(&to_start);
    let waits = "waits for a person: by hand: `stays` was done and has no `undo`";
    while !fixture.cutover(&["status", "plan.yaml"]).1.contains(waits) {
        assert_eq!(child.try_wait().expect("the child can be waited for"), None);
    }
    let (code, said) =
        fixture.cutover(&["confirm", "plan.yaml", "back/task/stays", "--reason", "it may stay"]);
    assert_eq!(code, 0, "{said}");
    assert!(child.wait().expect("the child can be waited for").success());
    assert_eq!(ran(), "do one\ndo two\nundo two\nundo one\n", "each once");
    let (code, said) = fixture.cutover(&to_start);
    assert!(code == 0 && said.contains("nothing to do"), "{code}: {said}");
    let zone: Vec<String> = fixture.served().concat();
    assert!(zone.contains(&"acme.test. 6 IN MX 10 mail.acme.test.".to_owned()), "{zone:?}");
}

/// The zone after mail has gone back.
fn is_back(fixture: &BindFixture) -> bool {
    fixture.served().concat().iter().any(|line| line.ends_with(" IN MX 10 mail.acme.test."))
}

/// Trials, line 54: an undo that hangs or fails does not delay mail, unless it has to come first.
#[test]
fn mail_goes_back_before_programs_run() {
    let gate = "gates:\n  after_switch: [ { probe: command, run: [ \"false\" ], delay: 4s, on_fail: rollback } ]\n";
    let task = |more: &str| {
        format!("{{ name: copy, run: [ \"true\" ], undo: [ sh, undo ], within: 30s{more} }}")
    };
    let fixture = with_tasks(&[], &[&task("")], gate);
    script(&fixture, "undo", "echo undone >>ran; exit 1");
    let (code, said) = fixture.cutover(APPLY);
    assert!(code == 5 && said.contains("back/task/copy"), "{code}: {said}");
    assert!(fixture.dir().join("ran").exists(), "{said}");
    assert!(is_back(&fixture), "the undo has failed, and mail goes back: {said}");
    let fixture = with_tasks(&[], &[&task(", undo_first: true")], gate);
    script(&fixture, "undo", "echo undone >>ran; exit 1");
    let (code, said) = fixture.cutover(APPLY);
    assert!(code == 5 && said.contains("back/task/copy"), "{code}: {said}");
    assert!(!is_back(&fixture), "the plan wants it undone first: {said}");
}

/// A missing program is reported, and nothing after it begins.
#[test]
fn a_missing_program_fails() {
    let fixture = with_tasks(&["{ name: copy, run: [ ./no-such-program ] }"], &[], "");
    let (code, said) = fixture.cutover(APPLY);
    assert!(
        code == 5 && said.contains("halted at task/copy: the task has failed"),
        "{code}: {said}"
    );
    assert!(said.contains("`./no-such-program` cannot be run"), "{said}");
    // It was not run, so nobody has to confirm whether it was done.
    let (code, said) = fixture.cutover(&["confirm", "plan.yaml", "task/copy", "--not-done"]);
    assert!(code == 2, "{code}: {said}");
}
