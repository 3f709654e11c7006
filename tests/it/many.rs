//! Many runs in one store: `status --all`, and `cutover run`, which continues those that are due.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use cutover_store_suite::relay::Relay;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::bind_fixture::{end_state, said};
use crate::every_store::Stores;
use crate::lab::{now, sleep};
use crate::postgres_relay;
use crate::shared::{Machine, repository};
use crate::store_faults::through;
use crate::tasks::with_tasks;
use crate::zonefile_fixture::{ZONE, ZonefileFixture};

/// How long anything may take that should happen.
const PATIENCE: Duration = Duration::from_secs(120);

/// The plan number `n`: one address of a zone of its own.
fn plan(n: usize) -> String {
    format!(
        "version: 1
name: p{n}
providers:
  files: {{ type: zonefile, directory: zones, served: {{ assume_within: 1s }} }}
resolver: none
zones: {{ z{n}.test: {{ provider: files }} }}
records:
  - {{ id: site, zone: z{n}.test, name: www, type: A, to: [ 203.0.113.80 ], lower_ttl: 1s }}
clocks: {{ margin: 0s, use: 0s }}
"
    )
}

/// A machine with so many plans, and a zone for each.
fn machine(plans: usize, store: &str) -> Machine {
    let files = ZonefileFixture::new();
    for n in 0..plans {
        files.write(&format!("zones/z{n}.test.zone"), ZONE);
        files.write(&format!("p{n}.yaml"), plan(n));
    }
    Machine { files, store: store.to_owned() }
}

/// The same on a directory store.
fn alone(plans: usize) -> Machine {
    let mut machine = machine(plans, "");
    machine.store = machine.files.path("state").display().to_string();
    machine
}

/// The same test on a store that is asked plan by plan, and on one that shares out what is due.
fn on_both(test: impl Fn(&dyn Fn(usize) -> Machine)) {
    test(&alone);
    let stores = Stores::new();
    test(&|plans| machine(plans, &stores.store("postgres", "")));
}

impl Machine {
    /// Begins the runs of plans; all of them wait.
    fn begin(&self, plans: usize) {
        let inputs: Vec<String> = (0..plans).map(|n| format!("p{n}.yaml")).collect();
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        self.ends(4, &[&["apply", "--auto-approve"][..], &inputs].concat());
    }

    /// Runs the program and returns its exit code and output.
    fn run(&self, args: &[&str]) -> (i32, String) {
        said(&self.command(args).output().expect("the program can be run"))
    }

    fn is_done(&self, n: usize) -> bool {
        self.files.read(&format!("zones/z{n}.test.zone")).contains("www   2 A 203.0.113.80")
    }

    /// Calls `run` until it says something else than that everything waits.
    #[track_caller]
    fn until_no_longer_waiting(&self, args: &[&str]) -> (i32, String) {
        let begun = now();
        loop {
            let (code, said) = self.run(args);
            if code != 4 {
                return (code, said);
            }
            assert!(begun.elapsed() < PATIENCE, "{said}");
        }
    }

    fn all(&self) -> Value {
        let said = self.ends(0, &["status", "--all", "--format", "json"]);
        serde_json::from_str(&said).expect("JSON")
    }
}

#[test]
fn a_scheduled_call_continues_every_run_that_is_due() {
    on_both(scheduled);
}

fn scheduled(new: &dyn Fn(usize) -> Machine) {
    let one = new(6);
    assert_eq!(one.ends(0, &["status", "--all"]), "no run yet\n");
    assert_eq!(one.ends(0, &["run", "--all", "--once"]), "nothing is left to do\n");
    one.begin(5);
    let said = one.ends(0, &["status", "--all"]);
    for n in 0..5 {
        assert!(said.contains(&format!("p{n}    at least")), "{said}");
    }
    assert_eq!(one.all()["runs"].as_array().map(Vec::len), Some(5));
    one.ends(4, &["status", "--all", "--exit-code"]);
    let said = one.ends(4, &["run", "--all", "--once"]);
    assert!(said.contains("is the next that continues: run again at 2"), "{said}");
    // Only what is named.
    let (code, said) = one.until_no_longer_waiting(&["run", "p1.yaml", "p3", "--once"]);
    assert_eq!(code, 0, "{said}");
    assert!((0..5).all(|n| one.is_done(n) == [1, 3].contains(&n)), "{said}");
    // Another machine could do the same: it needs nothing but the store, and the provider.
    fs::remove_file(one.files.path("p0.yaml")).expect("removed");
    let (code, said) = one.until_no_longer_waiting(&["run", "--all", "--once", "--jobs", "2"]);
    assert_eq!(code, 0, "{said}");
    assert!((0..5).all(|n| one.is_done(n)), "{said}");
    assert!(one.ends(0, &["log", "p0"]).contains("finished"));
    assert!(!one.is_done(5), "it begins nothing");
    one.ends(0, &["status", "--all", "--exit-code"]);
    let said = one.ends(2, &["run", "p9", "--once"]);
    assert!(said.contains("no run of a plan of this name"), "{said}");
    one.ends(2, &["run", "--all"]);
    one.ends(2, &["run", "--once"]);
}

