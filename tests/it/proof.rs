//! The proof at its boundary. Plans that would do harm are refused with a story, but their repaired
//! twins are not. Every wait that prevents harm is missed if it is removed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cutover::compile::back::is_refuted;
use cutover::compile::compiled::CompiledWayBack;
use cutover::compile::{Compiled, compile_with, rebuilt};
use cutover::diag::Source;
use cutover::fact::{Fact, Subject};
use cutover::graph::{Origin, Primitive, Step, StepGraph, StepId, Wait};
use cutover::intent::{Intent, resolve};
use cutover::language::parse;
use cutover::model::Track;
use cutover::observe::{Snapshot, ZoneSeen};
use cutover::proof::model::ModelOptions;
use cutover::proof::{Findings, findings};
use cutover_contract::{Atomicity, Capabilities, CompareAndSet, Gathered, Granularity};
use cutover_zone::Ttl;

use crate::bind_fixture::said;
use crate::recipes::STATED;
use crate::registry::language;

/// The capabilities of the zones' provider unless a test says otherwise: atomic, and without
/// restrictions.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    granularity: Granularity::RrSet,
    atomicity: Atomicity::ChangeSet,
    compare_and_set: CompareAndSet::Native,
    ttl_min: Ttl::ZERO,
    ttl_max: Ttl::MAX,
    types: None,
    gathered: Gathered::All,
    settle_max: Duration::ZERO,
    anycast_margin: Duration::ZERO,
    served_within: None,
};

/// A plan with everything from which it is compiled.
pub(crate) struct Case {
    pub(crate) intent: Intent,
    pub(crate) snapshot: Snapshot,
    pub(crate) tracks: Vec<Track>,
    pub(crate) graph: StepGraph,
    pub(crate) ways_back: Vec<CompiledWayBack>,
    pub(crate) assumptions: Vec<String>,
    pub(crate) why_refuted: Vec<Vec<String>>,
}

impl Case {
    /// Compiles a plan whose zones are given as master files.
    pub(crate) fn of(plan: &str, zone_file: &dyn Fn(&str) -> String) -> Self {
        Self::try_of(plan, zone_file).expect("a plan that can be compiled")
    }

    /// As [`Case::of`]; `None` for a plan that cannot be compiled.
    pub(crate) fn try_of(plan: &str, zone_file: &dyn Fn(&str) -> String) -> Option<Self> {
        Self::try_at(&CAPABILITIES, plan, zone_file)
    }

    /// As [`Case::try_of`], at a provider with these capabilities.
    pub(crate) fn try_at(
        capabilities: &Capabilities,
        plan: &str,
        zone_file: &dyn Fn(&str) -> String,
    ) -> Option<Self> {
        let (intent, snapshot) = inputs(capabilities, plan, zone_file)?;
        Self::weakened(intent, snapshot, &ModelOptions::default()).map(|(case, _)| case)
    }

    /// As [`Case::try_of`], with a proof that may be weakened. Also returns what that proof finds.
    pub(crate) fn weakened(
        intent: Intent,
        snapshot: Snapshot,
        options: &ModelOptions,
    ) -> Option<(Self, Findings)> {
        let compiled = compile_with(&intent, &snapshot, options).ok()?;
        let Compiled { tracks, graph, ways_back, assumptions, why_refuted, findings, .. } =
            compiled;
        let assumptions = assumptions.iter().map(ToString::to_string).collect();
        Some((
            Self { intent, snapshot, tracks, graph, ways_back, assumptions, why_refuted },
            findings,
        ))
    }

    /// A plan of `plans/`.
    fn shipped(name: &str) -> Self {
        Self::shipped_at(&CAPABILITIES, name)
    }

    /// A plan of `plans/`, at a provider with these capabilities.
    fn shipped_at(capabilities: &Capabilities, name: &str) -> Self {
        let plans = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans");
        let plan = fs::read_to_string(plans.join(format!("{name}.yaml"))).expect("the plan");
        let case = Self::try_at(capabilities, &plan, &|zone| {
            fs::read_to_string(plans.join(name).join(format!("{zone}.zone"))).expect("the zone")
        });
        case.expect("a plan that can be compiled")
    }

