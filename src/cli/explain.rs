//! `cutover explain`

use std::path::{Path, PathBuf};

use super::exit::Exit;
use super::planning::{self, Input};
use super::{CommandArgs, Failure, StateArgs, dress, put};
use crate::render::explain;

/// Say why a step or a wait is there and what would break without it; or what an invariant or a fact
/// means
#[derive(clap::Args)]
pub(super) struct Args {
    /// An artifact or a plan; or the name of an invariant, or `facts`
    subject: PathBuf,
    /// The step; left out, the steps are listed
    step: Option<String>,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    commands: CommandArgs,
}

pub(super) async fn run(args: Args) -> Result<Exit, Failure> {
    let word = args.subject.to_str().unwrap_or_default();
    if let (Some(text), None) = (explain::word(word), &args.step) {
        put(&text)?;
        return Ok(Exit::Done);
    }
    if !Path::new(&args.subject).exists() {
        let text = format!(
            "error: there is no file `{word}`, and nothing else of this name to explain\nhint: the words are {}",
            explain::words().join(", ")
        );
        return Err(Failure::new(Exit::Usage, text));
    }
    let artifact = match planning::read(&args.subject)? {
        Input::Artifact(artifact) => *artifact,
        Input::Plan(plan) => {
            planning::plan(&args.subject, &plan, &args.state, args.commands.allowed()).await?
        }
    };
    let text = match &args.step {
        None => explain::steps(&artifact),
        Some(step) => {
            explain::step(&artifact, step, dress(&std::io::stdout())).ok_or_else(|| {
                let all: Vec<&str> = artifact.graph.steps().iter().map(|s| s.id.as_str()).collect();
                let guess = crate::diag::did_you_mean(step, all.iter().copied());
                let hint = guess.map(|guess| format!("\nhint: did you mean `{guess}`?"));
                let hint = hint.unwrap_or_else(|| "\nhint: without a step, all are listed".into());
                Failure::new(Exit::Usage, format!("error: the plan has no step `{step}`{hint}"))
            })?
        }
    };
    put(&text)?;
    Ok(Exit::Done)
}
