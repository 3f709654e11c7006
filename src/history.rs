//! What earlier runs have left: versions that caches may still hold, TTLs that nobody has restored, and
//! how long ago each RRset was changed.
//!
//! A run that was given up may have lowered TTLs or switched records, and its journal says when. A new
//! plan of the same zones has to wait out the versions from before, as if it had replaced them itself.
//! Time that has passed since then counts for its waits. And the TTL that it restores in the end is the
//! original TTL, not the lowered one.

use std::collections::BTreeMap;
use std::time::Duration;

use cutover_contract::Change;
use cutover_zone::{Rdata, RrKey, RrSet, RrType, Ttl};
use foldhash::HashMap;

use crate::artifact::Artifact;
use crate::calendar::{Moment, Timestamp, later};
use crate::digest::Digest;
use crate::engine::{ChangeState, GateState, RunState, StepState};
use crate::fact::{Fact, Subject};
use crate::graph::gate::{Gate, established};
use crate::graph::{CACHE_CAP, Primitive, Step, StepId};
use crate::intent::Intent;
use crate::language::{AssumeSpec, Clocks, Confirm};
use crate::model::hold::hold_of_replaced;
use crate::observe::{Earlier, Snapshot, ZoneSeen};
use crate::proof::draft::{stated_id, stated_title};

/// Adds to a snapshot what earlier runs have left. Runs are added in the order in which they began.
#[derive(Debug)]
pub struct History<'s> {
    snapshot: &'s mut Snapshot,
    now: Moment,
    /// The plan that is compiled now, and its name.
    plan: Digest,
    name: String,
    margin: Duration,
    /// For how long answers are used after they have expired; zero if the plan moves no mail.
    late: Duration,
    /// For how long mail that was sent by such an answer may lie in queues, while the move that replaced
    /// the answer goes on; zero if the plan moves no mail.
    queued: Duration,
    /// The original TTL of each RRset that was lowered, and the RRset as the run left it.
    ttls: BTreeMap<RrKey, (Ttl, Option<RrSet>)>,
    /// The MX records that the plan gives to each domain that it moves.
    targets: Vec<(RrKey, Vec<Rdata>)>,
    /// The facts that the plan states from some point of the move on.
    stated: Vec<Stated>,
    /// What the last run that knew an RRset knew to be live.
    known: BTreeMap<RrKey, KnownLive>,
}

/// What a run knew to be live for an RRset.
#[derive(Debug)]
struct KnownLive {
    /// One version, or two if nobody knows whether a change was made.
    versions: Vec<Option<RrSet>>,
    /// When the run may last have seen it.
    until: Timestamp,
}

/// A fact that becomes true in the course of a move.
#[derive(Debug)]
struct Stated {
    of: (Fact, Subject),
    /// The step at which it becomes true, and that step's title and check.
    id: StepId,
    title: String,
    check: Option<Vec<String>>,
    /// For people, if gates establish it.
    by_gates: Option<String>,
    /// For how long the opposite still counts afterwards: while the change settles, and while mail from
    /// before lies in queues.
    tail: Duration,
}

impl Stated {
    fn of(spec: &AssumeSpec, clocks: &Clocks) -> Self {
        let queues =
            [Fact::Sends, Fact::Signs, Fact::Mail, Fact::RoutesLocal].contains(&spec.fact.value);
        let queued = if queues { clocks.queue_life + clocks.margin } else { Duration::ZERO };
        let check = match &spec.confirm {
            Confirm::Person { check } => check.clone(),
            Confirm::Nobody | Confirm::Gates { .. } => None,
        };
        Self {
            of: (spec.fact.value, spec.subject.value.clone()),
            id: stated_id(spec),
            title: stated_title(spec),
            by_gates: match &spec.confirm {
                Confirm::Gates { .. } => Some(established(spec.fact.value, &spec.subject.value)),
                Confirm::Nobody | Confirm::Person { .. } => None,
            },
            check,
            tail: spec.settle + queued,
        }
    }

