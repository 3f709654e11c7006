//! Gates: steps that are put between others when the order stands.
//!
//! A gate only adds: what it comes after it comes after, and what comes after it still comes after
//! all that it came after before. So no proof needs to know of it, and each is judged with it in place.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use cutover_contract::{Change, Name, RrKey, RrSet, RrType};

use super::back::CompiledWayBack;
use crate::calendar::show_span;
use crate::diag::{Code, Diagnostic};
use crate::graph::gate::{Expected, Failing, Gate};
use crate::graph::paths::Paths;
use crate::graph::{Cause, MovePoint, Origin, Primitive, Step, StepGraph, StepId};
use crate::model::hold::hold_of_replaced;
use crate::model::{SAMPLE_MAX, sample};
use crate::observe::Snapshot;
use crate::probe;
use crate::proof::draft::Draft;
use crate::proof::paths_of;
use crate::spec::gate::{GateSpec, OnFail};

/// A gate that would lead to a rollback point which the plan does not have.
pub const NO_WAY_BACK: Code = Code::semantic("no-way-back");

/// A gate that is asked before everybody can have come over.
pub const ASKED_EARLY: Code = Code::semantic("asked-early");

/// Where a failed gate leads back to.
const POINT: MovePoint = MovePoint::BeforeSwitch;

/// Where gates stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    BeforeSwitch,
    AfterSwitch,
}

impl Place {
    fn word(self) -> &'static str {
        match self {
            Self::BeforeSwitch => MovePoint::BeforeSwitch.word(),
            Self::AfterSwitch => "after-switch",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::BeforeSwitch => "before_switch",
            Self::AfterSwitch => "after_switch",
        }
    }
}

/// The graph with the plan's gates in it.
pub(super) fn with_gates(draft: &Draft<'_>, graph: StepGraph) -> StepGraph {
    let intent = draft.intent;
    if graph.steps().is_empty() || intent.gates.all().next().is_none() {
        return graph;
    }
    let mut steps: Vec<Step> = graph.steps().to_vec();
    let paths = paths_of(&graph);
    for (place, gates) in [
        (Place::BeforeSwitch, &intent.gates.before_switch),
        (Place::AfterSwitch, &intent.gates.after_switch),
    ] {
        let Some((befores, follower)) = between(draft, &graph, place) else { continue };
        let window = follower
            .and_then(|follower| steps[follower].window.clone())
            .filter(|_| place == Place::BeforeSwitch);
        let expect = expected(draft, &graph, &paths, &befores, follower);
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        for spec in gates {
            let number = numbers.entry(&spec.probe.value).or_insert(0);
            *number += 1;
            let id = id(place, spec, *number);
            let cause = Cause::new(Origin::User, "gates", "the plan says so (`gates`)");
            // What kept the follower back keeps the gate back now.
            let held = follower.filter(|_| place == Place::BeforeSwitch);
            let held = held.map(|follower| &graph.steps()[follower].after);
            if let Some(follower) = follower {
                steps[follower].after.insert(id.clone(), cause.clone());
            }
            let after = befores.iter().map(|before| {
                let id = &graph.steps()[*before].id;
                let cause = held.and_then(|held| held.get(id)).unwrap_or(&cause);
                (id.clone(), cause.clone())
            });
            let gate = gate(place, spec, &expect, is_behind(draft));
            let early = early(place, spec, &expect);
            steps.push(Step {
                id,
                after: after.collect(),
                title: title(&gate),
                reason: format!(
                    "the plan wants to know before it goes on (`gates.{}`){}",
                    place.key(),
                    early.map_or(String::new(), |early| format!("; NOTE: {}", early.title))
                ),
                primitive: Primitive::Gate(gate),
                window: window.clone(),
            });
        }
    }
    StepGraph::new(steps).expect("steps put between others make no circle")
}

/// When the last of what was there before has expired in caches. For probes that look for no records:
/// of what leads senders to a host, where there is any.
fn expires(expect: &[Expected], in_dns: bool) -> Option<Duration> {
    let all = || expect.iter().map(|one| one.expires);
    let of_mx = expect.iter().filter(|one| one.key.rtype == RrType::MX).map(|one| one.expires);
    of_mx.max().filter(|_| !in_dns).or_else(|| all().max())
}

/// A gate after the switch that asks for anything, and is asked before everybody can have come over.
fn early(place: Place, spec: &GateSpec, expect: &[Expected]) -> Option<Diagnostic> {
    let keys = probe::of_name(&spec.probe.value)?.keys;
    let expires = expires(expect, keys.in_dns)?;
    let delay = spec.delay.filter(|delay| *delay < expires)?;
    if keys.in_dns || !keys.after_expiry || place == Place::BeforeSwitch {
        return None;
    }
    let title = format!(
        "it is asked {} after the switch, when caches may lead everybody to the old side for {}",
        show_span(delay),
        show_span(expires)
    );
    let help = "take `delay:` out to ask when they have expired, unless the new side can be judged before anybody comes";
    Some(Diagnostic::warning(ASKED_EARLY, spec.probe.span, title, help))
}

