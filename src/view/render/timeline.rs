//! The timeline: when each step begins and ends.

use std::collections::BTreeMap;

use super::fold::Folds;
use crate::document::{Kind, Row, Timeline};
use cutover_run::artifact::{Artifact, Forecast};
use cutover_steps::graph::{Primitive, Step, StepId};

/// The forecast of the steps that are shown.
pub(super) fn timeline(artifact: &Artifact, folds: &Folds<'_>) -> Timeline {
    let forecasts: BTreeMap<&StepId, &Forecast> =
        artifact.forecast.iter().map(|forecast| (&forecast.step, forecast)).collect();
    let total = artifact.forecast.iter().map(|f| f.end).max().unwrap_or_default();
    let steps = artifact.graph.steps().iter();
    let shown = steps.filter(|step| !folds.hides_step(&artifact.graph, step));
    let rows = shown.filter_map(|step| {
        let Forecast { step: _, begin, end } = **forecasts.get(&step.id)?;
        Some(Row { label: step.id.to_string(), kind: kind(step), begin, end })
    });
    Timeline { total, rows: rows.collect() }
}

/// What a step is.
pub(super) fn kind(step: &Step) -> Kind {
    match step.primitive {
        Primitive::Change(_) => Kind::Change,
        Primitive::Wait(_) => Kind::Wait,
        Primitive::Gate(_) => Kind::Gate,
        Primitive::Task(_) => Kind::Task,
        Primitive::Checkpoint(_) => Kind::Checkpoint,
    }
}
