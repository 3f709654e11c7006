//! The graph of steps: what is done, what is waited for, and what comes after what.
//!
//! Everything that a mail engineer names (lower TTLs, widen SPF, swap MX) is compiled into a few
//! primitives. Engine, simulator and renderers know only these. Five of the design's six exist so
//! far: [`Primitive::Change`], [`Primitive::Wait`], [`Primitive::Gate`], [`Primitive::Task`],
//! [`Primitive::Checkpoint(_)`].
//!
//! Every edge and every wait says where it comes from ([`Cause`]): a bad pattern that it prevents,
//! a rule of ours, or a key of the plan. No step waits without a reason.
//!
//! Invariants: ids are unique, every `after` names a step of the graph, and there is no cycle. The
//! graph does not say *when*: it has durations, and the journal has instants.

pub mod gate;
mod id;
mod on_drift;
pub mod paths;
mod point;
pub mod reliance;
mod sample;
pub mod task;
mod verb;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cutover_contract::{Change, ChangeSet};
use cutover_zone::{Name, RrType};
use foldhash::{HashMap, HashMapExt};
use gate::Gate;
use paths::Paths;
use petgraph::algo::toposort;
use petgraph::graph::{DiGraph, NodeIndex};
use serde::{Deserialize, Serialize};
use task::Task;

use cutover_base::calendar::window::Windows;

pub use id::StepId;
pub use on_drift::OnDrift;
pub use point::Point;
pub use sample::{SAMPLE_MAX, sample};
pub use verb::Verb;

/// 7 d, the longest time that any cache keeps an answer: "the recommended cap is on the order of
/// days", 604,800 s (RFC 8767 §4).
pub const CACHE_CAP: Duration = Duration::from_secs(604_800);

/// A step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its id.
    pub id: StepId,
    /// What it does.
    pub primitive: Primitive,
    /// The steps that have to be done first, and why.
    pub after: BTreeMap<StepId, Cause>,
    /// What is done, for people: `lower the TTL of the MX records to 5m`.
    pub title: String,
    /// Why, for people.
    pub reason: String,
    /// When a checkpoint may be reached, or a gate may probe. `None`: at any time.
    pub window: Option<Windows>,
}

impl Step {
    /// Whether it is this checkpoint.
    #[must_use]
    pub fn is(&self, checkpoint: Checkpoint) -> bool {
        self.primitive == Primitive::Checkpoint(checkpoint)
    }

    /// Whether it is a task: work of a program or of a person.
    #[must_use]
    pub fn is_task(&self) -> bool {
        matches!(self.primitive, Primitive::Task(_))
    }

    /// Whether it changes where mail is routed.
    #[must_use]
    pub fn routes_mail(&self) -> bool {
        match &self.primitive {
            Primitive::Change(change) => {
                change.changes().iter().any(|change| change.key.rtype == RrType::MX)
                    && matches!(change.verb, Verb::Switch | Verb::Join | Verb::Prefer)
            }
            Primitive::Wait(_)
            | Primitive::Gate(_)
            | Primitive::Task(_)
            | Primitive::Checkpoint(_) => false,
        }
    }

    /// What a change does; `None` if the step is not a change.
    #[must_use]
    pub fn verb(&self) -> Option<Verb> {
        match &self.primitive {
            Primitive::Change(changes) => Some(changes.verb),
            Primitive::Wait(_)
            | Primitive::Gate(_)
            | Primitive::Task(_)
            | Primitive::Checkpoint(_) => None,
        }
    }
}

/// What a step does, with everything that is specific to a step of that kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Primitive {
    /// Compare-and-set on RRsets of one zone; done when every authoritative server serves it.
    Change(ChangeStep),
    /// Ends by time alone.
    Wait(Wait),
    /// Ends when a probe has passed.
    Gate(Gate),
    /// An effect outside of DNS.
    Task(Task),
    /// The run may rest here.
    Checkpoint(Checkpoint),
}

