//! Tasks: work outside of DNS. They are put between the steps when the order stands, and undone on
//! a way back if the plan says how.
//!
//! A task that brings facts about is already a step of the draft, and patterns have derived its
//! order. The steps that are added here only add edges: no edge is removed, so every proof holds
//! with the tasks in place.

use std::collections::{BTreeSet, HashMap};

use super::compiled::CompiledWayBack;
use super::derive::Constraint;
use super::task_after;
use crate::language::task::{Place, TaskSpec};
use crate::proof::draft::{Draft, Kind};
use crate::proof::parties::Side;
use cutover_base::diag::Diagnostic;
use cutover_steps::graph::task::{Task, Work};
use cutover_steps::graph::{Cause, MovePoint, Origin, Primitive, Step, StepGraph, StepId};

/// Where the order of tasks comes from, and why, for people.
const OF: &str = "tasks";
const WHY: &str = "the plan says so (`tasks`)";
/// Why a task is done.
pub(super) const WANTED: &str = "the plan asks for it (`tasks`)";

fn cause() -> Cause {
    Cause::new(Origin::User, OF, WHY)
}

/// The point that a task at this place comes before.
fn before(place: Place) -> Option<MovePoint> {
    match place {
        Place::BeforeSwitch => Some(MovePoint::BeforeSwitch),
        Place::AfterSwitch | Place::BeforeContract => Some(MovePoint::BeforeContract),
        Place::BeforeRelease => Some(MovePoint::Release),
        Place::WayBack => None,
    }
}

/// The order of the tasks that bring facts about.
pub(super) fn given(draft: &Draft<'_>) -> Vec<Constraint> {
    let mut given = Vec::new();
    let mut put = |from, to| given.push(Constraint::plain(from, to, Origin::User, OF, WHY));
    for place in Place::ALL {
        let steps: Vec<usize> = draft.tasks_at(*place).collect();
        for step in &steps {
            let first: Vec<usize> = match place {
                Place::BeforeSwitch | Place::WayBack => Vec::new(),
                Place::AfterSwitch | Place::BeforeContract => {
                    draft.switch().chain(draft.point(MovePoint::BeforeSwitch)).collect()
                }
                Place::BeforeRelease => {
                    draft.point(MovePoint::BeforeContract).into_iter().collect()
                }
            };
            first.into_iter().for_each(|first| put(first, *step));
            if let Some(follower) = before(*place).and_then(|point| draft.point(point)) {
                put(*step, follower);
            }
        }
        steps.windows(2).for_each(|pair| put(pair[0], pair[1]));
    }
    given
}

/// The graph with the plan's tasks in it.
///
/// # Errors
/// If a task should come after a step that itself comes after the task.
pub(super) fn with_tasks(
    draft: &Draft<'_>,
    graph: StepGraph,
) -> Result<StepGraph, Vec<Diagnostic>> {
    let tasks = &draft.intent.tasks;
    if graph.steps().is_empty() || tasks.all().next().is_none() {
        return Ok(graph);
    }
    let mut found = Vec::new();
    let id_of = |node: usize| draft.nodes[node].id.clone();
    let mut plan = Steps(graph.steps().to_vec());
    for place in Place::ALL.iter().filter(|place| draft.has_place(**place)) {
        let tasks = tasks.at(*place);
        if tasks.is_empty() {
            continue;
        }
        let follower = before(*place).and_then(|point| draft.point(point)).map(id_of);
        let own: BTreeSet<StepId> = draft.tasks_at(*place).map(id_of).collect();
        let mut after: Vec<StepId> = match place {
            Place::BeforeSwitch | Place::WayBack => Vec::new(),
            Place::AfterSwitch => draft.switch().map(id_of).collect(),
            // When everything else before the point is done.
            Place::BeforeContract | Place::BeforeRelease => {
                let later = plan.later(&own);
                let ready = follower.iter().flat_map(|follower| plan.get(follower).after.keys());
                ready.filter(|id| !own.contains(id) && !later.contains(id)).cloned().collect()
            }
        };
        for spec in tasks {
            let id = spec.step_id();
            match own.contains(&id) {
                true => plan.link(&after, &id),
                false => plan.0.push(step(id.clone(), spec.task(), &after, title(spec))),
            }
            match task_after::of_task(draft, &graph, (&mut plan.0, follower.as_ref()), spec) {
                Ok(named) => plan.get_mut(&id).after.extend(named),
                Err(problem) => found.push(*problem),
            }
            after = vec![id];
        }
        if let Some(follower) = follower {
            plan.link(&after, &follower);
        }
    }
    match found.is_empty() {
        true => Ok(StepGraph::new(plan.0).expect("steps put between others make no cycle")),
        false => Err(found),
    }
}

