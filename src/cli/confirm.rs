//! `cutover confirm`

use std::path::PathBuf;

use super::exit::Exit;
use super::running::{Reach, Word, newest_still, not_confirmable, owner, record_word};
use super::{Failure, Invocation, StateArgs, planning, print_out};
use crate::calendar::Moment;
use crate::graph::StepId;
use crate::journal::Event;
use crate::world::real::store::{Found, Store, StoreError};
use crate::world::real::{inbox, now, steady};

/// Confirm a task or a fact, or let a failed gate pass
#[derive(clap::Args)]
#[command(override_usage = "\
cutover confirm [OPTIONS] <PLAN|ARTIFACT> <STEP> --reason <WHY>
       cutover confirm [OPTIONS] <PLAN|ARTIFACT> <STEP> --not-done [--reason <WHY>]")]
#[command(after_help = "\
The step then counts as done, and the journal keeps your reason. If a process is running the plan, it \
continues within a second; otherwise continue with `apply`.")]
pub(super) struct Args {
    /// The plan, or an artifact of it
    #[arg(value_name = "PLAN|ARTIFACT")]
    input: PathBuf,
    /// The step, as shown by `status`
    step: String,
    /// Why, or how you know; kept in the journal
    #[arg(long, value_name = "WHY", required_unless_present = "not_done", value_parser = reason)]
    reason: Option<String>,
    /// Say that a task in doubt was not done: it runs again
    #[arg(long)]
    not_done: bool,
    #[command(flatten)]
    state: StateArgs,
}

/// The journal keeps the reason for good, so it must not be empty.
fn reason(text: &str) -> Result<String, &'static str> {
    match text.chars().any(char::is_alphanumeric) {
        true => Ok(text.to_owned()),
        false => Err("give a reason in words: readers of the journal will want to know why"),
    }
}

pub(super) async fn run(args: Args) -> Result<Exit, Failure> {
    let Args { input: path, step, reason, not_done, state } = args;
    let input = planning::read(&path)?;
    let store = Store::new(&state.dir(&path), input.name());
    let found = store.newest().map_err(|error| Failure::error(&error))?;
    let none = || {
        let text = format!("error: there is no run of {}", input.name());
        Failure::new(Exit::Usage, text)
    };
    let found = found.ok_or_else(none)?;
    let step = StepId::new(step);
    let word = match (not_done, reason) {
        (true, reason) => Word::NotDone(reason),
        (false, reason) => Word::Done(reason.expect("it is required")),
    };
    match store.lock(&owner()) {
        Ok(lock) => {
            let found = newest_still(&store, Some(&found.journal))?.ok_or_else(none)?;
            let goes_back =
                found.run.artifact.is_way_back() || found.run.state.turned_back.is_some();
            let command = if goes_back { "rollback" } else { "apply" };
            record_word(found, Reach::nothing(&path), &lock, &step, word)?;
            let next = Invocation::of(&path, &state).line(command, "");
            print_out(&format!("{step}: recorded; continue with `{next}`\n"))?;
        }
        Err(StoreError::Locked { .. }) => {
            leave_word(&found, &step, word)?;
            print_out(&format!("{step}: passed on to the process that runs the plan\n"))?;
        }
        Err(error) => return Err(Failure::error(&error)),
    }
    Ok(Exit::Done)
}

/// Leaves a confirmation for the process that has the lock, if its run is waiting for it.
fn leave_word(found: &Found, step: &StepId, word: Word) -> Result<(), Failure> {
    let Word::Done(reason) = word else {
        let text =
            "error: a process is running the plan, and knows itself whether the task was done";
        return Err(Failure::new(Exit::Usage, text));
    };
    let moment = Moment { at: now(), steady: steady() };
    let event = Event::Allowed { step: step.clone(), reason: reason.clone() };
    let mut state = found.run.state.clone();
    let inbox = inbox::of_journal(&found.journal);
    // Earlier confirmations may still lie in the inbox, so count them in.
    for earlier in found.run.artifact.graph.steps() {
        if let Some(reason) = inbox::taken(&inbox, earlier.id.as_str()) {
            let event = Event::Allowed { step: earlier.id.clone(), reason };
            let mut after = state.clone();
            if after.apply(&found.run.artifact, moment, &event).is_ok() {
                state = after;
            }
        }
    }
    let may_follow = state.apply(&found.run.artifact, moment, &event);
    may_follow.map_err(|error| not_confirmable(step, &error))?;
    inbox::say(&inbox, step.as_str(), &reason).map_err(|error| Failure::error(&error))
}
