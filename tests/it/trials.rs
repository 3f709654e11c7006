//! Problems that trials found, reproduced on real servers: one test for each reported line.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::bind_fixture::said;
use crate::lab::{Bind, Server, loopback};

const DONE: i32 = 0;

const ZONE: &str = "$TTL 2\n@ SOA ns1 hostmaster 1 3600 600 86400 2\n@ NS ns1\nns1 A 192.0.2.53\n\
    @ MX 10 mail\nmail A 192.0.2.10\n";

/// BIND with a zone, and plans that change it by UPDATE.
struct Trial {
    server: Server,
    dir: TempDir,
}

impl Trial {
    fn new(zone: &str) -> Self {
        let server = Bind::primary(&[("acme.test", zone)]);
        Self { server, dir: tempfile::tempdir().expect("a temporary directory") }
    }

    /// Writes a plan with these lines after its head.
    fn plan(&self, rest: &str) {
        let (addr, key) = (self.server.addr(), self.server.key());
        let head = format!(
            "version: 1
name: trial
providers:
  dns: {{ type: rfc2136, server: \"{addr}\", tsig: {{ key: {}, algorithm: {}, secret: {{ env: SECRET }} }} }}
resolver: none
zones: {{ acme.test: {{ provider: dns, authorities: [ \"{addr}\" ] }} }}
clocks: {{ margin: 0s, use: 0s }}
",
            key.name, key.algorithm
        );
        fs::write(self.dir.path().join("plan.yaml"), head + rest).expect("the plan");
    }

    fn cutover(&self, args: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command.args(args).current_dir(self.dir.path()).env("SECRET", &self.server.key().secret);
        said(&command.output().expect("the program can be run"))
    }

    fn applies(&self) {
        let (code, text) = self.cutover(&["apply", "plan.yaml", "--wait", "--auto-approve"]);
        assert_eq!(code, DONE, "{text}");
    }
}

/// Line 44: a record with empty rdata is written, read, and removed.
#[test]
fn a_record_with_empty_rdata() {
    let trial = Trial::new(ZONE);
    trial.plan("records: [ { zone: acme.test, name: x, type: TYPE65280, to: [ '\\# 0' ] } ]\n");
    trial.applies();
    let served = trial.server.dig(&["x.acme.test", "TYPE65280", "+short"]);
    assert_eq!(served.trim(), "\\# 0");
    let (code, text) = trial.cutover(&["plan", "plan.yaml"]);
    assert!(code == DONE && text.contains("nothing to change"), "{code}: {text}");
    trial.plan("records: [ { zone: acme.test, name: x, type: TYPE65280, absent: true } ]\n");
    trial.applies();
    assert_eq!(trial.server.dig(&["x.acme.test", "TYPE65280", "+short"]).trim(), "");
}

const WAITING: i32 = 4;
const HALTED: i32 = 5;

/// Line 55: what a person has rolled back is not made again by the next `apply`, for example from
/// cron.
#[test]
fn what_a_person_has_rolled_back_stays_so() {
    let trial = Trial::new(ZONE);
    trial.plan("records: [ { zone: acme.test, name: www, type: A, to: [ 192.0.2.80 ] } ]\n");
    trial.applies();
    let www = || trial.server.dig(&["www.acme.test", "A", "+short"]);
    assert_eq!(www().trim(), "192.0.2.80");
    let (code, text) = trial.cutover(&["rollback", "plan.yaml", "--wait", "--auto-approve"]);
    assert_eq!(code, DONE, "{text}");
    for _ in 0..2 {
        let (code, text) = trial.cutover(&["apply", "plan.yaml", "--auto-approve"]);
        assert!(code == HALTED && text.contains("--again"), "{code}: {text}");
        assert_eq!(www().trim(), "");
    }
    let again = ["apply", "plan.yaml", "--again", "--wait", "--auto-approve"];
    let (code, text) = trial.cutover(&again);
    assert_eq!(code, DONE, "{text}");
    assert_eq!(www().trim(), "192.0.2.80");
    // A plan that has changed is a new plan.
    let (code, text) = trial.cutover(&["rollback", "plan.yaml", "--wait", "--auto-approve"]);
    assert_eq!(code, DONE, "{text}");
    trial.plan("records: [ { zone: acme.test, name: www, type: A, to: [ 192.0.2.81 ] } ]\n");
    trial.applies();
    assert_eq!(www().trim(), "192.0.2.81");
}

/// Line 49: a new plan is continued by the next `apply`, whenever it was stopped.
#[test]
fn a_new_plan_is_continued() {
    let trial = Trial::new(
        "$TTL 60\n@ SOA ns1 hostmaster 1 3600 600 86400 2\n@ NS ns1\n\
        ns1 A 192.0.2.53\nwww A 192.0.2.80\nx CNAME www\n",
    );
    trial.plan(
        "records:
  - { id: x, zone: acme.test, name: x, type: CNAME, to: [ new.example. ] }
  - { zone: acme.test, name: www, type: A, absent: true, after: \"record:x\" }
",
    );
    let www = || trial.server.dig(&["www.acme.test", "A", "+short"]);
    let (code, text) = trial.cutover(&["apply", "plan.yaml", "--auto-approve"]);
    assert_eq!(code, WAITING, "{text}");
    for _ in 0..3 {
        // The superseding plan waits for what the first run has replaced.
        let (code, text) = trial.cutover(&["apply", "plan.yaml", "--replan", "--auto-approve"]);
        assert_eq!(code, WAITING, "{text}");
        assert_eq!(www().trim(), "192.0.2.80", "{text}");
        let (code, text) = trial.cutover(&["apply", "plan.yaml", "--auto-approve"]);
        assert_eq!(code, WAITING, "{text}");
    }
    // The plan may change at the same time.
    trial.plan(
        "records:
  - { id: x, zone: acme.test, name: x, type: CNAME, to: [ new.example. ] }
  - { zone: acme.test, name: note, type: TXT, to: [ '\"hello\"' ] }
",
    );
    let (code, text) = trial.cutover(&["apply", "plan.yaml", "--auto-approve"]);
    assert!(code != DONE && text.contains("--replan"), "{code}: {text}");
    let (code, text) =
        trial.cutover(&["apply", "plan.yaml", "--replan", "--wait", "--auto-approve"]);
    assert_eq!(code, DONE, "{text}");
    assert_eq!(www().trim(), "192.0.2.80");
}

/// Line 6: a server that falls silent is reported at once, in the journal and by `status`, with the
/// time at which the run halts.
#[test]
fn a_silent_server_is_named_at_once() {
    let trial = Trial::new(ZONE);
    let lag = std::time::Duration::ZERO;
    let secondary = Bind::secondary_of(&trial.server, loopback(2), lag);
    let silent = secondary.addr();
    trial.plan("records: [ { zone: acme.test, name: www, type: A, to: [ 192.0.2.80 ] } ]\n");
    let path = trial.dir.path().join("plan.yaml");
    let plan = fs::read_to_string(&path).expect("the plan");
    let first = format!("authorities: [ \"{}\"", trial.server.addr());
    let both = plan.replace(&first, &format!("{first}, \"{silent}\""));
    fs::write(&path, both).expect("the plan");
    let (code, text) = trial.cutover(&["plan", "plan.yaml", "-o", "p.json"]);
    assert_eq!(code, DONE, "{text}");
    drop(secondary);
    let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
    command.args(["apply", "p.json", "--wait", "--auto-approve"]);
    command.current_dir(trial.dir.path()).env("SECRET", &trial.server.key().secret);
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut child = command.spawn().expect("the program can be run");
    let named = || {
        let (_, status) = trial.cutover(&["status", "p.json"]);
        let line = status.lines().find(|line| line.contains("does not answer"));
        line.map(str::to_owned)
    };
    let line = loop {
        if let Some(line) = named() {
            break line;
        }
        assert_eq!(child.try_wait().expect("a child"), None, "it goes on asking");
    };
    child.kill().and_then(|()| child.wait()).expect("it can be ended");
    assert!(line.contains(&silent.to_string()) && line.contains("then the run halts"), "{line}");
    let (_, log) = trial.cutover(&["log", "p.json"]);
    let mentions = log.lines().filter(|line| line.contains("does not answer")).count();
    assert_eq!(mentions, 1, "it is named once: {log}");
}