/// Adds the steps that undo tasks to the ways back, and the tasks that the plan wants done there.
///
/// Mail is moved back first: what a program does may fail, or take long. A plan may want another
/// order (`undo_first`). What must no longer be true when mail comes back is undone before; the
/// proof has placed it there.
pub(super) fn add_to_ways_back(draft: &Draft<'_>, ways_back: &mut [CompiledWayBack]) {
    let tasks = &draft.intent.tasks;
    if tasks.all().next().is_none() {
        return;
    }
    let routes = routes(draft);
    for way_back in ways_back {
        let places: &[Place] = match way_back.to {
            None | Some(MovePoint::BeforeSwitch) => {
                &[Place::BeforeRelease, Place::BeforeContract, Place::AfterSwitch]
            }
            Some(MovePoint::BeforeContract) => &[Place::BeforeRelease],
            Some(MovePoint::Release) => continue,
        };
        // The last task to be done is the first to be undone.
        let of = |places: &[Place]| -> Vec<&TaskSpec> {
            let there = places.iter().filter(|place| draft.has_place(**place));
            there.flat_map(|place| tasks.at(*place).iter().rev()).collect()
        };
        let done = of(places);
        let last = if way_back.to.is_none() { of(&[Place::BeforeSwitch]) } else { Vec::new() };
        let begin = StepId::of_way_back();
        let mail_is_back: Vec<StepId> = way_back
            .takes_back
            .iter()
            .filter(|(_, there)| routes.contains(there))
            .map(|(back, _)| back.clone())
            .collect();
        let mut plan = Steps(way_back.graph.steps().to_vec());
        let followers: Vec<StepId> = plan
            .0
            .iter()
            // A wait comes after one step, and is made with it.
            .filter(|step| !matches!(step.primitive, Primitive::Wait(_)))
            .filter(|step| step.after.contains_key(&begin))
            .map(|step| step.id.clone())
            .collect();
        let (can, by_hand): (Vec<&TaskSpec>, Vec<&TaskSpec>) =
            done.into_iter().partition(|spec| spec.undo.is_some());
        for spec in can.iter().chain(&by_hand).chain(&last) {
            way_back.takes_back.insert(spec.undo_step_id(), spec.step_id());
            way_back.undone_by.insert(spec.step_id(), spec.undo_step_id());
        }
        let (first, rest): (Vec<&TaskSpec>, Vec<&TaskSpec>) =
            can.into_iter().partition(|spec| spec.undo_first);
        let takes_back = &mut way_back.takes_back;
        let undo = |plan: &mut Steps, spec: &TaskSpec, after: &mut Vec<StepId>| {
            let id = spec.undo_step_id();
            match plan.has(&id) {
                true => plan.link_where_possible(after, std::slice::from_ref(&id)),
                false => {
                    plan.0.push(step(id.clone(), spec.undo_task(), after, undo_title(spec)));
                }
            }
            *after = vec![id];
        };
        let mut after = vec![begin.clone()];
        first.iter().for_each(|spec| undo(&mut plan, spec, &mut after));
        if !first.is_empty() {
            plan.link_where_possible(&after, &followers);
        }
        let mail_is_back = if mail_is_back.is_empty() { after } else { mail_is_back };
        // The undo of manual work that facts depend on is placed already.
        let (placed, by_hand): (Vec<&TaskSpec>, Vec<&TaskSpec>) =
            by_hand.into_iter().partition(|spec| plan.has(&spec.undo_step_id()));
        let mut after = mail_is_back.clone();
        rest.into_iter().chain(placed).for_each(|spec| undo(&mut plan, spec, &mut after));
        // What the plan wants done on the way back, if a switch is undone.
        if way_back.to != Some(MovePoint::BeforeContract)
            && let Some(switch) = draft.point(MovePoint::BeforeSwitch)
        {
            let mut after = mail_is_back;
            for spec in tasks.at(Place::WayBack) {
                let id = spec.step_id();
                takes_back.insert(id.clone(), draft.nodes[switch].id.clone());
                match plan.has(&id) {
                    true => plan.link_where_possible(&after, std::slice::from_ref(&id)),
                    false => plan.0.push(step(id.clone(), spec.task(), &after, title(spec))),
                }
                after = vec![id];
            }
        }
        // What was done before the switch is undone when everything else has been.
        let mut after = plan.sinks();
        for spec in last.iter().filter(|spec| spec.undo.is_some()) {
            undo(&mut plan, spec, &mut after);
        }
        // Only a person knows what to do about work that has no `undo`.
        for spec in by_hand.into_iter().chain(last.into_iter().filter(|spec| spec.undo.is_none())) {
            undo(&mut plan, spec, &mut after);
        }
        way_back.graph = StepGraph::new(plan.0).expect("steps at both ends make no cycle");
    }
}