    /// Whether a step of an earlier run states the same fact with the same check. What gates have shown of
    /// another list counts as well: for what is left to do, they are asked again.
    fn is_stated_by(&self, step: &Step) -> bool {
        if self.by_gates.is_some() {
            return true;
        }
        let check = match &step.primitive {
            Primitive::Task(task) => task.check.as_ref(),
            Primitive::Change(_)
            | Primitive::Wait(_)
            | Primitive::Gate(_)
            | Primitive::Checkpoint(_) => None,
        };
        step.title == self.title && check == self.check.as_ref()
    }
}

impl<'s> History<'s> {
    /// Clears what the snapshot knows of earlier runs.
    pub fn new(snapshot: &'s mut Snapshot, intent: &Intent, plan: Digest, now: Moment) -> Self {
        let terms = &intent.terms;
        let (late, queued) = match intent.moves.is_empty() {
            true => (Duration::ZERO, Duration::ZERO),
            false => (terms.clocks.use_ + terms.overrun, terms.clocks.queue_life),
        };
        snapshot.earlier.clear();
        snapshot.changed.clear();
        snapshot.original_ttls.clear();
        snapshot.is_switching = false;
        snapshot.established.clear();
        let targets = intent.moves.iter().map(|moved| {
            let exchanges = moved.to.exchanges.iter();
            let mut mx: Vec<Rdata> =
                exchanges.map(|e| Rdata::mx(e.preference, &e.name.value)).collect();
            mx.sort();
            (RrKey::new(moved.domain.value.clone(), RrType::MX), mx)
        });
        let targets = targets.collect();
        let stated = intent.assume.iter().filter(|spec| spec.from.is_some());
        let stated = stated.map(|spec| Stated::of(spec, &terms.clocks)).collect();
        let (margin, ttls) = (terms.clocks.margin, BTreeMap::new());
        let name = intent.name.clone();
        let known = BTreeMap::new();
        Self { snapshot, now, plan, name, margin, late, queued, ttls, targets, stated, known }
    }

    /// Adds a run.
    pub fn add(&mut self, artifact: &Artifact, state: &RunState) {
        // A run that reached its end has restored its TTLs. One that was turned back may have left them
        // lowered.
        let is_through =
            !artifact.is_way_back() && state.finished.is_some() && !state.only_settles();
        // The switch has begun when mail is first rerouted, and not when the run is ready for it: its
        // window, its gates and its tasks may still be to come then.
        let steps = artifact.graph.steps().iter().enumerate();
        let has_switched = steps
            .filter(|(_, step)| step.routes_mail())
            .any(|(place, _)| !state.at(place).is_pending());
        let is_forward = !artifact.is_way_back() && state.turned_back.is_none() && !is_through;
        let lasts = last_changes(artifact);
        let is_of_this_move = self.is_of_this_move(artifact, &lasts);
        let is_moving = is_forward && is_of_this_move;
        let late = self.late + if is_moving { self.queued } else { Duration::ZERO };
        if is_of_this_move {
            // A confirmation that was given to a run of another plan does not count for this one.
            let is_same = artifact.name == self.name
                && (artifact.plan == self.plan || self.has_same_targets(&lasts));
            self.snapshot.is_switching =
                is_forward && is_same && (has_switched || self.snapshot.is_switching);
            self.add_established(artifact, state, is_forward && is_same);
        }
        self.add_known(artifact, state);
        for (place, step) in artifact.graph.steps().iter().enumerate() {
            let Some((changes, is)) = state.change(step, place) else { continue };
            let Some(zone) = self.snapshot.zones.get(changes.zone()).cloned() else { continue };
            let since = match is {
                ChangeState::Pending => continue,
                ChangeState::Done { at } => at,
                // Some server may still serve the old version.
                ChangeState::Begun | ChangeState::InDoubt { .. } | ChangeState::Written { .. } => {
                    self.now.at
                }
            };
            let by_wall = (self.now.at - since).to_std().unwrap_or_default();
            let left = state.remaining(place, CACHE_CAP, self.now);
            let ago = if left.is_zero() { by_wall } else { by_wall.min(CACHE_CAP - left) };
            for change in changes.changes() {
                let hold = hold_of_replaced(change.before.as_ref(), &zone, &change.key);
                let hold = hold + self.margin;
                let counts = |span: Duration| {
                    self.now.at < later(since, span)
                        || !state.remaining(place, span, self.now).is_zero()
                };
                let is_late = match (counts(hold), counts(hold + late)) {
                    (true, _) => Some(false),
                    (false, true) => Some(true),
                    (false, false) => None,
                };
                self.add_changed(change, &zone, is_late, ago);
                // A change that was begun and is not there has changed nothing.
                let is_open = matches!(is, ChangeState::Begun | ChangeState::InDoubt { .. });
                let is_made = !is_open || zone.get(&change.key) != change.before.as_ref();
                match is_through {
                    true => drop(self.ttls.remove(&change.key)),
                    false if is_made => self.add_lowered(&lasts, change),
                    false => {}
                }
            }
        }
    }