    pub(crate) fn findings(&self, graph: &StepGraph) -> Findings {
        let (draft, model) = rebuilt(&self.intent, &self.snapshot, &self.tracks);
        findings(&draft, &model, graph)
    }

    /// Asserts that the plan is proved, and that it needs each wait and each edge that comes from a
    /// pattern. Returns their number, and what else constrains its steps.
    pub(crate) fn proved_and_lean(&self, name: &str) -> (usize, BTreeSet<String>) {
        let findings = self.findings(&self.graph);
        assert_eq!(findings.refuted, [], "{name}");
        assert_eq!(findings.present, [], "{name}");
        let (less, others) = lessened(&self.graph);
        for (what, graph) in &less {
            assert!(!self.findings(graph).refuted.is_empty(), "{name} does not need {what}");
        }
        (less.len(), others)
    }

    fn parts(&self) -> (&Intent, &Snapshot, &[Track]) {
        (&self.intent, &self.snapshot, &self.tracks)
    }

    /// The invariants that are broken if the wait of this step has another length.
    fn with_wait(&self, id: &str, span: Duration) -> BTreeSet<&'static str> {
        let graph = with_wait(&self.graph, id, span);
        self.findings(&graph).refuted.iter().map(|refuted| refuted.invariant).collect()
    }
}

/// The inputs of a plan, with its zones as master files; `None` if the plan is refused.
pub(crate) fn inputs(
    capabilities: &Capabilities,
    plan: &str,
    zone_file: &dyn Fn(&str) -> String,
) -> Option<(Intent, Snapshot)> {
    let source = Source::new("plan.yaml", plan);
    let spec = parse(&source, language()).ok()?;
    let intent = resolve(spec).ok()?;
    let mut snapshot = Snapshot::default();
    for name in intent.zones.keys() {
        let text = zone_file(name.to_string().trim_end_matches('.'));
        let nothing = |_: &Path| Err(std::io::Error::other("no include"));
        let read = cutover_zonefile::read(name, Path::new("zone"), text.into_bytes(), &nothing);
        let zone = read.unwrap_or_else(|error| panic!("{name}: {error}")).zone;
        let seen = ZoneSeen { zone, capabilities: capabilities.clone(), authorities: Vec::new() };
        snapshot.zones.insert(name.clone(), seen);
    }
    Some((intent, snapshot))
}

/// The graph with another length of one wait.
fn with_wait(graph: &StepGraph, id: &str, span: Duration) -> StepGraph {
    let steps = graph.steps().iter().map(|step| match &step.primitive {
        Primitive::Wait(wait) if step.id.as_str() == id => {
            Step { primitive: Primitive::Wait(Wait { span, ..wait.clone() }), ..step.clone() }
        }
        Primitive::Wait(_)
        | Primitive::Change(_)
        | Primitive::Gate(_)
        | Primitive::Task(_)
        | Primitive::Checkpoint(_) => step.clone(),
    });
    StepGraph::new(steps.collect()).expect("a graph")
}

/// The graph without one edge.
fn without_edge(graph: &StepGraph, from: &StepId, to: &StepId) -> StepGraph {
    let steps = graph.steps().iter().map(|step| {
        let mut step = step.clone();
        if step.id == *to {
            step.after.remove(from);
        }
        step
    });
    StepGraph::new(steps.collect()).expect("a graph")
}

