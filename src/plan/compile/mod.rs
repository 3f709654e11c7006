//! From tracks to a plan whose order is derived from what must not happen, and proved by it.
//!
//! `recipe` says which versions each RRset goes through, and `proof` what must not be true
//! together. Here the order comes about. First, changes that need no order are put together
//! (`gather`). Then come the plan's own order (`forward`), one edge or wait for each bad pattern
//! that could come true without it (`derive`), and the steps of the graph (`emit`).
//!
//! A pattern that no order prevents is explained by a derivation: which ways there would be to
//! prevent it, and why each is closed.

mod alike;
mod anchors;
mod assumptions;
pub mod back;
pub mod compiled;
mod derive;
mod earlier_runs;
mod emit;
mod forward;
pub mod gates;
mod gather;
mod leftovers;
mod order;
mod reads;
mod refuted;
pub mod servers;
mod task_after;
mod tasks;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cutover_zone::{Name, RrKey};

use crate::intent::Intent;
use crate::intent::evidence::without_moving_targets;
use crate::language::{AssumeSpec, Confirm};
use crate::model::Track;
use crate::model::end::in_the_end;
use crate::observe::Snapshot;
use crate::proof::draft::{Draft, Kind, stated_title};
use crate::proof::facts::Read;
use crate::proof::model::{Model, ModelOptions, Models, model};
use crate::proof::{Findings, findings};
use crate::recipe::{RecipeContext, RecipeOutput, run_recipes};
use cutover_base::diag::{Code, Diagnostic, Severity, did_you_mean, listed};
use cutover_steps::fact::Fact;
use cutover_steps::graph::{MovePoint, StepGraph, StepId, sample};

use alike::{ReducedPlan, unfold};
use assumptions::Sentence;
use compiled::CompiledWayBack;
use emit::UnlinkedStep;

/// A stated fact that nothing relies on.
pub const UNREAD_FACT: Code = Code::semantic("unread-fact");
/// An override of a defect that does not exist.
pub const UNKNOWN_DEFECT: Code = Code::semantic("unknown-defect");

/// The result of compiling a plan.
#[derive(Debug)]
pub struct Compiled {
    /// The versions that each RRset goes through.
    pub tracks: Vec<Track>,
    /// The steps.
    pub graph: StepGraph,
    /// What the proof found.
    pub findings: Findings,
    /// The ways back, compiled and proved.
    pub ways_back: Vec<CompiledWayBack>,
    /// For each pattern that no order prevents, why: the lines of a derivation.
    pub why_refuted: Vec<Vec<String>>,
    /// What the plan takes for granted, one sentence each.
    pub assumptions: Vec<Sentence>,
    /// The clocks that are shorter than usual, one sentence each.
    pub shortened: Vec<String>,
    /// The records that lead to the old host's addresses in the end.
    pub at_old: Vec<String>,
    /// For each zone, the other zones that its records lead to.
    pub reads: BTreeMap<Name, BTreeSet<Name>>,
    /// The RRsets, existing or not, that the proof takes as unchanging: no step changes them.
    pub relied: BTreeSet<RrKey>,
    /// What the user should look at.
    pub warnings: Vec<Diagnostic>,
}

/// Compiles intent and snapshot.
///
/// # Errors
/// All errors at once.
pub fn compile(intent: &Intent, snapshot: &Snapshot) -> Result<Compiled, Vec<Diagnostic>> {
    compile_with(intent, snapshot, &ModelOptions::default())
}

/// The same, with models that tests have weakened.
///
/// # Errors
/// As [`compile`].
#[doc(hidden)]
pub fn compile_with(
    intent: &Intent,
    snapshot: &Snapshot,
    options: &ModelOptions,
) -> Result<Compiled, Vec<Diagnostic>> {
    intent.check_decided()?;
    let sound = sound(intent, snapshot);
    let intent = sound.as_ref().unwrap_or(intent);
    let of_reduced = ReducedPlan::of(intent, snapshot).and_then(|reduced| {
        let compiled = whole(&reduced.intent, &reduced.snapshot, options).ok()?;
        if reduced.was_missed() { None } else { unfold(compiled, &reduced.groups) }
    });
    let compiled = match of_reduced {
        Some(compiled) => compiled,
        None => whole(intent, snapshot, options)?,
    };
    Ok(Compiled { graph: gates::finished(intent, snapshot, compiled.graph), ..compiled })
}

/// The same, with each zone compiled by itself, even if others are like it.
///
/// # Errors
/// As [`compile`].
#[doc(hidden)]
pub fn compile_apart(intent: &Intent, snapshot: &Snapshot) -> Result<Compiled, Vec<Diagnostic>> {
    let sound = sound(intent, snapshot);
    let intent = sound.as_ref().unwrap_or(intent);
    let compiled = whole(intent, snapshot, &ModelOptions::default())?;
    Ok(Compiled { graph: gates::finished(intent, snapshot, compiled.graph), ..compiled })
}

