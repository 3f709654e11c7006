//! Gates: steps that are put between others when the order stands.
//!
//! A gate only adds edges: every step still comes after everything that it came after before. So no
//! proof needs to know about gates, and the graph is judged with its gates in place.
//!
//! A gate that establishes a fact stands right before the step at which the fact begins. For the proof
//! that step is like any other that makes a fact true. What relies on the fact also names the gate
//! ([`Evidence::before`]), so that the engine asks it again when it is too old by then.

use std::collections::BTreeMap;
use std::time::Duration;

use cutover_contract::Change;
use cutover_zone::{Name, RrKey, RrSet, RrType};

use super::compiled::CompiledWayBack;
use super::servers;
use crate::intent::Intent;
use crate::language::Confirm;
use crate::language::gate::{GateSpec, GatesSpec, OnFail, gate_id};
use crate::model::hold::hold_of_replaced;
use crate::observe::Snapshot;
use crate::proof::draft::Draft;
use cutover_base::calendar::show_span;
use cutover_base::diag::{Code, Diagnostic};
use cutover_steps::graph::gate::{Evidence, Expected, Failing, Gate, Place, established};
use cutover_steps::graph::paths::Paths;
use cutover_steps::graph::reliance::relies;
use cutover_steps::graph::{
    Cause, MovePoint, Origin, Primitive, SAMPLE_MAX, Step, StepGraph, StepId, sample,
};
use cutover_steps::probe;

/// A gate that would go back to a rollback point that the plan does not have.
pub const NO_WAY_BACK: Code = Code::semantic("no-way-back");

/// A gate that probes before everybody can have switched.
pub const ASKED_EARLY: Code = Code::semantic("asked-early");

/// Where a failed gate goes back to.
const POINT: MovePoint = MovePoint::BeforeSwitch;

/// The graph with the plan's gates in it.
pub(super) fn with_gates(draft: &Draft<'_>, graph: StepGraph) -> StepGraph {
    let intent = draft.intent;
    if graph.steps().is_empty() || intent.gates.all().next().is_none() {
        return graph;
    }
    let mut steps: Vec<Step> = graph.steps().to_vec();
    let paths = graph.paths();
    let evidence = evidence(draft, &graph);
    add_evidence(draft, &graph, &evidence, &mut steps);
    for (place, gates) in [
        (Place::BeforeSwitch, &intent.gates.before_switch),
        (Place::AfterSwitch, &intent.gates.after_switch),
    ] {
        let Some((befores, follower)) = between(draft, &graph, place) else { continue };
        let window = follower
            .and_then(|follower| steps[follower].window.clone())
            .filter(|_| place == Place::BeforeSwitch);
        let expect = expected(draft, &graph, &paths, &befores, follower);
        for (number, spec) in gates.iter().enumerate() {
            let id = gate_id(place, gates, number);
            if evidence.contains_key(&id) {
                continue;
            }
            let cause = Cause::new(Origin::User, "gates", "the plan says so (`gates`)");
            // What held the follower back now holds the gate back.
            let held_by = follower.filter(|_| place == Place::BeforeSwitch);
            let held_by = held_by.map(|follower| &graph.steps()[follower].after);
            if let Some(follower) = follower {
                steps[follower].after.insert(id.clone(), cause.clone());
            }
            let after = befores.iter().map(|before| {
                let id = &graph.steps()[*before].id;
                let cause = held_by.and_then(|held_by| held_by.get(id)).unwrap_or(&cause);
                (id.clone(), cause.clone())
            });
            let gate = gate(place, spec, &expect, switched_before(draft));
            let early = early(place, spec, &expect);
            steps.push(Step {
                id,
                after: after.collect(),
                title: title(&gate),
                reason: format!(
                    "the plan checks this before it goes on (`gates.{}`){}",
                    place.key(),
                    early.map_or(String::new(), |early| format!("; NOTE: {}", early.title))
                ),
                primitive: Primitive::Gate(gate),
                window: window.clone(),
            });
        }
    }
    StepGraph::new(steps).expect("steps put between others make no cycle")
}

/// A fact that a gate establishes, for people, and where it begins: the place of that step. `None`: an
/// earlier run of the plan has seen the gate pass, and it is asked again for what is left.
type Established = BTreeMap<StepId, Vec<(String, Option<usize>)>>;

fn evidence(draft: &Draft<'_>, graph: &StepGraph) -> Established {
    let mut found = Established::new();
    for stated in &draft.intent.assume {
        let Confirm::Gates { gates, .. } = &stated.confirm else { continue };
        let step = draft.step_of(stated);
        let place = step.and_then(|step| graph.place(&draft.nodes[step].id));
        if place.is_none() && !draft.counts_already(stated) {
            continue;
        }
        let (fact, subject) = (stated.fact.value, &stated.subject.value);
        for gate in gates {
            let of = found.entry(gate.clone()).or_default();
            of.push((established(fact, subject), place));
        }
    }
    found
}

