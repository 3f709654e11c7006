//! The chain of waits that decides how long a plan takes, and how long the usual runbook waits.
//!
//! Moving mail routing alone takes two waits in series: one before the switch, until the long TTLs
//! have expired, and one after it, until nobody uses the old host. Every further wait is listed
//! with its cause.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::fold::Folds;
use super::{count, is_by_hand};
use crate::document::{Block, Item, Table, Text};
use cutover_base::calendar::{show_span, since_start};
use cutover_mail::dkim::is_dkim;
use cutover_run::artifact::{Artifact, Forecast};
use cutover_steps::graph::{
    Cause, Checkpoint, MovePoint, Origin, Primitive, Step, StepId, Verb, Wait,
};

/// The waits on the longest path through the graph, in order.
fn chain(artifact: &Artifact) -> Vec<(&Step, &Wait)> {
    let steps = artifact.graph.steps();
    let forecasts: BTreeMap<&StepId, &Forecast> =
        artifact.forecast.iter().map(|forecast| (&forecast.step, forecast)).collect();
    let end = |step: &Step| forecasts.get(&step.id).map_or(Duration::ZERO, |f| f.end);
    let mut found = Vec::new();
    let mut at = steps.iter().max_by_key(|step| (end(step), std::cmp::Reverse(&step.id)));
    while let Some(step) = at {
        if let Primitive::Wait(wait) = &step.primitive {
            found.push((step, wait));
        }
        let before = step.after.keys().filter_map(|id| artifact.graph.get(id));
        at = before.max_by_key(|before| (end(before), std::cmp::Reverse(&before.id)));
    }
    found.reverse();
    found
}

/// The cause of a wait, taken from its edge to the step before it.
fn cause(step: &Step) -> Option<&Cause> {
    step.after.values().next()
}

/// Shows the chain of waits.
pub(super) fn waits(artifact: &Artifact) -> Vec<Block> {
    let chain = chain(artifact);
    let total: Duration = chain.iter().map(|(_, wait)| wait.span).sum();
    let head = format!("{} in series, {} in all", count(chain.len(), "wait"), show_span(total));
    let rows = chain.iter().map(|(step, wait)| {
        let why = match (wait.origin, cause(step)) {
            (Origin::Pattern, Some(cause)) => format!("{}: {}", cause.of, step.reason),
            (Origin::Policy | Origin::User, Some(cause)) => {
                format!("{} ({})", step.reason, cause.of)
            }
            (_, None) => step.reason.clone(),
        };
        [show_span(wait.span).into(), Text::value(step.id.as_str()), why.into()]
    });
    let table = Table::new(["waits", "step", "because"], rows);
    let mut blocks = vec![Block::Lines(vec![head.into()]), Block::Table(table)];
    if chain.len() > 2 && artifact.graph.point(MovePoint::BeforeSwitch).is_some() {
        // The two waits of mail routing: the first, and the `keep_old` wait, or else the second.
        let is_kept = |step: &Step| cause(step).is_some_and(|cause| &*cause.of == "keep_old");
        let second =
            chain.iter().skip(1).position(|(step, _)| is_kept(step)).map_or(1, |at| at + 1);
        let others = chain.iter().enumerate().filter(|(at, _)| *at != 0 && *at != second);
        let further = others.map(|(_, (step, _))| {
            let of = cause(step).map(|cause| format!(" ({}: {})", cause.origin.word(), cause.of));
            format!("{}{}", step.id, of.unwrap_or_default())
        });
        let further = further.collect::<Vec<_>>().join(", ");
        let line = format!("mail routing alone needs two; the others: {further}");
        blocks.push(Block::Lines(vec![line.into()]));
    }
    blocks
}