/// The plan without what its gates cannot establish with these zones; `None`: it is as it should be.
fn sound(intent: &Intent, snapshot: &Snapshot) -> Option<Intent> {
    let is_by_gates = |stated: &AssumeSpec| matches!(stated.confirm, Confirm::Gates { .. });
    if !intent.assume.iter().any(is_by_gates) {
        return None;
    }
    let end = in_the_end(intent, snapshot);
    without_moving_targets(intent, &|name| servers::moves(name, snapshot, &end))
}

fn whole(
    intent: &Intent,
    snapshot: &Snapshot,
    options: &ModelOptions,
) -> Result<Compiled, Vec<Diagnostic>> {
    let end = Arc::new(in_the_end(intent, snapshot));
    let context = RecipeContext { intent, snapshot, end: &end };
    let RecipeOutput { tracks, assumptions, mut warnings } = run_recipes(&context)?;
    let tracks = gather::gather(intent, snapshot, &end, tracks, options);
    let draft = Draft::of(intent, snapshot, end, &tracks);
    let with_back = back::with_ways_back(&draft);
    let models = Models::of(&with_back, options);
    let model = models.forward();
    let derived = forward::order(&draft, &model);
    // Gates come after tasks, and see their effects.
    let ordered = emit::graph(unlinked_steps(&draft), &derived.constraints);
    let with_tasks = tasks::with_tasks(&draft, ordered)?;
    warnings.extend(gates::asked_early(&draft, &with_tasks));
    let graph = gates::with_gates(&draft, with_tasks);
    let findings = findings(&draft, &model, &graph);
    let forward = derive::paths(draft.nodes.len(), &derived.constraints)
        .expect("the derivation has made no cycle");
    let mut why_refuted = refuted::explain(&draft, &model, &derived, &findings);
    why_refuted.push(refuted::statements(&draft, &findings));
    // The models of the ways back are as large as this one, so this one is dropped first.
    drop((model, derived));
    let mut ways_back = match findings.refuted.is_empty() {
        true => back::ways_back(&with_back, &forward, &models),
        false => Vec::new(),
    };
    tasks::add_to_ways_back(&draft, &mut ways_back);
    if findings.refuted.is_empty() && !graph.steps().is_empty() {
        let lost = gates::without_way_back(&draft, &ways_back);
        if lost.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
            return Err(lost);
        }
        warnings.extend(lost);
    }
    let mut found = unknown_defects(intent, &findings);
    if findings.refuted.is_empty() {
        if let Some(intent) = without_idle_evidence(intent, &models.read) {
            return whole(&intent, snapshot, options);
        }
        let (errors, remarks) = unread(&draft, &models.read, &ways_back);
        found.extend(errors);
        warnings.extend(remarks);
    }
    if !found.is_empty() {
        return Err(found);
    }
    let assumptions = assumptions.into_iter().map(Sentence::from);
    let assumptions = assumptions.chain(assumptions::of_plan(&draft, &findings)).collect();
    let shortened = assumptions::shortened(&draft);
    let at_old = leftovers::at_old(&draft);
    let changed = touched(&tracks).into_iter().map(|(zone, _)| zone).collect();
    let reads = reads::reads(intent, [snapshot, &draft.end], &changed);
    let relied =
        models.relied.iter().filter(|key| draft.owner_of(key).is_none()).cloned().collect();
    drop(models);
    drop((with_back, draft));
    Ok(Compiled {
        tracks,
        graph,
        findings,
        ways_back,
        why_refuted,
        assumptions,
        shortened,
        at_old,
        reads,
        relied,
        warnings,
    })
}

/// Overrides of defects that do not exist.
fn unknown_defects(intent: &Intent, findings: &Findings) -> Vec<Diagnostic> {
    let named = intent.overrides.iter().filter(|waiver| waiver.what.value.contains('/'));
    let unknown =
        named.filter(|waiver| !findings.present.iter().any(|d| d.id == waiver.what.value));
    unknown
        .map(|waiver| {
            let title = format!("there is no defect `{}`", waiver.what.value);
            let ids: Vec<&str> = findings.present.iter().map(|defect| &*defect.id).collect();
            let help = match did_you_mean(&waiver.what.value, ids.iter().copied()) {
                Some(guess) => format!("did you mean `{guess}`?"),
                None if ids.is_empty() => "remove the override: nothing is broken".to_owned(),
                None => format!("what is broken: {}", listed(ids.into_iter())),
            };
            Diagnostic::error(UNKNOWN_DEFECT, waiver.what.span, title, help)
        })
        .collect()
}

/// The plan without the facts of gates that nothing relies on, if there are any: such a gate is there
/// for its own sake.
fn without_idle_evidence(intent: &Intent, read: &Read) -> Option<Intent> {
    let is_idle = |stated: &AssumeSpec| {
        let of = (stated.fact.value, stated.subject.value.clone());
        matches!(stated.confirm, Confirm::Gates { .. })
            && !read.anywhere.contains(&of)
            && !read.past_switch.contains(&of)
    };
    intent.assume.iter().any(is_idle).then(|| {
        let kept = intent.assume.iter().filter(|stated| !is_idle(stated)).cloned();
        Intent { assume: kept.collect(), ..intent.clone() }
    })
}

