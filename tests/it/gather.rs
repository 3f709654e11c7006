//! Changes that may happen in any order are gathered into steps of many RRsets, and other changes
//! are not.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use cutover::graph::Primitive;
use cutover_contract::{Atomicity, Capabilities, Change, Gathered};
use cutover_zone::Name;
use tempfile::TempDir;

use crate::bind_fixture::{records, said};
use crate::ground::{Ground, Kind};
use crate::lab::{Bind, Server};
use crate::proof::{CAPABILITIES, Case};

const ZONE: &str = "$TTL 2\n@ SOA ns1 hostmaster 1 3600 600 86400 2\n@ NS ns1\nns1 A 192.0.2.53\n\
    @ MX 10 mail\nmail A 192.0.2.10\n";

/// What a plan does with each of many names.
#[derive(Clone, Copy, Debug)]
enum Does {
    Creates,
    Replaces,
    Removes,
}

/// The zone before the plan.
fn zone(does: Does, names: usize) -> String {
    let mut zone = ZONE.to_owned();
    if !matches!(does, Does::Creates) {
        for number in 0..names {
            writeln!(zone, "h{number:03} A 10.0.0.2").expect("a string takes everything");
        }
    }
    zone
}

/// A plan that does this with this many addresses, and also changes `mail`, which receives mail.
fn plan(does: Does, names: usize) -> String {
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
    for number in 0..names {
        let to = match does {
            Does::Creates | Does::Replaces => "to: [ 10.0.0.1 ], ttl: 2s",
            Does::Removes => "absent: true",
        };
        writeln!(plan, "  - {{ zone: acme.test, name: h{number:03}, type: A, {to} }}")
            .expect("a string takes everything");
    }
    plan
}

/// The number of RRsets of each change step without `mail`, largest first, and the number of steps
/// with `mail`.
fn sizes(capabilities: &Capabilities, creations: usize) -> (Vec<usize>, usize) {
    sizes_of(Does::Creates, capabilities, creations)
}

fn sizes_of(does: Does, capabilities: &Capabilities, names: usize) -> (Vec<usize>, usize) {
    let case = Case::try_at(capabilities, &plan(does, names), &|_| zone(does, names));
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
    sizes.sort_unstable_by(|left, right| right.cmp(left));
    (sizes, mail)
}

#[test]
fn changes_in_any_order_become_one_step() {
    let (sizes, mail) = sizes(&CAPABILITIES, 17);
    assert_eq!(sizes, [17]);
    assert!(mail > 0);
}

/// Line 46: replacements and removals are gathered in the same way as additions.
#[test]
fn replacements_and_removals_are_gathered_too() {
    for does in [Does::Replaces, Does::Removes] {
        let (sizes, mail) = sizes_of(does, &CAPABILITIES, 17);
        assert!(sizes == [17] && mail > 0, "{does:?}: {sizes:?}, {mail}");
        assert_eq!(sizes_of(does, &CAPABILITIES, 16).0, [1; 16], "{does:?}");
        let gathered = Gathered::Request { size_max: 380, unit: "octets", size_of: |_, _| 38 };
        let capabilities = Capabilities { gathered, ..CAPABILITIES };
        assert_eq!(sizes_of(does, &capabilities, 100).0, [10; 10], "{does:?}");
        let capabilities = Capabilities { atomicity: Atomicity::RrSet, ..CAPABILITIES };
        assert_eq!(sizes_of(does, &capabilities, 100).0, [1; 100], "{does:?}");
    }
}

/// Each step of the way back has to fit too. A removal is small, but its undo is large.
#[test]
fn the_way_back_fits_too() {
    let size_of = |_: &Name, change: &Change| if change.after.is_some() { 100 } else { 1 };
    let gathered = Gathered::Request { size_max: 1_000, unit: "octets", size_of };
    let capabilities = Capabilities { gathered, ..CAPABILITIES };
    assert_eq!(sizes_of(Does::Removes, &capabilities, 100).0, [10; 10]);
}

/// The versions of each name follow one another, with the same waits as for a single name.
#[test]
fn names_with_several_steps_share_them() {
    let mut text = plan(Does::Creates, 0);
    let (mut short, mut long) = (String::new(), String::new());
    for number in 0..20 {
        for (zone, ttl) in [(&mut short, 1_000), (&mut long, 2_000)] {
            writeln!(zone, "t{ttl}-{number} {ttl} A 10.0.0.2").expect("a string takes everything");
            writeln!(text, "  - {{ zone: acme.test, name: t{ttl}-{number}, type: A, to: [ 10.0.0.1 ], lower_ttl: 60s }}")
                .expect("a string takes everything");
        }
    }
    let zone = format!("{ZONE}{short}{long}");
    let case = Case::try_at(&CAPABILITIES, &text, &|_| zone.clone()).expect("a plan");
    let steps = case.graph.steps().iter();
    let many = steps.filter_map(|step| match &step.primitive {
        Primitive::Change(set) if set.changes().len() > 1 => Some(set.changes().len()),
        Primitive::Wait(wait) => Some(usize::try_from(wait.span.as_secs()).expect("seconds")),
        Primitive::Change(_)
        | Primitive::Gate(_)
        | Primitive::Task(_)
        | Primitive::Checkpoint(_) => None,
    });
    let mut many: Vec<usize> = many.collect();
    many.sort_unstable();
    // Each is lowered, replaced and restored separately, and waits only for its own TTL.
    assert_eq!(many, [20, 20, 20, 20, 20, 20, 60, 60, 1_000, 2_000]);
}

