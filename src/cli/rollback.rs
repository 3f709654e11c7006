//! `cutover rollback`

use std::collections::BTreeSet;

use super::approving::NOBODY;
use super::exit::Exit;
use super::failure::{Code, ErrorFormat, Failure, Message};
use super::person::{halt_help, manual_tasks, show_halt};
use super::running::{
    Driver, Ended, Going, Question, RunArgs, Turn, ask, claim, drive_run, lease, newest_still,
    reach,
};
use super::standing::holding;
use super::{planning, print_err, print_out, styling};
use crate::artifact::{Artifact, Outcome as Verdict, RollbackPoint, Undo};
use crate::calendar::show_instant;
use crate::engine::{NoWayBack, RunState};
use crate::graph::{Primitive, Step, StepId};
use crate::render::plan::{self, Detail};
use crate::render::status::Extent;
use crate::sim;
use crate::world::real::now;
use crate::world::real::store::{Found, Lease, Note, Runs, StoreError};
use crate::world::{DriveOutcome, Run, tool};

/// Roll a run back to a rollback point, along the proved way back
#[derive(clap::Args)]
#[command(after_help = "\
Changes that have begun are settled first, and no others begin. The way back is a run of its own: it has \
its own waits, and halts if somebody else has edited the records that it restores. As with `apply`, you \
can stop it at any moment and continue it later.")]
pub(super) struct Args {
    /// The rollback point [default: the last that the run reached]
    #[arg(long, value_name = "POINT")]
    to: Option<String>,
    #[command(flatten)]
    run: RunArgs,
}

/// The name of this command.
const COMMAND: &str = "rollback";

pub(super) async fn run(
    Args { to: asked, run: mut args }: Args,
    errors: ErrorFormat,
) -> Result<Exit, Failure> {
    args.going.errors = errors;
    let going = Going { args: &args, driver: Driver::Rollback, demand: &NOBODY };
    let runs = planning::runs(&args.input, &args.state).await?;
    let found = runs.newest().await?;
    let Some(found) = found else {
        let text = format!("there is no run of {} to roll back", runs.plan());
        return Err(Message::new(Code::NoRun, text).usage());
    };
    roll_back(&runs, &found, going, asked.as_deref(), None).await
}

/// Rolls a run back, or goes on with its way back. `held` is the lease of the plan, if it was taken
/// already.
pub(super) async fn roll_back(
    runs: &Runs,
    found: &Found,
    going: Going<'_>,
    asked: Option<&str>,
    held: Option<Box<dyn Lease>>,
) -> Result<Exit, Failure> {
    let args = going.args;
    let still = async |runs: &Runs| {
        let newest = newest_still(runs, Some(&found.id)).await;
        newest.map(|found| found.expect("it is the one that was seen"))
    };
    if found.run.artifact.is_way_back() {
        let turned = runs.rolled_back_by(&found.run.artifact).await;
        let turned = turned?.map(|turned| turned.run.state);
        let mut states = turned.iter().chain([&found.run.state]);
        // The process may have ended before all notifications were sent.
        if found.run.state.finished.is_some() && states.all(|state| state.unsent.is_empty()) {
            return roll_back_further(runs, found, args, asked).await;
        }
        let held = match held {
            Some(held) => held,
            None => lease(runs).await?,
        };
        let ended = holding(runs, held, async |lease| {
            let reached = reach(args, &found.run.artifact)?;
            let found = still(runs).await?;
            drive_run(found, reached, going, (runs, lease), None).await
        });
        return rolled_back(going, ended.await?);
    }
    let to = destination(found, asked)?;
    if found.run.state.turned_back.is_none() {
        let Found { run, .. } = found;
        let point = reachable(&run.artifact, &run.state, &to)?;
        let preview = || way_back(&run.artifact, &run.state, point);
        confirm_way_back(args, preview, run)?;
    }
    let held = match held {
        Some(held) => Ok(held),
        None => runs.lease(&claim()).await,
    };
    let held = match held {
        // `run` leaves it to whoever drives it.
        Err(StoreError::Locked { holder }) if going.driver != Driver::Run => {
            let owner = holder.to_string();
            let turned = found.run.state.turned_back.is_some();
            match request_rollback(runs, found, args, (&to, &owner, turned)).await? {
                Some(lease) => lease,
                None => return Ok(Exit::Waiting),
            }
        }
        lease => lease?,
    };
    let ended = holding(runs, held, async |lease| {
        let newest = runs.newest().await?;
        if let Some(back) = newest.filter(|newest| newest.run.artifact.is_way_back()) {
            // The process that had the lease has run the way back, or a part of it.
            let reached = reach(args, &back.run.artifact)?;
            return drive_run(back, reached, going, (runs, lease), None).await;
        }
        let found = still(runs).await?;
        let turn = found.run.state.turned_back.is_none().then_some(Turn::Back(&to));
        // Connect before the run turns back: a missing provider or secret must not halt it halfway.
        let reached = reach(args, &found.run.artifact)?;
        let ended = drive_run(found, reached, going, (runs, &mut *lease), turn).await?;
        run_way_back((runs, lease), going, ended).await
    });
    rolled_back(going, ended.await?)
}

