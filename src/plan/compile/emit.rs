//! Turns constraints into a graph: each wait becomes a step of its own.
//!
//! Waits of the same length after the same step are one step. If waits of several lengths follow a
//! step, the shortest has the plain name and the others are numbered.

use std::collections::BTreeMap;
use std::time::Duration;

use super::derive::Constraint;
use cutover_base::calendar::show_span;
use cutover_base::calendar::window::Windows;
use cutover_steps::graph::{Cause, Origin, Primitive, Step, StepGraph, StepId, Wait};

/// A step that is not yet part of a graph.
pub(super) struct UnlinkedStep {
    pub(super) id: StepId,
    pub(super) primitive: Primitive,
    pub(super) title: String,
    pub(super) reason: String,
    pub(super) window: Option<Windows>,
}

/// The graph of these steps.
pub(super) fn graph(unlinked: Vec<UnlinkedStep>, constraints: &[Constraint]) -> StepGraph {
    let mut steps: Vec<Step> = unlinked
        .into_iter()
        .map(|UnlinkedStep { id, primitive, title, reason, window }| Step {
            id,
            primitive,
            after: BTreeMap::new(),
            title,
            reason,
            window,
        })
        .collect();
    let changes = steps.len();
    let mut waits: BTreeMap<(usize, Option<&str>, Duration), Vec<&Constraint>> = BTreeMap::new();
    for constraint in constraints {
        match constraint.wait.is_zero() {
            true => link(&mut steps, constraint.from, constraint.to, &constraint.cause),
            false => waits
                .entry((constraint.from, constraint.name, constraint.wait))
                .or_default()
                .push(constraint),
        }
    }
    let mut numbers: BTreeMap<(usize, Option<&str>), usize> = BTreeMap::new();
    for ((from, name, span), constraints) in waits {
        let number = numbers.entry((from, name)).or_insert(0);
        *number += 1;
        let origin = constraints
            .iter()
            .map(|constraint| constraint.cause.origin)
            .min()
            .unwrap_or(Origin::Policy);
        let first = constraints.iter().find(|constraint| constraint.cause.origin == origin);
        let Some(first) = first else { continue };
        let before = &steps[from];
        let over = match before.primitive {
            Primitive::Change(_) => Some(before.id.clone()),
            Primitive::Wait(_)
            | Primitive::Gate(_)
            | Primitive::Task(_)
            | Primitive::Checkpoint(_) => None,
        };
        let title = match (&over, name) {
            (Some(_), None) => {
                format!("wait {} until the old version has expired", show_span(span))
            }
            (_, _) => format!("wait {}", show_span(span)),
        };
        let cause = first.cause.clone();
        steps.push(Step {
            id: StepId::of_wait(name, &before.id, *number),
            after: BTreeMap::from([(before.id.clone(), cause)]),
            primitive: Primitive::Wait(Wait { span, origin, over }),
            title,
            reason: first.because.clone(),
            window: None,
        });
        let place = steps.len() - 1;
        for constraint in constraints {
            link(&mut steps, place, constraint.to, &constraint.cause);
        }
    }
    debug_assert!(changes <= steps.len(), "waits come after the other steps");
    // The derivation has made no cycle, and ids are unique since each RRset has one track.
    StepGraph::new(steps).expect("constraints without a cycle make a graph")
}

/// Makes one step come after another. If it already does, the stronger cause stays: what a pattern
/// requires does not go away when a key of the plan changes.
fn link(steps: &mut [Step], from: usize, to: usize, cause: &Cause) {
    let id = steps[from].id.clone();
    let known = steps[to].after.entry(id).or_insert_with(|| cause.clone());
    if cause.origin < known.origin {
        *known = cause.clone();
    }
}
