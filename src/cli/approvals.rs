//! `cutover approvals`

use std::path::PathBuf;

use super::approving::DemandArgs;
use super::exit::Exit;
use super::failure::Failure;
use super::{print_out, print_raw, show, styling};
use crate::render::approvals::approvals;
use crate::render::approvals_json::json;
use crate::world::real::now;

/// Show who has approved an artifact, until when, and what is missing
#[derive(clap::Args)]
#[command(after_help = "\
Exits with 6 if approvals are missing. Without `--allowed-signers` it shows which keys have signed, but \
nobody knows whose they are, and none of them counts.")]
pub(super) struct Args {
    /// The artifact
    artifact: PathBuf,
    /// How to show it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    demand: DemandArgs,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let Args { artifact: path, format, demand } = args;
    let artifact = show::read(path)?;
    let standing = demand.standing(path, (&artifact, artifact.digest()), None)?;
    let who = demand.is_known_who();
    match format {
        Format::Text => {
            let shown = approvals(&artifact, &standing, who, now());
            print_out(&shown.text(styling(&std::io::stdout())))?;
        }
        Format::Json => print_raw(&json(&artifact, &standing, who))?,
    }
    demand.check_new(path, &artifact)?;
    let is_missing = standing.need > 0 && (!who || standing.missing() > 0);
    Ok(if is_missing { Exit::ApprovalNeeded } else { Exit::Done })
}