    /// Whether a run is one of this plan, or changes the MX records of a domain that the plan moves.
    fn is_of_this_move(&self, artifact: &Artifact, lasts: &LastChanges<'_>) -> bool {
        artifact.name == self.name || self.targets.iter().any(|(key, _)| lasts.contains_key(key))
    }

    /// Whether a run moves every domain of the plan to the plan's MX records. A domain that it does not
    /// touch is where the run before it has moved it.
    fn has_same_targets(&self, lasts: &LastChanges<'_>) -> bool {
        let is_there = |(key, mx): &(RrKey, Vec<Rdata>)| match lasts.get(key) {
            Some(change) => change.after.as_ref().is_some_and(|rrset| {
                let mut rdata = rrset.rdata().to_vec();
                rdata.sort();
                rdata == *mx
            }),
            None => self.snapshot.is_switching,
        };
        !self.targets.is_empty() && self.targets.iter().all(is_there)
    }

    /// Adds the facts that became true in a run. A run that does not count, such as a way back, withdraws
    /// all of them.
    fn add_established(&mut self, artifact: &Artifact, state: &RunState, counts: bool) {
        if !counts {
            self.snapshot.established.clear();
            return;
        }
        for stated in &self.stated {
            if stated.by_gates.as_ref().is_some_and(|fact| has_failed(artifact, state, fact)) {
                self.snapshot.established.remove(&stated.of);
                continue;
            }
            let Some(place) = artifact.graph.place(&stated.id) else { continue };
            let is_same = stated.is_stated_by(&artifact.graph.steps()[place]);
            let is_so = match state.at(place).done() {
                Some(at) => self.now.at >= later(at, stated.tail),
                None => false,
            };
            match is_same && is_so {
                true => self.snapshot.established.insert(stated.of.clone()),
                false => self.snapshot.established.remove(&stated.of),
            };
        }
    }

    /// Adds a change, and its old version if that may still be used. `is_late` says whether it can only be
    /// used after it has expired; `None` if it cannot be used at all.
    fn add_changed(
        &mut self,
        change: &Change,
        zone: &ZoneSeen,
        is_late: Option<bool>,
        ago: Duration,
    ) {
        let last = self.snapshot.changed.entry(change.key.clone()).or_insert(ago);
        *last = ago.min(*last);
        let Some(is_late) = is_late.filter(|_| change.before.as_ref() != zone.get(&change.key))
        else {
            return;
        };
        let versions = self.snapshot.earlier.entry(change.key.clone()).or_default();
        match versions.iter_mut().find(|earlier| earlier.records == change.before) {
            Some(known) => known.is_late &= is_late,
            None => versions.push(Earlier { records: change.before.clone(), is_late }),
        }
    }

    /// Adds the original TTL of an RRset that a run may have left lowered. If the run found the RRset as
    /// an earlier run had left it, the original TTL is the one from before that run.
    fn add_lowered(&mut self, lasts: &LastChanges<'_>, change: &Change) {
        let known = self.ttls.get(&change.key).filter(|(_, left)| *left == change.before);
        let ttl = known
            .map(|(ttl, _)| *ttl)
            .or_else(|| change.before.as_ref().map(RrSet::ttl))
            // An RRset that did not exist before gets the TTL that the run would have given it in the end.
            .or_else(|| lasts.get(&change.key)?.after.as_ref().map(RrSet::ttl));
        match ttl {
            Some(ttl) => drop(self.ttls.insert(change.key.clone(), (ttl, change.after.clone()))),
            None => drop(self.ttls.remove(&change.key)),
        }
    }