#[test]
fn a_run_that_halts_or_cannot_be_read_holds_up_no_other() {
    let one = alone(4);
    one.begin(4);
    // Somebody edits the records of one plan, and the journal of another is damaged.
    let edited = one.files.read("zones/z1.test.zone").replace("192.0.2.80", "192.0.2.99");
    one.files.write("zones/z1.test.zone", edited);
    let journal = Path::new(&one.store).join("p2/0001/journal.jsonl");
    fs::write(&journal, "{}\n").expect("written");
    let begun = now();
    let said = loop {
        let (code, said) = one.run(&["run", "--all", "--once"]);
        // The worst: an error, whatever else there is.
        assert_eq!(code, 1, "{said}");
        if one.is_done(0) && one.is_done(3) {
            break said;
        }
        assert!(begun.elapsed() < PATIENCE, "{said}");
    };
    assert!(said.contains("p2: ") && said.contains("p2/0001/journal.jsonl:1"), "{said}");
    assert!(said.contains("p1: halted at"), "{said}");
    let said = one.ends(1, &["status", "--all", "--exit-code"]);
    assert!(said.contains("p1    halted at"), "{said}");
    assert!(said.contains("p2    cannot be read"), "{said}");
    fs::remove_dir_all(Path::new(&one.store).join("p2")).expect("removed");
    one.ends(5, &["run", "--all", "--once"]);
    one.ends(5, &["status", "--all", "--exit-code"]);
    // Once the record is back, the next call goes on.
    let mended = one.files.read("zones/z1.test.zone").replace("192.0.2.99", "192.0.2.80");
    one.files.write("zones/z1.test.zone", mended);
    let (code, said) = one.until_no_longer_waiting(&["run", "--all", "--once"]);
    assert_eq!((code, one.is_done(1)), (0, true), "{said}");
}

/// Whoever leaves a run says how it stands, so lists and new plans read no runs of other plans: they ask
/// the database as often with one plan as with six.
#[test]
fn runs_that_rest_are_read_by_nobody() {
    let stores = Stores::new();
    let port = stores.port("postgres");
    let relay = Relay::before(port, postgres_relay::serve);
    let one = machine(7, &through(&stores.store("postgres", ""), &relay, port));
    let requests = |code: i32, args: &[&str]| {
        relay.arm(None);
        let said = one.ends(code, args);
        (relay.arm(None), said)
    };
    let begin = |n: usize| requests(4, &["apply", "--auto-approve", &format!("p{n}.yaml")]).0;
    // The first one also makes the tables.
    begin(0);
    let listed = requests(0, &["status", "--all"]).0;
    assert!(listed < 10, "{listed} requests");
    let stores_listed = requests(0, &["state", "list"]).0;
    assert!(stores_listed < 10, "{stores_listed} requests");
    let second = begin(1);
    for n in 2..6 {
        assert_eq!(begin(n), second, "plan {n}");
    }
    let (again, said) = requests(0, &["status", "--all"]);
    assert_eq!(again, listed, "{said}");
    assert!((0..6).all(|n| said.contains(&format!("p{n}    at least"))), "{said}");
    let (again, said) = requests(0, &["state", "list", "--format", "json"]);
    assert_eq!(again, stores_listed, "{said}");
    let list: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    let plans = list["plans"].as_array().expect("a list");
    assert_eq!(plans.len(), 6);
    for (n, plan) in plans.iter().enumerate() {
        // What is shown is what whoever reads the run shows.
        let said = one.ends(0, &["state", "show", &format!("p{n}"), "--format", "json"]);
        let shown: serde_json::Value = serde_json::from_str(&said).expect("JSON");
        assert_eq!(plan["newest"], shown["runs"][0]["run"]);
        assert_eq!((&plan["runs"], &plan["newest"]["stage"]), (&1.into(), &"running".into()));
        assert!(plan["newest"]["entries"].as_u64() > Some(2) && plan["lease"].is_null(), "{plan}");
    }
    // Programs get the same lines. Every step of every run is another question.
    let all = ["status", "--all", "--format", "json"];
    let (again, said) = requests(0, &all);
    assert_eq!(again, listed, "{said}");
    let lines: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    let (full, said) = requests(0, &[&all[..], &["--full"]].concat());
    assert!(full > listed + 6, "{full} requests");
    let steps: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    for n in 0..6 {
        let (line, run) = (&lines["runs"][n], &steps["runs"][n]);
        for key in ["plan", "artifact", "way_back", "stage"] {
            assert!(!line[key].is_null() && line[key] == run[key], "{key}: {line}");
        }
        assert_eq!(line["next"]["step"], run["next"]["step"], "{line}");
        let at = line["next"]["at"].as_str();
        assert!(at.is_none_or(|at| Some(at) > lines["seen_at"].as_str()), "{line}");
        let left = |of: &serde_json::Value| of["remaining_secs"].as_u64().expect("a span");
        assert!(left(line).abs_diff(left(run)) < 60 && line["exit_code"] == 4, "{line} {run}");
    }
    // What is in the same zone is found.
    let same = plan(6).replace("z6.test", "z3.test");
    one.files.write("p6.yaml", same);
    let said = one.ends(2, &["apply", "--auto-approve", "p6.yaml"]);
    assert!(said.contains("the open run of `p3` changes the same records"), "{said}");
}

