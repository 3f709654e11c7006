//! What earlier runs have left behind: versions that caches may still hold, TTLs that nobody has put
//! back, and how long ago something was changed.
//!
//! A run that was given up has lowered TTLs, or has switched records, and its journal knows when. A new
//! plan of the same zones has to wait out what was there before, as if it had replaced it itself; the
//! waits that the plan itself asks for go on to count; and the TTL that it restores in the end is the
//! one from before, not the lowered one.

use std::collections::BTreeMap;
use std::time::Duration;

use cutover_contract::{Change, Rdata, RrKey, RrSet, RrType, Ttl};
use foldhash::HashMap;

use super::state::Standing;
use super::{ChangeState, RunState};
use crate::artifact::Artifact;
use crate::calendar::{Moment, Timestamp, later};
use crate::digest::Digest;
use crate::fact::{Fact, Subject};
use crate::graph::{Primitive, Step, StepId};
use crate::intent::Intent;
use crate::model::hold::{CAP, hold_of_replaced};
use crate::observe::{Earlier, Snapshot, ZoneSeen};
use crate::proof::draft::{stated_id, stated_title};
use crate::spec::{AssumeSpec, Clocks, Confirm};

/// What earlier runs have left of a snapshot's zones. Runs are taken in the order in which they began.
#[derive(Debug)]
pub struct History<'s> {
    snapshot: &'s mut Snapshot,
    now: Moment,
    /// The plan that is made anew, and its name.
    plan: Digest,
    name: String,
    margin: Duration,
    /// For how long expired answers count, as far as the plan looks at that; and for how long what came by
    /// them may lie in queues, while the move that replaced them goes its way.
    late: Duration,
    queued: Duration,
    /// The TTL that each RRset had before anybody lowered it, and what it was left as.
    ttls: BTreeMap<RrKey, (Ttl, Option<RrSet>)>,
    /// Where the plan leads the mail of each domain that it moves.
    leads: Vec<(RrKey, Vec<Rdata>)>,
    /// What the plan states from some point of the move on.
    stated: Vec<Stated>,
    /// What the last run that knows an RRset has known to be there, and until when it may have seen it.
    known: BTreeMap<RrKey, KnownLive>,
}

/// What a run has known to be live of an RRset.
#[derive(Debug)]
struct KnownLive {
    /// One version, or two where nobody knows whether a change was made.
    versions: Vec<Option<RrSet>>,
    until: Timestamp,
}

/// A fact that begins to be true in the course of a move.
#[derive(Debug)]
struct Stated {
    of: (Fact, Subject),
    /// The step at which it begins, and what that step says.
    id: StepId,
    title: String,
    check: Option<Vec<String>>,
    /// For how long what was so before goes on to count: while it settles, and while mail that came of it
    /// lies in queues.
    tail: Duration,
}

impl Stated {
    fn of(one: &AssumeSpec, clocks: &Clocks) -> Self {
        let queues =
            [Fact::Sends, Fact::Signs, Fact::Mail, Fact::RoutesLocal].contains(&one.fact.value);
        let queued = if queues { clocks.queue_life + clocks.margin } else { Duration::ZERO };
        let check = match &one.confirm {
            Confirm::Person { check } => check.clone(),
            Confirm::Nobody => None,
        };
        Self {
            of: (one.fact.value, one.subject.value.clone()),
            id: stated_id(one),
            title: stated_title(one),
            check,
            tail: one.settle + queued,
        }
    }

    /// Whether a step of an earlier run says the same, and asks in the same way.
    fn is_said_by(&self, step: &Step) -> bool {
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
    /// Nothing is known yet.
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
        let leads = intent.moves.iter().map(|one| {
            let mut mx: Vec<Rdata> =
                one.to.exchanges.iter().map(|e| Rdata::mx(e.preference, &e.name.value)).collect();
            mx.sort();
            (RrKey::new(one.domain.value.clone(), RrType::MX), mx)
        });
        let leads = leads.collect();
        let stated = intent.assume.iter().filter(|one| one.from.is_some());
        let stated = stated.map(|one| Stated::of(one, &terms.clocks)).collect();
        let (margin, ttls) = (terms.clocks.margin, BTreeMap::new());
        let name = intent.name.clone();
        let known = BTreeMap::new();
        Self { snapshot, now, plan, name, margin, late, queued, ttls, leads, stated, known }
    }

