//! `cutover show`

use std::path::PathBuf;

use super::exit::Exit;
use super::plan::Format;
use super::{Failure, put};
use crate::world::real::store::read_artifact;

/// Show a sealed artifact as `plan` showed it
#[derive(clap::Args)]
pub(super) struct Args {
    /// The artifact
    artifact: PathBuf,
    /// How to show it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let artifact = read_artifact(&args.artifact)
        .map_err(|error| Failure::new(Exit::Usage, format!("error: {error}")))?;
    put(&args.format.show(&artifact))?;
    Ok(Exit::Done)
}