#[test]
fn a_halted_run_is_tried_again_with_each_call() {
    on_both(halted);
}

fn halted(new: &dyn Fn(usize) -> Machine) {
    let one = new(2);
    one.begin(2);
    let edit = |from: &str, to: &str| {
        let zone = one.files.read("zones/z1.test.zone").replace(from, to);
        one.files.write("zones/z1.test.zone", zone);
    };
    edit("192.0.2.80", "192.0.2.99");
    let (code, said) = one.until_no_longer_waiting(&["run", "--all", "--once"]);
    assert!(code == 5 && said.contains("p1: halted at"), "{said}");
    while !one.is_done(0) {
        one.ends(5, &["run", "--all", "--once"]);
    }
    let said = one.ends(5, &["run", "--all", "--once"]);
    assert!(said.contains("p1: halted at") && !said.contains("p0: "), "{said}");
    edit("192.0.2.99", "192.0.2.80");
    let (code, said) = one.until_no_longer_waiting(&["run", "--all", "--once"]);
    assert_eq!((code, one.is_done(1)), (0, true), "{said}");
    one.ends(0, &["status", "--all", "--exit-code"]);
}

#[test]
fn several_runs_are_driven_at_once_but_not_too_many_at_a_provider() {
    on_both(several_at_once);
}

fn several_at_once(new: &dyn Fn(usize) -> Machine) {
    const PLANS: usize = 8;
    let one = new(PLANS);
    for n in 0..PLANS {
        let reloads = plan(n).replace("zones,", "zones, reload: [ sh, reload.sh ],");
        one.files.write(&format!("p{n}.yaml"), reloads);
    }
    fs::create_dir(one.files.path("busy")).expect("a directory");
    one.files.write("reload.sh", "");
    one.begin(PLANS);
    // Now each reload takes a while, and counts how many there are.
    let count = "touch busy/$$; ls busy | wc -l >>counts; sleep 0.4; rm busy/$$\n";
    one.files.write("reload.sh", count);
    // Longer than the first wait of all of them, so that they are due together.
    sleep(Duration::from_secs(4));
    let (code, said) = one.until_no_longer_waiting(&["run", "--all", "--once"]);
    assert_eq!(code, 0, "{said}");
    let counts = one.files.read("counts");
    let most = counts.lines().filter_map(|count| count.trim().parse::<usize>().ok()).max();
    assert!(most.is_some_and(|most| (2..=4).contains(&most)), "{counts}");
}

#[test]
fn a_way_back_is_continued_too() {
    on_both(way_back);
}