/// Stated facts that no pattern of the plan reads. They are errors if the plan has the whole move
/// before it, and warnings if a part has been made: what is left may no longer need them.
fn unread(
    draft: &Draft<'_>,
    read: &Read,
    ways_back: &[CompiledWayBack],
) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
    let (mut errors, mut remarks) = (Vec::new(), Vec::new());
    if draft.nodes.is_empty() {
        return (errors, remarks);
    }
    let whole = draft.intent.moves.is_empty() || draft.point(MovePoint::BeforeSwitch).is_some();
    let to = draft.intent.moves.first().map(|domain| domain.to.name.as_str());
    let switch = StepId::of_point(MovePoint::BeforeSwitch);
    let goes_back = ways_back.iter().any(|back| back.takes_back.values().any(|id| *id == switch));
    for stated in &draft.intent.assume {
        let of = (stated.fact.value, stated.subject.value.clone());
        // What is stated for the way back may stay even where no way back needs it.
        let for_back = stated.subject.value.host() == to
            && stated.from.is_none()
            && matches!(stated.fact.value, Fact::Synced | Fact::Clients | Fact::RoutesLocal);
        if for_back || read.anywhere.contains(&of) || (goes_back && read.past_switch.contains(&of))
        {
            continue;
        }
        let row = stated.fact.value.row();
        let title = format!(
            "nothing in this plan relies on `{}` of {}",
            stated.fact.value, stated.subject.value
        );
        let help = format!(
            "remove it: {} would read it, but nothing that the plan changes or points to needs it",
            listed(row.read_by.iter().copied())
        );
        match whole {
            true => errors.push(Diagnostic::error(UNREAD_FACT, stated.fact.span, title, help)),
            false => remarks.push(Diagnostic::warning(UNREAD_FACT, stated.fact.span, title, help)),
        }
    }
    (errors, remarks)
}

/// The draft and the model of a compiled plan: tests judge changed graphs by them.
#[must_use]
pub fn rebuilt<'d>(
    intent: &'d Intent,
    snapshot: &'d Snapshot,
    tracks: &'d [Track],
) -> (Draft<'d>, Model) {
    let end = Arc::new(in_the_end(intent, snapshot));
    let draft = Draft::of(intent, snapshot, end, tracks);
    let model = model(&draft, &ModelOptions::default());
    (draft, model)
}

fn unlinked_steps(draft: &Draft<'_>) -> Vec<UnlinkedStep> {
    let steps = draft.nodes.iter().enumerate().map(|(step, node)| {
        let (title, reason) = match &node.kind {
            Kind::Change { transition, .. } => {
                (transition.title.clone(), transition.reason.clone())
            }
            Kind::Point(point) => of_point(draft, *point),
            Kind::Stated(stated) => {
                let why = match stated.confirm {
                    Confirm::Gates { .. } => "what relies on it waits for the gate".to_owned(),
                    Confirm::Nobody | Confirm::Person { .. } => {
                        format!("the plan states it: {}", stated.reason)
                    }
                };
                (stated_title(stated), why)
            }
            Kind::Task(spec) => (
                tasks::title(spec),
                format!("{}; {}", tasks::WANTED, tasks::brings_about(draft, spec)),
            ),
            Kind::Back(_) => unreachable!("the forward draft has no steps of a way back"),
            Kind::Beginning => (
                "the run begins".to_owned(),
                "waits for what an earlier run has replaced count from here on".to_owned(),
            ),
        };
        let window = match &node.kind {
            Kind::Point(MovePoint::BeforeSwitch) => draft.intent.windows.clone(),
            Kind::Point(MovePoint::BeforeContract | MovePoint::Release)
            | Kind::Change { .. }
            | Kind::Stated(_)
            | Kind::Task(_)
            | Kind::Beginning
            | Kind::Back(_) => None,
        };
        UnlinkedStep {
            id: node.id.clone(),
            primitive: draft.primitive(step),
            title,
            reason,
            window,
        }
    });
    steps.collect()
}

fn of_point(draft: &Draft<'_>, point: MovePoint) -> (String, String) {
    let old = draft.intent.moves.first().map_or("the old host", |domain| &domain.from.name);
    match point {
        MovePoint::BeforeSwitch => (
            "everything is ready for the switch".to_owned(),
            format!("everything so far prepares the move: mail still goes to `{old}`"),
        ),
        MovePoint::BeforeContract => (
            "the old side is left from here on".to_owned(),
            format!("senders and users have had their time to leave `{old}`"),
        ),
        MovePoint::Release => (
            format!("`{old}` may be switched off from here on"),
            "no route, no client and no copy needs it any more; there is no way back from here"
                .to_owned(),
        ),
    }
}

/// The RRsets to ask servers for before a plan that changes them, each once, by zone.
#[must_use]
pub fn touched(tracks: &[Track]) -> BTreeSet<(Name, RrKey)> {
    tracks
        .iter()
        .flat_map(|track| {
            let changes =
                track.transitions.iter().flat_map(|transition| sample(&transition.changes));
            changes.map(|change| (track.zone.clone(), change.key.clone()))
        })
        .collect()
}
