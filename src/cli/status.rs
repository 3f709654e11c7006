//! `cutover status`

use std::path::PathBuf;

use super::exit::Exit;
use super::{Failure, StateArgs, dress, planning, put};
use crate::render::status::status;
use crate::world::real::now;
use crate::world::real::store::{Found, Store};

/// Show where the newest run of a plan stands
#[derive(clap::Args)]
pub(super) struct Args {
    /// The plan, or an artifact of it
    #[arg(value_name = "PLAN|ARTIFACT")]
    plan: PathBuf,
    #[command(flatten)]
    state: StateArgs,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    match newest(&args.plan, &args.state)? {
        Some(found) => {
            let dress = dress(&std::io::stdout());
            put(&status(&found.run.artifact, &found.run.state, now(), dress))?;
        }
        None => put("no run yet\n")?,
    }
    Ok(Exit::Done)
}

/// The newest run of the plan in a file.
pub(super) fn newest(path: &std::path::Path, state: &StateArgs) -> Result<Option<Found>, Failure> {
    let input = planning::read(path)?;
    Store::new(&state.dir(path), input.name()).newest().map_err(|error| Failure::error(&error))
}
