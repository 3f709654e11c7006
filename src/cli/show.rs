//! `cutover show`

use std::path::{Path, PathBuf};

use super::exit::Exit;
use super::failure::{Code, Failure, Message};
use super::plan::{Commands, FormArgs, Format};
use super::{planning, print_out, styling};
use crate::artifact::Artifact;
use crate::calendar::{Timestamp, parse_instant};
use crate::render::calendar::calendar;
use crate::sim::forecast_from;
use crate::world::real::store::{ReadError, read_artifact};

/// Show a sealed artifact as `plan` showed it
#[derive(clap::Args)]
pub(super) struct Args {
    /// The artifact
    artifact: PathBuf,
    #[command(flatten)]
    form: FormArgs,
    /// Also show when each step would begin and end if the run started at this time, with windows
    /// and freezes: `2026-12-01T09:00:00+01:00`
    #[arg(long, value_name = "TIME", value_parser = instant)]
    start: Option<Timestamp>,
}

fn instant(text: &str) -> Result<Timestamp, &'static str> {
    parse_instant(text).ok_or("expected date, time and UTC offset: `2026-12-01T09:00:00+01:00`")
}

/// The input is wrong, whichever way it cannot be read.
fn unusable(error: ReadError) -> Failure {
    let code = match &error {
        ReadError::Artifact { .. } => Code::ArtifactUnusable,
        ReadError::Store(_) | ReadError::Line { .. } => Code::InputUnreadable,
    };
    Message::new(code, error.to_string()).usage()
}

/// Reads an artifact, and checks that nobody has edited it.
pub(super) fn read(path: &Path) -> Result<Artifact, Failure> {
    let artifact = read_artifact(path).map_err(unusable)?;
    planning::check_consistent(&artifact)?;
    Ok(artifact)
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    args.form.check()?;
    if args.start.is_some() && args.form.format != Format::Text {
        let text = "`--start` works with `--format text` only: an artifact holds no dates";
        return Err(Message::new(Code::Usage, text).usage());
    }
    let artifact = read(&args.artifact)?;
    let commands = Commands::of_file(&args.artifact, &artifact, None);
    args.form.print(&artifact, &commands)?;
    if let Some(start) = args.start.filter(|_| !artifact.graph.steps().is_empty()) {
        let forecast = forecast_from(&artifact, start).map_err(|halt| planning::never(&halt))?;
        let calendar = calendar(&artifact, &forecast, start);
        print_out(&format!("\n{}", calendar.text(styling(&std::io::stdout()))))?;
    }
    Ok(Exit::Done)
}