#[test]
fn few_changes_stay_apart() {
    assert_eq!(sizes(&CAPABILITIES, 16).0, [1; 16]);
}

#[test]
fn changes_stay_apart_if_a_change_set_is_not_atomic() {
    let capabilities = Capabilities { atomicity: Atomicity::RrSet, ..CAPABILITIES };
    assert_eq!(sizes(&capabilities, 100).0, [1; 100]);
}

#[test]
fn changes_stay_apart_if_the_provider_wants_that() {
    let capabilities = Capabilities { gathered: Gathered::One, ..CAPABILITIES };
    assert_eq!(sizes(&capabilities, 100).0, [1; 100]);
}

#[test]
fn a_step_has_as_many_changes_as_fit() {
    for (size_max, each) in [(1, 1), (75, 1), (76, 2), (380, 10), (3_800, 100)] {
        let gathered = Gathered::Request { size_max, unit: "octets", size_of: |_, _| 38 };
        let capabilities = Capabilities { gathered, ..CAPABILITIES };
        assert_eq!(sizes(&capabilities, 100).0, vec![each; 100 / each], "{size_max} octets");
    }
}

/// A server, and a plan that makes thousands of RRsets there.
struct Many {
    server: Server,
    dir: TempDir,
}

impl Many {
    /// The records' text, so long that only some hundreds of them fit into a message.
    const TEXT: [u8; 240] = [b'x'; 240];
    const RECORDS: usize = 2_000;

    fn new() -> Self {
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
        for number in 0..Self::RECORDS {
            writeln!(
                plan,
                "  - {{ zone: acme.test, name: h{number:04}, type: TXT, to: [ '\"{}\"' ], ttl: 2s }}",
                Self::text()
            )
            .expect("a string takes everything");
        }
        fs::write(dir.path().join("plan.yaml"), plan).expect("the plan can be written");
        Self { server, dir }
    }

    fn text() -> &'static str {
        std::str::from_utf8(&Self::TEXT).expect("ASCII")
    }

    fn cutover(&self, args: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command.args(args).current_dir(self.dir.path()).env("SECRET", &self.server.key().secret);
        said(&command.output().expect("the program can be run"))
    }

    /// The number of the records that are served.
    fn there(&self) -> usize {
        let there = records(&self.server.transfer("acme.test"));
        there.iter().filter(|record| record.contains(Self::text())).count()
    }
}

#[test]
fn what_is_gathered_fits_into_an_update() {
    let many = Many::new();
    let (code, text) = many.cutover(&["plan", "--full", "plan.yaml"]);
    assert_eq!(code, 0, "{text}");
    let steps = text.lines().filter(|line| line.contains("RRsets of acme.test.")).count();
    assert!((2..=20).contains(&steps), "{steps} steps: {text}");
    let (code, text) = many.cutover(&["apply", "plan.yaml", "--wait", "--auto-approve"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(many.there(), Many::RECORDS);
    let (code, text) = many.cutover(&["plan", "plan.yaml"]);
    assert!(code == 0 && text.contains("nothing to change"), "{code}: {text}");
}

/// The zone is read once for a step with many records, and yet a concurrent edit is noticed.
#[test]
fn a_colleagues_edit_among_thousands_halts_the_run() {
    let many = Many::new();
    let (code, text) = many.cutover(&["plan", "plan.yaml", "-o", "plan.json"]);
    assert_eq!(code, 0, "{text}");
    many.server.nsupdate("update add h0100.acme.test 60 TXT hands-off");
    let (code, text) = many.cutover(&["apply", "plan.json", "--wait", "--auto-approve"]);
    assert_eq!(code, 5, "{text}");
    assert!(text.contains("h0100.acme.test.") && text.contains("hands-off"), "{text}");
    assert_eq!(many.there(), 0, "the step is made whole or not at all");
    many.server.nsupdate("update delete h0100.acme.test TXT");
    let (code, text) = many.cutover(&["apply", "plan.json", "--wait", "--auto-approve"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(many.there(), Many::RECORDS);
}

/// Line 46: at the fakes, 1,200 RRsets are replaced and removed with at most three requests that
/// change something. All others read the zone.
#[test]
fn a_thousand_changes_are_few_requests() {
    const NAMES: usize = 1_200;
    for kind in [Kind::Cloudflare, Kind::Route53] {
        let named = |rest: &str| {
            let mut lines = String::new();
            for number in 0..NAMES {
                writeln!(lines, "h{number:04} {rest}").expect("a string takes everything");
            }
            lines
        };
        let planned = |rest: &str| {
            let mut lines = String::new();
            for number in 0..NAMES {
                writeln!(lines, "  - {{ zone: acme.test, name: h{number:04}, type: A, {rest} }}")
                    .expect("a string takes everything");
            }
            lines
        };
        let ground = Ground::new(kind, &named("A 10.0.0.2"));
        for (plan, after) in
            [("to: [ 10.0.0.1 ]", named("30 IN A 10.0.0.1")), ("absent: true", String::new())]
        {
            ground.plan(&planned(plan));
            let (_, before) = ground.requests().expect("a fake");
            ground.applies();
            let (_, writes) = ground.requests().expect("a fake");
            assert!(writes - before <= 3, "{kind:?}, {plan}: {}", writes - before);
            assert_eq!(ground.held().join("\n"), after.trim_end(), "{kind:?}");
        }
    }
}
