//! `cutover confirm`

use std::path::PathBuf;

use super::exit::Exit;
use super::failure::{Code, ErrorFormat, Failure, Message};
use super::running::{Reach, Word, claim, newest_still, not_confirmable, record_word};
use super::standing::holding;
use super::{Invocation, StateArgs, planning, print_out};
use crate::calendar::Moment;
use crate::graph::StepId;
use crate::journal::Event;
use crate::world::real::store::{Found, Note, Runs, StoreError};
use crate::world::real::{now, steady};

/// Confirm a task or a fact, or let a failed gate pass
#[derive(clap::Args)]
#[command(override_usage = "\
cutover confirm [OPTIONS] <PLAN|ARTIFACT|NAME> <STEP> --reason <WHY>
       cutover confirm [OPTIONS] <PLAN|ARTIFACT|NAME> <STEP> --not-done [--reason <WHY>]")]
#[command(after_help = "\
The step then counts as done, and the journal keeps your reason. If a process is running the plan, it \
continues within a second; otherwise continue with `apply`.")]
pub(super) struct Args {
    /// The plan, an artifact of it, or its name
    #[arg(value_name = "PLAN|ARTIFACT|NAME")]
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

pub(super) async fn run(args: Args, errors: ErrorFormat) -> Result<Exit, Failure> {
    let Args { input: path, step, reason, not_done, state } = args;
    let runs = planning::runs(&path, &state).await?;
    let found = runs.newest().await?;
    let none = || {
        let text = format!("there is no run of {}", runs.plan());
        Message::new(Code::NoRun, text).usage()
    };
    let found = found.ok_or_else(none)?;
    let step = StepId::new(step);
    let word = match (not_done, reason) {
        (true, reason) => Word::NotDone(reason),
        (false, reason) => Word::Done(reason.expect("it is required")),
    };
    match runs.lease(&claim()).await {
        Ok(lease) => {
            let command = holding(&runs, lease, async |lease| {
                let found = newest_still(&runs, Some(&found.id)).await?.ok_or_else(none)?;
                let goes_back =
                    found.run.artifact.is_way_back() || found.run.state.turned_back.is_some();
                let reach = Reach::nothing(&path, errors);
                record_word((&runs, lease), found, reach, &step, word).await?;
                Ok(if goes_back { "rollback" } else { "apply" })
            });
            let command = command.await?;
            let next = Invocation::of(&path, &state).line(command, "");
            print_out(&format!("{step}: recorded; continue with `{next}`\n"))?;
        }
        Err(StoreError::Locked { .. }) => {
            leave_word(&runs, &found, &step, word).await?;
            print_out(&format!("{step}: passed on to the process that runs the plan\n"))?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Exit::Done)
}

/// Leaves a confirmation for the process that has the lease, if its run is waiting for it.
async fn leave_word(runs: &Runs, found: &Found, step: &StepId, word: Word) -> Result<(), Failure> {
    let Word::Done(reason) = word else {
        let text = "a process is running the plan, and knows itself whether the task was done";
        return Err(Message::new(Code::NotConfirmable, text).usage());
    };
    let moment = Moment { at: now(), steady: steady() };
    let event = Event::Allowed { step: step.clone(), reason: reason.clone() };
    let mut state = found.run.state.clone();
    // The process may not have read earlier confirmations yet, so count them in.
    for earlier in found.run.artifact.graph.steps() {
        let said = runs.store().note(&found.id, Note::Done(earlier.id.as_str())).await?;
        if let Some(reason) = said {
            let event = Event::Allowed { step: earlier.id.clone(), reason };
            let mut after = state.clone();
            if after.apply(&found.run.artifact, moment, &event).is_ok() {
                state = after;
            }
        }
    }
    let may_follow = state.apply(&found.run.artifact, moment, &event);
    may_follow.map_err(|error| not_confirmable(step, &error))?;
    Ok(runs.store().leave(&found.id, Note::Done(step.as_str()), &reason).await?)
}
