//! From what was compiled to a sealed plan: what a run has to know of its zones, what takes each step
//! back, what is said of the plan's safety, and the forecast.
//!
//! Pure: the forecast is the journal of a run in the ideal world of `sim`.

use std::collections::{BTreeMap, BTreeSet};

use cutover_contract::{Change, ChangeSet};
use cutover_zone::{Name, RrKey, RrSet, RrType, Ttl};

use crate::artifact::{
    Artifact, Checked, Outcome, Relied, RollbackPoint, SealedZone, Undo, Verdict, is_overridden,
};
use crate::calendar::show_span;
use crate::compile::compiled::CompiledWayBack;
use crate::compile::{Compiled, touched};
use crate::diag::some_of;
use crate::digest::Digest;
use crate::graph::{Primitive, StepGraph, StepId, Verb};
use crate::intent::Intent;
use crate::invariant::REVERSIBLE;
use crate::journal::Halt;
use crate::model::Track;
use crate::model::hold::hold;
use crate::observe::Snapshot;
use crate::proof::{Counterexample, Defect, Findings};
use crate::sim;
use crate::world::tool;

/// The changes to each zone, forward and on every way back, in a valid order.
#[must_use]
pub fn changes_by_zone(compiled: &Compiled) -> BTreeMap<Name, Vec<ChangeSet>> {
    let mut changes: BTreeMap<Name, Vec<ChangeSet>> = BTreeMap::new();
    let graphs =
        std::iter::once(&compiled.graph).chain(compiled.ways_back.iter().map(|r| &r.graph));
    for step in graphs.flat_map(StepGraph::steps) {
        if let Primitive::Change(set) = &step.primitive {
            changes.entry(set.zone().clone()).or_default().push(set.set.clone());
        }
    }
    changes
}

/// Makes a sealed plan of what was compiled, with its forecast. `plan` is the digest of the plan.
///
/// # Errors
/// The halt of a gate that cannot pass ([`sim::forecast`]).
pub fn seal(
    intent: &Intent,
    snapshot: &Snapshot,
    compiled: Compiled,
    plan: Digest,
) -> Result<Artifact, Halt> {
    let Compiled {
        tracks,
        graph,
        findings,
        ways_back,
        why_refuted,
        assumptions,
        shortened,
        at_old,
        mut reads,
        relied,
        warnings: _,
    } = compiled;
    let mut assumptions: Vec<String> = assumptions.iter().map(ToString::to_string).collect();
    let touched: BTreeSet<Name> = touched(&tracks).into_iter().map(|(zone, _)| zone).collect();
    let mut verdict = verdict(intent, &findings, why_refuted);
    verdict.checked.patterns_back = ways_back.iter().map(|one| one.patterns).sum();
    if findings.refuted.is_empty() && !graph.steps().is_empty() {
        verdict.holding.push(REVERSIBLE.to_owned());
    }
    let zones: BTreeMap<Name, SealedZone> = touched
        .into_iter()
        .map(|name| {
            let (spec, seen) = (&intent.zones[&name], &snapshot.zones[&name]);
            if let Some(within) = seen.capabilities.served_within {
                let within = crate::calendar::show_span(within);
                assumptions.push(format!(
                    "changes to {name} are served everywhere within {within}: no server is asked"
                ));
            }
            for except in &spec.except {
                let (address, reason) = (except.value.address, &except.value.reason);
                assumptions.push(format!("{address} need not serve {name}: {reason}"));
            }
            let sealed = SealedZone {
                provider: spec.provider.value.clone(),
                authorities: seen.authorities.clone(),
                except: spec.except.iter().map(|except| except.value.clone()).collect(),
                served_within: seen.capabilities.served_within,
                absence: hold(None, seen),
                settle_max: seen.capabilities.settle_max,
                reads: reads.remove(&name).unwrap_or_default(),
            };
            (name, sealed)
        })
        .collect();
    if !zones.is_empty() {
        assumptions.push("caches hold nothing older than what was live when the plan was made: shortly before, nobody added or changed a record that the plan relies on, or lowered its TTL".into());
    }
    let relies_on = match zones.is_empty() {
        true => BTreeMap::new(),
        false => {
            let keys = tracks.iter().flat_map(Track::keys).cloned().collect();
            relies_on(intent, snapshot, &relied, &keys)
        }
    };
    let used = zones.values().map(|zone| &zone.provider);
    let used: BTreeSet<&String> = used.chain(relies_on.values().map(|of| &of.provider)).collect();
    let providers = intent.providers.iter().filter(|(name, _)| used.contains(name));
    let providers = providers.map(|(name, spec)| (name.clone(), spec.clone())).collect();
    let mut artifact = Artifact {
        name: intent.name.clone(),
        tool: tool(),
        plan,
        parent: None,
        providers,
        notify: intent.notify.clone(),
        on_drift: intent.on_drift,
        approvals: intent.approvals.demand.clone(),
        zones,
        relies_on,
        verdict: Verdict { assumptions, shortened, at_old, ..verdict },
        graph,
        undos: undos(&ways_back),
        rollback_points: ways_back.into_iter().map(|one| rollback_point(intent, one)).collect(),
        forecast: Vec::new(),
    };
    artifact.forecast = sim::forecast(&artifact)?;
    Ok(artifact)
}