/// Every graph that has a little less than this one, a wait that is a second shorter or an edge
/// less, and what was removed, for waits and edges that come from patterns. The others are listed.
fn lessened(graph: &StepGraph) -> (Vec<(String, StepGraph)>, BTreeSet<String>) {
    let mut less = Vec::new();
    let mut others = BTreeSet::new();
    for step in graph.steps() {
        if let Primitive::Wait(wait) = &step.primitive {
            match wait.origin {
                Origin::Pattern => {
                    let shorter = wait.span - Duration::from_secs(1);
                    less.push((step.id.to_string(), with_wait(graph, step.id.as_str(), shorter)));
                }
                Origin::Policy | Origin::User => {
                    others.insert(format!("{}: {}", wait.origin.word(), step.id));
                }
            }
        }
        for (before, cause) in &step.after {
            match cause.origin {
                Origin::Pattern => {
                    let what = format!("{before} -> {}", step.id);
                    less.push((what, without_edge(graph, before, &step.id)));
                }
                Origin::Policy | Origin::User => {
                    others.insert(format!("{} {}", cause.origin.word(), cause.of));
                }
            }
        }
    }
    (less, others)
}

pub(crate) fn shipped() -> Vec<String> {
    let plans = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("plans")).expect("plans");
    let names = plans.filter_map(|entry| {
        let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
        name.strip_suffix(".yaml").map(str::to_owned)
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    assert!(names.len() >= 4, "{names:?}");
    names
}

#[test]
fn every_shipped_plan_is_proved_and_minimal() {
    let mut report = String::new();
    for name in shipped() {
        let (needed, others) = Case::shipped(&name).proved_and_lean(&name);
        report += &format!("{name}: {needed} waits and edges from patterns; others:\n");
        others.iter().for_each(|line| report += &format!("  {line}\n"));
    }
    insta::assert_snapshot!("proof-origins", report);
}

#[test]
fn every_way_back_of_every_shipped_plan_is_proved_from_every_state_and_minimal() {
    let mut report = String::new();
    for name in shipped() {
        let case = Case::shipped(&name);
        for way in &case.ways_back {
            let refuted = |graph: &StepGraph| is_refuted(case.parts(), &case.graph, way, graph);
            assert!(!refuted(&way.graph), "{name}: to {}", way.name());
            let (less, _) = lessened(&way.graph);
            for (what, graph) in &less {
                assert!(refuted(graph), "{name}: to {}: it does not need {what}", way.name());
            }
            let CompiledWayBack {
                to: _,
                at,
                graph,
                takes_back,
                undone_by: _,
                kept,
                no_return,
                patterns: _,
            } = way;
            let point = way.name();
            report += &format!("{name}: to {point}");
            report += &at.as_ref().map(|at| format!(" (from {at} on)")).unwrap_or_default();
            report += &format!(
                ": {} steps, {} of them for {} of the way there\n",
                graph.steps().len(),
                takes_back.len(),
                takes_back.values().collect::<BTreeSet<_>>().len()
            );
            kept.iter().for_each(|step| report += &format!("  stays: {step}\n"));
            no_return
                .iter()
                .for_each(|(step, why)| report += &format!("  no return from {step}: {why}\n"));
        }
    }
    insta::assert_snapshot!("proof-ways-back", report);
}

#[test]
fn records_may_become_one_another_and_may_not_be_absent() {
    let refuted = |atomicity: Atomicity, name: &str| {
        let case = Case::shipped_at(&Capabilities { atomicity, ..CAPABILITIES }, name);
        case.findings(&case.graph).refuted.len()
    };
    let mut absent = 0;
    for name in shipped() {
        assert_eq!(refuted(Atomicity::Record, &name), 0, "{name}");
        absent += refuted(Atomicity::None, &name);
    }
    assert!(absent > 0, "an MX RRset that is absent for a moment harms");
}

#[test]
fn one_second_less_than_the_hold_is_too_short() {
    let case = Case::shipped("spf-budget");
    // A TTL of 1 h and a margin of a minute.
    let id = "wait/widen/shop.test/@/TXT";
    assert!(case.with_wait(id, Duration::from_secs(3_660)).is_empty());
    assert_eq!(case.with_wait(id, Duration::from_secs(3_659)), BTreeSet::from(["authenticated"]));
    // Five days in queues and a margin of a minute.
    let id = "wait/assume/contract/sends/oldhost";
    let both = BTreeSet::from(["authenticated", "deliverable"]);
    assert!(case.with_wait(id, Duration::from_secs(432_060)).is_empty());
    assert_eq!(case.with_wait(id, Duration::from_secs(432_059)), both);
    // The negative TTL of ten minutes and a margin, before the MX records name a new exchange.
    let case = Case::shipped("two-domains");
    let id = "wait/publish/acme.test/mx/A";
    assert!(case.with_wait(id, Duration::from_secs(660)).is_empty());
    let both = BTreeSet::from(["clients", "deliverable"]);
    assert_eq!(case.with_wait(id, Duration::from_secs(659)), both);
}

#[test]
fn an_exchange_that_still_leads_elsewhere_is_missed() {
    let body = "\
hosts:
  old: { exchanges: [ { preference: 10, name: mail.acme.test. } ] }
  new: { exchanges: [ { preference: 10, name: mx.acme.test., addresses: [ 203.0.113.99 ] } ] }
migrate: { domains: [ acme.test ], from: old, to: new }
";
    let sends = "  - { fact: sends, host: new, reason: it only takes mail }\n";
    let case = Case::of(&format!("{HEAD}{body}{STATED}{sends}"), &|_| ZONE.to_owned());
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
@ TXT \"v=spf1 include:_spf.acme.test -all\"
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

fn story(body: &str) -> String {
    let stated = if body.contains("migrate:") { STATED } else { "" };
    let plan = format!("{HEAD}{body}{stated}");
    let zone = ZONE.to_owned();
    let case = Case::of(&plan, &|_| zone.clone());
    let findings = case.findings(&case.graph);
    let refuted = findings.refuted.iter();
    refuted.map(|harm| format!("{}\n  {}\n", harm.invariant, harm.story.join("\n  "))).collect()
}

#[test]
fn an_address_that_goes_while_mx_records_name_it_refutes() {
    let harmful = format!(
        "{MOVE}records: [ {{ zone: acme.test, name: mail, type: A, absent: true, with: switch }} ]\n"
    );
    insta::assert_snapshot!("trap-address-goes-first", story(&harmful));
    let repaired = format!(
        "{MOVE}records: [ {{ zone: acme.test, name: mail, type: A, absent: true, after: contract }} ]\n"
    );
    assert_eq!(story(&repaired), "");
}

#[test]
fn an_include_that_goes_before_the_record_that_names_it_refutes() {
    let harmful = format!(
        "{MOVE}records: [ {{ zone: acme.test, name: _spf, type: TXT, absent: true, with: contract }} ]\n"
    );
    insta::assert_snapshot!("trap-include-goes-first", story(&harmful));
    let repaired = format!(
        "{MOVE}records: [ {{ zone: acme.test, name: _spf, type: TXT, absent: true, after: contract }} ]\n"
    );
    assert_eq!(story(&repaired), "");
}

#[test]
fn a_change_of_other_records_can_harm_a_domain_that_does_not_move() {
    let harmful = "records: [ { zone: acme.test, name: mail, type: A, absent: true } ]\n";
    insta::assert_snapshot!("trap-other-records", story(harmful));
    // The server at the other address has to accept the mail, and that has to be stated.
    let moved = "records: [ { zone: acme.test, name: mail, type: A, to: [ 192.0.2.99 ] } ]\n";
    assert!(story(moved).contains("nobody says that this host accepts mail for acme.test."));
    let said =
        "assume: [ { fact: accepts, address: 192.0.2.99, reason: it is the same server } ]\n";
    assert_eq!(story(&format!("{moved}{said}")), "");
    let null = "records: [ { zone: acme.test, name: \"@\", type: MX, to: [ \"0 .\" ] } ]\n";
    insta::assert_snapshot!("trap-null-mx", story(null));
}

/// For each kind of fact, a plan that relies on it. If the fact is stated, the plan is proved.
/// Otherwise it is refuted, and shows the line that would state the fact.
#[test]
fn a_fact_that_is_not_stated_refutes() {
    let sts = "_mta-sts TXT \"v=STSv1; id=20260101\"\n";
    let tlsa = format!("_25._tcp.mx TLSA 3 1 1 {}\n", "ab".repeat(32));
    let cases = [
        (Fact::Accepts, "new", "deliverable", ""),
        (Fact::RoutesLocal, "old", "one-mailbox", ""),
        (Fact::Sends, "old", "authenticated", ""),
        (Fact::Clients, "old", "clients", ""),
        (Fact::Synced, "old", "one-mailbox", ""),
        (Fact::Serves, "new", "clients", ""),
        (Fact::StsAllows, "new", "transport-policy", sts),
        (Fact::TlsaMatches, "new", "transport-policy", &tlsa),
    ];
    for (fact, host, invariant, more) in cases {
        let zone = ZONE.to_owned() + more;
        let line = |stated: &str| {
            format!("  - {{ fact: {fact}, host: {host}{stated}, reason: somebody looked }}\n")
        };
        let stated = match STATED.contains(&format!("fact: {fact}, host: {host},")) {
            true => STATED.to_owned(),
            false => STATED.to_owned() + &line(""),
        };
        let case = Case::of(&format!("{HEAD}{MOVE}{stated}"), &|_| zone.clone());
        assert_eq!(case.findings(&case.graph).refuted, [], "{fact}");
        let sentences = &case.assumptions;
        let listed = sentences.iter().filter(|sentence| {
            sentence.starts_with(&format!("`{host}` ")) && sentence.contains(&format!("(`{fact}`)"))
        });
        assert_eq!(listed.count(), 1, "{fact} stands in the verdict: {sentences:?}");
        let lines = stated.split_inclusive('\n');
        let kept: String =
            lines.filter(|l| !l.contains(&format!("fact: {fact}, host: {host},"))).collect();
        let case = Case::of(&format!("{HEAD}{MOVE}{kept}"), &|_| zone.clone());
        let findings = case.findings(&case.graph);
        let broken: BTreeSet<&str> =
            findings.refuted.iter().map(|refuted| refuted.invariant).collect();
        assert!(broken.contains(invariant), "{fact}: {broken:?}");
        let unstated: Vec<_> = findings.unstated.into_keys().collect();
        assert_eq!(unstated, [(fact, Subject::Host(host.to_owned()))], "{fact}");
        let help = case.why_refuted.concat().join("\n");
        assert!(help.contains(&format!("- {{ fact: {fact}, host: {host}, value:")), "{help}");
    }
}

/// The plan says what the old host does with mail, and contradicting statements are judged.
#[test]
fn what_the_old_host_does_with_mail_is_judged() {
    let zone = ZONE.to_owned();
    let broken = |mail: &str| {
        let mail = format!("  - {{ fact: mail, host: old, {mail}, reason: it is set so }}\n");
        let case = Case::of(&format!("{HEAD}{MOVE}{STATED}{mail}"), &|_| zone.clone());
        let findings = case.findings(&case.graph);
        let refuted = findings.refuted.iter().map(|harm| harm.invariant.to_owned());
        let present = findings.present.iter().map(|defect| format!("({})", defect.invariant));
        refuted.chain(present).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(broken("value: relay, from: switch"), "");
    assert_eq!(broken("value: reject, from: contract"), "");
    // It happens when the plan says so, and the old MX records have not expired by then.
    assert_eq!(broken("value: reject, from: switch"), "deliverable");
    assert_eq!(broken("value: off, from: switch"), "deliverable deliverable one-mailbox clients");
    // It was broken before the first step, so the plan is not the cause, but it is reported.
    assert_eq!(broken("value: reject"), "(deliverable)");
    assert_eq!(broken("value: off"), "(clients) (deliverable) (deliverable) (one-mailbox)");
}

#[test]
fn a_refuted_plan_is_shown_but_neither_sealed_nor_run() {
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
        for story in ["this plan would do harm: deliverable, clients\n", "deliverable is broken\n"]
        {
            assert!(said.contains(story), "{said}");
        }
        assert_eq!(files(), 2, "nothing but plan and zones: {args:?}");
    }
    let repaired = plan.replace("with: switch", "after: contract");
    assert_eq!(cutover(&repaired, &["plan", "plan.yaml", "--detailed-exitcode"]).0, 2);
}
