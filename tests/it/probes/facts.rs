//! Facts that gates establish: with the gate before the step that relies on it, nobody has to state
//! the fact; with the gate after it, or without, the plan is refuted; and a gate that fails keeps
//! the step from happening.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use crate::bind_fixture::{BindFixture, end_state, said};
use crate::lab::{Authority, Dovecot, Postfix};

/// A plan of the workspace without the statements of a fact, and with these gates.
fn judged(fact: &str, before: &str, after: &str) -> (i32, String) {
    let plans = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans");
    let dir = tempfile::tempdir().expect("a directory");
    let copy = Command::new("cp").arg("-r").arg(plans.join("gates")).arg(dir.path()).status();
    assert!(copy.expect("cp can be run").success());
    let text = fs::read_to_string(plans.join("gates.yaml")).expect("a plan");
    let stated = format!("fact: {fact}, host: host");
    // Tasks have lists of the same names.
    let (gates, rest) = text.split_at(text.find("\ntasks:").expect("tasks"));
    let gates = gates
        .replace("  before_switch:\n", &format!("  before_switch:\n{before}"))
        .replace("  after_switch:\n", &format!("  after_switch:\n{after}"));
    let rest = rest.lines().filter(|line| !line.contains(&stated));
    let text = rest.fold(gates, |text, line| text + line + "\n");
    fs::write(dir.path().join("plan.yaml"), text).expect("a plan");
    let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
    let output = command.args(["plan", "plan.yaml"]).current_dir(dir.path()).output();
    said(&output.expect("it can be run"))
}

#[test]
fn a_gate_before_the_step_takes_the_place_of_a_statement() {
    let recipients = "    - { probe: recipients, addresses: [ a@acme.test ] }\n";
    let imap = "    - { probe: imap, user: a, password: { env: PASSWORD } }\n";
    for (fact, gate, name) in [("accepts", recipients, "recipients"), ("serves", imap, "imap")] {
        let (code, said) = judged(fact, gate, "");
        assert_eq!(code, 0, "{fact}: {said}");
        let listed =
            format!("(`{fact}`): established at run time by `gate/before-switch/{name}`, for the ");
        assert!(said.contains(&listed), "{said}");
        let (code, said) = judged(fact, "", gate);
        assert_eq!(code, 3, "{fact}, after the switch: {said}");
        assert!(said.contains("comes too late"), "{fact}: {said}");
        let (code, said) = judged(fact, "", "");
        assert_eq!(code, 3, "{fact}, without a gate: {said}");
    }
}

/// Gates that show less than the fact do not take its place.
#[test]
fn a_gate_that_shows_less_is_no_evidence() {
    let at =
        |more: &str| format!("    - {{ probe: recipients, addresses: [ a@acme.test ]{more} }}\n");
    for (gate, code) in [
        (at(""), 0),
        (at(", inconclusive_limit: 3, count: 2"), 0),
        (at(", on_fail: ask"), 3),
        (at(", count: 3, fail_limit: 1"), 3),
        (at(", host: own"), 3),
        (at(", exchanges: [ mx1.host.test ]"), 3),
        ("    - { probe: smtp }\n".to_owned(), 3),
    ] {
        let (found, said) = judged("accepts", &gate, "");
        assert_eq!(found, code, "{gate}: {said}");
    }
    let without_user = "    - { probe: imap }\n";
    assert_eq!(judged("serves", without_user, "").0, 3);
    // What nothing relies on is not listed.
    let strict = at("") + "    - strict_sender\n";
    let (code, said) = judged("accepts", &strict, "");
    assert!(code == 0 && !said.contains("tlsa_matches"), "{said}");
}

/// A run at real servers: with a recipient missing at the new host it halts before the switch.
#[test]
fn a_gate_that_fails_keeps_the_switch_from_happening() {
    let fixture = BindFixture::bind();
    let authority = Authority::new();
    let pem = authority.signs("new", &["mx.acme.test"]);
    let users = ["a@acme.test", "b@acme.test", "a@acme.example"].map(str::to_owned);
    let address = Ipv4Addr::new(127, 0, 69, 2);
    let _postfix = Postfix::with_listeners(address, &users, "", &[]);
    let _dovecot = Dovecot::serving("127.0.69.2", &pem, &[("probe", "open sesame")], "");
    let text = fs::read_to_string(fixture.plan()).expect("the plan");
    let lines = text
        .lines()
        .filter(|line| !line.contains("fact: accepts, host: new"))
        .filter(|line| !line.contains("fact: serves, host: new"));
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    let text = text.replace("203.0.113.25", "127.0.69.2");
    let gates = "gates:
  before_switch:
    - { probe: recipients, file: list.csv, pause: 0s, within: 5s }
    - { probe: imap, user: probe, password: { file: password }, within: 5s }
";
    fs::write(fixture.plan(), text + gates).expect("it is written");
    fs::write(fixture.dir().join("password"), "open sesame\n").expect("a file");
    let list = |names: &str| fs::write(fixture.dir().join("list.csv"), names).expect("a file");
    let apply = || {
        let mut command = fixture.command(&["apply", "plan.yaml", "--wait", "--auto-approve"]);
        command.env("SSL_CERT_FILE", authority.file());
        said(&command.output().expect("it can be run"))
    };
    list("a@acme.test\nmissing@acme.test\na@acme.example\n");
    let before = fixture.served();
    let (code, said) = apply();
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("halted at gate/before-switch/recipients"), "{said}");
    assert!(said.contains("mx.acme.test refuses 1 of 3 addresses: missing@acme.test"), "{said}");
    let is_mx = |record: &&String| record.contains(" IN MX ");
    let mx = |served: &[Vec<String>]| -> Vec<String> {
        let all = served.iter().flatten().filter(is_mx);
        all.filter_map(|record| Some(record.split(" MX ").nth(1)?.to_owned())).collect()
    };
    assert_eq!(mx(&fixture.served()), mx(&before), "mail still goes to the old host");
    // The address is made, or the list was wrong.
    list("a@acme.test\nb@acme.test\na@acme.example\n");
    let (code, said) = apply();
    assert_eq!(code, 0, "{said}");
    assert_ne!(mx(&fixture.served()), mx(&before), "{:?}", end_state());
}
