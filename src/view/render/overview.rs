//! Runs in a line each: what `status --all` shows of them.
//!
//! A [`Line`] holds instants and no texts about them, so it can be made when a run was last looked at
//! and shown later.

use std::time::Duration;

use chrono_tz::Tz;

use crate::document::{Block, Document, Table, Text};
use cutover_base::calendar::window::Windows;
use cutover_base::calendar::{Timestamp, show_instant, show_instant_in, show_span};
use cutover_run::artifact::Artifact;
use cutover_run::engine::next::Pause;
use cutover_run::engine::view::{Due, RunView, Stage};
use cutover_run::journal::HaltReason;
use cutover_steps::graph::StepId;

/// A run in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Whether it is the way back of another run.
    pub is_way_back: bool,
    /// What it is doing.
    pub doing: Doing,
    /// What comes next; `None` if nothing does, or only people are waited for.
    pub next: Option<NextUp>,
}

/// What a run is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Nothing more.
    Finished {
        /// Since when.
        at: Timestamp,
    },
    /// It stands still.
    Halted {
        /// At which step, and why.
        words: String,
    },
    /// It waits for a person.
    Person {
        /// The step that the person has to do.
        step: String,
    },
    /// It goes on.
    Going {
        /// How long it takes at least, once what comes next is due.
        then: Duration,
    },
}

/// The step that comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextUp {
    /// Its id.
    pub step: String,
    /// Not before this time, for this reason; `None` if nothing holds it up.
    pub not_before: Option<(Timestamp, Pause)>,
    /// The time zone of its windows.
    pub zone: Tz,
}

impl Line {
    /// A run as it is now.
    #[must_use]
    pub fn of(view: &RunView<'_>) -> Self {
        let due = view.due().filter(|_| view.stage.continues());
        let doing = match view.stage {
            Stage::Finished { at } => Doing::Finished { at },
            Stage::Halted(stopped) => {
                let words = halted_at(view.artifact, &stopped.halt.step, stopped.halt.reason);
                Doing::Halted { words }
            }
            Stage::Running | Stage::Settling => match view.by_hand().next() {
                Some((step, _)) => Doing::Person { step: step.to_string() },
                None => {
                    let until_due = due.map_or(Duration::ZERO, |due| until(due.at, view.now));
                    Doing::Going { then: view.remaining.saturating_sub(until_due) }
                }
            },
        };
        Self { is_way_back: view.artifact.is_way_back(), doing, next: due.map(NextUp::of) }
    }

    /// What it is doing, in a few words.
    pub(super) fn headline(&self, now: Timestamp) -> String {
        match &self.doing {
            Doing::Finished { at } => format!("finished {}", show_instant(*at, now)),
            Doing::Halted { words } => words.clone(),
            Doing::Person { step } => format!("{step} waits for a person"),
            Doing::Going { then } => {
                let next = self.next.as_ref().and_then(|next| next.not_before);
                let until_due = next.map_or(Duration::ZERO, |(at, _)| until(at, now));
                let left = Duration::from_secs((until_due + *then).as_secs());
                format!("at least {} left", show_span(left))
            }
        }
    }
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    (at - now).to_std().unwrap_or_default()
}

impl NextUp {
    pub(super) fn of(Due { step, at, pause }: Due<'_>) -> Self {
        Self {
            step: step.id.to_string(),
            not_before: pause.map(|pause| (at, pause)),
            zone: step.window.as_ref().map_or(Tz::UTC, Windows::zone),
        }
    }

    /// What comes next, and when.
    pub(super) fn text(&self, now: Timestamp) -> Text {
        let next = Text::from("Next: ").and_value(&self.step);
        let Some((at, pause)) = self.not_before.filter(|(at, _)| *at > now) else {
            return next.and(", as soon as the run is continued.");
        };
        let what = match pause {
            Pause::Wait => "ends",
            Pause::Window => "can be reached",
            Pause::Gate => "is asked",
            Pause::ForeignRecords => "waits until somebody else's records expire:",
            Pause::Propagation => "counts as served",
            Pause::Doubt => "is looked at again",
            Pause::Retry => "is tried again",
        };
        next.and(format!(" {what} {}.", show_instant_in(at, now, self.zone)))
    }
}

/// What stopped a run, and where.
pub(super) fn halted_at(artifact: &Artifact, step: &StepId, reason: HaltReason) -> String {
    format!("halted at {step}: {}", reason.words(artifact.graph.get(step)))
}

/// Shows the newest runs of several plans, each with its name, or why it cannot be read.
#[must_use]
pub fn overview<'l>(
    runs: impl IntoIterator<Item = (&'l str, Result<&'l Line, String>)>,
    now: Timestamp,
) -> Document {
    let rows = runs.into_iter().map(|(plan, line)| match line {
        Err(why) => [Text::value(plan), "cannot be read".into(), why.into()],
        Ok(line) => {
            let way = if line.is_way_back { "way back: " } else { "" };
            let next = line.next.as_ref().map_or(Text::default(), |next| next.text(now));
            [Text::value(plan), format!("{way}{}", line.headline(now)).into(), next]
        }
    });
    Document(vec![Block::Table(Table::new(["plan", "state", ""], rows))])
}
