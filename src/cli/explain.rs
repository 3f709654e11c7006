//! `cutover explain`

use std::path::{Path, PathBuf};

use super::exit::Exit;
use super::planning::{self, Input};
use super::{CommandArgs, Failure, StateArgs, print_out, styling};
use crate::render::explain;

/// Explain why a step or a wait is there and what would break without it, or what an invariant or a
/// fact means
#[derive(clap::Args)]
pub(super) struct Args {
    /// A plan or an artifact, the name of an invariant, or `facts`
    subject: PathBuf,
    /// The step; without it, all steps are listed
    step: Option<String>,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    commands: CommandArgs,
}

pub(super) async fn run(args: Args) -> Result<Exit, Failure> {
    let word = args.subject.to_str().unwrap_or_default();
    if let (Some(document), None) = (explain::word(word), &args.step) {
        print_out(&document.text(styling(&std::io::stdout())))?;
        return Ok(Exit::Done);
    }
    if !Path::new(&args.subject).exists() {
        let text = format!(
            "error: `{word}` is neither a file nor a name that can be explained\nhint: the names are {}",
            explain::words().join(", ")
        );
        return Err(Failure::new(Exit::Usage, text));
    }
    let artifact = match planning::read(&args.subject)? {
        Input::Artifact(artifact) => {
            planning::check_consistent(&artifact)?;
            *artifact
        }
        Input::Plan(plan) => {
            planning::plan(&args.subject, &plan, &args.state, args.commands.allowed()).await?
        }
    };
    let document = match &args.step {
        None => explain::steps(&artifact),
        Some(step) => explain::step(&artifact, step).ok_or_else(|| {
            let all: Vec<&str> = artifact.graph.steps().iter().map(|s| s.id.as_str()).collect();
            let guess = crate::diag::did_you_mean(step, all.iter().copied());
            let hint = guess.map(|guess| format!("\nhint: did you mean `{guess}`?"));
            let hint = hint.unwrap_or_else(|| "\nhint: leave out the step to list them".into());
            Failure::new(Exit::Usage, format!("error: the plan has no step `{step}`{hint}"))
        })?,
    };
    print_out(&document.text(styling(&std::io::stdout())))?;
    Ok(Exit::Done)
}