/// Steps that others are put between.
struct Steps(Vec<Step>);

impl Steps {
    fn has(&self, id: &StepId) -> bool {
        self.0.iter().any(|step| step.id == *id)
    }

    fn get(&self, id: &StepId) -> &Step {
        self.0.iter().find(|step| step.id == *id).expect("a step of the graph")
    }

    fn get_mut(&mut self, id: &StepId) -> &mut Step {
        self.0.iter_mut().find(|step| step.id == *id).expect("a step of the graph")
    }

    /// Puts a step after others.
    fn link(&mut self, after: &[StepId], id: &StepId) {
        let step = self.get_mut(id);
        for before in after {
            step.after.entry(before.clone()).or_insert_with(cause);
        }
    }

    /// Puts steps after others, except after those that already come after them, as a proof
    /// requires.
    fn link_where_possible(&mut self, after: &[StepId], ids: &[StepId]) {
        for before in after {
            let earlier = self.earlier(before);
            for id in ids.iter().filter(|id| !earlier.contains(id)) {
                self.link(std::slice::from_ref(before), id);
            }
        }
    }

    /// A step, and all steps that it comes after.
    fn earlier(&self, of: &StepId) -> BTreeSet<StepId> {
        let places: HashMap<&StepId, &Step> = self.0.iter().map(|step| (&step.id, step)).collect();
        let mut earlier = BTreeSet::new();
        let mut open = vec![of];
        while let Some(id) = open.pop() {
            if earlier.insert(id.clone()) {
                open.extend(places.get(id).iter().flat_map(|step| step.after.keys()));
            }
        }
        earlier
    }

    /// The steps that come after any of these.
    fn later(&self, of: &BTreeSet<StepId>) -> BTreeSet<StepId> {
        let mut later: BTreeSet<StepId> = BTreeSet::new();
        loop {
            let more = self.0.iter().filter(|step| !later.contains(&step.id));
            let more = more
                .filter(|step| step.after.keys().any(|id| of.contains(id) || later.contains(id)));
            let more: Vec<StepId> = more.map(|step| step.id.clone()).collect();
            if more.is_empty() {
                return later;
            }
            later.extend(more);
        }
    }

    /// The steps that nothing comes after.
    fn sinks(&self) -> Vec<StepId> {
        let followed: BTreeSet<&StepId> =
            self.0.iter().flat_map(|step| step.after.keys()).collect();
        let sinks = self.0.iter().map(|step| &step.id).filter(|id| !followed.contains(id));
        sinks.cloned().collect()
    }
}

/// The changes that move senders to the other host: of MX records, or of an exchange's own
/// addresses.
fn routes(draft: &Draft<'_>) -> BTreeSet<StepId> {
    let is_exchange = |name| {
        [Side::From, Side::To].into_iter().any(|side| draft.parties.names(side).contains(name))
    };
    let found = draft.switch().filter(|node| match &draft.nodes[*node].kind {
        Kind::Change { track, .. } => {
            let track = &draft.tracks[*track];
            track.routes || is_exchange(&track.key.name)
        }
        Kind::Point(_) | Kind::Stated(_) | Kind::Task(_) | Kind::Beginning | Kind::Back(_) => false,
    });
    found.map(|node| draft.nodes[node].id.clone()).collect()
}

/// A task in one line.
pub(super) fn title(spec: &TaskSpec) -> String {
    match &spec.work {
        Work::Command(argv) => format!("run `{}`", argv.join(" ")),
        Work::Manual(words) => format!("by hand: {words}"),
    }
}

/// The undo of a task in one line.
pub(super) fn undo_title(spec: &TaskSpec) -> String {
    match spec.undo_task().work {
        Work::Command(_) => format!("take back: {}", title(spec)),
        Work::Manual(words) => format!("by hand: {words}"),
    }
}

/// What is true from a task's end on, in words.
pub(super) fn brings_about(draft: &Draft<'_>, spec: &TaskSpec) -> String {
    let facts = draft
        .facts_by(spec)
        .map(|fact| format!("`{}` of {} is {}", fact.fact.value, fact.subject.value, fact.value));
    format!("from its end on {}", facts.collect::<Vec<_>>().join(", "))
}

fn step(id: StepId, task: Task, after: &[StepId], title: String) -> Step {
    Step {
        id,
        primitive: Primitive::Task(task),
        after: after.iter().map(|id| (id.clone(), cause())).collect(),
        title,
        reason: WANTED.to_owned(),
        window: None,
    }
}