/// A wait of the usual runbook.
struct Habit {
    /// From when to when.
    what: &'static str,
    /// How long guides wait.
    usual: Duration,
    /// Which guides.
    source: &'static str,
    /// How long the plan takes for the same, if it does the same.
    here: fn(&Times<'_>) -> Option<Duration>,
}

const HOUR: u64 = 3_600;

/// What guides for the same move say, each figure with its source.
const RUNBOOK: &[Habit] = &[
    Habit {
        what: "from lower TTLs to the switch",
        usual: Duration::from_secs(48 * HOUR),
        source: "guides say 48 h ahead",
        here: |times| {
            times.between(times.first(Verb::Lower)?, times.begin(MovePoint::BeforeSwitch)?)
        },
    },
    Habit {
        what: "from a wider SPF record to the switch",
        usual: Duration::ZERO,
        source: "guides edit it on the day",
        here: |times| {
            times.between(times.first(Verb::Widen)?, times.begin(MovePoint::BeforeSwitch)?)
        },
    },
    Habit {
        what: "from a new DKIM key to the switch",
        usual: Duration::ZERO,
        source: "guides turn it on after the MX records",
        here: |times| {
            times.between(times.dkim_key(Verb::Publish)?, times.begin(MovePoint::BeforeSwitch)?)
        },
    },
    Habit {
        what: "from the switch to the end of the old host",
        usual: Duration::from_secs(72 * HOUR),
        source: "Microsoft: wait at least 72 h",
        here: |times| {
            times.between(times.end(MovePoint::BeforeSwitch)?, times.begin(MovePoint::Release)?)
        },
    },
    Habit {
        what: "from the switch to a narrower SPF record",
        usual: Duration::ZERO,
        source: "guides remove the old include at once",
        here: |times| {
            times.between(times.end(MovePoint::BeforeSwitch)?, times.first(Verb::Narrow)?)
        },
    },
    Habit {
        what: "from the switch to the end of the old DKIM key",
        usual: Duration::ZERO,
        source: "guides say nothing",
        here: |times| {
            times.between(times.end(MovePoint::BeforeSwitch)?, times.dkim_key(Verb::Remove)?)
        },
    },
];

/// When steps begin and end in an undisturbed run.
struct Times<'a> {
    forecasts: Vec<(&'a Step, &'a Forecast)>,
}

impl<'a> Times<'a> {
    fn of(artifact: &'a Artifact) -> Self {
        let all = artifact.forecast.iter();
        let forecasts = all.filter_map(|one| Some((artifact.graph.get(&one.step)?, one)));
        Self { forecasts: forecasts.collect() }
    }

    /// The first of the matching steps.
    fn earliest(&self, wanted: &dyn Fn(&Step) -> bool) -> Option<&'a Forecast> {
        let found = self.forecasts.iter().filter(|(step, _)| wanted(step));
        found.map(|(_, forecast)| *forecast).min_by_key(|forecast| forecast.begin)
    }

    fn at(&self, point: MovePoint) -> Option<&'a Forecast> {
        self.earliest(&|step| step.is(Checkpoint::Reached(point)))
    }

    fn begin(&self, point: MovePoint) -> Option<Duration> {
        self.at(point).map(|forecast| forecast.begin)
    }

    fn end(&self, point: MovePoint) -> Option<Duration> {
        self.at(point).map(|forecast| forecast.end)
    }

    /// When the first change with this verb begins.
    fn first(&self, verb: Verb) -> Option<Duration> {
        self.earliest(&|step| step.verb() == Some(verb)).map(|forecast| forecast.begin)
    }

    /// When the first change of a DKIM key with this verb begins.
    fn dkim_key(&self, verb: Verb) -> Option<Duration> {
        let of_key = |step: &Step| match &step.primitive {
            Primitive::Change(changes) => {
                let mut keys = changes.changes().iter().map(|change| &change.key);
                changes.verb == verb && keys.any(|key| is_dkim(&key.name))
            }
            Primitive::Wait(_)
            | Primitive::Gate(_)
            | Primitive::Task(_)
            | Primitive::Checkpoint(_) => false,
        };
        self.earliest(&of_key).map(|forecast| forecast.begin)
    }

    #[expect(clippy::unused_self, reason = "reads as a question about the times")]
    fn between(&self, from: Duration, to: Duration) -> Option<Duration> {
        to.checked_sub(from)
    }
}

