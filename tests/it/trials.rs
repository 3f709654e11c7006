//! What trials found, made anew on real servers: one test for each line that was seen.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::bed::said;
use crate::lab::{Bind, Server};

const DONE: i32 = 0;

const ZONE: &str = "$TTL 2\n@ SOA ns1 hostmaster 1 3600 600 86400 2\n@ NS ns1\nns1 A 192.0.2.53\n\
    @ MX 10 mail\nmail A 192.0.2.10\n";

/// BIND with one zone, and plans that change it by UPDATE.
struct Trial {
    server: Server,
    dir: TempDir,
}

impl Trial {
    fn new(zone: &str) -> Self {
        let server = Bind::primary(&[("acme.test", zone)]);
        Self { server, dir: tempfile::tempdir().expect("a temporary directory") }
    }

    /// Writes a plan with these lines behind its head.
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

/// Line 44: a record of no octets is written, seen, and taken away.
#[test]
fn a_record_without_octets() {
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
