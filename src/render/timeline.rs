//! The timeline: a bar for each step, from the start of the run to its end.

use std::collections::BTreeMap;
use std::time::Duration;

use super::fold::Folds;
use super::since_start;
use crate::artifact::{Artifact, Forecast};
use crate::graph::{Primitive, Step, StepId};

/// The width of the bars in columns. Our choice: together with the ids they fit 120 columns.
const COLUMNS: usize = 40;

/// Draws the forecast: `#` for changes, `=` for waits, `?` for gates, `+` for tasks, `o` for
/// checkpoints.
pub(super) fn timeline(artifact: &Artifact, folds: &Folds<'_>) -> String {
    let forecasts: BTreeMap<&StepId, &Forecast> =
        artifact.forecast.iter().map(|forecast| (&forecast.step, forecast)).collect();
    let total = artifact.forecast.iter().map(|f| f.end).max().unwrap_or_default();
    let steps = artifact.graph.steps().iter();
    let steps: Vec<&Step> = steps.filter(|step| !folds.hides_step(&artifact.graph, step)).collect();
    let width = steps.iter().map(|step| step.id.as_str().chars().count()).max().unwrap_or(0);
    let mut text = format!(
        "  {:width$}  T+0s{:>fill$}\n",
        "",
        since_start(total),
        fill = COLUMNS.saturating_sub(2)
    );
    for step in steps {
        let Some(Forecast { begin, end, .. }) = forecasts.get(&step.id) else { continue };
        let mark = match step.primitive {
            Primitive::Change(_) => '#',
            Primitive::Wait(_) => '=',
            Primitive::Gate(_) => '?',
            Primitive::Task(_) => '+',
            Primitive::Checkpoint(_) => 'o',
        };
        let (from, to) = (column(*begin, total), column(*end, total));
        let bar: String = (0..COLUMNS)
            .map(|at| if at == from || (from..to).contains(&at) { mark } else { ' ' })
            .collect();
        let times = match begin == end {
            true => since_start(*begin),
            false => format!("{} to {}", since_start(*begin), since_start(*end)),
        };
        text += &format!("  {:width$}  |{bar}|  {times}\n", step.id);
    }
    text
}

fn column(at: Duration, total: Duration) -> usize {
    let columns = u64::try_from(COLUMNS).unwrap_or(u64::MAX);
    let column = at.as_secs().saturating_mul(columns) / total.as_secs().max(1);
    usize::try_from(column).unwrap_or(COLUMNS).min(COLUMNS - 1)
}
