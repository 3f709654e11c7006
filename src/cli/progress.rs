//! Progress of a run: a line for each event and, on a terminal, a live line for the current wait.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::person::manual_task;
use super::{Invocation, is_one_of_several, print_err};
use crate::artifact::Artifact;
use crate::calendar::{Timestamp, show_span};
use crate::engine::RunState;
use crate::engine::view::by_hand;
use crate::graph::StepId;
use crate::render::status::entry;
use crate::world::Progress;
use crate::world::real::now;

/// Shows progress on standard error.
pub(super) struct Shown<'a> {
    bar: Option<ProgressBar>,
    invocation: Invocation<'a>,
    /// The steps that a person was already told about.
    asked: RefCell<BTreeSet<StepId>>,
}

impl<'a> Shown<'a> {
    pub(super) fn new(artifact: &Artifact, invocation: Invocation<'a>) -> Self {
        // Several bars would overwrite each other.
        let is_drawn = std::io::stderr().is_terminal() && !is_one_of_several();
        let bar = is_drawn.then(|| {
            let steps = artifact.graph.steps().len();
            let bar = ProgressBar::new(u64::try_from(steps).unwrap_or(u64::MAX));
            let style = ProgressStyle::with_template("{bar:20} {pos}/{len} steps  {msg}");
            bar.set_style(style.expect("a fixed template"));
            bar
        });
        Self { bar, invocation, asked: RefCell::default() }
    }

    /// Says what to do for each step that waits for a person, once per step.
    fn ask(&self, artifact: &Artifact, state: &RunState) {
        for (step, words) in by_hand(artifact, state) {
            if self.asked.borrow_mut().insert(step.clone()) {
                let text = manual_task(step, words, self.invocation);
                match &self.bar {
                    None => print_err(text.trim_end()),
                    Some(bar) => bar.println(text.trim_end()),
                }
            }
        }
    }

    pub(super) fn watch(&self, artifact: &Artifact, state: &RunState, progress: &Progress<'_>) {
        match (progress, &self.bar) {
            (Progress::Event(event), None) => print_err(&entry(artifact, event)),
            (Progress::Event(event), Some(bar)) => bar.println(entry(artifact, event)),
            (Progress::Sleeping { .. }, None) => self.ask(artifact, state),
            (Progress::Sleeping { until }, Some(bar)) => {
                self.ask(artifact, state);
                bar.set_message(waited_for(artifact, state, *until));
            }
        }
        if let Some(bar) = &self.bar {
            let steps = 0..artifact.graph.steps().len();
            let done = steps.filter(|place| state.at(*place).is_done());
            bar.set_position(u64::try_from(done.count()).unwrap_or(u64::MAX));
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The current wait, its remaining time, and how many other steps are open.
fn waited_for(artifact: &Artifact, state: &RunState, until: Timestamp) -> String {
    let rest = (until - now()).to_std().unwrap_or_default();
    let rest = show_span(Duration::from_secs(rest.as_secs()));
    let open: Vec<&str> =
        state.ready().map(|place| artifact.graph.steps()[place].id.as_str()).collect();
    match open.as_slice() {
        [] => format!("{rest} left"),
        [one] => format!("{one}: {rest} left"),
        [first, others @ ..] => format!("{first} and {} more: {rest} left", others.len()),
    }
}
