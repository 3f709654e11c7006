//! Tasks: work outside of DNS, put between the steps when their order stands, and taken back on the
//! way back where the plan says how.
//!
//! Like gates they only add: no edge is taken away, so every proof holds with them in place.

use std::collections::BTreeSet;

use super::after::{self, After};
use super::back::{BEFORE_SWITCH, Return, START};
use crate::diag::Diagnostic;
use crate::graph::task::Task;
use crate::graph::{Cause, Origin, Primitive, Step, StepGraph, StepId};
use crate::proof::draft::{BACK_BEGIN, Draft, Kind, MovePoint};
use crate::proof::parties::Side;
use crate::spec::task::{TaskSpec, Work};

fn id(task: &TaskSpec) -> StepId {
    StepId::new(format!("task/{}", task.name.value))
}

fn cause() -> Cause {
    Cause::new(Origin::User, "tasks", "the plan says so (`tasks`)")
}

/// The graph with the plan's tasks in it.
///
/// # Errors
/// Tasks that shall come after what comes after them.
pub(super) fn with_tasks(
    draft: &Draft<'_>,
    graph: StepGraph,
) -> Result<StepGraph, Vec<Diagnostic>> {
    let tasks = &draft.intent.tasks;
    if graph.steps().is_empty() || tasks.all().next().is_none() {
        return Ok(graph);
    }
    let mut found = Vec::new();
    let mut steps = graph.steps().to_vec();
    let of = |node: usize| graph.place(&draft.nodes[node].id);
    let point = |point| draft.point(point).and_then(of);
    let is_switch = |node: &usize| match &draft.nodes[*node].kind {
        Kind::Change { transition, .. } => transition.is_switch(),
        Kind::Point(_) | Kind::Stated(_) | Kind::Beginning | Kind::Back(_) => false,
    };
    let switch: Vec<StepId> = (0..draft.nodes.len())
        .filter(is_switch)
        .filter_map(of)
        .map(|place| graph.steps()[place].id.clone())
        .collect();
    // What comes before a switch that was made before this plan has had its time.
    let is_behind = !draft.intent.moves.is_empty() && point(MovePoint::BeforeSwitch).is_none();
    let nothing = Vec::new();
    let before_switch = if is_behind { &nothing } else { &tasks.before_switch };
    for (tasks, first, follower) in [
        (before_switch, Vec::new(), point(MovePoint::BeforeSwitch)),
        (&tasks.after_switch, switch, point(MovePoint::BeforeContract)),
    ] {
        let mut after = first;
        for task in tasks {
            let id = id(task);
            let named = after::of_task(draft, &graph, (&mut steps, follower), task);
            let named = named.unwrap_or_else(|problem| {
                found.push(problem);
                After::new()
            });
            let mut step = step(id.clone(), of_spec(task), &after, title(task));
            step.after.extend(named);
            steps.push(step);
            after = vec![id];
        }
        if let (Some(follower), [last]) = (follower, &after[..])
            && !tasks.is_empty()
        {
            steps[follower].after.insert(last.clone(), cause());
        }
    }
    match found.is_empty() {
        true => Ok(StepGraph::new(steps).expect("steps put between others make no circle")),
        false => Err(found),
    }
}

