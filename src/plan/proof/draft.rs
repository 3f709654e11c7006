//! The steps of a plan before they have an order: the changes that recipes want, the points of the
//! move, and the moments at which stated facts begin to be true.

mod names;
mod tasks;

pub use names::touched_by;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cutover_contract::{Change, ChangeSet};
use cutover_zone::{Name, RrKey, RrType};
use foldhash::{HashMap, HashSet};

use super::parties::Parties;
use crate::intent::Intent;
use crate::language::task::{Place, TaskSpec, WITHIN};
use crate::language::{AssumeSpec, Confirm};
use crate::model::{Stage, Track, Transition};
use crate::observe::{Snapshot, ZoneSeen};
use cutover_steps::fact::{Fact, Value};
use cutover_steps::graph::task::{Purpose, Task, Work};
use cutover_steps::graph::{ChangeStep, Checkpoint, MovePoint, Primitive, StepId, Verb};

/// A step that is not yet ordered.
#[derive(Clone, Debug)]
pub struct Node<'d> {
    /// Its id.
    pub id: StepId,
    /// What it is.
    pub kind: Kind<'d>,
}

/// What such a step is.
#[derive(Clone, Debug)]
pub enum Kind<'d> {
    /// A transition of a track.
    Change {
        /// The track's place.
        track: usize,
        /// The transition's place in the track.
        number: usize,
        /// The transition.
        transition: &'d Transition,
    },
    /// A point of the move.
    Point(MovePoint),
    /// A fact begins to be true.
    Stated(&'d AssumeSpec),
    /// A task by which facts begin to be true.
    Task(&'d TaskSpec),
    /// No effect. Waits for what was there before the snapshot count from here.
    Beginning,
    /// A step of the way back.
    Back(BackStep<'d>),
}

/// A step of the way back.
#[derive(Clone, Debug)]
pub struct BackStep<'d> {
    /// The forward step that it undoes: it is made if that step has begun. `None`: it is always
    /// made.
    pub serves: Option<usize>,
    /// What it does.
    pub what: Back<'d>,
}

/// What a step of the way back does.
#[derive(Clone, Debug)]
pub enum Back<'d> {
    /// Every step that has begun is settled; nothing is undone yet.
    Begin,
    /// A transition is undone.
    Change {
        /// The track's place.
        track: usize,
        /// The transition's place in the track.
        number: usize,
        /// The reversed changes.
        changes: Vec<Change>,
    },
    /// A point of the move is left: people read their mail at the old host again.
    Point(MovePoint),
    /// A fact that had begun to be true ends.
    Unstated(&'d AssumeSpec),
    /// A fact about the new host that is stated for the way back begins to be true.
    Stated(&'d AssumeSpec),
    /// A task is undone, and the facts that it brought about end.
    Undone(&'d TaskSpec),
    /// A task on the way back brings facts about the new host about.
    Task(&'d TaskSpec),
}

/// The steps of a plan before they are ordered.
#[derive(Clone, Debug)]
pub struct Draft<'d> {
    /// What the plan wants.
    pub intent: &'d Intent,
    /// What was seen.
    pub snapshot: &'d Snapshot,
    /// What will be seen in the end; see [`crate::model::end::in_the_end`].
    pub end: Arc<Snapshot>,
    /// Whose servers accept mail.
    pub parties: Arc<Parties>,
    /// The tracks that recipes made.
    pub tracks: &'d [Track],
    /// The steps.
    pub nodes: Vec<Node<'d>>,
    points: BTreeMap<MovePoint, usize>,
    /// The steps of each track.
    of_track: Vec<Vec<usize>>,
    /// The steps that undo the transitions of each track, in the order in which they are made, each
    /// with the place of its transition.
    back_of_track: Vec<Vec<(usize, usize)>>,
    /// The steps of the way back that do not change records.
    back_others: Vec<usize>,
    /// The track that changes each RRset, in the order of the RRsets.
    owners: Arc<Vec<(&'d RrKey, usize)>>,
    owner_at: Arc<HashMap<&'d RrKey, usize>>,
    /// The zones that have wildcards, now or later.
    with_wildcards: HashSet<&'d Name>,
    /// The zones that have delegations or DNAMEs, now or later.
    with_cuts: HashSet<&'d Name>,
    /// The number of forward steps; the steps of the way back come after them.
    pub forward: usize,
}

impl<'d> Draft<'d> {
    /// The draft of these tracks, without a way back.
    #[must_use]
    pub fn of(
        intent: &'d Intent,
        snapshot: &'d Snapshot,
        end: Arc<Snapshot>,
        tracks: &'d [Track],
    ) -> Self {
        let mut draft = Self {
            intent,
            snapshot,
            parties: Arc::new(Parties::of(intent, snapshot, &end)),
            end,
            tracks,
            nodes: Vec::new(),
            points: BTreeMap::new(),
            of_track: Vec::new(),
            back_of_track: vec![Vec::new(); tracks.len()],
            back_others: Vec::new(),
            owners: Arc::default(),
            owner_at: Arc::default(),
            with_wildcards: HashSet::default(),
            with_cuts: HashSet::default(),
            forward: 0,
        };
        let cuts = |key: &RrKey, origin: &Name| {
            key.rtype == RrType::DNAME || (key.rtype == RrType::NS && key.name != *origin)
        };
        for (origin, zone) in &snapshot.zones {
            if zone.zone.rrsets.keys().any(|key| key.name.is_wildcard()) {
                draft.with_wildcards.insert(origin);
            }
            if zone.zone.rrsets.keys().any(|key| cuts(key, origin)) {
                draft.with_cuts.insert(origin);
            }
        }
        let mut owners: Vec<(&RrKey, usize)> = Vec::new();
        for (place, track) in tracks.iter().enumerate() {
            for change in track.transitions.iter().flat_map(|transition| &transition.changes) {
                if change.key.name.is_wildcard() {
                    draft.with_wildcards.insert(&track.zone);
                }
                if cuts(&change.key, &track.zone) {
                    draft.with_cuts.insert(&track.zone);
                }
                owners.push((&change.key, place));
            }
        }
        owners.sort_unstable();
        owners.dedup();
        draft.owner_at = Arc::new(owners.iter().copied().collect());
        draft.owners = Arc::new(owners);
        if tracks.iter().all(|track| track.transitions.is_empty()) {
            draft.of_track = vec![Vec::new(); tracks.len()];
            return draft;
        }
        let mut stages = tracks.iter().flat_map(|track| &track.transitions).map(|t| &t.stage);
        let has_switch = stages.clone().any(|stage| *stage == Stage::Switch);
        // The rest of a switch that has begun does not begin it again.
        let switches = has_switch && !snapshot.is_switching;
        let contracts =
            has_switch || stages.any(|stage| matches!(stage, Stage::Contract | Stage::Retire));
        // If an earlier run made the switch, waits for it count from the beginning, since nobody
        // knows when that was. What the plan wants to wait for may also have been done by an
        // earlier run.
        let mut stages = tracks.iter().flat_map(|track| &track.transitions).map(|t| &t.stage);
        let waits = stages.any(|stage| {
            let Stage::After { wait: Some(wait), .. } = stage else { return false };
            snapshot.changed.values().any(|ago| ago < wait)
        });
        let has_switched = contracts && !switches;
        if waits || has_switched || !snapshot.earlier.is_empty() {
            draft.nodes.push(Node { id: StepId::of_beginning(), kind: Kind::Beginning });
        }
        for (place, track) in tracks.iter().enumerate() {
            let first = draft.nodes.len();
            for (number, transition) in track.transitions.iter().enumerate() {
                let id = change_id(track, number);
                let kind = Kind::Change { track: place, number, transition };
                draft.nodes.push(Node { id, kind });
            }
            draft.of_track.push((first..draft.nodes.len()).collect());
        }
        let points = [
            (MovePoint::BeforeSwitch, switches),
            (MovePoint::BeforeContract, contracts),
            (MovePoint::Release, contracts),
        ];
        for (point, _) in points.into_iter().filter(|(_, exists)| *exists) {
            draft.points.insert(point, draft.nodes.len());
            draft.nodes.push(Node { id: StepId::of_point(point), kind: Kind::Point(point) });
        }
        let steps: Vec<&AssumeSpec> =
            intent.assume.iter().filter(|s| s.by.is_none() && draft.is_a_step(s)).collect();
        for stated in steps {
            let id = stated_id(stated);
            draft.nodes.push(Node { id, kind: Kind::Stated(stated) });
        }
        for (place, spec) in intent.tasks.all() {
            if draft.has_place(place) && draft.facts_by(spec).next().is_some() {
                draft.nodes.push(Node { id: spec.step_id(), kind: Kind::Task(spec) });
            }
        }
        draft.forward = draft.nodes.len();
        draft
    }

    /// The same draft, with the steps of the way back for the steps that it undoes.
    #[must_use]
    pub fn with_way_back(&self, is_undone: &dyn Fn(usize) -> bool) -> Self {
        let mut draft = self.clone();
        let intent_tasks = &self.intent.tasks;
        let mut push = |id: StepId, serves, what| {
            match &what {
                Back::Change { track, number, .. } => {
                    draft.back_of_track[*track].push((draft.nodes.len(), *number));
                }
                Back::Begin
                | Back::Point(_)
                | Back::Stated(_)
                | Back::Unstated(_)
                | Back::Undone(_)
                | Back::Task(_) => {
                    draft.back_others.push(draft.nodes.len());
                }
            }
            let kind = Kind::Back(BackStep { serves, what });
            draft.nodes.push(Node { id, kind });
        };
        push(StepId::of_way_back(), None, Back::Begin);
        for (step, node) in self.nodes.iter().enumerate().rev().filter(|(step, _)| is_undone(*step))
        {
            let id = node.id.undo_id();
            match &node.kind {
                Kind::Change { track, number, transition } => {
                    let changes = transition.changes.iter().map(Change::turned).collect();
                    push(id, Some(step), Back::Change { track: *track, number: *number, changes });
                }
                Kind::Point(MovePoint::BeforeSwitch) => {
                    push(id, Some(step), Back::Point(MovePoint::BeforeSwitch));
                    for spec in intent_tasks.at(Place::WayBack) {
                        if self.facts_by(spec).next().is_some() {
                            push(spec.step_id(), Some(step), Back::Task(spec));
                        }
                    }
                    for stated in self.stated_for_the_way_back() {
                        let (fact, subject) = (stated.fact.value, &stated.subject.value);
                        let id = StepId::of_fact_on_way_back(fact, subject);
                        push(id, Some(step), Back::Stated(stated));
                    }
                }
                Kind::Stated(stated) => push(id, Some(step), Back::Unstated(stated)),
                Kind::Task(spec) => {
                    // Ending the fact that a copy is the last one takes no program and no time.
                    for stated in self.facts_by(spec).filter(|fact| !self.needs_a_person(fact)) {
                        let id = stated_id(stated).undo_id();
                        push(id, Some(step), Back::Unstated(stated));
                    }
                    if self.facts_by(spec).any(|fact| self.needs_a_person(fact)) {
                        push(id, Some(step), Back::Undone(spec));
                    }
                }
                Kind::Point(MovePoint::BeforeContract | MovePoint::Release)
                | Kind::Beginning
                | Kind::Back(_) => {}
            }
        }
        draft
    }

    /// Whether the draft has steps of a way back after the forward steps.
    #[must_use]
    pub fn has_way_back(&self) -> bool {
        self.nodes.len() > self.forward
    }

    /// Facts about the new host as they will be when a run goes back: its mailboxes are copied to
    /// the old host, and no mail client uses it.
    fn stated_for_the_way_back(&self) -> impl Iterator<Item = &'d AssumeSpec> {
        let to = self.intent.moves.first().map(|domain| domain.to.name.as_str());
        let intent = self.intent;
        intent.assume.iter().filter(move |stated| {
            matches!(stated.fact.value, Fact::Synced | Fact::Clients)
                && stated.from.is_none()
                && stated.by.is_none()
                && stated.value == stated.fact.value.row().stated
                && stated.subject.value.host() == to
        })
    }

    /// The steps that undo the transitions of a track, in the order in which they are made, each
    /// with the place of its transition.
    #[must_use]
    pub fn back_of(&self, track: usize) -> &[(usize, usize)] {
        &self.back_of_track[track]
    }

    /// Whether a zone has wildcards, now or later.
    #[must_use]
    pub fn has_wildcards(&self, zone: &Name) -> bool {
        self.with_wildcards.contains(zone)
    }

    /// Whether a zone has delegations or DNAMEs, now or later.
    #[must_use]
    pub fn has_cuts(&self, zone: &Name) -> bool {
        self.with_cuts.contains(zone)
    }

    /// The track that changes an RRset.
    #[must_use]
    pub fn owner_of(&self, key: &RrKey) -> Option<usize> {
        self.owner_at.get(key).copied()
    }

    /// The RRsets that the plan changes, in order.
    pub fn owned(&self) -> impl Iterator<Item = &'d RrKey> + use<'_, 'd> {
        self.owners.iter().map(|(key, _)| *key)
    }

    /// The tracks that change something at or below a name.
    pub fn owners_below(&self, name: &Name) -> BTreeSet<usize> {
        let from = RrKey::new(name.clone(), RrType::new(0));
        let first = self.owners.partition_point(|(owned, _)| **owned < from);
        let below = self.owners[first..].iter();
        below
            .take_while(|(key, _)| key.name.is_at_or_below(name))
            .map(|(_, track)| *track)
            .collect()
    }

    /// Whether a name exists in a zone, whatever the plan does.
    #[must_use]
    pub fn always_exists(&self, zone: &ZoneSeen, name: &Name) -> bool {
        let from = RrKey::new(name.clone(), RrType::new(0));
        let below = zone.zone.rrsets.range(from..).map(|(key, _)| key);
        let mut below = below.take_while(|key| key.name.is_at_or_below(name));
        below.any(|key| self.owner_of(key).is_none())
    }

    /// The step of the way back that meets a condition and changes no records.
    #[must_use]
    pub fn back_step(&self, wanted: &dyn Fn(&Back<'_>) -> bool) -> Option<usize> {
        self.back_others.iter().copied().find(|step| match &self.nodes[*step].kind {
            Kind::Back(BackStep { what, .. }) => wanted(what),
            Kind::Change { .. }
            | Kind::Point(_)
            | Kind::Stated(_)
            | Kind::Task(_)
            | Kind::Beginning => false,
        })
    }

    /// The forward step that a step of the way back belongs to; `None` for steps that are always
    /// made, and for forward steps.
    #[must_use]
    pub fn serves(&self, step: usize) -> Option<usize> {
        match &self.nodes[step].kind {
            Kind::Back(BackStep { serves, .. }) => *serves,
            Kind::Change { .. }
            | Kind::Point(_)
            | Kind::Stated(_)
            | Kind::Task(_)
            | Kind::Beginning => None,
        }
    }

    /// The forward step that a step of the way back undoes. Some steps are made because of a
    /// forward step, but do not undo it.
    #[must_use]
    pub fn undoes(&self, step: usize) -> Option<usize> {
        let Kind::Back(BackStep { serves: Some(undone), what }) = &self.nodes[step].kind else {
            return None;
        };
        let is_undo = match what {
            Back::Change { .. } | Back::Point(_) | Back::Undone(_) => true,
            // The fact that a task brought about ends here; another step undoes the task itself.
            Back::Unstated(_) => matches!(self.nodes[*undone].kind, Kind::Stated(_)),
            Back::Begin | Back::Stated(_) | Back::Task(_) => false,
        };
        is_undo.then_some(*undone)
    }

    /// The step at which a point is reached, if the plan has one.
    #[must_use]
    pub fn point(&self, point: MovePoint) -> Option<usize> {
        self.points.get(&point).copied()
    }

    /// The steps of a track.
    #[must_use]
    pub fn steps_of(&self, track: usize) -> &[usize] {
        &self.of_track[track]
    }

    /// The first step, if something has to be waited for from there.
    #[must_use]
    pub fn beginning(&self) -> Option<usize> {
        self.nodes.first().and_then(|node| match node.kind {
            Kind::Beginning => Some(0),
            Kind::Change { .. }
            | Kind::Point(_)
            | Kind::Stated(_)
            | Kind::Task(_)
            | Kind::Back(_) => None,
        })
    }

    /// What a step does as a step of a graph.
    #[must_use]
    pub fn primitive(&self, step: usize) -> Primitive {
        let change = |track: usize, number: usize, changes: &[Change]| {
            let Track { zone, transitions, .. } = &self.tracks[track];
            let set = ChangeSet::new(zone.clone(), changes.to_vec());
            let set = set.expect("a transition changes RRsets of its track's zone, each once");
            Primitive::Change(ChangeStep { verb: transitions[number].verb, set })
        };
        match &self.nodes[step].kind {
            Kind::Change { track, number, transition } => {
                change(*track, *number, &transition.changes)
            }
            Kind::Back(BackStep { what: Back::Change { track, number, changes }, .. }) => {
                change(*track, *number, changes)
            }
            Kind::Back(BackStep { what: Back::Unstated(stated), .. })
                if self.needs_a_person(stated) =>
            {
                let work = Work::Manual(format!(
                    "make sure that {} {} again (`{}`), and confirm it: then mail is moved back",
                    stated.subject.value.shown(),
                    stated.fact.value.says(self.value_before(stated)),
                    stated.fact.value
                ));
                let purpose = Purpose::Fact;
                Primitive::Task(Task { work, check: None, within: WITHIN, purpose })
            }
            Kind::Stated(AssumeSpec {
                fact,
                subject,
                value,
                confirm: Confirm::Person { check },
                ..
            }) => {
                let says = fact.value.says(*value);
                let work = Work::Manual(format!(
                    "make sure that {} {says} (`{}`), and confirm it",
                    subject.value.shown(),
                    fact.value
                ));
                let (check, purpose) = (check.clone(), Purpose::Fact);
                Primitive::Task(Task { work, check, within: WITHIN, purpose })
            }
            Kind::Task(spec) | Kind::Back(BackStep { what: Back::Task(spec), .. }) => {
                Primitive::Task(spec.task())
            }
            Kind::Back(BackStep { what: Back::Undone(spec), .. }) => {
                Primitive::Task(spec.undo_task())
            }
            Kind::Beginning => Primitive::Checkpoint(Checkpoint::Beginning),
            Kind::Point(point) => Primitive::Checkpoint(Checkpoint::Reached(*point)),
            Kind::Stated(_)
            | Kind::Back(BackStep { what: Back::Stated(_) | Back::Unstated(_), .. }) => {
                Primitive::Checkpoint(Checkpoint::Fact)
            }
            Kind::Back(BackStep { what: Back::Begin, .. }) => {
                Primitive::Checkpoint(Checkpoint::WayBack)
            }
            Kind::Back(BackStep { what: Back::Point(point), .. }) => {
                Primitive::Checkpoint(Checkpoint::Left(*point))
            }
        }
    }

    /// Whether only a person can confirm that a stated fact has ended: mail on the way back relies
    /// on the earlier value. If that is the worst value, nothing relies on it.
    #[must_use]
    pub fn needs_a_person(&self, stated: &AssumeSpec) -> bool {
        let row = stated.fact.value.row();
        // People who read their mail at the old host again see the new host's mailboxes until it
        // stops redirecting them.
        matches!(stated.fact.value, Fact::Mail | Fact::Redirects)
            || self.value_before(stated) != row.unknown
    }

    /// The value of a fact before a stated value begins.
    #[must_use]
    pub fn value_before(&self, stated: &AssumeSpec) -> Value {
        let same = |spec: &&AssumeSpec| {
            spec.fact.value == stated.fact.value && spec.subject.value == stated.subject.value
        };
        let earlier = self.intent.assume.iter().filter(same).filter(|spec| spec.from < stated.from);
        let row = stated.fact.value.row();
        let is_old = self
            .intent
            .moves
            .iter()
            .any(|domain| stated.subject.value.host() == Some(domain.from.name.as_str()));
        match earlier.max_by_key(|spec| spec.from) {
            Some(before) => before.value,
            None => row.of_old.filter(|_| is_old).unwrap_or(row.unknown),
        }
    }
}

/// The id of a transition's step. Equal verbs within a track are numbered.
fn change_id(track: &Track, number: usize) -> StepId {
    let verb = track.transitions[number].verb;
    let before = track.transitions[..number].iter().filter(|t| t.verb == verb).count();
    StepId::of_change(verb, before + 1, &track.zone, &track.key)
}

/// The title of the step at which a fact begins to be true.
#[must_use]
pub fn stated_title(stated: &AssumeSpec) -> String {
    let says = stated.fact.value.says(stated.value);
    let who = match &stated.confirm {
        Confirm::Nobody => "from here on",
        // A gate that looks at something else establishes something else.
        Confirm::Gates { .. } => {
            let (fact, subject) = (stated.fact.value, stated.subject.value.shown());
            return format!("gates have shown `{fact}` of {subject}, {}", stated.reason);
        }
        Confirm::Person { check: None } => "by hand: make sure that",
        Confirm::Person { check: Some(_) } => "its check makes sure that",
    };
    format!("{who} {} {says} (`{}`)", stated.subject.value.shown(), stated.fact.value)
}

/// The id of the step at which a fact begins to be true.
#[must_use]
pub fn stated_id(stated: &AssumeSpec) -> StepId {
    StepId::of_fact(stated.from, stated.fact.value, &stated.subject.value)
}

/// Whether a transition only prepares another transition of its track.
#[must_use]
pub fn prepares(track: &Track, transition: &Transition) -> bool {
    transition.verb == Verb::Lower && track.transitions.len() > 1
}
