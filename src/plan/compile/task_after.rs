//! What a task comes after, as the plan says (`after:`): changes that have taken effect everywhere.

use std::collections::BTreeMap;

use super::anchors::{anchored, expiry};
use crate::intent::UNKNOWN_ANCHOR;
use crate::language::task::TaskSpec;
use crate::proof::draft::Draft;
use cutover_base::calendar::show_span;
use cutover_base::diag::Diagnostic;
use cutover_steps::graph::{Cause, Origin, Primitive, Step, StepGraph, StepId, Wait};

/// The steps that a task comes after, and why.
pub(super) type After = BTreeMap<StepId, Cause>;

/// What has to be done before a task begins. Adds the waits that this needs to `steps`, unless they
/// are there. `follower` is the point that the task comes before.
///
/// # Errors
/// If a step that the task should come after itself comes after that point.
pub(super) fn of_task(
    draft: &Draft<'_>,
    graph: &StepGraph,
    (steps, follower): (&mut Vec<Step>, Option<&StepId>),
    task: &TaskSpec,
) -> Result<After, Box<Diagnostic>> {
    let mut after = After::new();
    let paths = graph.paths();
    let follower = follower.and_then(|follower| graph.place(follower));
    for anchor in &task.after {
        for (node, word) in anchored(draft, &anchor.value) {
            let id = &draft.nodes[node].id;
            let place = graph.place(id).expect("each node is a step of the graph");
            if follower.is_some_and(|point| point == place || paths.precedes(point, place)) {
                let title = format!("`{}` comes before what it should come after", task.name.value);
                let help = format!(
                    "{id} comes after the point that this task has to be done before: move the task to `after_switch`, or remove the anchor"
                );
                return Err(Box::new(Diagnostic::error(UNKNOWN_ANCHOR, anchor.span, title, help)));
            }
            let cause =
                Cause::new(Origin::User, "after", format!("the plan says so (`after: {word}`)"));
            let (span, because) = expiry(draft, node);
            if span.is_zero() {
                after.insert(id.clone(), cause);
                continue;
            }
            let is_same = |step: &&Step| match &step.primitive {
                Primitive::Wait(wait) => wait.over.as_ref() == Some(id) && wait.span == span,
                Primitive::Change(_)
                | Primitive::Gate(_)
                | Primitive::Task(_)
                | Primitive::Checkpoint(_) => false,
            };
            let known = steps.iter().find(is_same).map(|step| step.id.clone());
            let wait = known.unwrap_or_else(|| {
                let wait = StepId::of_wait_for_task(&task.name.value, id);
                steps.push(Step {
                    id: wait.clone(),
                    after: BTreeMap::from([(id.clone(), cause.clone())]),
                    primitive: Primitive::Wait(Wait {
                        span,
                        origin: Origin::User,
                        over: Some(id.clone()),
                    }),
                    title: format!("wait {} until the old version has expired", show_span(span)),
                    reason: because,
                    window: None,
                });
                wait
            });
            after.insert(wait, cause);
        }
    }
    Ok(after)
}