/// Puts gates that establish facts before the steps at which the facts begin, or before all that is left
/// to do and relies on them.
fn add_evidence(
    draft: &Draft<'_>,
    graph: &StepGraph,
    evidence: &Established,
    steps: &mut Vec<Step>,
) {
    let GatesSpec { before_switch, after_switch } = &draft.intent.gates;
    let left = graph.place(&StepId::of_point(MovePoint::BeforeContract));
    let paths = graph.paths();
    for (place, gates) in [(Place::BeforeSwitch, before_switch), (Place::AfterSwitch, after_switch)]
    {
        let window = between(draft, graph, place)
            .and_then(|(_, follower)| graph.steps()[follower?].window.clone())
            .filter(|_| place == Place::BeforeSwitch);
        let is_left = |step| {
            place == Place::BeforeSwitch
                && left.is_some_and(|left| left == step || paths.precedes(left, step))
        };
        for (number, spec) in gates.iter().enumerate() {
            let id = gate_id(place, gates, number);
            let Some(facts) = evidence.get(&id) else { continue };
            let cause = Cause::new(Origin::User, "gates", "the gate establishes it (`gates`)");
            let mut after = BTreeMap::new();
            let mut is_again = false;
            for (_, fact) in facts {
                match fact {
                    Some(fact) => {
                        after.extend(graph.steps()[*fact].after.clone());
                        steps[*fact].after.insert(id.clone(), cause.clone());
                    }
                    None => is_again = true,
                }
            }
            if is_again {
                let rest = graph.steps().iter().enumerate();
                let rest = rest.filter(|(at, step)| relies(step) && !is_left(*at));
                for (at, _) in rest {
                    steps[at].after.insert(id.clone(), cause.clone());
                }
            }
            let mut gate = gate(place, spec, &[], switched_before(draft));
            gate.evidence = Some(Evidence {
                facts: facts.iter().map(|(fact, _)| fact.clone()).collect(),
                age_max: spec.age_max,
                before: Vec::new(),
            });
            steps.push(Step {
                id,
                after,
                title: title(&gate),
                reason: format!("the plan relies on what it shows (`gates.{}`)", place.key()),
                primitive: Primitive::Gate(gate),
                window: window.clone(),
            });
        }
    }
}

/// The graph with gates that know which steps rely on what they establish.
fn with_reliant_steps(graph: StepGraph) -> StepGraph {
    if graph.establishing().next().is_none() {
        return graph;
    }
    let steps = graph.steps().iter().cloned().enumerate().map(|(place, mut step)| {
        if let Primitive::Gate(Gate { evidence: Some(evidence), .. }) = &mut step.primitive {
            evidence.before = graph.reliant_on(place);
        }
        step
    });
    StepGraph::of_sorted(steps.collect())
}

/// When the last of what was there before has expired in caches. For probes that look for no
/// records: when the MX records that send mail to the old host have expired, if there are any.
fn expires(expect: &[Expected], in_dns: bool) -> Option<Duration> {
    let all = || expect.iter().map(|expected| expected.expires);
    let mx = expect.iter().filter(|expected| expected.key.rtype == RrType::MX);
    let of_mx = mx.map(|expected| expected.expires);
    of_mx.max().filter(|_| !in_dns).or_else(|| all().max())
}

/// The warning for a gate after the switch that looks for no records and probes before everybody
/// can have switched.
fn early(place: Place, spec: &GateSpec, expect: &[Expected]) -> Option<Diagnostic> {
    let keys = probe::of_name(&spec.probe.value)?.keys;
    let expires = expires(expect, keys.in_dns)?;
    let delay = spec.delay.filter(|delay| *delay < expires)?;
    if keys.in_dns || !keys.after_expiry || place == Place::BeforeSwitch {
        return None;
    }
    let title = format!(
        "it probes {} after the switch, but caches may send everybody to the old side for {}",
        show_span(delay),
        show_span(expires)
    );
    let help = "remove `delay:` to probe when the caches have expired, unless the new side can be judged before anybody uses it";
    Some(Diagnostic::warning(ASKED_EARLY, spec.probe.span, title, help))
}

/// The gates that probe before everybody can have switched.
pub(super) fn asked_early(draft: &Draft<'_>, graph: &StepGraph) -> Vec<Diagnostic> {
    let gates = &draft.intent.gates.after_switch;
    if gates.is_empty() || graph.steps().is_empty() {
        return Vec::new();
    }
    let place = Place::AfterSwitch;
    let Some((befores, follower)) = between(draft, graph, place) else { return Vec::new() };
    let expect = expected(draft, graph, &graph.paths(), &befores, follower);
    gates.iter().filter_map(|spec| early(place, spec, &expect)).collect()
}

