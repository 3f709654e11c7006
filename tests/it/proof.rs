//! The proof at its boundary: plans that would do harm are refused with a story, their repaired
//! twins are not, and every wait that keeps harm away is missed when it is gone.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cutover::compile::back::Return;
use cutover::compile::{Compiled, compile, rebuilt};
use cutover::diag::Source;
use cutover::graph::{Primitive, Step, StepGraph, Wait};
use cutover::intent::{Intent, resolve};
use cutover::model::Track;
use cutover::observe::{Snapshot, ZoneSeen};
use cutover::proof::{Findings, findings};
use cutover::spec::parse;
use cutover_contract::{Atomicity, Capabilities, CompareAndSet, Granularity, Ttl};

use crate::bed::said;
use crate::registry::adapters;

/// A plan with all that it is compiled from.
pub(crate) struct Case {
    pub(crate) intent: Intent,
    pub(crate) snapshot: Snapshot,
    pub(crate) tracks: Vec<Track>,
    pub(crate) graph: StepGraph,
    pub(crate) returns: Vec<Return>,
}

impl Case {
    /// Compiles a plan whose zones are given as master files.
    pub(crate) fn of(plan: &str, zone_file: &dyn Fn(&str) -> String) -> Self {
        Self::try_of(plan, zone_file).expect("a plan that can be compiled")
    }

    /// The same; `None` for a plan that cannot be compiled.
    pub(crate) fn try_of(plan: &str, zone_file: &dyn Fn(&str) -> String) -> Option<Self> {
        let source = Source { name: "plan.yaml".into(), text: plan.to_owned() };
        let spec = parse(&source, adapters()).ok()?;
        let intent = resolve(spec).ok()?;
        let mut snapshot = Snapshot::default();
        for name in intent.zones.keys() {
            let text = zone_file(name.to_string().trim_end_matches('.'));
            let nothing = |_: &Path| Err(std::io::Error::other("no include"));
            let read = cutover_zonefile::read(name, Path::new("zone"), text.into_bytes(), &nothing);
            let zone = read.unwrap_or_else(|error| panic!("{name}: {error}")).zone;
            let capabilities = Capabilities {
                granularity: Granularity::RrSet,
                atomicity: Atomicity::ChangeSet,
                compare_and_set: CompareAndSet::Native,
                ttl_min: Ttl::ZERO,
                ttl_max: Ttl::MAX,
                types: None,
                settle_max: Duration::ZERO,
                unseen_nodes: Duration::ZERO,
                served_within: None,
            };
            let seen = ZoneSeen { zone, capabilities, authorities: Vec::new() };
            snapshot.zones.insert(name.clone(), seen);
        }
        let Compiled { tracks, graph, returns, .. } = compile(&intent, &snapshot).ok()?;
        Some(Self { intent, snapshot, tracks, graph, returns })
    }

    /// A plan of `plans/`.
    fn shipped(name: &str) -> Self {
        let plans = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans");
        let plan = fs::read_to_string(plans.join(format!("{name}.yaml"))).expect("the plan");
        Self::of(&plan, &|zone| {
            fs::read_to_string(plans.join(name).join(format!("{zone}.zone"))).expect("the zone")
        })
    }

    pub(crate) fn findings(&self, graph: &StepGraph) -> Findings {
        let (draft, model) = rebuilt(&self.intent, &self.snapshot, &self.tracks);
        findings(&draft, &model, graph)
    }

    /// The invariants that are broken when this step's wait takes another time.
    fn with_wait(&self, id: &str, span: Duration) -> BTreeSet<&'static str> {
        let steps = self.graph.steps().iter().map(|step| match &step.primitive {
            Primitive::Wait(wait) if step.id.as_str() == id => {
                Step { primitive: Primitive::Wait(Wait { span, ..wait.clone() }), ..step.clone() }
            }
            Primitive::Wait(_) | Primitive::Change(_) | Primitive::Checkpoint => step.clone(),
        });
        let graph = StepGraph::new(steps.collect()).expect("a graph");
        self.findings(&graph).refuted.iter().map(|one| one.invariant).collect()
    }

    fn waits(&self) -> Vec<(String, Duration)> {
        let waits = self.graph.steps().iter().filter_map(|step| match &step.primitive {
            Primitive::Wait(wait) => Some((step.id.to_string(), wait.span)),
            Primitive::Change(_) | Primitive::Checkpoint => None,
        });
        waits.collect()
    }
}

