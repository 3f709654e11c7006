//! `cutover apply`

use std::path::Path;

use super::exit::Exit;
use super::planning::Input;
use super::running::{Ended, RunArgs, ask, go_on, lock, newest_still, providers};
use super::{Failure, base, dress, home, planning, put, shell, tell};
use crate::artifact::Artifact;
use crate::calendar::show_instant;
use crate::digest::Digest;
use crate::render::status::halt;
use crate::render::text;
use crate::world::Outcome;
use crate::world::real::now;
use crate::world::real::store::{Found, Store};

/// Run a plan or a sealed artifact, or go on with a run
#[derive(clap::Args)]
#[command(after_help = "\
A run that has to wait ends with exit code 4 and prints when to go on: call `apply` again then, or \
stay with `--wait`. It can be stopped and taken up again at any moment.")]
pub(super) struct Args {
    #[command(flatten)]
    run: RunArgs,
}

pub(super) async fn run(Args { run: args }: Args) -> Result<Exit, Failure> {
    let input = planning::read(&args.input)?;
    let store = Store::new(&args.state.dir(&args.input), input.name());
    let found = store.newest().map_err(|error| Failure::error(&error))?;
    if let Some(found) = &found {
        not_turned_back(found, &args.input)?;
    }
    let seen = found.as_ref().map(|found| found.journal.clone());
    let open = found.as_ref().filter(|found| found.run.state.finished.is_none());
    if let Some(found) = open {
        same_as_open(&input, found, &args)?;
        let lock = lock(&store)?;
        // Somebody may have gone on with it before the lock was ours.
        let found = newest_still(&store, seen.as_deref())?.expect("it is the one that was seen");
        let providers = providers(&args.input, &found.run.artifact)?;
        return applied(go_on(found, providers, args.wait, &lock, None).await?);
    }
    let artifact = match input {
        Input::Artifact(artifact) => match found {
            Some(found) if found.run.state.artifact() == artifact.digest() => {
                tell("nothing to change: the run of this artifact is finished");
                return Ok(Exit::Done);
            }
            Some(_) | None => *artifact,
        },
        Input::Plan(plan) => planning::plan(&args.input, &plan, &args.state).await?,
    };
    if artifact.graph.steps().is_empty() {
        put(&format!("{}\n", text::NOTHING_TO_CHANGE))?;
        return Ok(Exit::Done);
    }
    planning::not_refuted(&artifact)?;
    if let Some(exit) =
        ask(args.auto_approve, "Apply", || put(&text::plan(&artifact, dress(&std::io::stdout()))))?
    {
        return Ok(exit);
    }
    let lock = lock(&store)?;
    newest_still(&store, seen.as_deref())?;
    // What is not there for a run must not be found out when it is open.
    let providers = providers(&args.input, &artifact)?;
    let found = store.create(artifact).map_err(|error| Failure::error(&error))?;
    applied(go_on(found, providers, args.wait, &lock, None).await?)
}

fn applied(ended: Ended) -> Result<Exit, Failure> {
    let Ended { outcome, artifact, .. } = ended;
    match outcome {
        Outcome::Finished => {
            put(&format!("done: {} is as the plan wants it\n", artifact.name))?;
            Ok(Exit::Done)
        }
        Outcome::Waiting { until } => {
            put(&format!("waiting: apply again at {}\n", show_instant(until, now())))?;
            Ok(Exit::Waiting)
        }
        Outcome::Halted(event) => {
            put(&halt(&event, false, dress(&std::io::stdout())))?;
            Ok(Exit::Halted)
        }
    }
}

/// A run that goes back does nothing else, and nothing else is begun before it has come back.
fn not_turned_back(found: &Found, input: &Path) -> Result<(), Failure> {
    let artifact = &found.run.artifact;
    let goes_back = artifact.is_way_back() && found.run.state.finished.is_none();
    match goes_back || found.run.state.turned_back.is_some() {
        false => Ok(()),
        true => {
            let text = format!(
                "error: the run of {} goes back\nhelp: go on with `cutover rollback {}`; then it can be applied anew",
                artifact.name,
                shell(input)
            );
            Err(Failure::new(Exit::Usage, text))
        }
    }
}

/// An open run goes on with its own artifact, and with nothing else.
fn same_as_open(input: &Input, found: &Found, args: &RunArgs) -> Result<(), Failure> {
    let artifact = &found.run.artifact;
    let (same, what) = match input {
        Input::Plan(plan) => (
            Digest::of(plan.source.text.as_bytes()) == artifact.plan,
            "the plan has changed since its run began",
        ),
        Input::Artifact(other) => (
            other.digest() == found.run.state.artifact(),
            "another artifact of this plan is being run",
        ),
    };
    if same {
        return Ok(());
    }
    let folder = base(&found.journal);
    let digest = found.run.state.artifact().short();
    let finish = way_to_finish(&folder, artifact, args);
    let (shown, given_up) = (shell(&folder), shell(&folder.with_extension("given-up")));
    let text = format!(
        "error: {what}\n  the run in {shown} goes on with {digest}\n\
         help: put the plan back to what it was and apply it, or finish the run with its own artifact:\n\
         {finish}\n\
         or give the run up where it stands, and plan anew from what is live then:\n  \
         mv {shown} {given_up}",
    );
    Err(Failure::new(Exit::Usage, text))
}

/// The commands that finish an open run without its plan.
fn way_to_finish(folder: &Path, artifact: &Artifact, args: &RunArgs) -> String {
    let sealed = folder.join("artifact.json");
    let Some(state) = &args.state.state else {
        return format!("  cutover apply {}", shell(&sealed));
    };
    // From there nothing leads to the directory where relative paths start.
    let beside = shell(&home(&args.input).join(format!("{}.run.json", artifact.name)));
    let (sealed, state) = (shell(&sealed), shell(state));
    format!("  cp {sealed} {beside}\n  cutover apply {beside} --state {state}")
}