fn way_back(new: &dyn Fn(usize) -> Machine) {
    let one = new(1);
    one.begin(1);
    one.ends(4, &["rollback", "p0", "--to", "start", "--auto-approve"]);
    let (code, said) = one.until_no_longer_waiting(&["run", "--all", "--once"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("p0: done: p0 is rolled back"), "{said}");
    let zone = one.files.read("zones/z0.test.zone");
    assert!(zone.contains("192.0.2.80") && !zone.contains("203.0.113.80"), "{zone}");
}

#[test]
fn a_run_that_waits_for_a_person_says_what_to_do() {
    waits_for_a_person("state");
    waits_for_a_person(&Stores::new().store("postgres", ""));
}

fn waits_for_a_person(store: &str) {
    let fixture = with_tasks(&["{ name: tell, manual: \"Tell everybody\" }"], &[], "");
    let ends = |args: &[&str]| fixture.cutover(&[args, &["--state", store]].concat());
    let (code, said) = ends(&["apply", "plan.yaml", "--auto-approve"]);
    assert_eq!(code, 4, "{said}");
    let begun = now();
    let run = || loop {
        let (code, said) = ends(&["run", "--all", "--once"]);
        if code != 4 {
            return (code, said);
        }
        assert!(begun.elapsed() < PATIENCE, "{said}");
    };
    let (code, said) = run();
    assert_eq!(code, 6, "{said}");
    assert!(said.contains("task/tell waits for a person: Tell everybody"), "{said}");
    let line =
        said.split('`').find(|line| line.starts_with("cutover confirm ")).expect("a command");
    let words: Vec<&str> = line.split(' ').skip(1).map(|word| word.trim_matches('\'')).collect();
    let (code, said) = fixture.cutover(&words);
    assert_eq!(code, 0, "{line}: {said}");
    let (code, said) = run();
    assert_eq!(code, 0, "{said}");
    assert_eq!(fixture.served(), end_state());
}

/// A process that stays, until it is ended.
struct Loop(Child);

impl Loop {
    fn of(machine: &Machine) -> Self {
        let mut command = machine.command(&["run", "--all", "--loop", "--jobs", "3"]);
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("the program can be run"))
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.0.id()).expect("a process id");
        kill(Pid::from_raw(id), signal).expect("it is there");
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Two machines that write the same zones, and share a store.
fn two_machines(plans: usize, lease: &str) -> (TempDir, Machine, Machine) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = repository(dir.path()) + lease;
    let one = machine(plans, &store);
    let other = Machine { files: ZonefileFixture::new(), store };
    fs::remove_dir_all(other.files.path("zones")).expect("a directory");
    symlink(one.files.path("zones"), other.files.path("zones")).expect("a link");
    (dir, one, other)
}

#[test]
fn machines_that_share_a_store_share_the_work_and_do_everything_once() {
    const PLANS: usize = 8;
    let (_dir, one, other) = two_machines(PLANS, "?lease=5s");
    one.begin(PLANS);
    let (first, mut second) = (Loop::of(&one), Loop::of(&other));
    let is_done = |n: &usize| one.is_done(*n);
    let begun = now();
    while !(0..PLANS).any(|n| is_done(&n)) {
        assert!(begun.elapsed() < PATIENCE, "nothing gets done");
        sleep(Duration::from_millis(50));
    }
    // One is killed, with whatever it was doing. The other takes over when the leases are over.
    first.signal(Signal::SIGKILL);
    let all_done = || {
        let all = other.all();
        let runs = all["runs"].as_array().expect("a list");
        runs.len() == PLANS && runs.iter().all(|run| run["stage"] == "finished")
    };
    while !all_done() {
        assert!(begun.elapsed() < PATIENCE, "{}", other.run(&["status", "--all"]).1);
        sleep(Duration::from_millis(500));
    }
    for n in 0..PLANS {
        assert!(one.is_done(n));
        // Each change was made once: the serial counts them.
        let zone = one.files.read(&format!("zones/z{n}.test.zone"));
        assert!(zone.contains("( 10 ; serial"), "{zone}");
    }
    // It stays, and goes on with what comes later; a signal ends it.
    second.signal(Signal::SIGTERM);
    assert_eq!(second.0.wait().expect("an end").code(), Some(143));
}

#[test]
fn what_another_machine_drives_is_left_to_it() {
    let (_dir, one, other) = two_machines(2, "");
    one.begin(2);
    let mut command = one.command(&["apply", "p0.yaml", "--wait"]);
    let mut driver =
        Loop(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs"));
    let owner = format!("with process {} ", driver.0.id());
    let begun = now();
    while !other.ends(0, &["state", "list"]).contains(&owner) {
        assert!(begun.elapsed() < PATIENCE, "it never begins");
    }
    // It stands still, so its run is due, and nobody else may continue it.
    driver.signal(Signal::SIGSTOP);
    while !one.is_done(1) {
        let (code, said) = other.run(&["run", "--all", "--once"]);
        assert_eq!(code, 4, "{said}");
        assert!(begun.elapsed() < PATIENCE, "{said}");
    }
    let said = loop {
        let (code, said) = other.run(&["run", "--all", "--once"]);
        assert_eq!(code, 4, "{said}");
        if said.contains("the plan is locked by") {
            break said;
        }
        assert!(begun.elapsed() < PATIENCE, "{said}");
    };
    assert!(said.contains(&owner) && !one.is_done(0), "{said}");
    driver.signal(Signal::SIGCONT);
    assert_eq!(driver.0.wait().expect("an end").code(), Some(0));
    assert!(one.is_done(0));
    let (code, said) = other.until_no_longer_waiting(&["run", "--all", "--once"]);
    assert_eq!(code, 0, "{said}");
}