/// A change of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeStep {
    /// What it does; on a way back, what the change that it undoes does.
    pub verb: Verb,
    /// The RRsets of one zone, before and after the change.
    pub set: ChangeSet,
}

impl ChangeStep {
    /// The zone.
    #[must_use]
    pub fn zone(&self) -> &Name {
        self.set.zone()
    }

    /// The RRsets, before and after the change.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        self.set.changes()
    }
}

/// What is true from a checkpoint on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checkpoint {
    /// The run has begun. Waits for what an earlier run has replaced count from here.
    Beginning,
    /// A point of the move is reached.
    Reached(MovePoint),
    /// A stated fact begins to be true, or ends.
    Fact,
    /// The way back has begun: every forward step that had begun is settled.
    WayBack,
    /// A point of the move is left, on the way back.
    Left(MovePoint),
}

/// A point of the move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MovePoint {
    /// Everything is ready for the switch.
    BeforeSwitch,
    /// The old side no longer accepts mail of its own.
    BeforeContract,
    /// The old host may be switched off: there is no way back from here.
    Release,
}

impl MovePoint {
    /// All of them, in the order in which a move reaches them.
    pub const ALL: &[Self] = &[Self::BeforeSwitch, Self::BeforeContract, Self::Release];

    /// Its name, for people and in files.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::BeforeSwitch => "before-switch",
            Self::BeforeContract => "before-contract",
            Self::Release => "release-old",
        }
    }
}

/// A wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// How long it lasts, from when the last of its predecessors was done.
    pub span: Duration,
    /// Where it comes from.
    pub origin: Origin,
    /// The change whose replaced version is waited out, if there is one.
    pub over: Option<StepId>,
}

/// Where a wait or an edge comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Without it an invariant could be broken, for some order, delay and cached answer.
    Pattern,
    /// A rule of ours.
    Policy,
    /// A key of the plan.
    User,
}

impl Origin {
    /// The words for people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pattern => "mail needs it",
            Self::Policy => "good practice",
            Self::User => "the plan asks for it",
        }
    }
}

/// Why a step comes after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Where the edge comes from.
    pub origin: Origin,
    /// The invariant that would be broken, for [`Origin::Pattern`]; the rule or the key otherwise.
    pub of: Arc<str>,
    /// The reason, for people.
    pub why: Arc<str>,
}

impl Cause {
    /// A cause, with its reason.
    #[must_use]
    pub fn new(origin: Origin, of: impl Into<Arc<str>>, why: impl Into<Arc<str>>) -> Self {
        Self { origin, of: of.into(), why: why.into() }
    }
}

/// Why some steps do not make a graph.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// Two steps have the same id.
    #[error("two steps have the id {0}")]
    DuplicateId(StepId),
    /// A step comes after a step that does not exist.
    #[error("{step} comes after {missing}, which does not exist")]
    MissingStep {
        /// The step.
        step: StepId,
        /// The step that does not exist.
        missing: StepId,
    },
    /// A step comes after itself.
    #[error("{0} comes after itself")]
    Cycle(StepId),
}

/// Steps in a topological order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepGraph {
    steps: Vec<Step>,
    places: HashMap<StepId, usize>,
    followers: Vec<Vec<usize>>,
}