/// Tells the process that drives the run to turn it back. With `--wait`, returns the lease once
/// that process has ended.
async fn request_rollback(
    runs: &Runs,
    found: &Found,
    args: &RunArgs,
    (to, owner, is_turned): (&str, &str, bool),
) -> Result<Option<Box<dyn Lease>>, Failure> {
    if !is_turned {
        let left = runs.store().leave(&found.id, Note::TurnBack, to).await;
        left?;
    }
    print_err(&format!(
        "{owner} is driving the run and was told to roll back to `{to}`: it settles what has begun, then rolls back."
    ));
    if !args.wait {
        print_err(&format!(
            "Watch it with `{}`; if that process ends early, continue with `{}`.",
            args.invocation().line("status", ""),
            args.invocation().line(COMMAND, "")
        ));
        return Ok(None);
    }
    let lease = runs.lease_when_free(&claim()).await;
    Ok(Some(lease?))
}

fn reachable<'a>(
    artifact: &'a Artifact,
    state: &RunState,
    to: &str,
) -> Result<&'a RollbackPoint, Failure> {
    state.way_back(artifact, to).map_err(|error| {
        let why = match &error {
            NoWayBack::Unknown { .. } => why_no_way_back(artifact),
            NoWayBack::NotReached { .. } | NoWayBack::Passed { .. } => None,
        };
        no_way_back(error.to_string(), why, artifact)
    })
}

/// Why some or all points have no way back.
fn why_no_way_back(artifact: &Artifact) -> Option<String> {
    let never = artifact.graph.steps().iter().find_map(|step| match artifact.undos.get(&step.id) {
        Some(Undo::Never(why)) => Some((&step.id, why)),
        Some(Undo::By(_) | Undo::Keep) | None => None,
    });
    match never {
        Some((step, why)) => Some(format!("there is no way back from {step} on: {why}")),
        None if artifact.verdict.outcome == Verdict::Refuted => Some(
            "the plan is refuted and accepted by `override:`, so no way back was derived".into(),
        ),
        None if artifact.rollback_points.is_empty() => {
            Some("the plan only makes additions, which stay: there is nothing to undo".into())
        }
        None => None,
    }
}

/// Shows the way back of a run and asks for confirmation.
fn confirm_way_back(
    args: &RunArgs,
    preview: impl Fn() -> Artifact,
    run: &Run,
) -> Result<(), Failure> {
    let show = || {
        print_out(&plan::plan(&preview(), Detail::Full).text(styling(&std::io::stdout())))?;
        print_out(&stays(&run.artifact, &run.state))
    };
    ask(args.auto_approve, &Question::ROLL_BACK, show)
}

/// Rolls a run that is back at one point further back, to an earlier point.
///
/// All its changes count as made, even those undone already: the new way back finds them undone,
/// and waits again, since caches may still hold what they replaced. Tasks are undone only once.
async fn roll_back_further(
    runs: &Runs,
    came: &Found,
    args: &RunArgs,
    asked: Option<&str>,
) -> Result<Exit, Failure> {
    let there = runs.rolled_back_by(&came.run.artifact).await?.map(|found| found.run);
    let place = |run: &Run, name: &str| {
        run.artifact.rollback_points.iter().position(|point| point.name == name)
    };
    let further = there.zip(asked).filter(|(run, to)| {
        let at = run.state.turned_back.as_deref().and_then(|at| place(run, at));
        place(run, to).is_none_or(|to| Some(to) < at)
    });
    let nothing = || print_out("nothing to do: the run is rolled back\n").map(|()| Exit::Done);
    let Some((run, to)) = further else { return nothing() };
    let point = reachable(&run.artifact, &run.state, to)?;
    let before = runs.ways_back(run.state.artifact()).await?;
    let undone = before.iter().flat_map(|back| tasks_taken_back(back, &run)).collect();
    let back = way_back_but(&run.artifact, &run.state, point, &undone);
    let is_left = |step: &Step| match &step.primitive {
        Primitive::Change(_) => came.run.artifact.graph.get(&step.id).is_none(),
        Primitive::Task(_) => true,
        Primitive::Wait(_) | Primitive::Gate(_) | Primitive::Checkpoint(_) => false,
    };
    if !back.graph.steps().iter().any(is_left) {
        return nothing();
    }
    confirm_way_back(args, || back.clone(), &run)?;
    let going = Going { args, driver: Driver::Rollback, demand: &NOBODY };
    let ended = holding(runs, lease(runs).await?, async |lease| {
        newest_still(runs, Some(&came.id)).await?;
        let reached = reach(args, &back)?;
        let found = runs.create(lease, back).await?;
        drive_run(found, reached, going, (runs, lease), None).await
    });
    rolled_back(going, ended.await?)
}

