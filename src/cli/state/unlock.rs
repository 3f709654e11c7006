//! `cutover state unlock`

use std::path::PathBuf;

use super::super::exit::Exit;
use super::super::failure::{Code, Failure, Message};
use super::super::running::{Question, ask};
use super::super::{StateArgs, planning, print_out};
use crate::render::escape_control;

/// Take the lease of a plan away from the process that drives it
#[derive(clap::Args)]
#[command(after_help = "\
The process cannot write from then on: it stops before its next effect, with exit code 5. What it has begun \
is settled when the run goes on. This is for a process that is stopped or unreachable; another one ends its \
lease by itself.")]
pub(super) struct Args {
    /// The plan, an artifact of it, or its name
    #[arg(value_name = "PLAN|ARTIFACT|NAME")]
    plan: PathBuf,
    /// Do not ask for confirmation
    #[arg(long)]
    auto_approve: bool,
    #[command(flatten)]
    state: StateArgs,
}

pub(super) async fn run(args: &Args) -> Result<Exit, Failure> {
    let runs = planning::runs(&args.plan, &args.state).await?;
    let (plan, store) = (runs.plan(), runs.store());
    let Some(holder) = store.holder(plan).await? else {
        print_out(&format!("nobody drives {plan}\n"))?;
        return Ok(Exit::Done);
    };
    let whose = escape_control(&holder.to_string());
    print_out(&format!("{plan} is driven by {whose} (fencing number {})\n", holder.fence))?;
    ask(args.auto_approve, &Question::UNLOCK, || Ok(()))?;
    match store.unlock(plan, holder.fence).await? {
        true => print_out(&format!("{plan}: the lease was taken away from {whose}\n"))?,
        false => {
            let text = format!("{plan} is not driven by that process any more");
            let help = "look at it with `cutover state show`";
            return Err(Message::new(Code::RunMovedOn, text).help(help).error());
        }
    }
    Ok(Exit::Done)
}