#[test]
fn every_shipped_plan_keeps_what_is_checked() {
    for name in ["quickstart", "two-domains", "spf-budget", "web-move"] {
        let case = Case::shipped(name);
        let findings = case.findings(&case.graph);
        assert_eq!(findings.refuted, [], "{name}");
        assert_eq!(findings.present, [], "{name}");
        assert_eq!(findings.holding, ["deliverable", "authenticated", "spf-sound", "reach"]);
    }
}

/// Each wait of each plan, gone: which invariants are broken then. What the fixed sequence waits for
/// and no invariant asks for shows as an empty list.
#[test]
fn waits_that_are_gone_are_missed() {
    let mut report = String::new();
    for name in ["quickstart", "two-domains", "spf-budget"] {
        let case = Case::shipped(name);
        for (id, span) in case.waits() {
            let gone = case.with_wait(&id, Duration::ZERO);
            report +=
                &format!("{name}: {id}: {}\n", gone.into_iter().collect::<Vec<_>>().join(", "));
            assert!(case.with_wait(&id, span).is_empty());
        }
    }
    insta::assert_snapshot!("proof-waits-gone", report);
}

#[test]
fn one_second_less_than_the_hold_is_too_short() {
    let case = Case::shipped("spf-budget");
    // TTL 1 h and a margin of a minute.
    let id = "wait/widen/shop.test/@/TXT";
    assert!(case.with_wait(id, Duration::from_secs(3_660)).is_empty());
    assert_eq!(case.with_wait(id, Duration::from_secs(3_659)), BTreeSet::from(["authenticated"]));
    // Five days in queues and a margin of a minute.
    let id = "wait/queue-life";
    assert!(case.with_wait(id, Duration::from_secs(432_060)).is_empty());
    assert_eq!(case.with_wait(id, Duration::from_secs(432_059)), BTreeSet::from(["authenticated"]));
    // The negative TTL of ten minutes and a margin, before the MX records name a new exchange.
    let case = Case::shipped("two-domains");
    for kind in ["A", "AAAA"] {
        let id = format!("wait/publish/acme.test/mx/{kind}");
        // One address is enough: each makes up for the other.
        assert!(case.with_wait(&id, Duration::ZERO).is_empty(), "{id}");
    }
}

#[test]
fn an_exchange_that_still_leads_elsewhere_is_missed() {
    let body = "\
hosts:
  old: { exchanges: [ { preference: 10, name: mail.acme.test. } ] }
  new: { exchanges: [ { preference: 10, name: mx.acme.test., addresses: [ 203.0.113.99 ] } ] }
migrate: { domains: [ acme.test ], from: old, to: new }
";
    let case = Case::of(&(HEAD.to_owned() + body), &|_| ZONE.to_owned());
    let id = "wait/switch/acme.test/mx/A";
    assert!(case.with_wait(id, Duration::from_secs(3_660)).is_empty());
    assert_eq!(case.with_wait(id, Duration::from_secs(3_659)), BTreeSet::from(["deliverable"]));
}

const HEAD: &str = "\
version: 1
name: trap
providers: { files: { type: zonefile, directory: . } }
resolver: none
zones: { acme.test: { provider: files } }
";

const ZONE: &str = "\
$TTL 1h
@ SOA ns1 hostmaster 1 4h 1h 2w 10m
@ NS ns1
ns1 A 192.0.2.53
@ MX 10 mail
@ TXT \"v=spf1 include:_spf -all\"
_spf TXT \"v=spf1 ip4:192.0.2.10 -all\"
mail A 192.0.2.10
mx A 203.0.113.25
";

