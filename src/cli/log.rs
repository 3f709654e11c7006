//! `cutover log`

use std::path::PathBuf;

use super::exit::Exit;
use super::failure::{Code, ErrorFormat, Failure, Message, Severity};
use super::{Invocation, StateArgs, planning, print_out};
use crate::journal::Entry;
use crate::render::status::entry;
use crate::world::real::store::{Found, Runs};

/// Show what happened in the newest run of a plan, and when
#[derive(clap::Args)]
pub(super) struct Args {
    /// The plan, an artifact of it, or its name
    #[arg(value_name = "PLAN|ARTIFACT|NAME")]
    plan: PathBuf,
    /// Show the run with this number; a way back is a run of its own
    #[arg(long, value_name = "NUMBER", conflicts_with = "all")]
    run: Option<u32>,
    /// Show all runs, oldest first
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    state: StateArgs,
}

/// How many octets of output are buffered.
const AT_ONCE: usize = 1 << 16;

pub(super) async fn run(args: &Args, errors: ErrorFormat) -> Result<Exit, Failure> {
    let runs = planning::runs(&args.plan, &args.state).await?;
    let numbers = runs.numbers().await?;
    if args.all {
        for number in &numbers {
            let Some(found) = runs.run(*number).await? else { continue };
            let artifact = &found.run.artifact;
            let what = if artifact.is_way_back() { "way back of " } else { "" };
            let digest = found.run.state.artifact();
            print_out(&format!("run {number}: {what}{}  {digest}\n", artifact.name))?;
            show(&runs, &found).await?;
        }
    } else if let Some(number) = args.run {
        let found = runs.run(number).await?.ok_or_else(|| {
            let known: Vec<String> = numbers.iter().map(ToString::to_string).collect();
            let known = if known.is_empty() { "none yet".to_owned() } else { known.join(", ") };
            let message = Message::new(Code::NoRun, format!("there is no run {number}"));
            message.help(format!("known runs: {known}")).usage()
        })?;
        show(&runs, &found).await?;
    } else if let Some(found) = runs.newest().await? {
        show(&runs, &found).await?;
        if numbers.len() > 1 {
            let line = Invocation::of(&args.plan, &args.state).line("log", "--all");
            let text = format!("only the newest run is shown; `{line}` shows all");
            errors.remark(Message::new(Code::OnlyNewest, text).severity(Severity::Note));
        }
    } else {
        print_out("no run yet\n")?;
    }
    Ok(Exit::Done)
}

async fn show(runs: &Runs, found: &Found) -> Result<(), Failure> {
    // Finding the run has already verified the whole journal, so showing it piece by piece is safe.
    let (mut text, mut shown) = (String::new(), Ok(()));
    let mut take = |one: &Entry| {
        text += &(entry(&found.run.artifact, one) + "\n");
        if text.len() > AT_ONCE && shown.is_ok() {
            shown = print_out(&std::mem::take(&mut text));
        }
    };
    runs.entries(found, &mut take).await?;
    shown.and_then(|()| print_out(&text))
}
