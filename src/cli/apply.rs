//! `cutover apply`

use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use cutover_contract::Provider;

use super::exit::Exit;
use super::planning::Input;
use super::progress::Shown;
use super::{Failure, StateArgs, base, dress, home, planning, put, registry, shell, tell};
use crate::artifact::Artifact;
use crate::calendar::show_instant;
use crate::digest::Digest;
use crate::render::status::halt;
use crate::render::text;
use crate::world::real::connect::connect;
use crate::world::real::store::{Found, JournalFile, Lock, Store, StoreError};
use crate::world::real::{Real, now};
use crate::world::{Outcome, Patience, drive, tool};

/// The adapters by the providers' names.
type Providers = BTreeMap<String, Box<dyn Provider>>;

/// Run a plan or a sealed artifact, or go on with a run
#[derive(clap::Args)]
#[command(after_help = "\
A run that has to wait ends with exit code 4 and prints when to go on: call `apply` again then, or \
stay with `--wait`. It can be stopped and taken up again at any moment.")]
pub(super) struct Args {
    /// The plan, or an artifact of it
    #[arg(value_name = "PLAN|ARTIFACT")]
    input: PathBuf,
    /// Stay through all waits
    #[arg(long)]
    wait: bool,
    /// Do not ask before a run begins
    #[arg(long)]
    auto_approve: bool,
    #[command(flatten)]
    state: StateArgs,
}

pub(super) async fn run(args: Args) -> Result<Exit, Failure> {
    let input = planning::read(&args.input)?;
    let store = Store::new(&args.state.dir(&args.input), input.name());
    let found = store.newest().map_err(|error| store_failure(&error))?;
    let seen = found.as_ref().map(|found| found.journal.clone());
    let open = found.as_ref().filter(|found| found.run.state.finished.is_none());
    if let Some(found) = open {
        same_as_open(&input, found, &args)?;
        let lock = lock(&store)?;
        // Somebody may have gone on with it before the lock was ours.
        let found = newest_still(&store, seen.as_deref())?.expect("it is the one that was seen");
        let providers = providers(&args, &found.run.artifact)?;
        return go_on(&args, found, providers, lock).await;
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
    if let Some(exit) = ask(&args, &artifact)? {
        return Ok(exit);
    }
    let lock = lock(&store)?;
    newest_still(&store, seen.as_deref())?;
    // What is not there for a run must not be found out when it is open.
    let providers = providers(&args, &artifact)?;
    let found = store.create(artifact).map_err(|error| store_failure(&error))?;
    go_on(&args, found, providers, lock).await
}

/// The newest run, which has to be the one that was seen before the lock was ours.
fn newest_still(store: &Store, seen: Option<&Path>) -> Result<Option<Found>, Failure> {
    let newest = store.newest().map_err(|error| store_failure(&error))?;
    match newest.as_ref().map(|found| found.journal.as_path()) == seen {
        true => Ok(newest),
        false => {
            let text = "error: somebody else has begun a run of this plan in the meantime";
            Err(Failure::new(Exit::Error, text))
        }
    }
}

fn store_failure(error: &StoreError) -> Failure {
    Failure::error(error)
}

fn lock(store: &Store) -> Result<Lock, Failure> {
    let owner = format!(
        "{} with process {} since {}",
        tool(),
        std::process::id(),
        crate::calendar::show_exact(now())
    );
    store.lock(&owner).map_err(|error| store_failure(&error))
}

/// An open run goes on with its own artifact, and with nothing else.
fn same_as_open(input: &Input, found: &Found, args: &Args) -> Result<(), Failure> {
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
fn way_to_finish(folder: &Path, artifact: &Artifact, args: &Args) -> String {
    let sealed = folder.join("artifact.json");
    let Some(state) = &args.state.state else {
        return format!("  cutover apply {}", shell(&sealed));
    };
    // From there nothing leads to the directory where relative paths start.
    let beside = shell(&home(&args.input).join(format!("{}.run.json", artifact.name)));
    let (sealed, state) = (shell(&sealed), shell(state));
    format!("  cp {sealed} {beside}\n  cutover apply {beside} --state {state}")
}

fn providers(args: &Args, artifact: &Artifact) -> Result<Providers, Failure> {
    connect(registry(), &artifact.providers, &home(&args.input))
        .map_err(|(name, error)| Failure::connect(&name, &error))
}

/// Shows the plan and asks on a terminal; elsewhere somebody must have agreed before.
fn ask(args: &Args, artifact: &Artifact) -> Result<Option<Exit>, Failure> {
    if args.auto_approve {
        return Ok(None);
    }
    put(&text::plan(artifact, dress(&std::io::stdout())))?;
    if !std::io::stdin().is_terminal() {
        tell(
            "\nnot applied: somebody has to agree. Read the plan and add `--auto-approve`, or apply it at a terminal",
        );
        return Ok(Some(Exit::ApprovalNeeded));
    }
    tell("\nApply this? Only `yes` is taken for it:");
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(|error| Failure::error(&error))?;
    match answer.trim() {
        "yes" => Ok(None),
        _ => {
            tell("not applied");
            Ok(Some(Exit::ApprovalNeeded))
        }
    }
}

async fn go_on(
    args: &Args,
    found: Found,
    providers: Providers,
    _lock: Lock,
) -> Result<Exit, Failure> {
    let Found { mut run, entries: _, journal, torn } = found;
    if torn > 0 {
        tell(&format!(
            "note: the last line of {} was incomplete and is cut off ({torn} octets)",
            journal.display()
        ));
    }
    let artifact = std::sync::Arc::clone(&run.artifact);
    let zones = artifact.zones.iter().map(|(name, zone)| (name.clone(), zone.provider.clone()));
    let journal = JournalFile::open(&journal, torn).map_err(|error| store_failure(&error))?;
    let mut world = Real { providers, zones: zones.collect(), journal };
    let patience = if args.wait { Patience::Stay } else { Patience::Leave };
    let shown = Shown::new(&artifact);
    let ended = drive(&mut world, &mut run, patience, &mut |state, progress| {
        shown.watch(&artifact, state, &progress);
    })
    .await;
    shown.finish();
    match ended.map_err(|error| Failure::error(&error))? {
        Outcome::Finished => {
            put(&format!("done: {} is as the plan wants it\n", artifact.name))?;
            Ok(Exit::Done)
        }
        Outcome::Waiting { until } => {
            put(&format!("waiting: apply again at {}\n", show_instant(until, now())))?;
            Ok(Exit::Waiting)
        }
        Outcome::Halted(event) => {
            put(&halt(&event, dress(&std::io::stdout())))?;
            Ok(Exit::Halted)
        }
    }
}
