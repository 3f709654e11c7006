//! `cutover log`

use std::path::PathBuf;

use super::exit::Exit;
use super::{Failure, StateArgs, put, status};
use crate::render::status::entry;

/// Show what has happened in the newest run of a plan, with times
#[derive(clap::Args)]
pub(super) struct Args {
    /// The plan, or an artifact of it
    #[arg(value_name = "PLAN|ARTIFACT")]
    plan: PathBuf,
    #[command(flatten)]
    state: StateArgs,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    match status::newest(&args.plan, &args.state)? {
        Some(found) => put(&found.entries.iter().map(|e| entry(e) + "\n").collect::<String>())?,
        None => put("no run yet\n")?,
    }
    Ok(Exit::Done)
}
