//! `cutover status`

use std::path::PathBuf;

use super::exit::Exit;
use super::failure::Failure;
use super::{Invocation, StateArgs, planning, print_out, print_raw, styling};
use crate::engine::view::{RunView, Stage};
use crate::render::status::status;
use crate::render::status_json::json;
use crate::world::real::now;

/// Show the state of the newest run of a plan
#[derive(clap::Args)]
pub(super) struct Args {
    /// The plan, an artifact of it, or its name
    #[arg(value_name = "PLAN|ARTIFACT|NAME")]
    plan: PathBuf,
    /// Exit as `apply` would: 0 if the run is done or there is none, 4 if it waits, 5 if it halted
    /// or was rolled back, 6 if it needs a person, 7 if it is stuck
    #[arg(long)]
    exit_code: bool,
    /// How to show it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    state: StateArgs,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs: `null` if there is no run yet
    Json,
}

pub(super) async fn run(args: &Args) -> Result<Exit, Failure> {
    let runs = planning::runs(&args.plan, &args.state).await?;
    let Some(found) = runs.newest().await? else {
        match args.format {
            Format::Text => print_out("no run yet\n")?,
            Format::Json => print_raw("null\n")?,
        }
        return Ok(Exit::Done);
    };
    let view = RunView::of(&found.run.artifact, &found.run.state, now());
    match args.format {
        Format::Text => show(&view, Invocation::of(&args.plan, &args.state))?,
        Format::Json => print_raw(&json(&view))?,
    }
    match args.exit_code {
        true => Ok(exit(&view)),
        false => Ok(Exit::Done),
    }
}

fn show(view: &RunView<'_>, invocation: Invocation<'_>) -> Result<(), Failure> {
    print_out(&status(view).text(styling(&std::io::stdout())))?;
    for (step, _) in view.by_hand() {
        let line = invocation.line("confirm", &format!("{step} --reason WHY"));
        print_out(&format!("When {step} is done, run `{line}`.\n"))?;
    }
    Ok(())
}

/// The exit code of `apply`, should nothing change until then.
fn exit(view: &RunView<'_>) -> Exit {
    match view.stage {
        // It was rolled back or superseded.
        Stage::Finished { .. } if view.artifact.is_way_back() || view.superseded_by.is_some() => {
            Exit::Halted
        }
        Stage::Finished { .. } => Exit::Done,
        Stage::Halted(stopped) => Exit::of_halt(view.artifact, stopped.halt),
        Stage::Running | Stage::Settling => match view.by_hand().next() {
            Some(_) => Exit::ApprovalNeeded,
            None => Exit::Waiting,
        },
    }
}