/// Gates that go back to a point that has no way back. They are errors, or warnings if the switch
/// was made before this plan: such a gate halts.
pub(super) fn without_way_back(
    draft: &Draft<'_>,
    ways_back: &[CompiledWayBack],
) -> Vec<Diagnostic> {
    let gates = draft.intent.gates.after_switch.iter();
    let is_there = ways_back.iter().any(|way_back| way_back.to == Some(POINT));
    let lost = gates.filter(|gate| gate.on_fail == OnFail::Rollback && !is_there);
    let point = POINT.word();
    lost.map(|gate| match switched_before(draft) {
        true => {
            let title = format!("the switch was made before this plan, which has no way back to `{point}`: if this gate fails, the run halts");
            let help = "write `on_fail: halt`, and move mail back with a separate plan if necessary";
            Diagnostic::warning(NO_WAY_BACK, gate.probe.span, title, help)
        }
        false => {
            let title = format!("there is no way back to `{point}` for this gate");
            let help = "write `on_fail: halt`: the verdict says why the plan cannot go back";
            Diagnostic::error(NO_WAY_BACK, gate.probe.span, title, help)
        }
    })
    .collect()
}

/// Whether the switch of a move was made before this plan.
fn switched_before(draft: &Draft<'_>) -> bool {
    draft.point(MovePoint::BeforeSwitch).is_none()
}

fn gate(place: Place, spec: &GateSpec, expect: &[Expected], switched_before: bool) -> Gate {
    let keys = probe::of_name(&spec.probe.value).map(|probe| probe.keys);
    // A probe that looks for no records may ask for anything: before the switch, it probes at once.
    let after_expiry =
        keys.is_some_and(|keys| keys.after_expiry && (keys.in_dns || place == Place::AfterSwitch));
    let in_dns = keys.is_some_and(|keys| keys.in_dns);
    let expired = expires(expect, in_dns).filter(|_| after_expiry);
    let delay = spec.delay.or(expired).unwrap_or(Duration::ZERO);
    let kept =
        expect.iter().map(|expected| expected.expires + expected.overrun).max().unwrap_or_default();
    let may_be_open = keys.is_some_and(|keys| keys.in_dns && keys.after_expiry);
    let open = if may_be_open { kept.saturating_sub(delay) } else { Duration::ZERO };
    Gate {
        probe: spec.probe.value.clone(),
        settings: spec.settings.clone(),
        expect: match keys.is_some_and(|keys| keys.in_dns) {
            true => expect.to_vec(),
            false => Vec::new(),
        },
        delay,
        pace: spec.pace.pace(open),
        on_fail: match (spec.on_fail, place) {
            (OnFail::Ask, _) => Failing::Ask,
            (OnFail::Rollback, Place::AfterSwitch) if !switched_before => {
                Failing::Rollback { to: POINT.word().to_owned() }
            }
            // Nothing of the switch is there to undo, or an earlier run made it.
            (OnFail::Rollback | OnFail::Halt, _) => Failing::Halt,
        },
        evidence: None,
    }
}

fn title(gate: &Gate) -> String {
    let doc = probe::of_name(&gate.probe).map_or("", |probe| probe.doc);
    format!("check that {doc}")
}

/// The places of the steps that a gate comes after, and of the step that comes after the gate.
fn between(
    draft: &Draft<'_>,
    graph: &StepGraph,
    place: Place,
) -> Option<(Vec<usize>, Option<usize>)> {
    let of = |node: usize| graph.place(&draft.nodes[node].id);
    let point = |point| draft.point(point).and_then(of);
    match place {
        Place::BeforeSwitch => {
            let follower = point(MovePoint::BeforeSwitch)?;
            let befores = graph.steps()[follower].after.keys();
            Some((befores.filter_map(|id| graph.place(id)).collect(), Some(follower)))
        }
        Place::AfterSwitch => {
            let befores: Vec<usize> = match switched_before(draft) {
                // An earlier plan made the switch, and the old side is still to be left.
                true => {
                    point(MovePoint::BeforeContract)?;
                    draft.beginning().into_iter().chain(draft.switch()).filter_map(of).collect()
                }
                false => draft.switch().filter_map(of).collect(),
            };
            (!befores.is_empty()).then(|| (befores, point(MovePoint::BeforeContract)))
        }
    }
}

