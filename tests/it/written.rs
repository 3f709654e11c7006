//! The messages about a change that failed say that none of it is written, or all of it, and the
//! run can go back from there.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::bind_fixture::said;
use crate::ground::{Ground, Kind};
use crate::lab::{Bind, Pdns, PdnsZone, Server, now, sleep};

const HALTED: i32 = 5;

/// A zone in a file.
const FILE: &str = "$TTL 2\n@ SOA ns1 hostmaster 1 3600 600 86400 1\n@ NS ns1\nns1 A 192.0.2.53\n\
    www A 192.0.2.1\n";

/// A zone file that the server refuses to load after the plan's change: it loads nothing that
/// contains `bad`.
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

/// Lines 20 and 41: the message says that the server refuses to load the zone, and the way back
/// begins with the file.
#[test]
fn a_file_that_is_not_loaded_is_restored_first() {
    let ground = picky();
    let before = ground.held();
    for command in ["apply", "apply"] {
        let (code, text) = ground.cutover(&[command, "plan.yaml", "--wait", "--auto-approve"]);
        assert_eq!(code, HALTED, "{text}");
        for word in ["zone not loaded", "All of it was written.", "cutover rollback"] {
            assert!(text.contains(word), "no {word}: {text}");
        }
        assert!(!text.contains("does not respond as needed"), "{text}");
        assert!(file(&ground, "zones/acme.test.zone").contains("bad"), "as it says");
    }
    let (_, status) = ground.cutover(&["status", "plan.yaml"]);
    assert!(status.contains("All of it was written."), "{status}");
    ground.goes_back();
    assert_eq!(ground.held(), before);
    // The serial has increased, and the server has loaded it.
    assert_eq!(file(&ground, "loaded"), file(&ground, "zones/acme.test.zone"));
}

/// A BIND that serves `acme.test` from its file, and a plan that publishes a name which BIND accepts
/// in no primary zone (`check-names`). `reload` is a shell script; `$PID` is the server's process.
fn refused_by_bind(reload: &str) -> (Server, TempDir) {
    let bind = Bind::of_files(&[("acme.test", FILE)]);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let script = format!("PID={}\n{reload}", bind.pid());
    fs::write(dir.path().join("reload.sh"), script).expect("a script");
    let plan = format!(
        "version: 1\nname: refused\nresolver: none\n\
         providers: {{ dns: {{ type: zonefile, file: \"{}\", reload: [ sh, reload.sh ] }} }}\n\
         zones: {{ acme.test: {{ provider: dns, authorities: [ \"{}\" ] }} }}\n\
         clocks: {{ margin: 0s, use: 0s }}\nrecords:\n\
         \x20 - {{ zone: acme.test, name: www, type: A, to: [ 192.0.2.2 ] }}\n\
         \x20 - {{ zone: acme.test, name: my_host, type: A, to: [ 192.0.2.3 ] }}\n",
        bind.dir().join("0.zone").display(),
        bind.addr(),
    );
    fs::write(dir.path().join("plan.yaml"), plan).expect("a plan");
    (bind, dir)
}

/// Runs the program in a directory. Returns its exit code and its output.
fn cutover(dir: &TempDir, args: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
    command.args(args).current_dir(dir.path()).stdin(Stdio::null());
    said(&command.output().expect("the program can be run"))
}

/// What the server serves, and its file without the serial.
fn served_and_held(bind: &Server) -> (String, Vec<String>) {
    let file = fs::read_to_string(bind.dir().join("0.zone")).expect("the zone");
    let lines = file.lines().filter(|line| !line.contains("SOA")).map(str::to_owned).collect();
    (bind.dig(&["www.acme.test", "A", "+short"]).trim().to_owned(), lines)
}

