//! The order: one fixed sequence for all recipes.
//!
//! Expand, let caches expire, switch, let caches expire, contract. The proof of a later version
//! will derive these edges one by one; until then the sequence is conservative: every switch comes
//! after every expansion has taken effect everywhere, and every contraction after every switch has.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cutover_contract::{ChangeSet, RrKey};

use super::Kitchen;
use crate::calendar::show_span;
use crate::graph::{Origin, Primitive, Step, StepGraph, StepId, Wait};
use crate::model::hold::hold_of_replaced;
use crate::model::{Stage, Track, Transition, Verb};
use crate::spec::Anchor;

/// The step at which everything is ready for the switch.
pub const BEFORE_SWITCH: &str = "checkpoint/before-switch";
/// The step at which the old side is no longer needed.
pub const BEFORE_CONTRACT: &str = "checkpoint/before-contract";
const KEEP_OLD: &str = "wait/keep-old";
const QUEUE_LIFE: &str = "wait/queue-life";

pub(super) fn graph(kitchen: &Kitchen<'_>, tracks: &[Track]) -> StepGraph {
    let order = Order::of(kitchen, tracks);
    let mut steps = Vec::new();
    for stage in [Part::Expand, Part::Switch, Part::Contract] {
        steps.extend(order.part(stage));
    }
    // Waits that nobody waits for are not needed.
    let needed: BTreeSet<StepId> = steps.iter().flat_map(|s| s.after.clone()).collect();
    steps.retain(|step| match step.primitive {
        Primitive::Wait(_) => needed.contains(&step.id),
        Primitive::Change(_) | Primitive::Checkpoint => true,
    });
    // `intent` has refused circles of `after:`, ids are unique as each RRset has one track, and
    // every anchor's steps stand in the graph.
    StepGraph::new(steps).expect("a fixed sequence with checked anchors is a graph")
}

/// The three parts of the output; within each, steps keep the order of the recipes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Expand,
    Switch,
    Contract,
}

struct Placed<'t> {
    id: StepId,
    track: &'t Track,
    transition: &'t Transition,
    /// The transition before it in its track.
    previous: Option<StepId>,
}

struct Order<'k> {
    kitchen: &'k Kitchen<'k>,
    placed: Vec<Placed<'k>>,
    /// The transition with which each record that has an id becomes what is asked for.
    records: BTreeMap<&'k str, StepId>,
}

impl<'k> Order<'k> {
    fn of(kitchen: &'k Kitchen<'k>, tracks: &'k [Track]) -> Self {
        let mut placed = Vec::new();
        let mut records = BTreeMap::new();
        for track in tracks {
            let mut previous = None;
            for transition in &track.transitions {
                let id = change_id(track, transition.verb);
                placed.push(Placed {
                    id: id.clone(),
                    track,
                    transition,
                    previous: previous.clone(),
                });
                // Lowering the TTL only prepares, unless it is all that is asked for.
                let prepares = transition.verb == Verb::Lower && track.transitions.len() > 1;
                if let Some(record) = &track.record
                    && !prepares
                    && !records.contains_key(record.as_str())
                {
                    records.insert(record.as_str(), id.clone());
                }
                previous = Some(id);
            }
        }
        Self { kitchen, placed, records }
    }

    fn has(&self, stage: &Stage) -> bool {
        self.placed.iter().any(|placed| placed.transition.stage == *stage)
    }

    fn ids(&self, stage: &Stage) -> impl Iterator<Item = &StepId> {
        let stage = stage.clone();
        self.placed.iter().filter(move |p| p.transition.stage == stage).map(|p| &p.id)
    }