/// The gates that are asked before everybody can have come over.
pub(super) fn asked_early(draft: &Draft<'_>, graph: &StepGraph) -> Vec<Diagnostic> {
    let gates = &draft.intent.gates.after_switch;
    if gates.is_empty() || graph.steps().is_empty() {
        return Vec::new();
    }
    let place = Place::AfterSwitch;
    let Some((befores, follower)) = between(draft, graph, place) else { return Vec::new() };
    let expect = expected(draft, graph, &paths_of(graph), &befores, follower);
    gates.iter().filter_map(|spec| early(place, spec, &expect)).collect()
}

/// Gates that would go back to a point that there is no way back to: errors, or warnings where the
/// switch was made before this plan, which a gate halts then.
pub(super) fn without_way_back(
    draft: &Draft<'_>,
    ways_back: &[CompiledWayBack],
) -> Vec<Diagnostic> {
    let gates = draft.intent.gates.after_switch.iter();
    let is_there = ways_back.iter().any(|one| one.to == Some(POINT));
    let lost = gates.filter(|one| one.on_fail == OnFail::Rollback && !is_there);
    let point = POINT.word();
    lost.map(|one| match is_behind(draft) {
        true => {
            let title = format!("the switch was made before this plan, which has no way back to `{point}`: where this gate fails, the run halts");
            let help = "write `on_fail: halt`, and lead mail back with a plan of its own if need be";
            Diagnostic::warning(NO_WAY_BACK, one.probe.span, title, help)
        }
        false => {
            let title = format!("there is no way back to `{point}` that this gate could lead to");
            let help = "write `on_fail: halt`: the verdict says what keeps the plan from going back";
            Diagnostic::error(NO_WAY_BACK, one.probe.span, title, help)
        }
    })
    .collect()
}

/// Whether the switch of a move was made before this plan.
fn is_behind(draft: &Draft<'_>) -> bool {
    draft.point(MovePoint::BeforeSwitch).is_none()
}

fn id(place: Place, spec: &GateSpec, number: usize) -> StepId {
    StepId::of_gate(place.word(), &spec.probe.value, number)
}

fn gate(place: Place, spec: &GateSpec, expect: &[Expected], is_behind: bool) -> Gate {
    let keys = probe::of_name(&spec.probe.value).map(|probe| probe.keys);
    // What looks for no records may ask for anything: before the switch, at once.
    let after_expiry =
        keys.is_some_and(|keys| keys.after_expiry && (keys.in_dns || place == Place::AfterSwitch));
    let in_dns = keys.is_some_and(|keys| keys.in_dns);
    let expired = expires(expect, in_dns).filter(|_| after_expiry);
    let delay = spec.delay.or(expired).unwrap_or(Duration::ZERO);
    let kept = expect.iter().map(|one| one.expires + one.overrun).max().unwrap_or_default();
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
            (OnFail::Rollback, Place::AfterSwitch) if !is_behind => {
                Failing::Rollback { to: POINT.word().to_owned() }
            }
            // Nothing of the switch has been made that could be taken back, or it is none of this run's.
            (OnFail::Rollback | OnFail::Halt, _) => Failing::Halt,
        },
    }
}

fn title(gate: &Gate) -> String {
    let doc = probe::of_name(&gate.probe).map_or("", |probe| probe.doc);
    format!("check that {doc}")
}

/// The places of the steps that a gate comes after, and of the one that comes after it.
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
            let befores: Vec<usize> = match is_behind(draft) {
                // It was made before this plan, and the old side is still to be left.
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

/// What should be found in DNS between these steps: what has been made by then, and what may come
/// about meanwhile.
fn expected(
    draft: &Draft<'_>,
    graph: &StepGraph,
    paths: &Paths,
    befores: &[usize],
    follower: Option<usize>,
) -> Vec<Expected> {
    let is_before = |place: usize| befores.iter().any(|b| *b == place || paths.precedes(place, *b));
    let is_after = |place: usize| follower.is_some_and(|f| f == place || paths.precedes(f, place));
    // What has been waited out before the gate is not waited for again.
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
                            // What has been waited out is waited out whoever keeps it.
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

/// The graph with gates that look for as many records as are asked for, and no more.
pub(super) fn with_sampled_gates(graph: StepGraph) -> StepGraph {
    let asks_many = |step: &Step| match &step.primitive {
        Primitive::Gate(gate) => gate.expect.len() > SAMPLE_MAX,
        Primitive::Change(_)
        | Primitive::Wait(_)
        | Primitive::Task(_)
        | Primitive::Checkpoint(_) => false,
    };
    if !graph.steps().iter().any(asks_many) {
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

/// What resolvers may still have of what a change replaces: records, or those of a wildcard.
fn served_before(snapshot: &Snapshot, zone: &Name, change: &Change) -> Option<RrSet> {
    change.before.clone().or_else(|| snapshot.zones[zone].served(&change.key).cloned())
}

fn hold(snapshot: &Snapshot, zone: &Name, key: &RrKey, before: Option<&RrSet>) -> Duration {
    hold_of_replaced(before, &snapshot.zones[zone], key)
}
