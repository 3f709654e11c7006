//! Changes that need no order come together into steps of many RRsets, and no others do.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use cutover::graph::Primitive;
use cutover_contract::{Atomicity, Capabilities};

use crate::bed::{records, said};
use crate::lab::Bind;
use crate::proof::{CAPABILITIES, Case};

const ZONE: &str = "$TTL 2\n@ SOA ns1 hostmaster 1 3600 600 86400 2\n@ NS ns1\nns1 A 192.0.2.53\n\
    @ MX 10 mail\nmail A 192.0.2.10\n";

/// A plan that creates so many addresses, and moves `mail`, which receives mail.
fn plan(creations: usize) -> String {
    let mut plan = "\
version: 1
name: many
providers: { files: { type: zonefile, directory: zones, served: { assume_within: 1s } } }
resolver: none
zones: { acme.test: { provider: files } }
clocks: { margin: 0s, use: 0s }
records:
  - { zone: acme.test, name: mail, type: A, to: [ 203.0.113.10 ] }
"
    .to_owned();
    for number in 0..creations {
        writeln!(
            plan,
            "  - {{ zone: acme.test, name: h{number:03}, type: A, to: [ 10.0.0.1 ], ttl: 2s }}"
        )
        .expect("a string takes everything");
    }
    plan
}

/// How many RRsets each change step has that touches none of `mail`, largest first; and how many
/// steps touch `mail`.
fn sizes(capabilities: &Capabilities, creations: usize) -> (Vec<usize>, usize) {
    let case = Case::try_at(capabilities, &plan(creations), &|_| ZONE.to_owned());
    let case = case.expect("a plan that can be compiled");
    let (mut sizes, mut mail) = (Vec::new(), 0);
    for step in case.graph.steps() {
        let Primitive::Change(set) = &step.primitive else { continue };
        let of_mail =
            set.changes().iter().filter(|change| change.key.name.to_string().starts_with("mail."));
        match of_mail.count() {
            0 => sizes.push(set.changes().len()),
            _ => {
                assert_eq!(set.changes().len(), 1, "{}", step.title);
                mail += 1;
            }
        }
    }
    sizes.sort_unstable_by(|one, other| other.cmp(one));
    (sizes, mail)
}

#[test]
fn changes_in_no_order_become_one_step() {
    let (sizes, mail) = sizes(&CAPABILITIES, 17);
    assert_eq!(sizes, [17]);
    assert!(mail > 0);
}

#[test]
fn few_changes_stay_apart() {
    assert_eq!(sizes(&CAPABILITIES, 16).0, [1; 16]);
}

#[test]
fn changes_stay_apart_where_a_change_set_is_seen_bit_by_bit() {
    let capabilities = Capabilities { atomicity: Atomicity::RrSet, ..CAPABILITIES };
    assert_eq!(sizes(&capabilities, 100).0, [1; 100]);
}

/// `h000` takes 5 octets, the pointer 2, type, class, TTL and length 10: 17 for a prerequisite, and 21
/// for a record with its address.
#[test]
fn a_step_takes_what_fits() {
    for (octets, each) in [(1, 1), (75, 1), (76, 2), (380, 10), (3_800, 100)] {
        let capabilities = Capabilities { gathered_octets: octets, ..CAPABILITIES };
        assert_eq!(sizes(&capabilities, 100).0, vec![each; 100 / each], "{octets} octets");
    }
}

#[test]
fn what_is_gathered_fits_into_an_update() {
    const RECORDS: usize = 2_000;
    let server = Bind::primary(&[("acme.test", ZONE)]);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (addr, key) = (server.addr(), server.key());
    let mut plan = format!(
        "version: 1
name: many
providers:
  dns: {{ type: rfc2136, server: \"{addr}\", tsig: {{ key: {}, algorithm: {}, secret: {{ env: SECRET }} }} }}
resolver: none
zones: {{ acme.test: {{ provider: dns, authorities: [ \"{addr}\" ] }} }}
clocks: {{ margin: 0s, use: 0s }}
records:
",
        key.name, key.algorithm
    );
    let long = "x".repeat(240);
    for number in 0..RECORDS {
        writeln!(
            plan,
            "  - {{ zone: acme.test, name: h{number:04}, type: TXT, to: [ '\"{long}\"' ], ttl: 2s }}"
        )
        .expect("a string takes everything");
    }
    fs::write(dir.path().join("plan.yaml"), plan).expect("the plan can be written");
    let cutover = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command.args(args).current_dir(dir.path()).env("SECRET", &key.secret);
        said(&command.output().expect("the program can be run"))
    };
    let (code, text) = cutover(&["plan", "plan.yaml"]);
    assert_eq!(code, 0, "{text}");
    let steps = text.lines().filter(|line| line.contains("RRsets of acme.test.")).count();
    assert!((2..=20).contains(&steps), "{steps} steps: {text}");
    let (code, text) = cutover(&["apply", "plan.yaml", "--wait", "--auto-approve"]);
    assert_eq!(code, 0, "{text}");
    let there = records(&server.transfer("acme.test"));
    assert_eq!(there.iter().filter(|record| record.contains(&long)).count(), RECORDS);
    let (code, text) = cutover(&["plan", "plan.yaml"]);
    assert!(code == 0 && text.contains("nothing to change"), "{code}: {text}");
}