/// Compares the plan with the usual runbook; `None` if the plan switches nothing.
pub(super) fn runbook(artifact: &Artifact) -> Option<Block> {
    artifact.graph.point(MovePoint::BeforeSwitch)?;
    let times = Times::of(artifact);
    let rows = RUNBOOK.iter().filter_map(|habit| {
        let here = (habit.here)(&times)?;
        let verdict = match habit.usual.cmp(&here) {
            std::cmp::Ordering::Less => {
                format!("acts {} too early", show_span(here - habit.usual))
            }
            std::cmp::Ordering::Greater => {
                format!("waits {} longer than mail needs", show_span(habit.usual - here))
            }
            std::cmp::Ordering::Equal => "waits as long".to_owned(),
        };
        let usual = match habit.usual.is_zero() {
            true => "at once".to_owned(),
            false => show_span(habit.usual),
        };
        let usual = format!("{usual} ({})", habit.source);
        Some([habit.what.into(), usual.into(), show_span(here).into(), verdict.into()])
    });
    Some(Block::Table(Table::new(["", "usual runbook", "this plan", "the runbook"], rows)))
}

/// The ways back: to which points, how long each takes, and what stays.
pub(super) fn ways_back(artifact: &Artifact, folds: &Folds<'_>) -> Block {
    let mut items = Vec::new();
    for point in &artifact.rollback_points {
        let steps = point.graph.steps();
        let changes =
            steps.iter().filter(|step| matches!(step.primitive, Primitive::Change(_))).count();
        let mut ends: BTreeMap<&StepId, Duration> = BTreeMap::new();
        for step in steps {
            let before = step.after.keys().filter_map(|id| ends.get(id)).max();
            let span = match &step.primitive {
                Primitive::Wait(wait) => wait.span,
                Primitive::Change(_)
                | Primitive::Gate(_)
                | Primitive::Task(_)
                | Primitive::Checkpoint(_) => Duration::ZERO,
            };
            ends.insert(&step.id, before.copied().unwrap_or_default() + span);
        }
        let tasks = tasks_before(steps);
        let switch = steps.iter().filter(|step| step.routes_mail());
        let routed = switch.filter_map(|step| ends.get(&step.id)).max();
        let whole = ends.values().max().copied().unwrap_or_default();
        let routed = match routed {
            Some(after) => format!(
                "MX records are restored {}{}, ",
                if after.is_zero() { "at once".to_owned() } else { since_start(*after) },
                match tasks.len() {
                    0 => String::new(),
                    more => format!(", after {}", count(more, "task")),
                }
            ),
            None => String::new(),
        };
        let by_hand = steps.iter().filter(|step| is_by_hand(step) && !tasks.contains(&step.id));
        let later = match by_hand.count() {
            0 => String::new(),
            more => format!(" and {}", count(more, "manual step")),
        };
        let line = Text::from("to ").and_code(&point.name).and(format!(
            ": {}; {routed}everything is done after {} of waiting{later}",
            count(changes, "change"),
            show_span(whole)
        ));
        let residue = folds.lines(&point.residue).into_iter().map(Text::from).collect();
        items.push(Item::new(line, vec![Block::Lines(residue)]));
    }
    // In the folded form, the summary at the top says this.
    let undos = artifact.undos.iter().filter(|_| !folds.any());
    for (step, why) in undos.filter_map(|(step, undo)| match undo {
        cutover_run::artifact::Undo::Never(why) => Some((step, why)),
        cutover_run::artifact::Undo::By(_) | cutover_run::artifact::Undo::Keep => None,
    }) {
        let line = Text::from("no way back from ").and_value(step.as_str());
        items.push(Item::new(line.and(format!(": {why}")), Vec::new()));
    }
    if items.is_empty() {
        items.push(Item::new("none", Vec::new()));
    }
    Block::List(items)
}

/// The tasks that have to be done before mail is routed back.
fn tasks_before(steps: &[Step]) -> BTreeSet<&StepId> {
    let mut up_to: BTreeMap<&StepId, BTreeSet<&StepId>> = BTreeMap::new();
    let mut all: BTreeSet<&StepId> = BTreeSet::new();
    for step in steps {
        let mut own: BTreeSet<&StepId> =
            step.after.keys().filter_map(|id| up_to.get(id)).flatten().copied().collect();
        if step.routes_mail() {
            all.extend(&own);
        }
        if matches!(&step.primitive, Primitive::Task(_)) {
            own.insert(&step.id);
        }
        up_to.insert(&step.id, own);
    }
    all
}