/// What the proof takes as it is, as it was seen. Where a name has none of what was asked for, an alias
/// that comes to stand there would answer in its place.
fn relies_on(
    intent: &Intent,
    snapshot: &Snapshot,
    relied: &BTreeSet<RrKey>,
    changed: &BTreeSet<RrKey>,
) -> BTreeMap<Name, Relied> {
    let mut found: BTreeMap<Name, Relied> = BTreeMap::new();
    for key in relied {
        let Some(seen) = snapshot.zone_of(&key.name) else { continue };
        let origin = &seen.zone.origin;
        let provider = || intent.zones[origin].provider.value.clone();
        let of_zone = found
            .entry(origin.clone())
            .or_insert_with(|| Relied { provider: provider(), rrsets: BTreeMap::new() });
        let alias = RrKey::new(key.name.clone(), RrType::CNAME);
        if seen.zone.at(&key.name).next().is_none() || seen.get(&alias).is_some() {
            of_zone.rrsets.insert(alias.clone(), seen.get(&alias).cloned());
        }
        of_zone.rrsets.insert(key.clone(), seen.get(key).cloned());
        // What answers in its place, where something does.
        let above = std::iter::successors(key.name.parent(), Name::parent);
        for name in above.take_while(|name| name.is_at_or_below(origin)) {
            let wildcard = name.child("*").ok();
            let wildcards = [key.rtype, RrType::CNAME].map(|rtype| (wildcard.clone(), rtype));
            let keys = wildcards.into_iter().chain([(Some(name), RrType::DNAME)]);
            for key in keys.filter_map(|(name, rtype)| Some(RrKey::new(name?, rtype))) {
                if let Some(rrset) = seen.get(&key).filter(|_| !changed.contains(&key)) {
                    of_zone.rrsets.insert(key, Some(rrset.clone()));
                }
            }
        }
    }
    found
}

/// How each step is undone: the first way back that says anything about the step decides.
fn undos(ways_back: &[CompiledWayBack]) -> BTreeMap<StepId, Undo> {
    let mut undos = BTreeMap::new();
    for one in ways_back {
        for (step, why) in &one.no_return {
            undos.entry(step.clone()).or_insert_with(|| Undo::Never(why.clone()));
        }
        for step in &one.kept {
            undos.entry(step.clone()).or_insert(Undo::Keep);
        }
        for (there, back) in &one.undone_by {
            undos.entry(there.clone()).or_insert_with(|| Undo::By(back.clone()));
        }
    }
    undos
}

/// When the last sender stops using the new records after a rollback. Caches keep these for their
/// TTL, which is longer once the run has restored it.
fn last_sender(intent: &Intent, back: &CompiledWayBack) -> Vec<String> {
    let changes = |verb: Verb| {
        let steps = back.graph.steps().iter();
        steps.flat_map(move |step| match &step.primitive {
            Primitive::Change(changes) if changes.verb == verb => {
                changes.changes().iter().map(|change| (step, change)).collect()
            }
            Primitive::Change(_)
            | Primitive::Wait(_)
            | Primitive::Gate(_)
            | Primitive::Task(_)
            | Primitive::Checkpoint(_) => Vec::new(),
        })
    };
    // Senders look up MX records; without a switch of those, the addresses of an exchange count.
    let all = || changes(Verb::Switch).map(|(_, change)| change);
    let has_mx = all().any(|change| change.key.rtype == RrType::MX);
    let of_senders = |change: &&Change| !has_mx || change.key.rtype == RrType::MX;
    let keys: BTreeSet<&RrKey> = all().filter(of_senders).map(|change| &change.key).collect();
    let ttl_of = |change: &Change| change.before.as_ref().map(RrSet::ttl);
    let Some(first) = all().filter(of_senders).filter_map(ttl_of).max() else {
        return Vec::new();
    };
    let margin = intent.terms.clocks.margin;
    let shown = |ttl: Ttl| {
        let usual = ttl.duration() + margin;
        let kept = usual + intent.terms.overrun;
        (show_span(usual), show_span(kept))
    };
    let (usual, kept) = shown(first);
    let mut lines = vec![format!(
        "the last sender returns within {usual}, when no cache holds the new records any more; {kept} with resolvers that keep them too long (`overrun`)"
    )];
    let longer = changes(Verb::Restore).filter(|(_, change)| keys.contains(&change.key));
    let longer = longer.filter_map(|(step, change)| Some((ttl_of(change)?, step)));
    if let Some((ttl, step)) = longer.max_by_key(|(ttl, _)| *ttl).filter(|(ttl, _)| *ttl > first) {
        let there = back.undone_by.iter().find(|(_, undo)| **undo == step.id);
        let there = there.map_or(&step.id, |(there, _)| there);
        let (usual, kept) = shown(ttl);
        lines.push(format!(
            "after {there}, the last sender returns within {usual}; {kept} with resolvers that keep them too long (`overrun`)"
        ));
    }
    lines
}