    fn part(&self, part: Part) -> Vec<Step> {
        let mut steps = Vec::new();
        match part {
            Part::Expand => {}
            Part::Switch if self.has(&Stage::Switch) => steps.push(self.before_switch()),
            Part::Contract if self.has(&Stage::Contract) || self.has(&Stage::Retire) => {
                steps.extend(self.before_contract());
            }
            Part::Switch | Part::Contract => {}
        }
        let mine = self.placed.iter().filter(|placed| part_of(placed) == part);
        let (changes, waits): (Vec<Step>, Vec<Step>) =
            mine.map(|placed| (self.change(placed), self.expiry(placed))).unzip();
        steps.extend(changes);
        steps.extend(waits);
        steps
    }

    fn change(&self, placed: &Placed<'_>) -> Step {
        let Placed { id, track, transition, previous } = placed;
        let mut after: BTreeSet<StepId> = BTreeSet::new();
        match &transition.stage {
            Stage::Start | Stage::Expand => {}
            Stage::Switch => {
                after.insert(StepId::new(BEFORE_SWITCH));
            }
            Stage::Contract => {
                after.insert(StepId::new(BEFORE_CONTRACT));
            }
            Stage::Retire => {
                after.insert(StepId::new(QUEUE_LIFE));
            }
            Stage::Next => after.extend(previous.as_ref().map(wait_id)),
            Stage::After(anchors) => {
                after.extend(anchors.iter().flat_map(|anchor| self.anchor(anchor)));
            }
        }
        // Whatever the stage says, a version comes after the one that it replaces.
        after.extend(previous.clone());
        // A TTL that was lowered for a switch must have been lowered long enough.
        if let Some(previous) = previous
            && matches!(transition.verb, Verb::Switch | Verb::Remove | Verb::Publish)
        {
            after.insert(wait_id(previous));
        }
        let changes = ChangeSet::new(track.zone.clone(), transition.changes.clone())
            .expect("a transition changes RRsets of its track's zone, each once");
        Step {
            id: id.clone(),
            primitive: Primitive::Change(changes),
            after,
            title: transition.title.clone(),
            reason: transition.reason.clone(),
        }
    }

    fn anchor(&self, anchor: &Anchor) -> Vec<StepId> {
        match anchor {
            Anchor::Expand => self.ids(&Stage::Expand).map(wait_id).collect(),
            Anchor::Switch => self.ids(&Stage::Switch).map(wait_id).collect(),
            Anchor::Contract => {
                self.ids(&Stage::Contract).chain(self.ids(&Stage::Retire)).map(wait_id).collect()
            }
            // A record that is as wanted already has no step, and nothing has to be waited for.
            Anchor::Record(id) => self.records.get(id.as_str()).map(wait_id).into_iter().collect(),
        }
    }

    /// The wait until what a change replaced has expired in every cache.
    fn expiry(&self, placed: &Placed<'_>) -> Step {
        let terms = &self.kitchen.intent.terms;
        let zone = &self.kitchen.snapshot.zones[&placed.track.zone];
        let holds = placed.transition.changes.iter().map(|c| (hold_of_replaced(c, zone), c));
        let (longest, change) =
            holds.max_by_key(|(hold, _)| *hold).expect("a transition has at least one change");
        let mut span = longest + terms.clocks.margin;
        let what = match &change.before {
            Some(before) => {
                format!("{} with TTL {}", change.key, show_span(before.ttl().duration()))
            }
            None => match zone.wildcard_of(&change.key) {
                Some(_) => format!("what a wildcard says of {}, or its absence,", change.key),
                None => format!("the absence of {}", change.key),
            },
        };
        let mut reason = format!(
            "{what} may be cached for {}, and {} for safety",
            show_span(longest),
            show_span(terms.clocks.margin)
        );
        let switches = placed.transition.stage == Stage::Switch;
        if switches {
            // Whatever removes the old side later relies on nobody using an old answer any more.
            span += terms.clocks.use_ + terms.overrun;
            reason += &format!(
                "; an answer is used for up to {}, and some resolvers keep records up to {} too long",
                show_span(terms.clocks.use_),
                show_span(terms.overrun)
            );
        }
        Step {
            id: wait_id(&placed.id),
            primitive: Primitive::Wait(Wait {
                span,
                origin: Origin::Cache,
                over: Some(placed.id.clone()),
            }),
            after: BTreeSet::from([placed.id.clone()]),
            title: format!("wait {} until the old version has expired", show_span(span)),
            reason,
        }
    }