impl StepGraph {
    /// Checks the steps, removes redundant edges, and sorts.
    ///
    /// Independent steps stay in the order in which they are given, so equal input gives equal
    /// output.
    ///
    /// # Errors
    /// [`GraphError`].
    pub fn new(mut steps: Vec<Step>) -> Result<Self, GraphError> {
        let mut places = HashMap::with_capacity(steps.len());
        for (place, step) in steps.iter().enumerate() {
            if places.insert(step.id.clone(), place).is_some() {
                return Err(GraphError::DuplicateId(step.id.clone()));
            }
        }
        // The places of each step's predecessors, in the order of its `after`.
        let mut predecessors: Vec<Vec<(usize, u64)>> = Vec::with_capacity(steps.len());
        for step in &steps {
            let mut before = Vec::with_capacity(step.after.len());
            for id in step.after.keys() {
                let Some(place) = places.get(id) else {
                    return Err(GraphError::MissingStep {
                        step: step.id.clone(),
                        missing: id.clone(),
                    });
                };
                before.push((*place, 0));
            }
            predecessors.push(before);
        }
        let Ok(paths) = Paths::of(predecessors.clone()) else {
            return Err(cycle(&steps, &predecessors));
        };
        let mut followers: Vec<Vec<usize>> = vec![Vec::new(); steps.len()];
        let mut waiting: Vec<usize> = Vec::with_capacity(steps.len());
        for (to, (step, before)) in steps.iter_mut().zip(&predecessors).enumerate() {
            let mut before = before.iter();
            step.after.retain(|_, _| {
                let needed = before.next().filter(|(from, _)| !paths.is_redundant(*from, to));
                needed.inspect(|(from, _)| followers[*from].push(to)).is_some()
            });
            waiting.push(step.after.len());
        }
        // Kahn with the least ready place first: toposort's own order depends on insertion.
        let mut steps: Vec<Option<Step>> = steps.into_iter().map(Some).collect();
        let mut ready: BTreeSet<usize> = (0..steps.len()).filter(|p| waiting[*p] == 0).collect();
        let mut sorted = Vec::with_capacity(steps.len());
        let mut moved_to = vec![0; steps.len()];
        while let Some(place) = ready.pop_first() {
            moved_to[place] = sorted.len();
            sorted.extend(steps[place].take());
            for follower in &followers[place] {
                waiting[*follower] -= 1;
                if waiting[*follower] == 0 {
                    ready.insert(*follower);
                }
            }
        }
        places.values_mut().for_each(|place| *place = moved_to[*place]);
        let mut moved = vec![Vec::new(); sorted.len()];
        for (place, mut own) in followers.into_iter().enumerate() {
            own.iter_mut().for_each(|follower| *follower = moved_to[*follower]);
            own.sort_unstable();
            moved[moved_to[place]] = own;
        }
        Ok(Self { steps: sorted, places, followers: moved })
    }

    /// A graph of steps that are already sorted and have no redundant edges, as the steps of another
    /// graph are.
    ///
    /// # Panics
    /// If a step comes after one that is not there.
    #[must_use]
    pub fn of_sorted(steps: Vec<Step>) -> Self {
        let places: HashMap<StepId, usize> =
            steps.iter().enumerate().map(|(place, step)| (step.id.clone(), place)).collect();
        let mut followers = vec![Vec::new(); steps.len()];
        for (place, step) in steps.iter().enumerate() {
            for id in step.after.keys() {
                followers[places[id]].push(place);
            }
        }
        Self { steps, places, followers }
    }

    /// The paths between its steps. A wait counts on the edges after it.
    ///
    /// # Panics
    /// Never: a graph has no cycle.
    #[must_use]
    pub fn paths(&self) -> Paths {
        let span = |place: usize| match &self.steps[place].primitive {
            Primitive::Wait(wait) => wait.span.as_secs(),
            Primitive::Change(_)
            | Primitive::Gate(_)
            | Primitive::Task(_)
            | Primitive::Checkpoint(_) => 0,
        };
        let predecessors = self.steps.iter().map(|step| {
            let places = step.after.keys().filter_map(|id| self.place(id));
            places.map(|place| (place, span(place))).collect()
        });
        Paths::of(predecessors.collect()).expect("a graph has no cycle")
    }

    /// The same graph without windows: each step may run at any time.
    #[must_use]
    pub fn without_windows(&self) -> Self {
        let mut graph = self.clone();
        graph.steps.iter_mut().for_each(|step| step.window = None);
        graph
    }

    /// The steps in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The step with this id.
    #[must_use]
    pub fn get(&self, id: &StepId) -> Option<&Step> {
        self.place(id).map(|place| &self.steps[place])
    }