/// Line 41, as BIND does it: it loads a file after the reload command has reported success, and goes
/// on serving the old version if it refuses the file. Rolling back waits for nobody who will never
/// serve what is written: the file is put back within seconds.
#[test]
fn a_file_that_bind_refuses_is_restored_within_seconds() {
    let (bind, dir) = refused_by_bind("kill -HUP $PID\n");
    let before = served_and_held(&bind);
    let apply = ["apply", "plan.yaml", "--auto-approve"];
    let mut child = Command::new(env!("CARGO_BIN_EXE_cutover"));
    child.args(apply).arg("--wait").current_dir(dir.path()).stdin(Stdio::null());
    let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a child");
    let refused = || bind.log().contains("not loaded due to errors");
    while !refused() {
        sleep(Duration::from_millis(20));
    }
    child.kill().expect("SIGKILL can be sent");
    child.wait().expect("a child");
    assert!(served_and_held(&bind).1.iter().any(|line| line.contains("my_host")), "it is written");
    let begun = now();
    let (code, text) = cutover(&dir, &["rollback", "plan.yaml", "--wait", "--auto-approve"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("the run goes back without waiting for it"), "{text}");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}: {text}", begun.elapsed());
    assert_eq!(served_and_held(&bind), before, "{text}");
}

/// The same if the process dies between the write and a reload command that fails.
#[test]
fn a_file_that_was_never_loaded_is_restored_at_once() {
    // The first call with the bad name hangs, so that the process can be killed in it; the next ones
    // say what BIND would.
    let reload = "grep -q my_host zone || exec kill -HUP $PID\n\
        test -e called || { touch called; sleep 60; }\n\
        echo 'bad owner name' >&2; exit 1\n";
    let (bind, dir) = refused_by_bind(reload);
    std::os::unix::fs::symlink(bind.dir().join("0.zone"), dir.path().join("zone")).expect("a link");
    let before = served_and_held(&bind);
    let mut child = Command::new(env!("CARGO_BIN_EXE_cutover"));
    child.args(["apply", "plan.yaml", "--wait", "--auto-approve"]).current_dir(dir.path());
    child.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = child.spawn().expect("a child");
    while !dir.path().join("called").exists() {
        sleep(Duration::from_millis(20));
    }
    child.kill().expect("SIGKILL can be sent");
    child.wait().expect("a child");
    let (code, text) = cutover(&dir, &["rollback", "plan.yaml", "--wait", "--auto-approve"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("bad owner name"), "{text}");
    assert_eq!(served_and_held(&bind), before, "{text}");
}

/// If a change is refused before anything is sent, none of it is written.
#[test]
fn a_file_that_cannot_be_written_is_unchanged() {
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
    assert!(text.contains("Nothing was written."), "{text}");
}

/// Line 47: if somebody overwrites what a run has written before the servers serve it, that is
/// reported at once.
#[test]
fn another_writer_is_noticed_while_the_run_waits_for_servers() {
    let zone = "$TTL 30\n@ SOA ns1 hostmaster 1 3600 600 86400 30\n@ NS ns1\nns1 A 192.0.2.53\n\
        www A 192.0.2.1\n";
    let pdns =
        Pdns::start(&[PdnsZone { origin: "acme.test", kind: "Native", master_file: zone }], "");
    // A server that never gets what PowerDNS has.
    let lagging = Bind::primary(&[("acme.test", zone)]);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let plan = format!(
        "version: 1\nname: two\nresolver: none\nproviders: {{ dns: {{ type: powerdns, url: \"{}\", api_key: {{ env: SECRET }} }} }}\n\
         zones: {{ acme.test: {{ provider: dns, authorities: [ \"{}\", \"{}\" ] }} }}\nrecords:\n\
         \x20 - {{ zone: acme.test, name: www, type: A, to: [ 192.0.2.2 ] }}\n",
        pdns.url(),
        pdns.addr(),
        lagging.addr()
    );
    fs::write(dir.path().join("plan.yaml"), plan).expect("a plan");
    let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
    command.args(["apply", "plan.yaml", "--wait", "--auto-approve"]);
    command.current_dir(dir.path()).env("SECRET", pdns.api_key());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a child");
    let www = || pdns.dig(&["www.acme.test", "A", "+short"]);
    while www().trim() != "192.0.2.2" {
        std::thread::yield_now();
    }
    let other = "{\"name\": \"www.acme.test.\", \"type\": \"A\", \"ttl\": 30, \
        \"changetype\": \"REPLACE\", \"records\": [{\"content\": \"192.0.2.3\", \"disabled\": false}]}";
    pdns.patch("acme.test", other);
    let (code, text) = said(&child.wait_with_output().expect("it ends"));
    assert_eq!(code, HALTED, "{text}");
    assert!(text.contains("somebody else has written in its place"), "{text}");
    assert_eq!(www().trim(), "192.0.2.3", "{text}");
}

/// Line 47: two plans that change the same RRset, applied at the same time by two people. Each ends
/// within seconds, and whoever did not win is told so. (The API cannot compare, so between the last
/// look and the write somebody may be overwritten: then both have halted or the later one has won.)
#[test]
fn of_two_plans_for_one_rrset_at_powerdns_one_is_told_of_the_other() {
    const ROUNDS: usize = 8;
    let pdns =
        Pdns::start(&[PdnsZone { origin: "acme.test", kind: "Native", master_file: FILE }], "");
    let www = || pdns.dig(&["www.acme.test", "A", "+short"]).trim().to_owned();
    let (mut told, mut won) = (0, 0);
    for round in 0..ROUNDS {
        let before = www();
        let runs = ["a", "b"].map(|name| {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let to = format!("192.0.{round}.{}", if name == "a" { 10 } else { 20 });
            let plan = format!(
                "version: 1\nname: {name}\nresolver: none\n\
                 providers: {{ dns: {{ type: powerdns, url: \"{}\", api_key: {{ env: SECRET }} }} }}\n\
                 zones: {{ acme.test: {{ provider: dns, authorities: [ \"{}\" ] }} }}\n\
                 clocks: {{ margin: 0s, use: 0s }}\n\
                 records: [ {{ zone: acme.test, name: www, type: A, to: [ {to} ] }} ]\n",
                pdns.url(),
                pdns.addr()
            );
            fs::write(dir.path().join("plan.yaml"), plan).expect("a plan");
            let command = |args: &[&str]| {
                let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
                command.args(args).current_dir(dir.path()).env("SECRET", pdns.api_key());
                command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
                command
            };
            let (code, text) =
                said(&command(&["plan", "plan.yaml", "-o", "plan.json"]).output().expect("a plan"));
            assert_eq!(code, 0, "{text}");
            let apply = command(&["apply", "plan.json", "--wait", "--auto-approve"]);
            (dir, to, apply)
        });
        let begun = now();
        let children = runs.map(|(dir, to, mut apply)| (dir, to, apply.spawn().expect("a child")));
        let ended = children
            .map(|(_dir, to, child)| (to, said(&child.wait_with_output().expect("it ends"))));
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}: {ended:?}", begun.elapsed());
        let live = www();
        for (to, (code, text)) in &ended {
            match *code {
                0 => won += 1,
                HALTED => {
                    told += 1;
                    let is_told = text.contains("the live records are not what the plan expects");
                    assert!(is_told, "{text}");
                }
                other => panic!("{to}: {other}: {text}"),
            }
        }
        let done = ended.iter().filter(|(_, (code, _))| *code == 0).map(|(to, _)| to);
        let done: Vec<&String> = done.collect();
        assert!(done.is_empty() || done.contains(&&live), "{live} is nobody's: {ended:?}");
        assert_ne!(live, before, "nobody has won: {ended:?}");
    }
    println!("{ROUNDS} rounds: {won} runs done, {told} told of the other");
    assert!(told > 0, "the runs never met");
}