    fn before_switch(&self) -> Step {
        let expansions = self.ids(&Stage::Expand).map(wait_id);
        Step {
            id: StepId::new(BEFORE_SWITCH),
            primitive: Primitive::Checkpoint,
            after: expansions.collect(),
            title: "everything is ready for the switch".into(),
            reason: "nothing that users or senders rely on has changed so far".into(),
        }
    }

    /// The waits that the plan's own terms ask for, and the point where they have all ended.
    fn before_contract(&self) -> Vec<Step> {
        let terms = &self.kitchen.intent.terms;
        // Where the switch was made before this plan, nobody knows when: count from the beginning.
        let from: BTreeSet<StepId> = match self.has(&Stage::Switch) {
            true => self.ids(&Stage::Switch).cloned().collect(),
            false => self.ids(&Stage::Expand).cloned().collect(),
        };
        let mut steps = vec![policy(
            KEEP_OLD,
            terms.keep_old,
            Origin::User,
            from,
            "the old host goes on taking late mail, and people stop sending through it (`keep_old`)",
        )];
        let mut after = BTreeSet::from([StepId::new(KEEP_OLD)]);
        after.extend(self.ids(&Stage::Switch).map(wait_id));
        after.extend(self.ids(&Stage::Expand).map(wait_id));
        steps.push(Step {
            id: StepId::new(BEFORE_CONTRACT),
            primitive: Primitive::Checkpoint,
            after,
            title: "the old side is no longer needed".into(),
            reason: "no cache leads to it, no late mail comes to it, and nobody sends through it"
                .into(),
        });
        if self.has(&Stage::Retire) {
            // Counted from the end of submission, not from the switch: whatever was sent at the
            // last moment may be on its way for this long.
            let span = terms.clocks.queue_life + terms.clocks.margin;
            let reason = "mail that the old side sent or signed may wait in queues (`queue_life`, RFC 5321 §4.5.4.1)";
            let from = BTreeSet::from([StepId::new(BEFORE_CONTRACT)]);
            steps.push(policy(QUEUE_LIFE, span, Origin::Policy, from, reason));
        }
        steps
    }
}

fn policy(id: &str, span: Duration, origin: Origin, from: BTreeSet<StepId>, reason: &str) -> Step {
    Step {
        id: StepId::new(id),
        primitive: Primitive::Wait(Wait { span, origin, over: None }),
        after: from,
        title: format!("wait {}", show_span(span)),
        reason: reason.to_owned(),
    }
}

fn wait_id(id: &StepId) -> StepId {
    StepId::new(format!("wait/{id}"))
}

/// `verb/zone/name/type`.
fn change_id(track: &Track, verb: Verb) -> StepId {
    let RrKey { name, rtype } = &track.key;
    let zone = track.zone.to_string();
    let zone = if track.zone.is_root() { "." } else { zone.trim_end_matches('.') };
    StepId::new(format!("{verb}/{zone}/{}/{rtype}", name.shown_in(&track.zone)))
}

fn part_of(placed: &Placed<'_>) -> Part {
    match &placed.transition.stage {
        Stage::Start | Stage::Expand => Part::Expand,
        Stage::Switch => Part::Switch,
        Stage::Contract | Stage::Retire => Part::Contract,
        Stage::After(anchors) if anchors.contains(&Anchor::Contract) => Part::Contract,
        Stage::After(anchors) if anchors.contains(&Anchor::Switch) => Part::Contract,
        Stage::After(anchors) if anchors.contains(&Anchor::Expand) => Part::Switch,
        Stage::After(_) | Stage::Next => Part::Expand,
    }
}
