//! `cutover explain`

use std::path::{Path, PathBuf};

use super::exit::Exit;
use super::failure::{Code, ErrorFormat, Failure, Message};
use super::planning::{self, Input, Planning};
use super::{CommandArgs, StateArgs, print_out, styling};
use crate::check::CODES;
use crate::diag::did_you_mean;
use crate::render::explain;

/// Explain why a step or a wait is there and what would break without it, or what an invariant, a
/// fact or a check means
#[derive(clap::Args)]
pub(super) struct Args {
    /// A plan or an artifact, the name of an invariant, the code of a check, or `facts`
    subject: PathBuf,
    /// The step; without it, all steps are listed
    step: Option<String>,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    commands: CommandArgs,
}

pub(super) async fn run(args: Args, errors: ErrorFormat) -> Result<Exit, Failure> {
    let word = args.subject.to_str().unwrap_or_default();
    if let (Some(document), None) = (explain::word(word), &args.step) {
        print_out(&document.text(styling(&std::io::stdout())))?;
        return Ok(Exit::Done);
    }
    if !Path::new(&args.subject).exists() {
        let text = format!("`{word}` is neither a file nor a name that can be explained");
        let near = did_you_mean(word, CODES.iter().copied());
        let near = near.map_or(String::new(), |near| format!("did you mean `{near}`? "));
        let names = explain::words().join(", ");
        let help = format!("{near}the names are {names}, and the codes of checks");
        return Err(Message::new(Code::UnknownSubject, text).help(help).usage());
    }
    let artifact = match planning::read(&args.subject)? {
        Input::Artifact(artifact) => {
            planning::check_consistent(&artifact)?;
            *artifact
        }
        Input::Plan(plan) => {
            let how = Planning { state: &args.state, commands: args.commands.allowed(), errors };
            planning::plan(&args.subject, &plan, &how).await?
        }
    };
    let document = match &args.step {
        None => explain::steps(&artifact),
        Some(step) => explain::step(&artifact, step).ok_or_else(|| {
            let all: Vec<&str> = artifact.graph.steps().iter().map(|s| s.id.as_str()).collect();
            let guess = did_you_mean(step, all.iter().copied());
            let help = guess.map(|guess| format!("did you mean `{guess}`?"));
            let help = help.unwrap_or_else(|| "leave out the step to list them".into());
            let text = format!("the plan has no step `{step}`");
            Message::new(Code::UnknownStep, text).help(help).usage()
        })?,
    };
    print_out(&document.text(styling(&std::io::stdout())))?;
    Ok(Exit::Done)
}