/// What a rollback leaves in place, in one sentence.
fn stays(kept: &[StepId]) -> Option<String> {
    /// Our choice: a longer list would bury the sentence.
    const SHOWN_MAX: usize = 4;
    (!kept.is_empty()).then(|| format!("additions stay: {}", some_of(kept, SHOWN_MAX)))
}

fn rollback_point(intent: &Intent, one: CompiledWayBack) -> RollbackPoint {
    let residue = last_sender(intent, &one).into_iter().chain(stays(&one.kept)).collect();
    let name = one.name().to_owned();
    let CompiledWayBack {
        to: _,
        at,
        graph,
        takes_back,
        undone_by: _,
        kept: _,
        no_return: _,
        patterns: _,
    } = one;
    RollbackPoint { name, at, graph, takes_back, residue }
}

fn verdict(intent: &Intent, findings: &Findings, why_refuted: Vec<Vec<String>>) -> Verdict {
    let Findings { holding, present, steady: _, refuted, unstated: _, patterns, atoms } = findings;
    let owned = |name: &&str| (*name).to_owned();
    let mut broken: Vec<&str> = refuted.iter().map(|one| one.invariant).collect();
    broken.dedup();
    /// Our choice: by then the reader knows what to look at.
    const STORIES_MAX: usize = 12;
    let more = refuted.len().saturating_sub(STORIES_MAX);
    let more = (more > 0).then(|| format!("and {more} more"));
    let shown = refuted.iter().take(STORIES_MAX);
    let story = shown.flat_map(|Counterexample { invariant, story, .. }| {
        std::iter::once(format!("{invariant} is broken")).chain(story.iter().cloned())
    });
    let mut fixes = BTreeSet::new();
    let is_new = |line: &String| !line.starts_with("fix: ") || fixes.insert(line.clone());
    let story: Vec<String> = story.chain(more).filter(is_new).collect();
    // A derivation ends with the harm and the fix; skip those lines if the story already has them.
    let is_told = |line: &String| {
        let harm = line.strip_prefix("therefore ").map(|harm| format!("then {harm}"));
        let fix = line.strip_prefix("what would help: ").map(|fix| format!("fix: {fix}"));
        harm.or(fix).is_some_and(|told| story.contains(&told))
    };
    let derivation = why_refuted.concat().into_iter().filter(|line| !is_told(line)).collect();
    let overrides =
        intent.overrides.iter().map(|one| (one.what.value.clone(), one.reason.clone())).collect();
    let broken: Vec<String> =
        broken.iter().map(owned).chain(present.iter().map(|defect| defect.id.clone())).collect();
    let accepted = present.iter().all(|defect| is_overridden(&overrides, &defect.id));
    Verdict {
        outcome: match refuted.is_empty() && accepted {
            true => Outcome::Proved,
            false => Outcome::Refuted,
        },
        holding: holding.iter().map(owned).collect(),
        broken,
        overrides,
        checked: Checked { atoms: *atoms, patterns: *patterns, patterns_back: 0 },
        assumptions: Vec::new(),
        shortened: Vec::new(),
        at_old: Vec::new(),
        present: present
            .iter()
            .map(|Defect { id, what, fix, invariant: _ }| format!("{id}: {what} ({fix})"))
            .collect(),
        story,
        derivation,
        // Whoever has the plan's text adds them, with their places.
        findings: Vec::new(),
    }
}