/// What should be found in DNS between these steps: what has been made by then, and what other
/// steps may change meanwhile.
fn expected(
    draft: &Draft<'_>,
    graph: &StepGraph,
    paths: &Paths,
    befores: &[usize],
    follower: Option<usize>,
) -> Vec<Expected> {
    let is_before = |place: usize| befores.iter().any(|b| *b == place || paths.precedes(place, *b));
    let is_after = |place: usize| follower.is_some_and(|f| f == place || paths.precedes(f, place));
    // What has been waited out before the gate needs no second wait.
    let waited = |place: usize| {
        let spans = befores.iter().filter_map(|before| paths.between(place, *before));
        Duration::from_secs(spans.max().unwrap_or(0))
    };
    let margin = draft.intent.terms.clocks.margin;
    let mut made: BTreeMap<(&Name, &RrKey), Expected> = BTreeMap::new();
    for (place, step) in graph.steps().iter().enumerate() {
        let Primitive::Change(changes) = &step.primitive else { continue };
        for change in changes.changes() {
            let at = (changes.zone(), &change.key);
            match (is_before(place), is_after(place)) {
                (true, _) => {
                    let (zone, key) = (changes.zone().clone(), change.key.clone());
                    let hold = hold(draft.snapshot, &zone, &key, change.before.as_ref());
                    made.insert(
                        at,
                        Expected {
                            zone,
                            key,
                            versions: vec![change.after.clone()],
                            replaced: served_before(draft.snapshot, changes.zone(), change),
                            expires: (hold + margin).saturating_sub(waited(place)),
                            // The wait counts for resolvers that keep records too long, too.
                            overrun: draft
                                .intent
                                .terms
                                .overrun
                                .saturating_sub(waited(place).saturating_sub(hold + margin)),
                        },
                    );
                }
                (false, false) => {
                    if let Some(expected) = made.get_mut(&at) {
                        expected.versions.push(change.after.clone());
                    }
                }
                (false, true) => {}
            }
        }
    }
    made.into_values().collect()
}

/// The graph with gates that know their servers, and that look for a sample of records.
pub(super) fn finished(intent: &Intent, snapshot: &Snapshot, graph: StepGraph) -> StepGraph {
    with_sampled_gates(with_reliant_steps(with_servers(intent, snapshot, graph)))
}

/// The graph with gates that know their servers. They are those of all domains, also of domains that
/// were compiled as others are.
fn with_servers(intent: &Intent, snapshot: &Snapshot, graph: StepGraph) -> StepGraph {
    let GatesSpec { before_switch, after_switch } = &intent.gates;
    let of = |place, gates: &[GateSpec]| -> Vec<(StepId, GateSpec)> {
        let all = gates.iter().enumerate();
        all.map(|(number, gate)| (gate_id(place, gates, number), gate.clone())).collect()
    };
    let mut specs = of(Place::BeforeSwitch, before_switch);
    specs.extend(of(Place::AfterSwitch, after_switch));
    let asks_host = |(_, gate): &(StepId, GateSpec)| {
        probe::of_name(&gate.probe.value).is_some_and(|probe| probe.keys.host.is_some())
    };
    specs.retain(asks_host);
    if specs.is_empty() {
        return graph;
    }
    let published = servers::published_later(intent, snapshot);
    let steps = graph.steps().iter().cloned().map(|mut step| {
        if let Primitive::Gate(gate) = &mut step.primitive
            && let Some((_, spec)) = specs.iter().find(|(id, _)| *id == step.id)
        {
            gate.settings = servers::settings(intent, &published, spec);
        }
        step
    });
    StepGraph::of_sorted(steps.collect())
}

/// The graph with gates that look for a sample of records.
fn with_sampled_gates(graph: StepGraph) -> StepGraph {
    let is_large = |step: &Step| match &step.primitive {
        Primitive::Gate(gate) => gate.expect.len() > SAMPLE_MAX,
        Primitive::Change(_)
        | Primitive::Wait(_)
        | Primitive::Task(_)
        | Primitive::Checkpoint(_) => false,
    };
    if !graph.steps().iter().any(is_large) {
        return graph;
    }
    let steps = graph.steps().iter().cloned().map(|mut step| {
        if let Primitive::Gate(gate) = &mut step.primitive {
            gate.expect = sample(&gate.expect).cloned().collect();
        }
        step
    });
    StepGraph::of_sorted(steps.collect())
}

/// What resolvers may still hold of what a change replaces: records, or those of a wildcard.
fn served_before(snapshot: &Snapshot, zone: &Name, change: &Change) -> Option<RrSet> {
    change.before.clone().or_else(|| snapshot.zones[zone].served(&change.key).cloned())
}

fn hold(snapshot: &Snapshot, zone: &Name, key: &RrKey, before: Option<&RrSet>) -> Duration {
    hold_of_replaced(before, &snapshot.zones[zone], key)
}