/// The ways back with what takes the tasks back.
///
/// Mail is led back first: what a program does may fail, or take its time. A plan may want it
/// otherwise (`undo_first`).
pub(super) fn taken_back(draft: &Draft<'_>, returns: &mut [Return]) {
    let intent = draft.intent;
    let routes = routes(draft);
    for one in returns {
        let (first, last) = match one.name {
            START => (&intent.tasks.after_switch[..], &intent.tasks.before_switch[..]),
            BEFORE_SWITCH => (&intent.tasks.after_switch[..], &[][..]),
            _ => continue,
        };
        let begin = StepId::new(BACK_BEGIN);
        let mut steps = one.graph.steps().to_vec();
        let followers: Vec<usize> = one.graph.place(&begin).map_or(Vec::new(), |place| {
            let behind = one.graph.followers(place).iter().copied();
            // A wait stands behind one step, and is made with it.
            behind.filter(|p| !matches!(steps[*p].primitive, Primitive::Wait(_))).collect()
        });
        let led_back: Vec<StepId> = one
            .takes_back
            .iter()
            .filter(|(_, there)| routes.contains(there))
            .map(|(back, _)| back.clone())
            .collect();
        let undo = |task: &TaskSpec, after: &mut Vec<StepId>, one: &mut Return| {
            let argv = task.undo.clone()?;
            let back = StepId::new(format!("back/{}", id(task)));
            one.takes_back.insert(back.clone(), id(task));
            let work = Task { work: Work::Command(argv), check: None, within: task.within };
            let title = format!("take back: {}", title(task));
            let step = step(back.clone(), work, after, title);
            *after = vec![back];
            Some(step)
        };
        // What was done last is taken back first.
        let (before, behind): (Vec<&TaskSpec>, Vec<&TaskSpec>) =
            first.iter().rev().partition(|task| task.undo_first);
        let mut after = vec![begin.clone()];
        let undone: Vec<Step> =
            before.iter().filter_map(|task| undo(task, &mut after, one)).collect();
        if let (false, [last]) = (undone.is_empty(), &after[..]) {
            for follower in followers {
                steps[follower].after.insert(last.clone(), cause());
            }
        }
        steps.extend(undone);
        let mut after = if led_back.is_empty() { after } else { led_back };
        let undone: Vec<Step> =
            behind.iter().filter_map(|task| undo(task, &mut after, one)).collect();
        steps.extend(undone);
        // What was done before the switch is taken back when all the rest has been.
        let followed: BTreeSet<&StepId> = steps.iter().flat_map(|step| step.after.keys()).collect();
        let sinks = steps.iter().map(|step| &step.id).filter(|id| !followed.contains(id));
        let mut after: Vec<StepId> = sinks.cloned().collect();
        let undone: Vec<Step> =
            last.iter().rev().filter_map(|task| undo(task, &mut after, one)).collect();
        steps.extend(undone);
        // Only a person knows what is to be done about work that has no `undo`.
        let done = first.iter().rev().chain(last.iter().rev());
        for task in done.filter(|task| task.undo.is_none()) {
            let back = StepId::new(format!("back/{}", id(task)));
            one.takes_back.insert(back.clone(), id(task));
            let words = format!(
                "`{}` was done and has no `undo`: take it back, or see that it may stay",
                task.name.value
            );
            let title = format!("by hand: {words}");
            let work = Task { work: Work::Manual(words), check: None, within: task.within };
            steps.push(step(back.clone(), work, &after, title));
            after = vec![back];
        }
        one.graph = StepGraph::new(steps).expect("steps at both ends make no circle");
    }
}

/// The changes that make senders come to the other host: of MX records, or of an exchange's own
/// addresses.
fn routes(draft: &Draft<'_>) -> BTreeSet<StepId> {
    let is_exchange = |name| {
        [Side::From, Side::To].into_iter().any(|side| draft.parties.names(side).contains(name))
    };
    let found = draft.nodes.iter().filter(|node| match &node.kind {
        Kind::Change { track, transition, .. } => {
            let track = &draft.tracks[*track];
            transition.is_switch() && (track.routes || is_exchange(&track.key.name))
        }
        Kind::Point(_) | Kind::Stated(_) | Kind::Beginning | Kind::Back(_) => false,
    });
    found.map(|node| node.id.clone()).collect()
}

fn of_spec(task: &TaskSpec) -> Task {
    let TaskSpec { name: _, work, after: _, check, within, undo: _, undo_first: _ } = task;
    Task { work: work.clone(), check: check.clone(), within: *within }
}

fn title(task: &TaskSpec) -> String {
    match &task.work {
        Work::Command(argv) => format!("run `{}`", argv.join(" ")),
        Work::Manual(words) => format!("by hand: {words}"),
    }
}

fn step(id: StepId, task: Task, after: &[StepId], title: String) -> Step {
    Step {
        id,
        primitive: Primitive::Task(task),
        after: after.iter().map(|id| (id.clone(), cause())).collect(),
        title,
        reason: "the plan wants it done (`tasks`)".to_owned(),
        window: None,
    }
}