const MOVE: &str = "\
hosts:
  old:
    exchanges: [ { preference: 10, name: mail.acme.test. } ]
    senders: [ { name: people, spf: include:_spf.acme.test } ]
  new:
    exchanges: [ { preference: 10, name: mx.acme.test. } ]
    senders: [ { name: people, spf: ip4:203.0.113.25 } ]
migrate: { domains: [ acme.test ], from: old, to: new }
";

fn told(body: &str) -> String {
    let plan = HEAD.to_owned() + body;
    let zone = ZONE.replace("include:_spf ", "include:_spf.acme.test ");
    let case = Case::of(&plan, &|_| zone.clone());
    let findings = case.findings(&case.graph);
    let refuted = findings.refuted.iter();
    refuted.map(|one| format!("{}\n  {}\n", one.invariant, one.story.join("\n  "))).collect()
}

#[test]
fn an_address_that_goes_while_mx_records_name_it_refutes() {
    let harmful = format!(
        "{MOVE}records: [ {{ zone: acme.test, name: mail, type: A, absent: true, with: switch }} ]\n"
    );
    insta::assert_snapshot!("trap-address-goes-first", told(&harmful));
    let repaired = format!(
        "{MOVE}records: [ {{ zone: acme.test, name: mail, type: A, absent: true, after: contract }} ]\n"
    );
    assert_eq!(told(&repaired), "");
}

#[test]
fn an_include_that_goes_before_the_record_that_names_it_refutes() {
    let harmful = format!(
        "{MOVE}records: [ {{ zone: acme.test, name: _spf, type: TXT, absent: true, with: contract }} ]\n"
    );
    insta::assert_snapshot!("trap-include-goes-first", told(&harmful));
    let repaired = format!(
        "{MOVE}records: [ {{ zone: acme.test, name: _spf, type: TXT, absent: true, after: contract }} ]\n"
    );
    assert_eq!(told(&repaired), "");
}

#[test]
fn a_change_of_other_records_can_harm_a_domain_that_does_not_move() {
    let harmful = "records: [ { zone: acme.test, name: mail, type: A, absent: true } ]\n";
    insta::assert_snapshot!("trap-other-records", told(harmful));
    let harmless = "records: [ { zone: acme.test, name: mail, type: A, to: [ 192.0.2.99 ] } ]\n";
    assert_eq!(told(harmless), "");
    let null = "records: [ { zone: acme.test, name: \"@\", type: MX, to: [ \"0 .\" ] } ]\n";
    insta::assert_snapshot!("trap-null-mx", told(null));
}

#[test]
fn a_refuted_plan_is_shown_and_neither_sealed_nor_run() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/refuted");
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::create_dir(dir.path().join("zones")).expect("a directory");
    let zone = "zones/acme.test.zone";
    fs::copy(fixtures.join(zone), dir.path().join(zone)).expect("the zone");
    let plan = fs::read_to_string(fixtures.join("address-goes-first.yaml")).expect("the plan");
    let cutover = |plan: &str, args: &[&str]| {
        fs::write(dir.path().join("plan.yaml"), plan).expect("the plan can be written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        said(&command.args(args).current_dir(dir.path()).output().expect("the program can be run"))
    };
    let files = || fs::read_dir(dir.path()).expect("the directory").count();
    for args in [
        &["plan", "plan.yaml", "-o", "plan.json"][..],
        &["plan", "plan.yaml", "--detailed-exitcode"],
        &["apply", "plan.yaml", "--auto-approve"],
    ] {
        let (code, said) = cutover(&plan, args);
        assert_eq!(code, 3, "{args:?}: {said}");
        assert!(said.contains("this plan would do harm\n  deliverable is broken"), "{said}");
        assert_eq!(files(), 2, "nothing but plan and zones: {args:?}");
    }
    let repaired = plan.replace("with: switch", "after: contract");
    assert_eq!(cutover(&repaired, &["plan", "plan.yaml", "--detailed-exitcode"]).0, 2);
}