    /// The zone that a step is about: a change's, or that of the change that a wait waits out.
    #[must_use]
    pub fn zone_of<'g>(&'g self, step: &'g Step) -> Option<&'g Name> {
        let about = match &step.primitive {
            Primitive::Wait(wait) => self.get(wait.over.as_ref()?)?,
            Primitive::Change(_)
            | Primitive::Gate(_)
            | Primitive::Task(_)
            | Primitive::Checkpoint(_) => step,
        };
        match &about.primitive {
            Primitive::Change(changes) => Some(changes.zone()),
            Primitive::Wait(_)
            | Primitive::Gate(_)
            | Primitive::Task(_)
            | Primitive::Checkpoint(_) => None,
        }
    }

    /// The step at which a point of the move is reached, if the graph has one.
    #[must_use]
    pub fn point(&self, point: MovePoint) -> Option<&Step> {
        self.steps.iter().find(|step| step.is(Checkpoint::Reached(point)))
    }

    /// Whether the steps are those of a way back.
    #[must_use]
    pub fn is_way_back(&self) -> bool {
        self.steps.iter().any(|step| step.is(Checkpoint::WayBack))
    }

    /// The place of the step with this id in [`StepGraph::steps`].
    #[must_use]
    pub fn place(&self, id: &StepId) -> Option<usize> {
        self.places.get(id).copied()
    }

    /// The places of the steps that come directly after the step at this place.
    #[must_use]
    pub fn followers(&self, place: usize) -> &[usize] {
        &self.followers[place]
    }
}

/// Names a step on a cycle.
fn cycle(steps: &[Step], predecessors: &[Vec<(usize, u64)>]) -> GraphError {
    let mut graph: DiGraph<(), ()> = DiGraph::with_capacity(steps.len(), steps.len());
    let nodes: Vec<NodeIndex> = steps.iter().map(|_| graph.add_node(())).collect();
    for (to, before) in predecessors.iter().enumerate() {
        for (from, _) in before {
            graph.add_edge(nodes[*from], nodes[to], ());
        }
    }
    let on_it = toposort(&graph, None).err().map_or(0, |cycle| cycle.node_id().index());
    GraphError::Cycle(steps[on_it].id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(id: &str, after: &[&str]) -> Step {
        Step {
            id: StepId::new(id),
            primitive: Primitive::Checkpoint(Checkpoint::Fact),
            after: after
                .iter()
                .map(|id| (StepId::new(*id), Cause::new(Origin::User, "after", "")))
                .collect(),
            title: String::new(),
            reason: String::new(),
            window: None,
        }
    }

    #[test]
    fn steps_are_sorted_stably_and_edges_reduced() {
        let graph = StepGraph::new(vec![
            step("d", &["a", "b", "c"]),
            step("b", &["a"]),
            step("a", &[]),
            step("c", &["b"]),
            step("e", &[]),
        ])
        .expect("a graph");
        let ids: Vec<&str> = graph.steps().iter().map(|s| s.id.as_str()).collect();
        assert_eq!(ids, ["a", "b", "c", "d", "e"]);
        let last = graph.get(&StepId::new("d")).expect("d");
        assert_eq!(last.after.keys().collect::<Vec<_>>(), [&StepId::new("c")]);
    }

    #[test]
    fn what_is_no_graph_is_refused() {
        let id = StepId::new;
        assert_eq!(
            StepGraph::new(vec![step("a", &[]), step("a", &[])]),
            Err(GraphError::DuplicateId(id("a")))
        );
        assert_eq!(
            StepGraph::new(vec![step("a", &["x"])]),
            Err(GraphError::MissingStep { step: id("a"), missing: id("x") })
        );
        assert!(matches!(
            StepGraph::new(vec![step("a", &["b"]), step("b", &["a"])]),
            Err(GraphError::Cycle(_))
        ));
        assert!(matches!(StepGraph::new(vec![step("a", &["a"])]), Err(GraphError::Cycle(_))));
    }
}
