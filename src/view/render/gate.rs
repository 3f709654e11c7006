//! What is said of gates and tasks.

use super::count;
use crate::document::Text;
use cutover_base::calendar::show_span;
use cutover_steps::config::ConfigSpec;
use cutover_steps::graph::gate::{Failing, Gate, Pace};
use cutover_steps::graph::task::{Task, Work};

/// What the gate asks, when it passes, what happens otherwise, and what the plan relies on then.
pub(super) fn lines(gate: &Gate) -> Vec<Text> {
    let Gate { probe, settings, expect, delay, pace, on_fail, evidence } = gate;
    let settings = settings.iter().map(|(key, value)| format!(" {key} {}", shown(value)));
    let about = match expect.len() {
        0 => String::new(),
        names => format!(", for {}", count(names, "RRset")),
    };
    let asks = format!("{probe}{}{about}", settings.collect::<String>());
    let first = match delay.is_zero() {
        true => String::new(),
        false => format!("{} after what comes before it, ", show_span(*delay)),
    };
    let passes = passes(pace);
    let otherwise = otherwise(pace, on_fail);
    let lines = [
        format!("asks: {asks}"),
        format!("passes: {first}{passes}"),
        format!("otherwise: {otherwise}"),
    ];
    let established = evidence.as_ref().map(|evidence| {
        format!(
            "establishes: {}; asked again if that is older than {} when a step begins that relies on it",
            evidence.facts.join(", "),
            show_span(evidence.age_max)
        )
    });
    lines.into_iter().chain(established).map(Text::from).collect()
}

/// What a task has besides its title: its time limit and its check.
pub(super) fn of_task(task: &Task) -> Vec<Text> {
    let Task { work, check, within, purpose: _ } = task;
    let limit = match work {
        Work::Command(_) => Some(format!("within: {}", show_span(*within)).into()),
        Work::Manual(_) => None,
    };
    let check = check.as_ref();
    let check = check.map(|argv| Text::from("done if: ").and_code(argv.join(" ")).and(" succeeds"));
    limit.into_iter().chain(check).collect()
}

fn shown(value: &ConfigSpec) -> String {
    match value {
        ConfigSpec::Text(text) => format!("`{text}`"),
        ConfigSpec::Argv(texts) => format!("`{}`", texts.join(" ")),
        ConfigSpec::Number(number) => number.to_string(),
        ConfigSpec::Bool(flag) => flag.to_string(),
        ConfigSpec::Secret(_) => "a secret".to_owned(),
        ConfigSpec::Object(all) => {
            let all = all.iter().map(|(key, value)| format!("{key} {}", shown(value)));
            all.collect::<Vec<_>>().join(", ")
        }
    }
}

fn passes(pace: &Pace) -> String {
    let every = show_span(pace.every);
    match (pace.count, pace.success_limit) {
        (Some(1), None) => "after 1 answer".to_owned(),
        (Some(answers), None) => format!("after {answers} answers, one every {every}"),
        (None, Some(row)) => format!("after {row} passes in a row, one every {every}"),
        (Some(answers), Some(row)) => {
            format!("after {row} passes in a row within {answers} answers, one every {every}")
        }
        (None, None) => "never".to_owned(),
    }
}

fn otherwise(pace: &Pace, on_fail: &Failing) -> String {
    let Pace { fail_limit, inconclusive_limit, unanswered_limit, .. } = pace;
    let then = match on_fail {
        Failing::Halt => "halts".to_owned(),
        Failing::Rollback { to } => format!("rolls back to {to}"),
        Failing::Ask => "halts, and a person may let the gate pass".to_owned(),
    };
    format!(
        "with more than {} the run {then}; with more than {inconclusive_limit} inconclusive answers, or more than {unanswered_limit} unanswered questions in a row, it halts",
        count(usize::try_from(*fail_limit).unwrap_or(usize::MAX), "failure"),
    )
}
