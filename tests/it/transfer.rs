//! `cutover state`: what a store holds, whose lease it is, and how runs move to another store.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use cutover_store_suite::all;
use serde_json::Value;

use crate::every_store::{KINDS, Stores};
use crate::lab::now;
use crate::shared::Machine;
use crate::zonefile_fixture::{ZONE_DONE, ZonefileFixture};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The export of everything that is in a machine's store.
#[track_caller]
fn exported(machine: &Machine) -> String {
    let output = machine.command(&["state", "export"]).output().expect("the program can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Two exports are the same, octet by octet. Says where they differ, because they are long.
#[track_caller]
fn same(one: &str, other: &str) {
    let differ = one.lines().zip(other.lines()).position(|(one, other)| one != other);
    assert_eq!(differ, None, "the first line that differs");
    assert_eq!(one.len(), other.len());
}

/// Each store gives runs to the next one and gets some of the one before it; every ordered pair with
/// `CUTOVER_SWEEP=all`.
#[test]
fn runs_move_from_every_store_to_every_other_and_go_on_there() {
    let stores = Stores::new();
    let pairs = (0..4).flat_map(|from| (0..4).map(move |to| (from, to)));
    let pairs = pairs.filter(|(from, to)| all() || (from + 1) % 4 == *to);
    let pairs: Vec<_> = pairs.map(|(from, to)| (KINDS[from], KINDS[to])).collect();
    for some in pairs.chunks(4) {
        std::thread::scope(|scope| {
            for &(from, to) in some {
                let stores = &stores;
                scope.spawn(move || moves(stores, from, to));
            }
        });
    }
}

fn moves(stores: &Stores, from: &str, to: &str) {
    let one = stores.machine(from, "");
    one.ends(4, &["apply", "plan.yaml", "--auto-approve"]);
    one.ends(4, &["rollback", "move", "--to", "start", "--auto-approve"]);
    one.ends(0, &["rollback", "move", "--wait", "--auto-approve"]);
    one.ends(4, &["apply", "plan.yaml", "--again", "--auto-approve"]);
    one.ends(0, &["state", "export", "-o", "runs.jsonl"]);
    let text = one.files.read("runs.jsonl");
    same(&exported(&one), &text);
    // Another machine, which writes the same zone, has an empty store.
    let other = Machine::beside(&one.files, &stores.store(to, ""));
    other.files.write("runs.jsonl", &text);
    let said = other.ends(0, &["state", "import", "runs.jsonl"]);
    assert!(said.ends_with("imported: 3 of 3 runs\n"), "{from} to {to}: {said}");
    same(&exported(&other), &text);
    let shown = |machine: &Machine| machine.ends(0, &["state", "show", "move"]);
    assert_eq!(shown(&one), shown(&other));
    let listed = other.ends(4, &["status", "--all", "--exit-code"]);
    assert!(listed.contains("move  at least"), "{from} to {to}: {listed}");
    let said = other.ends(0, &["state", "import", "runs.jsonl"]);
    assert!(said.ends_with("imported: 0 of 3 runs\n"), "{said}");
    // It goes on there. The older export is still a part of what is there.
    other.ends(0, &["apply", "plan.yaml", "--wait"]);
    assert_eq!(one.files.zone(), ZONE_DONE.replace("( 10 ", "( 12 "), "{from} to {to}");
    other.ends(0, &["state", "import", "runs.jsonl"]);
    // And back: the first store gets what it lacks.
    one.files.write("later.jsonl", exported(&other));
    let said = one.ends(0, &["state", "import", "later.jsonl"]);
    assert!(said.contains("entries added"), "{said}");
    same(&exported(&one), &exported(&other));
    one.ends(0, &["status", "plan.yaml", "--exit-code"]);
    one.ends(0, &["status", "--all", "--exit-code"]);
}

#[test]
fn an_import_changes_no_run_and_continues_where_it_was_cut_off() {
    let stores = Stores::new();
    let one = stores.machine("directory", "");
    one.ends(4, &["apply", "plan.yaml", "--auto-approve"]);
    // A run that was given up keeps its name.
    let run = Path::new(&one.store).join("move/0001");
    fs::rename(&run, run.with_file_name("0001.given-up")).expect("renamed");
    let reset = ZonefileFixture::new();
    one.files.write("zones/acme.test.zone", reset.zone());
    one.ends(4, &["apply", "plan.yaml", "--auto-approve"]);
    let text = exported(&one);
    let other = Machine::beside(&one.files, &stores.store("git", ""));
    other.files.write("runs.jsonl", &text);
    other.ends(0, &["state", "import", "runs.jsonl"]);
    same(&exported(&other), &text);
    let shown = json(&other.ends(0, &["state", "show", "move", "--format", "json"]));
    assert_eq!(shown["runs"][1]["name"], "0001.given-up");
    assert_eq!(shown["runs"][1]["run"]["given_up"], true);
    // A store that has the beginning gets the rest, and no line twice.
    let cut = stores.store("directory", "");
    let third = Machine::beside(&one.files, &cut);
    third.files.write("runs.jsonl", &text);
    third.ends(0, &["state", "import", "runs.jsonl"]);
    let journal = Path::new(&cut).join("move/0001/journal.jsonl");
    let lines = fs::read_to_string(&journal).expect("a journal");
    for keep in [0, 1, lines.lines().count() - 1] {
        let kept: String = lines.lines().take(keep).map(|line| format!("{line}\n")).collect();
        fs::write(&journal, kept).expect("written");
        third.ends(0, &["state", "import", "runs.jsonl"]);
        same(&exported(&third), &text);
    }
    fs::remove_dir_all(Path::new(&cut).join("move/0001")).expect("removed");
    third.ends(0, &["state", "import", "runs.jsonl"]);
    same(&exported(&third), &text);
    // What differs is refused, and stays.
    let artifact = fs::read(Path::new(&cut).join("move/0001/artifact.json")).expect("an artifact");
    for (input, differs) in
        [("plan.yaml", "has another artifact"), ("plan.json", "has another journal")]
    {
        let stranger = Machine::beside(&one.files, &stores.store("directory", ""));
        stranger.files.write("runs.jsonl", &text);
        stranger.files.write("plan.json", &artifact);
        stranger.files.write("zones/acme.test.zone", reset.zone());
        stranger.ends(4, &["apply", input, "--auto-approve"]);
        let before = exported(&stranger);
        let said = stranger.ends(2, &["state", "import", "runs.jsonl"]);
        assert!(said.contains(&format!("the store has a run move/0001 that {differs}")), "{said}");
        same(&exported(&stranger), &before);
    }
}

#[test]
fn a_damaged_or_foreign_export_is_refused_with_its_line() {
    let stores = Stores::new();
    let one = stores.machine("directory", "");
    one.ends(4, &["apply", "plan.yaml", "--auto-approve"]);
    let text = exported(&one);
    let lines: Vec<&str> = text.lines().collect();
    let joined = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let other = Machine::beside(&one.files, &stores.store("directory", ""));
    let refused = |text: &str, line: usize, reason: &str| {
        other.files.write("runs.jsonl", text);
        let said = other.ends(2, &["state", "import", "runs.jsonl"]);
        let place = format!("runs.jsonl:{line}: ");
        assert!(said.contains(&place) && said.contains(reason), "{place}{reason}: {said}");
        assert_eq!(other.ends(0, &["state", "list"]), "no runs yet\n");
    };
    for keep in 0..lines.len() {
        refused(&joined(&lines[..keep]), keep + 1, "its last line is missing");
    }
    refused(&text[..text.len() - 1], lines.len(), "its last line is missing");
    refused(&format!("{text}\n"), lines.len() + 1, "not a line of an export");
    refused(&format!("{text}{text}"), lines.len() + 1, "cannot be here");
    refused("version: 1\n", 1, "not a line of an export");
    refused("{\"format\":\"cutover/export/2\"}\n", 1, "the format `cutover/export/2`");
    refused(&text.replace("cutover/export/1", "cutover/export/9"), 1, "cutover/export/9");
    refused(&text.replace("\"name\":\"0001\"", "\"name\":\"../1\""), 2, "cannot be the name");
    refused(&text.replace("\"plan\":\"move\"", "\"plan\":\"other\""), 2, "not the one");
    refused(&text.replacen("203.0.113.80", "203.0.113.81", 1), 2, "its artifact cannot be used");
    // Without a line, twice, or in another order.
    for at in 1..lines.len() - 1 {
        let mut fewer = lines.clone();
        fewer.remove(at);
        let mut twice = lines.clone();
        twice.insert(at, lines[at]);
        let mut swapped = lines.clone();
        swapped.swap(at, at + 1);
        for changed in [fewer, twice, swapped] {
            other.files.write("runs.jsonl", joined(&changed));
            let said = other.ends(2, &["state", "import", "runs.jsonl"]);
            assert!(said.contains("runs.jsonl:"), "{said}");
            assert_eq!(other.ends(0, &["state", "list"]), "no runs yet\n");
        }
    }
    // A whole run at the end can be missed only because of the digest.
    let empty = "{\"end\":{\"runs\":0,\"digest\":\"";
    let end = lines[lines.len() - 1].replacen("{\"end\":{\"runs\":1,\"digest\":\"", empty, 1);
    refused(&joined(&[lines[0], &end]), 2, "are not those that were exported");
}

/// A process that drives the run of a machine until it is ended.
struct Driver(Child);

impl Driver {
    fn of(machine: &Machine) -> Self {
        machine.files.write(
            "plan.yaml",
            machine.files.read("plan.yaml").replace("margin: 0s", "margin: 1h"),
        );
        let mut command = machine.command(&["apply", "plan.yaml", "--auto-approve", "--wait"]);
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("the program can be run"))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_lease_is_shown_and_taken_away_from_whoever_has_it() {
    let stores = Stores::new();
    for kind in KINDS {
        let one = stores.machine(kind, "");
        let mut driver = Driver::of(&one);
        let held = || {
            let list = json(&one.ends(0, &["state", "list", "--format", "json"]));
            list["plans"][0]["lease"]["owner"].as_str().map(str::to_owned)
        };
        let deadline = now() + Duration::from_secs(60);
        let is_waiting = || one.ends(0, &["log", "plan.yaml"]).contains("wait/lower");
        while held().is_none() || !is_waiting() {
            assert!(now() < deadline, "{kind}: it never begins");
        }
        let owner = held().expect("the driver");
        assert!(owner.ends_with(&format!("with process {}", driver.0.id())), "{owner}");
        let said = one.ends(1, &["apply", "plan.yaml"]);
        assert!(said.contains(&format!("the plan is locked by {owner}")), "{said}");
        // Without a terminal nobody can answer.
        let said = one.ends(6, &["state", "unlock", "move"]);
        assert!(said.contains(&owner) && said.contains("not unlocked"), "{said}");
        assert_eq!(held().as_ref(), Some(&owner));
        let said = one.ends(0, &["state", "unlock", "plan.yaml", "--auto-approve"]);
        assert!(said.contains("the lease was taken away from"), "{said}");
        assert_eq!(held(), None);
        assert_eq!(one.ends(0, &["state", "unlock", "move"]), "nobody drives move\n");
        // Somebody else can go on, and the old process cannot write.
        one.ends(4, &["apply", "plan.yaml"]);
        let _ = driver.0.kill();
        let said = one.ends(2, &["state", "unlock", "nothing"]);
        assert!(said.contains("no run of a plan of this name"), "{said}");
    }
}

#[test]
fn a_damaged_run_hides_no_other() {
    let stores = Stores::new();
    let one = stores.machine("directory", "");
    one.ends(4, &["apply", "plan.yaml", "--auto-approve"]);
    let state = Path::new(&one.store);
    fs::create_dir_all(state.join("damaged/0001")).expect("a directory");
    let copied = state.join("damaged/0001/artifact.json");
    fs::copy(state.join("move/0001/artifact.json"), copied).expect("copied");
    fs::write(state.join("damaged/0001/journal.jsonl"), "{}\n").expect("written");
    let said = one.ends(1, &["state", "list"]);
    assert!(said.contains("unreadable") && said.contains("running"), "{said}");
    assert!(said.contains("damaged/0001/journal.jsonl:1: "), "{said}");
    let list = one.command(&["state", "list", "--format", "json"]).output().expect("it runs");
    let list = json(&String::from_utf8(list.stdout).expect("text"));
    assert_eq!(list["plans"][1]["newest"]["stage"], "running");
    assert!(list["plans"][0]["error"].as_str().is_some_and(|why| why.contains("journal.jsonl:1")));
    one.ends(1, &["state", "show", "damaged"]);
    one.ends(1, &["state", "export"]);
    one.ends(0, &["state", "export", "move", "-o", "move.jsonl"]);
    one.ends(1, &["state", "export", "-o", "all.jsonl"]);
    assert!(!one.files.path("all.jsonl").exists(), "no half of an export");
}
