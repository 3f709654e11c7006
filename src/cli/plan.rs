//! `cutover plan`

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::exit::Exit;
use super::planning::{Plan, Story};
use super::{CommandArgs, Failure, StateArgs, dress, planning, put, put_exactly, shell, tell};
use crate::artifact::Artifact;
use crate::digest::Digest;
use crate::render::text;
use crate::world::real::store::{Found, Store};

/// Compare plans with live DNS and show what would be done, in which order, and when
#[derive(clap::Args)]
pub(super) struct Args {
    /// The plans
    #[arg(required = true, value_name = "PLAN")]
    plans: Vec<PathBuf>,
    /// Write the sealed artifact to this file, for review and for `apply`
    #[arg(short, long, value_name = "ARTIFACT")]
    output: Option<PathBuf>,
    /// How to show the plan
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Make it the successor of the run that is open: applied, it takes that run's place
    #[arg(long)]
    replan: bool,
    /// End with 0 where there is nothing to change, with 2 where there is, with 1 after any error
    #[arg(long)]
    detailed_exitcode: bool,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    commands: CommandArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Text,
    /// For machines: the artifact itself
    Json,
}

impl Format {
    pub(super) fn put(self, artifact: &Artifact) -> Result<(), Failure> {
        match self {
            Self::Text => put(&text::plan(artifact, dress(&std::io::stdout()))),
            Self::Json => put_exactly(&artifact.encode()),
        }
    }
}

pub(super) async fn run(args: Args) -> Result<Exit, Failure> {
    if args.output.is_some() && args.plans.len() > 1 {
        let text = "error: `-o` takes one plan: each artifact is a file of its own";
        return Err(Failure::new(Exit::Usage, text));
    }
    let mut changes = false;
    for path in &args.plans {
        let plan = planning::read_plan(path)?;
        let mut artifact =
            planning::plan(path, &plan, &args.state, args.commands.allowed()).await?;
        if args.replan {
            artifact.parent = Some(open(path, &plan, &args.state)?);
        }
        changes |= !artifact.graph.steps().is_empty();
        args.format.put(&artifact)?;
        let story = match args.format {
            Format::Text => Story::Shown,
            Format::Json => Story::Untold,
        };
        let undone = args
            .output
            .as_ref()
            .map(|output| format!("nothing was written to {}", output.display()));
        let undone = undone.unwrap_or_else(|| "it cannot be applied as it is".to_owned());
        planning::not_refuted(&artifact, story, &undone)?;
        if let Err(clash) = planning::is_alone(&artifact, &args.state.dir(path)) {
            tell(&format!(
                "{}\nnote: it can be planned, and not applied as long as that is so",
                clash.text
            ));
        }
        if let Some(output) = &args.output {
            write(output, &artifact)?;
            let apply = format!("cutover apply {}", shell(output));
            tell(&format!("\nwritten to {}; apply it with `{apply}`", output.display()));
        }
    }
    match args.detailed_exitcode && changes {
        true => Ok(Exit::Changes),
        false => Ok(Exit::Done),
    }
}

/// The digest of the run that is open.
fn open(path: &Path, plan: &Plan, state: &StateArgs) -> Result<Digest, Failure> {
    let store = Store::new(&state.dir(path), &plan.intent.name);
    let found = store.newest().map_err(|error| Failure::error(&error))?;
    let goes = |found: &Found| found.run.state.finished.is_none() && !found.run.state.leaves();
    let open = found.filter(|found| goes(found) && !found.run.artifact.is_way_back());
    open.map(|found| found.run.state.artifact()).ok_or_else(|| {
        let text = format!("error: no run of {} is open that this could take the place of\nhelp: plan without `--replan`", plan.intent.name);
        Failure::new(Exit::Usage, text)
    })
}

fn write(output: &Path, artifact: &Artifact) -> Result<(), Failure> {
    let text = artifact.encode();
    let write = || match fs::metadata(output) {
        // A pipe or a device is written to and never replaced.
        Ok(found) if !found.is_file() => fs::write(output, &text),
        // A reader must never find half an artifact; and a link stays one.
        Ok(_) => replace(&fs::canonicalize(output)?, &text),
        Err(_) => replace(output, &text),
    };
    write().map_err(|error| {
        Failure::new(Exit::Error, format!("error: {} cannot be written: {error}", output.display()))
    })
}

fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    // What a reviewer reads is nobody's secret; the system's own mask still applies.
    let mode = fs::Permissions::from_mode(0o666);
    let file = tempfile::Builder::new().permissions(mode).tempfile_in(super::base(path));
    let mut file = file?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}