    /// Adds what a run knew to be live: what its proof relied on, and what it found or wrote.
    fn add_known(&mut self, artifact: &Artifact, state: &RunState) {
        let Some(until) = state.last else { return };
        let relied = artifact.relies_on.values().flat_map(|relied| &relied.rrsets);
        let mut known: BTreeMap<&RrKey, Vec<Option<RrSet>>> =
            relied.map(|(key, rrset)| (key, vec![rrset.clone()])).collect();
        for (place, step) in artifact.graph.steps().iter().enumerate() {
            let Some((changes, is)) = state.change(step, place) else { continue };
            for change in changes.changes() {
                let (before, after) = (change.before.clone(), change.after.clone());
                match is {
                    ChangeState::Pending => {
                        known.entry(&change.key).or_insert_with(|| vec![before]);
                    }
                    ChangeState::Done { .. } | ChangeState::Written { .. } => {
                        known.insert(&change.key, vec![after]);
                    }
                    ChangeState::Begun | ChangeState::InDoubt { .. } => {
                        known.insert(&change.key, vec![before, after]);
                    }
                }
            }
        }
        for (key, versions) in known {
            if self.known.get(key).is_none_or(|known| known.until <= until) {
                self.known.insert(key.clone(), KnownLive { versions, until });
            }
        }
    }

    /// Adds what somebody else has edited since a run knew it. Nobody knows when that was, so resolvers may
    /// hold the old version as if it had been replaced just now. Once the run last saw it longer ago than
    /// its hold, the edit counts as older than the plan, like every edit that nobody has seen.
    fn add_edited(&mut self) {
        for (key, KnownLive { versions, until }) in std::mem::take(&mut self.known) {
            let Some(zone) = self.snapshot.zone_of(&key.name) else { continue };
            let live = zone.get(&key);
            if versions.iter().any(|version| version.as_ref() == live) {
                continue;
            }
            let (zone, live) = (zone.clone(), live.cloned());
            for before in versions {
                let hold = hold_of_replaced(before.as_ref(), &zone, &key) + self.margin;
                if self.now.at < later(until, hold) {
                    let change = Change { key: key.clone(), before, after: live.clone() };
                    self.add_changed(&change, &zone, Some(false), Duration::ZERO);
                }
            }
        }
    }

    /// Finishes the snapshot. An RRset that is still as the runs left it gets its original TTL.
    pub fn end(mut self) {
        self.add_edited();
        let Self { snapshot, ttls, .. } = self;
        for (key, (ttl, left)) in ttls {
            let live = snapshot.zone_of(&key.name).and_then(|zone| zone.get(&key));
            if live.is_some() && live == left.as_ref() {
                snapshot.original_ttls.insert(key, ttl);
            }
        }
    }
}

/// The last change that a run makes to each RRset.
type LastChanges<'a> = HashMap<&'a RrKey, &'a Change>;

fn last_changes(artifact: &Artifact) -> LastChanges<'_> {
    let changes = artifact.graph.steps().iter().filter_map(|step| match &step.primitive {
        Primitive::Change(set) => Some(set.changes()),
        Primitive::Wait(_) | Primitive::Gate(_) | Primitive::Task(_) | Primitive::Checkpoint(_) => {
            None
        }
    });
    changes.flatten().map(|change| (&change.key, change)).collect()
}

/// Whether a gate that establishes this fact has been asked and has not passed: what it had shown before
/// is over.
fn has_failed(artifact: &Artifact, state: &RunState, fact: &String) -> bool {
    artifact.graph.establishing().any(|place| {
        let step = &artifact.graph.steps()[place];
        let Primitive::Gate(Gate { evidence: Some(evidence), .. }) = &step.primitive else {
            return false;
        };
        let is_asked = matches!(state.at(place), StepState::Gate(GateState::Probing { .. }));
        is_asked && evidence.facts.contains(fact)
    })
}