/// The tasks of a run that its way back has undone.
fn tasks_taken_back(back: &Run, there: &Run) -> BTreeSet<StepId> {
    let takes_back = there.artifact.rollback_points.iter().flat_map(|point| &point.takes_back);
    let is_undone = |undo: &StepId| {
        let step = back.artifact.graph.get(undo);
        let is_task = step.is_some_and(|step| matches!(step.primitive, Primitive::Task(_)));
        is_task && back.state.of(&back.artifact, undo).is_done()
    };
    let undone = takes_back.filter(|(undo, _)| is_undone(undo));
    undone.map(|(_, task)| task.clone()).collect()
}

/// Runs the way back of a run that was turned back and has settled what had begun.
pub(super) async fn run_way_back(
    (runs, lease): (&Runs, &mut dyn Lease),
    going: Going<'_>,
    ended: Ended,
) -> Result<Ended, Failure> {
    let Ended { artifact, state, outcome: DriveOutcome::Finished } = &ended else {
        return Ok(ended);
    };
    let Some(to) = &state.turned_back else { return Ok(ended) };
    let point = state.way_back(artifact, to);
    let point =
        point.map_err(|error| Message::of_cause(Code::RollbackImpossible, &error).error())?;
    let back = way_back(artifact, state, point);
    let reached = reach(going.args, &back)?;
    let found = runs.create(lease, back).await?;
    drive_run(found, reached, going, (runs, lease), None).await
}

/// The point to roll back to: the run's current destination, else the requested point, else the
/// last that the run reached.
fn destination(found: &Found, asked: Option<&str>) -> Result<String, Failure> {
    let (artifact, state) = (&found.run.artifact, &found.run.state);
    match (&state.turned_back, asked) {
        (Some(to), Some(asked)) if to != asked => {
            let text = format!("the run is already rolling back to `{to}`");
            Err(Message::new(Code::RunRollingBack, text).usage())
        }
        (Some(to), _) => Ok(to.clone()),
        (None, Some(asked)) => Ok(asked.to_owned()),
        (None, None) => match state.last_point(artifact) {
            Some(point) => Ok(point.name.clone()),
            None => {
                let why = why_no_way_back(artifact);
                Err(no_way_back("this plan has no way back".to_owned(), why, artifact))
            }
        },
    }
}

/// There is no way back, and what to do instead.
fn no_way_back(text: String, why: Option<String>, artifact: &Artifact) -> Failure {
    let help = format!(
        "`cutover explain` shows how each step of {} is undone. To leave its current state, write a new plan for the state that you want; `cutover plan` proves the way there",
        artifact.name
    );
    Message::new(Code::RollbackImpossible, text).details(why).help(help).usage()
}

/// The way back from the current state of a run. A change that has begun counts as made: until it
/// is settled, it may have been.
fn way_back(artifact: &Artifact, state: &RunState, point: &RollbackPoint) -> Artifact {
    way_back_but(artifact, state, point, &BTreeSet::new())
}

/// The same, but the steps in `but` count as not begun.
fn way_back_but(
    artifact: &Artifact,
    state: &RunState,
    point: &RollbackPoint,
    but: &BTreeSet<StepId>,
) -> Artifact {
    let has_begun = |step: &_| !state.of(artifact, step).is_pending();
    let is_done = |step: &_| has_begun(step) && !but.contains(step);
    let mut back = artifact.back(state.artifact(), point, &is_done, tool());
    // A way back has no gates, so nothing can halt it in an ideal world.
    back.forecast = sim::forecast(&back).unwrap_or_default();
    back
}

/// Lists the additions that a rollback leaves in place.
fn stays(artifact: &Artifact, state: &RunState) -> String {
    let kept = artifact.undos.iter().filter(|(_, undo)| **undo == Undo::Keep);
    let begun = kept.map(|(step, _)| step).filter(|step| !state.of(artifact, step).is_pending());
    let lines: String = begun.map(|step| format!("  {step} stays as it is\n")).collect();
    match lines.is_empty() {
        true => lines,
        false => format!("\nAdditions that stay\n\n{lines}"),
    }
}

fn rolled_back(going: Going<'_>, ended: Ended) -> Result<Exit, Failure> {
    let args = going.args;
    let Ended { outcome, artifact, state } = ended;
    match outcome {
        DriveOutcome::Finished => {
            print_out(&format!("done: {} is rolled back\n", artifact.name))?;
            Ok(Exit::Done)
        }
        DriveOutcome::NeedsPerson => {
            print_out(&manual_tasks(&artifact, &state, args.invocation()))?;
            Ok(Exit::ApprovalNeeded)
        }
        DriveOutcome::Waiting { until } => {
            print_out(&manual_tasks(&artifact, &state, args.invocation()))?;
            print_out(&format!(
                "waiting: {} at {}\n",
                going.driver.again(),
                show_instant(until, now())
            ))?;
            Ok(Exit::Waiting)
        }
        DriveOutcome::Halted(stopped) => {
            show_halt(&artifact, &state, &stopped, Extent::Whole)?;
            print_out(&halt_help(&artifact, &stopped, args.invocation()))?;
            Ok(Exit::of_halt(&artifact, &stopped))
        }
    }
}