    /// Adds a run.
    pub fn add(&mut self, artifact: &Artifact, state: &RunState) {
        // Who comes to the end has put back what was to be put back; who was turned back has lowered
        // TTLs that the way back may have left low.
        let is_through = !artifact.is_way_back() && state.finished.is_some() && !state.leaves();
        // Not from when all was ready for it, but from when mail was led: until then its window, its gates
        // and its tasks are still to come.
        let steps = artifact.graph.steps().iter().enumerate();
        let has_begun = steps
            .filter(|(_, step)| step.routes_mail())
            .any(|(place, _)| !state.at(place).is_pending());
        let goes_its_way = !artifact.is_way_back() && state.turned_back.is_none() && !is_through;
        let lasts = lasts(artifact);
        let is_of_this_move = self.is_of_this_move(artifact, &lasts);
        let is_going = goes_its_way && is_of_this_move;
        let late = self.late + if is_going { self.queued } else { Duration::ZERO };
        if is_of_this_move {
            // What was said to a run of another plan was not said to this one.
            let is_same = artifact.name == self.name
                && (artifact.plan == self.plan || self.leads_there(&lasts));
            self.snapshot.is_switching =
                goes_its_way && is_same && (has_begun || self.snapshot.is_switching);
            self.established(artifact, state, goes_its_way && is_same);
        }
        self.knows(artifact, state);
        for (place, step) in artifact.graph.steps().iter().enumerate() {
            let Standing::Change(changes, is) = state.standing(step, place) else { continue };
            let Some(zone) = self.snapshot.zones.get(changes.zone()).cloned() else { continue };
            let since = match is {
                ChangeState::Pending => continue,
                ChangeState::Done { at } => at,
                // Some server may serve it still.
                ChangeState::Begun | ChangeState::InDoubt { .. } | ChangeState::Written { .. } => {
                    self.now.at
                }
            };
            let by_wall = (self.now.at - since).to_std().unwrap_or_default();
            let left = state.remaining(place, CAP, self.now);
            let ago = if left.is_zero() { by_wall } else { by_wall.min(CAP - left) };
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
                self.changed(change, &zone, is_late, ago);
                // What was begun, and is not there, has left everything as it was before.
                let is_open = matches!(is, ChangeState::Begun | ChangeState::InDoubt { .. });
                let is_made = !is_open || zone.get(&change.key) != change.before.as_ref();
                match is_through {
                    true => drop(self.ttls.remove(&change.key)),
                    false if is_made => self.lowered(&lasts, change),
                    false => {}
                }
            }
        }
    }

    /// Whether a run is one of this plan, or leads mail that it moves.
    fn is_of_this_move(&self, artifact: &Artifact, lasts: &Lasts<'_>) -> bool {
        artifact.name == self.name || self.leads.iter().any(|(key, _)| lasts.contains_key(key))
    }

    /// Whether a run leads the mail of every domain that the plan moves to where the plan leads it. What it
    /// does not touch is where the run before it has led it.
    fn leads_there(&self, lasts: &Lasts<'_>) -> bool {
        let is_there = |(key, mx): &(RrKey, Vec<Rdata>)| match lasts.get(key) {
            Some(change) => change.after.as_ref().is_some_and(|rrset| {
                let mut rdata = rrset.rdata().to_vec();
                rdata.sort();
                rdata == *mx
            }),
            None => self.snapshot.is_switching,
        };
        !self.leads.is_empty() && self.leads.iter().all(is_there)
    }

    /// What has begun to be true in a run; a way back takes all of it back.
    fn established(&mut self, artifact: &Artifact, state: &RunState, goes_its_way: bool) {
        if !goes_its_way {
            self.snapshot.established.clear();
            return;
        }
        for stated in &self.stated {
            let Some(place) = artifact.graph.place(&stated.id) else { continue };
            let is_same = stated.is_said_by(&artifact.graph.steps()[place]);
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

    fn changed(&mut self, change: &Change, zone: &ZoneSeen, is_late: Option<bool>, ago: Duration) {
        let last = self.snapshot.changed.entry(change.key.clone()).or_insert(ago);
        *last = ago.min(*last);
        let Some(is_late) = is_late.filter(|_| change.before.as_ref() != zone.get(&change.key))
        else {
            return;
        };
        let versions = self.snapshot.earlier.entry(change.key.clone()).or_default();
        match versions.iter_mut().find(|one| one.records == change.before) {
            Some(known) => known.is_late &= is_late,
            None => versions.push(Earlier { records: change.before.clone(), is_late }),
        }
    }

    /// What a run has found as another has left it has the TTL from before that one.
    fn lowered(&mut self, lasts: &Lasts<'_>, change: &Change) {
        let known = self.ttls.get(&change.key).filter(|(_, left)| *left == change.before);
        let ttl = known
            .map(|(ttl, _)| *ttl)
            .or_else(|| change.before.as_ref().map(RrSet::ttl))
            // What there was not before has the TTL that the run was to give it in the end.
            .or_else(|| lasts.get(&change.key)?.after.as_ref().map(RrSet::ttl));
        match ttl {
            Some(ttl) => drop(self.ttls.insert(change.key.clone(), (ttl, change.after.clone()))),
            None => drop(self.ttls.remove(&change.key)),
        }
    }

    /// What a run has known to be live: what its proof relied on, and what it has found or made.
    fn knows(&mut self, artifact: &Artifact, state: &RunState) {
        let Some(until) = state.last else { return };
        let relied = artifact.relies_on.values().flat_map(|relied| &relied.rrsets);
        let mut known: BTreeMap<&RrKey, Vec<Option<RrSet>>> =
            relied.map(|(key, rrset)| (key, vec![rrset.clone()])).collect();
        for (place, step) in artifact.graph.steps().iter().enumerate() {
            let Standing::Change(changes, is) = state.standing(step, place) else { continue };
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
            if self.known.get(key).is_none_or(|one| one.until <= until) {
                self.known.insert(key.clone(), KnownLive { versions, until });
            }
        }
    }

    /// What somebody else has edited since a run knew it, nobody knows when: resolvers may hold what was
    /// there before as if it had been replaced just now. Where even that would have expired, it is older
    /// than the plan, like everything else that nobody has seen.
    fn edited(&mut self) {
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
                    self.changed(&change, &zone, Some(false), Duration::ZERO);
                }
            }
        }
    }

    /// What stands as the runs have left it has the TTL that they gave it.
    pub fn end(mut self) {
        self.edited();
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
type Lasts<'a> = HashMap<&'a RrKey, &'a Change>;

fn lasts(artifact: &Artifact) -> Lasts<'_> {
    let changes = artifact.graph.steps().iter().filter_map(|step| match &step.primitive {
        Primitive::Change(set) => Some(set.changes()),
        Primitive::Wait(_) | Primitive::Gate(_) | Primitive::Task(_) | Primitive::Checkpoint(_) => {
            None
        }
    });
    changes.flatten().map(|change| (&change.key, change)).collect()
}
