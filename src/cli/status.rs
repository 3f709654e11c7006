//! `cutover status`

use std::path::PathBuf;

use super::exit::Exit;
use super::running::is_by_hand;
use super::{Failure, Invocation, StateArgs, planning, print_out, styling};
use crate::render::status::status;
use crate::world::real::now;
use crate::world::real::store::{Found, Runs};

/// Show the state of the newest run of a plan
#[derive(clap::Args)]
pub(super) struct Args {
    /// The plan, or an artifact of it
    #[arg(value_name = "PLAN|ARTIFACT")]
    plan: PathBuf,
    /// Exit as `apply` would: 0 if the run is done or there is none, 4 if it waits, 5 if it halted
    /// or was rolled back, 6 if it needs a person, 7 if it is stuck
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    state: StateArgs,
}

pub(super) async fn run(args: &Args) -> Result<Exit, Failure> {
    let runs = runs(&args.plan, &args.state)?;
    let Some(found) = runs.newest().await.map_err(|error| Failure::error(&error))? else {
        print_out("no run yet\n")?;
        return Ok(Exit::Done);
    };
    let styling = styling(&std::io::stdout());
    print_out(&status(&found.run.artifact, &found.run.state, now(), styling))?;
    let invocation = Invocation::of(&args.plan, &args.state);
    for (step, _) in is_by_hand(&found.run.artifact, &found.run.state) {
        let line = invocation.line("confirm", &format!("{step} --reason WHY"));
        print_out(&format!("When {step} is done, run `{line}`.\n"))?;
    }
    match args.exit_code {
        true => Ok(exit(&found)),
        false => Ok(Exit::Done),
    }
}

/// The exit code of `apply`, should nothing change until then.
fn exit(found: &Found) -> Exit {
    let (artifact, state) = (&found.run.artifact, &found.run.state);
    if state.finished.is_some() {
        // It was rolled back or superseded.
        let has_left = artifact.is_way_back() || state.replaced.is_some();
        return if has_left { Exit::Halted } else { Exit::Done };
    }
    if let Some(halted) = &state.halted {
        return Exit::of_halt(artifact, halted);
    }
    let needs_person = is_by_hand(artifact, state).next().is_some();
    if needs_person { Exit::ApprovalNeeded } else { Exit::Waiting }
}

/// The runs of the plan or artifact in a file.
pub(super) fn runs(path: &std::path::Path, state: &StateArgs) -> Result<Runs, Failure> {
    let input = planning::read(path)?;
    Ok(state.runs(path, input.name()))
}
