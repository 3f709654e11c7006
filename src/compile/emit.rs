//! From constraints to a graph: each wait becomes a step of its own.
//!
//! Waits of one length behind one step are one step. Where a step has waits of several lengths
//! behind it, the shortest keeps the plain name and the others are numbered.

use std::collections::BTreeMap;
use std::time::Duration;

use super::derive::Constraint;
use crate::calendar::show_span;
use crate::calendar::window::Windows;
use crate::graph::{Cause, Origin, Primitive, Step, StepGraph, StepId, Wait};

/// A step before it is put into a graph.
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
    for one in constraints {
        match one.wait.is_zero() {
            true => link(&mut steps, one.from, one.to, &one.cause),
            false => waits.entry((one.from, one.name, one.wait)).or_default().push(one),
        }
    }
    let mut numbers: BTreeMap<(usize, Option<&str>), usize> = BTreeMap::new();
    for ((from, name, span), constraints) in waits {
        let number = numbers.entry((from, name)).or_insert(0);
        *number += 1;
        let origin = constraints.iter().map(|one| one.cause.origin).min().unwrap_or(Origin::Policy);
        let first = constraints.iter().find(|one| one.cause.origin == origin);
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
        for one in constraints {
            link(&mut steps, place, one.to, &one.cause);
        }
    }
    debug_assert!(changes <= steps.len(), "waits stand behind the steps");
    // The derivation has made no circle, and ids are unique as each RRset has one track.
    StepGraph::new(steps).expect("constraints without a circle make a graph")
}

/// Puts one step after another. Where that is so already, the stronger cause stays: what a pattern
/// asks for cannot be taken away by changing a key of the plan.
fn link(steps: &mut [Step], from: usize, to: usize, cause: &Cause) {
    let id = steps[from].id.clone();
    let known = steps[to].after.entry(id).or_insert_with(|| cause.clone());
    if cause.origin < known.origin {
        *known = cause.clone();
    }
}
