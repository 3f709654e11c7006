//! `cutover confirm`

use super::exit::Exit;
use super::running::{allow, lock, newest_still, reach};
use super::{Failure, StateArgs, planning, put, shell};
use crate::graph::StepId;
use crate::world::real::store::Store;

/// Let a gate pass that has failed and was left to a person (`on_fail: ask`)
#[derive(clap::Args)]
#[command(after_help = "\
The gate counts as passed from then on, and the reason stands in the journal. Nothing else is done: go \
on with `apply`.")]
pub(super) struct Args {
    /// The plan, or an artifact of it
    #[arg(value_name = "PLAN|ARTIFACT")]
    input: std::path::PathBuf,
    /// The step, as `status` names it
    step: String,
    /// Why
    #[arg(long, value_name = "WHY")]
    reason: String,
    #[command(flatten)]
    state: StateArgs,
}

pub(super) async fn run(args: Args) -> Result<Exit, Failure> {
    let Args { input: path, step, reason, state } = args;
    let input = planning::read(&path)?;
    let store = Store::new(&state.dir(&path), input.name());
    let found = store.newest().map_err(|error| Failure::error(&error))?;
    let usage = |text: String| Failure::new(Exit::Usage, format!("error: {text}"));
    let none = || usage(format!("there is no run of {}", input.name()));
    let seen = found.ok_or_else(none)?.journal;
    let lock = lock(&store)?;
    let found = newest_still(&store, Some(&seen))?.ok_or_else(none)?;
    let step = StepId::new(step);
    let reached = reach(&path, &found.run.artifact)?;
    allow(found, reached, &lock, step.clone(), reason)?;
    put(&format!("{step} is passed: go on with `cutover apply {}`\n", shell(&path)))?;
    Ok(Exit::Done)
}
