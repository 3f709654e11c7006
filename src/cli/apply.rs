//! `cutover apply`

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::approving::DemandArgs;
use super::exit::Exit;
use super::failure::{Code, ErrorFormat, Failure, Message, Severity, told};
use super::person::{halt_help, manual_tasks, show_halt};
use super::planning::{Input, Story};
use super::rollback::{roll_back, run_way_back};
use super::running::{
    Driver, Ended, Going, GoingArgs, Question, RunArgs, Turn, ask, drive_run, lease, newest_still,
    reach, rest_until,
};
use super::standing::holding;
use super::{Invocation, home, planning, print_err, print_out, several, shell_quote, styling};
use crate::artifact::Artifact;
use crate::calendar::{Timestamp, later, show_instant};
use crate::digest::Digest;
use crate::engine::RunState;
use crate::engine::decide::{Action, Asked, Newest, Refusal, Sealed, decide};
use crate::journal::Approvals;
use crate::render::escape_control;
use crate::render::plan::{self, Detail};
use crate::render::status::Extent;
use crate::world::DriveOutcome;
use crate::world::real::now;
use crate::world::real::store::{Found, Lease, RunId, Runs};

/// Apply a plan or a sealed artifact, or continue its run
#[derive(clap::Args)]
#[command(after_help = "\
A run that has to wait exits with code 4 and prints when to continue. Run `apply` again then, or use \
`--wait`. You can stop a run at any moment and continue it later.")]
pub(super) struct Args {
    /// Plans or artifacts; each gets a run of its own
    #[arg(required = true, value_name = "PLAN|ARTIFACT")]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    going: GoingArgs,
    /// Apply an unchanged plan again after a gate or a person rolled it back
    #[arg(long)]
    again: bool,
    /// Apply only the artifact with this digest: the one that was reviewed
    #[arg(long, value_name = "SHA256", value_parser = sha256)]
    digest: Option<Digest>,
    /// Plan again from live DNS, and let the new artifact supersede the open run
    #[arg(long)]
    replan: bool,
    #[command(flatten)]
    demand: DemandArgs,
    /// Refuse to apply anything without approvals, even if the plan asks for none
    #[arg(long, requires = "allowed_signers")]
    approved_only: bool,
}

fn sha256(text: &str) -> Result<Digest, &'static str> {
    Digest::parse(text).ok_or("expected what `show` prints: `sha256:` and 64 hexadecimal digits")
}

/// How a command ended for one run, and when that run continues.
pub(super) struct Applied {
    pub(super) exit: Exit,
    pub(super) until: Option<Timestamp>,
}

impl From<Exit> for Applied {
    fn from(exit: Exit) -> Self {
        Self { exit, until: None }
    }
}

/// How often a run that waits for a person is polled. Our choice: a person notices no delay.
const ASK_EVERY: Duration = Duration::from_secs(5);

pub(super) async fn run(args: Args, errors: ErrorFormat) -> Result<Exit, Failure> {
    // `--approved-only` asks for `--allowed-signers`, which asks for an approval.
    let Args { inputs, going, again, replan, digest, demand, approved_only: _ } = args;
    let going = GoingArgs { errors, ..going };
    let how = How { again, replan, digest, demand: &demand };
    if let [input] = &inputs[..] {
        return Ok(apply_one(&going.of(input), how).await?.exit);
    }
    if digest.is_some() {
        let message = Message::new(Code::Usage, "`--digest` takes a single artifact");
        return Err(message.help("apply them one at a time").usage());
    }
    let read: Vec<Input> =
        inputs.iter().map(|input| planning::read(input)).collect::<Result<_, _>>()?;
    several::check_disjoint(read.iter())?;
    drop(read);
    // Each run goes as far as it can, so that a waiting run does not block the others.
    let leaving = GoingArgs { wait: false, ..going.clone() };
    let mut ended: Vec<Option<Applied>> = inputs.iter().map(|_| None).collect();
    loop {
        for (input, ended) in inputs.iter().zip(&mut ended) {
            let is_due = match ended {
                None => true,
                Some(Applied { exit: Exit::Waiting | Exit::Halted, until: until @ Some(_) }) => {
                    going.wait && until.is_none_or(|until| until <= now())
                }
                Some(Applied { exit: Exit::ApprovalNeeded, until: Some(until) }) => {
                    going.wait && *until <= now()
                }
                Some(_) => false,
            };
            if !is_due {
                continue;
            }
            print_out(&format!("{}:\n", input.display()))?;
            let how = if ended.is_none() { how } else { How { replan: false, ..how } };
            *ended = Some(
                apply_one(&leaving.of(input), how)
                    .await
                    .unwrap_or_else(|failure| errors.fail(&failure).into()),
            );
        }
        let next = ended.iter().flatten().filter_map(|one| one.until).min();
        let Some(next) = next.filter(|_| going.wait) else { break };
        rest_until(next, &inputs, &going).await?;
    }
    Ok(ended.into_iter().flatten().fold(Exit::Done, |worst, one| worst.or_worse(one.exit)))
}

/// Continues the newest run of a plan with its own artifact. Begins none, unless that is the way back
/// or the successor of that run.
pub(super) async fn go_on(
    runs: &Runs,
    found: &Found,
    args: &RunArgs,
    demand: &DemandArgs,
    lease: Option<Box<dyn Lease>>,
) -> Result<Applied, Failure> {
    let (artifact, state) = (&found.run.artifact, &found.run.state);
    let sealed = Sealed { digest: state.artifact(), parent: artifact.parent };
    let asked = Asked { plan: artifact.plan, sealed: Some(sealed), replan: false, again: false };
    let going = Going { args, driver: Driver::Run, demand };
    let (again, replan, digest) = (false, false, None);
    let how = How { again, replan, digest, demand };
    match decide(&asked, newest(runs, Some(found)).await?.as_ref()) {
        Ok(Action::Continue) => carry_on(runs, (Some(&found.id), &asked), going, how, lease).await,
        Err(Refusal::RollingBack) => Ok(roll_back(runs, found, going, None, lease).await?.into()),
        Ok(Action::Nothing | Action::Begin { .. })
        | Err(
            Refusal::RolledBackByGate
            | Refusal::RolledBackByPerson
            | Refusal::PlanChanged
            | Refusal::OtherArtifact
            | Refusal::ParentGone(_),
        ) => match lease {
            Some(lease) => holding(runs, lease, async |_| Ok(Exit::Done.into())).await,
            None => Ok(Exit::Done.into()),
        },
    }
}

/// How a plan is applied.
#[derive(Clone, Copy)]
struct How<'h> {
    again: bool,
    replan: bool,
    digest: Option<Digest>,
    /// Who has to approve.
    demand: &'h DemandArgs,
}

async fn apply_one(args: &RunArgs, how: How<'_>) -> Result<Applied, Failure> {
    let going = Going { args, driver: Driver::Apply, demand: how.demand };
    let input = planning::read(&args.input)?;
    if let Input::Artifact(artifact) = &input {
        check_digest(|| artifact.digest(), how.digest)?;
        planning::check_consistent(artifact)?;
    }
    let runs = args.state.runs(&args.input, input.name())?;
    let found = runs.newest().await?;
    let seen = found.as_ref().map(|found| found.id.clone());
    let asked = asked(&input, how);
    let known = newest(&runs, found.as_ref()).await?;
    let action = match (decide(&asked, known.as_ref()), &found) {
        (Ok(action), _) => action,
        (Err(refusal), Some(found)) => return Err(refused(refusal, &runs, found, args).await?),
        (Err(refusal), None) => return Err(planned_for_another(refusal)),
    };
    let supersedes = match action {
        Action::Continue => {
            return carry_on(&runs, (seen.as_ref(), &asked), going, how, None).await;
        }
        Action::Nothing => {
            print_err("nothing to change: the run of this artifact is finished");
            return Ok(Exit::Done.into());
        }
        Action::Begin { supersedes } => supersedes,
    };
    let artifact = match input {
        Input::Artifact(artifact) => *artifact,
        Input::Plan(plan) => {
            how.demand.check_plan(&args.input, &plan)?;
            let planned = planning::plan(&args.input, &plan, &args.going.planning()).await?;
            Artifact { parent: supersedes, ..planned }
        }
    };
    if artifact.graph.steps().is_empty() {
        print_out(&format!("{}\n", plan::NOTHING_TO_CHANGE))?;
        if supersedes.is_some() {
            print_out(&format!(
                "The open run is unchanged, and still has steps to do. Continue it with `{}`.\n",
                args.invocation().line("apply", "")
            ))?;
        }
        return Ok(Exit::Done.into());
    }
    check_digest(|| artifact.digest(), how.digest)?;
    planning::check_not_refuted(&artifact, Story::NotShown, "nothing was changed")?;
    planning::check_no_clash(&artifact, runs.store()).await?;
    let newest = found.as_ref().and_then(|found| found.run.state.opened);
    let approvals = how.demand.of_new(&args.input, &artifact, newest)?;
    // Who has approved it has seen it.
    ask(args.auto_approve || approvals.is_some(), &Question::APPLY, || {
        print_out(&plan::plan(&artifact, Detail::Brief).text(styling(&std::io::stdout())))
    })?;
    holding(&runs, lease(&runs).await?, async |lease| {
        // Another run may have started while you were being asked.
        planning::check_no_clash(&artifact, runs.store()).await?;
        let found = still_so(&runs, (seen.as_ref(), &asked), action).await?;
        begin(&runs, found, (artifact, approvals), going, lease).await
    })
    .await
}

/// Begins a run, after the open one was settled.
async fn begin(
    runs: &Runs,
    found: Option<Found>,
    (artifact, approvals): (Artifact, Option<Approvals>),
    going: Going<'_>,
    lease: &mut dyn Lease,
) -> Result<Applied, Failure> {
    let args = going.args;
    // Connect before the run opens: a missing provider or secret must not halt an open run.
    let reached = reach(args, &artifact)?;
    if let Some(open) = found.filter(|found| found.run.state.finished.is_none()) {
        let away = Some(Turn::Away(artifact.digest())).filter(|_| !open.run.state.only_settles());
        // Kept on disk so that the run can continue whenever this process ends.
        if away.is_some() {
            let kept = runs.keep_next(lease, &open, &artifact).await;
            kept?;
        }
        let reached = reach(args, &open.run.artifact)?;
        let ended = drive_run(open, reached, going, (runs, lease), away).await?;
        if ended.outcome != DriveOutcome::Finished {
            return applied(runs, going, ended, lease).await;
        }
    }
    let mut found = runs.create(lease, artifact).await?;
    found.run.approvals = approvals;
    let ended = drive_run(found, reached, going, (runs, lease), None).await?;
    applied(runs, going, ended, lease).await
}

/// Refuses any artifact but the reviewed one.
fn check_digest(of: impl FnOnce() -> Digest, reviewed: Option<Digest>) -> Result<(), Failure> {
    // A digest costs as much as encoding the artifact, so compute it only if `--digest` is given.
    let Some(reviewed) = reviewed else { return Ok(()) };
    let is = of();
    if is == reviewed {
        return Ok(());
    }
    let text = format!("the artifact is {is}, not the {reviewed} of `--digest`");
    let help = "review it with `cutover show`, or apply the artifact that was reviewed";
    Err(Message::new(Code::DigestMismatch, text).help(help).ends(Exit::Refuted))
}

async fn applied(
    runs: &Runs,
    going: Going<'_>,
    ended: Ended,
    lease: &mut dyn Lease,
) -> Result<Applied, Failure> {
    let args = going.args;
    let ended = run_way_back((runs, lease), going, ended).await?;
    let Ended { outcome, artifact, state } = ended;
    match outcome {
        DriveOutcome::Finished if artifact.is_way_back() => {
            print_out(&told(&why_rolled_back(runs, &artifact, args.invocation()).await?))?;
            Ok(Exit::Halted.into())
        }
        // The process ended before it started the successor.
        DriveOutcome::Finished if let Some(by) = state.replaced => {
            print_out(&format!("superseded by {}: apply that, or plan again\n", by.short()))?;
            Ok(Exit::Halted.into())
        }
        DriveOutcome::Finished => {
            print_out(&format!("done: everything matches the plan `{}`\n", artifact.name))?;
            print_out(&released(&artifact))?;
            Ok(Exit::Done.into())
        }
        DriveOutcome::NeedsPerson => {
            print_out(&manual_tasks(&artifact, &state, args.invocation()))?;
            Ok(Applied { exit: Exit::ApprovalNeeded, until: Some(later(now(), ASK_EVERY)) })
        }
        DriveOutcome::Waiting { until } => {
            print_out(&manual_tasks(&artifact, &state, args.invocation()))?;
            let aside = set_aside(&artifact, &state)?;
            print_out(&format!(
                "waiting: {} at {}\n",
                going.driver.again(),
                show_instant(until, now())
            ))?;
            if let Some(exit) = aside {
                return Ok(Applied { exit, until: Some(until) });
            }
            Ok(Applied { exit: Exit::Waiting, until: Some(until) })
        }
        DriveOutcome::Halted(stopped) => {
            show_halt(&artifact, &state, &stopped, Extent::Whole)?;
            let others = state.aside().filter(|other| other.step != stopped.step);
            for other in others {
                show_halt(&artifact, &state, other, Extent::Part)?;
            }
            print_out(&halt_help(&artifact, &stopped, args.invocation()))?;
            Ok(Exit::of_halt(&artifact, &stopped).into())
        }
    }
}

/// Shows the steps that were set aside while the rest of the run continues; the worst of their exit
/// codes.
fn set_aside(artifact: &Artifact, state: &RunState) -> Result<Option<Exit>, Failure> {
    let mut worst = None;
    for aside in state.aside() {
        show_halt(artifact, state, aside, Extent::Part)?;
        let exit = Exit::of_halt(artifact, aside);
        worst = Some(worst.map_or(exit, |worst: Exit| worst.or_worse(exit)));
    }
    Ok(worst)
}

/// The records that break when the old host is switched off, which is now allowed.
fn released(artifact: &Artifact) -> String {
    let at_old = &artifact.verdict.at_old;
    if at_old.is_empty() {
        return String::new();
    }
    let lines: String = at_old.iter().map(|line| format!("  {}\n", escape_control(line))).collect();
    format!(
        "Before you switch off the old host: these records led to its addresses when the plan was made, and the run did not change them.\n{lines}"
    )
}

/// Why a run was rolled back, and what to do next.
async fn why_rolled_back(
    runs: &Runs,
    back: &Artifact,
    invocation: Invocation<'_>,
) -> Result<Message, Failure> {
    let turned = runs.rolled_back_by(back).await?;
    let state = turned.map(|turned| turned.run.state);
    let by = state.as_ref().and_then(|state| state.turned_by.as_ref());
    let words = by.and_then(|by| state.as_ref()?.last_details.get(by));
    let again = invocation.line("apply", "--again");
    let (why, help) = match by {
        Some(gate) => (
            format!("rolled back: {gate} failed"),
            format!("fix the cause, then apply the plan again with `{again}`, or change it"),
        ),
        None => (
            "rolled back: somebody ran `cutover rollback`".to_owned(),
            format!("apply the plan again with `{again}`, or change it"),
        ),
    };
    let message = Message::new(Code::RunRolledBack, why).severity(Severity::Note);
    Ok(message.details(words).help(help))
}

/// Refuses to apply a plan that a person rolled back.
fn rolled_back_by_person(back: &Artifact, invocation: Invocation<'_>) -> Failure {
    let text = format!("the run of {} was rolled back with `cutover rollback`", back.name);
    let again = invocation.line("apply", "--again");
    let help = format!("apply the plan again with `{again}`, or change it");
    Message::new(Code::RunRolledBack, text).help(help).ends(Exit::Halted)
}

/// What is asked for.
fn asked(input: &Input, How { again, replan, digest: _, demand: _ }: How<'_>) -> Asked {
    match input {
        Input::Plan(plan) => Asked { plan: plan.source.digest(), sealed: None, replan, again },
        Input::Artifact(artifact) => {
            let sealed = Sealed { digest: artifact.digest(), parent: artifact.parent };
            Asked { plan: artifact.plan, sealed: Some(sealed), replan, again }
        }
    }
}

/// The newest run, which must still be the one that was seen before we got the lease, and call for
/// the same action: somebody may have rolled it back meanwhile.
async fn still_so(
    runs: &Runs,
    (seen, asked): (Option<&RunId>, &Asked),
    action: Action,
) -> Result<Option<Found>, Failure> {
    let found = newest_still(runs, seen).await?;
    let known = newest(runs, found.as_ref()).await?;
    match decide(asked, known.as_ref()) == Ok(action) {
        true => Ok(found),
        false => {
            let text = "another process has continued or rolled back the run in the meantime";
            let help = "look at it with `cutover status`, and apply again";
            Err(Message::new(Code::RunMovedOn, text).help(help).error())
        }
    }
}

/// What is known of the newest run.
async fn newest(runs: &Runs, found: Option<&Found>) -> Result<Option<Newest>, Failure> {
    let Some(found) = found else { return Ok(None) };
    let (artifact, state) = (&found.run.artifact, &found.run.state);
    let turned = match artifact.is_way_back() {
        true => runs.rolled_back_by(artifact).await?,
        false => None,
    };
    let next = runs.next(found).await?;
    let turned = turned.as_ref().map(|turned| &turned.run.state);
    Ok(Some(Newest::of(artifact, state, turned, next.as_ref())))
}

/// Continues the newest run. `held` is the lease of the plan, if it was taken already.
async fn carry_on(
    runs: &Runs,
    seen: (Option<&RunId>, &Asked),
    going: Going<'_>,
    how: How<'_>,
    held: Option<Box<dyn Lease>>,
) -> Result<Applied, Failure> {
    let held = match held {
        Some(held) => held,
        None => lease(runs).await?,
    };
    holding(runs, held, async |lease| carry_on_under(runs, seen, going, how, lease).await).await
}

async fn carry_on_under(
    runs: &Runs,
    seen: (Option<&RunId>, &Asked),
    going: Going<'_>,
    how: How<'_>,
    lease: &mut dyn Lease,
) -> Result<Applied, Failure> {
    let args = going.args;
    // Another process may have continued the run before we got the lease, and finished it.
    if let Some(Found { run, .. }) = newest_still(runs, seen.0).await?
        && run.state.finished.is_some()
        && run.state.unsent.is_empty()
        && !run.state.only_settles()
        && !run.artifact.is_way_back()
    {
        print_out(&format!(
            "done: another process has finished the run of {}\n",
            run.artifact.name
        ))?;
        return Ok(Exit::Done.into());
    }
    let found = still_so(runs, seen, Action::Continue).await?;
    let mut found = found.expect("it is the one that was seen");
    if !found.run.artifact.is_way_back() {
        check_digest(|| found.run.state.artifact(), how.digest)?;
    }
    let (artifact, opened) = (Arc::clone(&found.run.artifact), found.run.state.opened);
    found.run.approvals = how.demand.of_open(&args.input, &artifact, &found.run.state)?;
    let next = runs.next(&found).await?;
    let reached = reach(args, &found.run.artifact)?;
    let ended = drive_run(found, reached, going, (runs, lease), None).await?;
    let settled = ended.outcome == DriveOutcome::Finished && ended.state.replaced.is_some();
    // Its successor was confirmed, but the process stopped before starting it.
    let Some(next) = next.filter(|_| settled) else {
        return applied(runs, going, ended, lease).await;
    };
    let reached = reach(args, &next)?;
    let approvals = how.demand.of_new(&args.input, &next, opened)?;
    let mut found = runs.create(lease, next).await?;
    found.run.approvals = approvals;
    let ended = drive_run(found, reached, going, (runs, lease), None).await?;
    applied(runs, going, ended, lease).await
}

/// Why nothing is done, and what to do instead.
async fn refused(
    refusal: Refusal,
    runs: &Runs,
    found: &Found,
    args: &RunArgs,
) -> Result<Failure, Failure> {
    let artifact = &found.run.artifact;
    let code = match refusal {
        Refusal::RollingBack => {
            let text = format!("the run of {} is rolling back", artifact.name);
            let line = args.invocation().line("rollback", "");
            let help = format!("continue the rollback with `{line}`; then you can apply again");
            return Ok(Message::new(Code::RunRollingBack, text).help(help).usage());
        }
        Refusal::RolledBackByGate => {
            let why = why_rolled_back(runs, artifact, args.invocation()).await?;
            return Ok(why.ends(Exit::Halted));
        }
        Refusal::RolledBackByPerson => {
            return Ok(rolled_back_by_person(artifact, args.invocation()));
        }
        Refusal::ParentGone(_) => return Ok(planned_for_another(refusal)),
        Refusal::PlanChanged => Code::PlanChanged,
        Refusal::OtherArtifact => Code::OtherArtifact,
    };
    let next = runs.next(found).await?;
    let goes_on = next.as_ref().unwrap_or(artifact);
    let message = Message::new(code, refusal.to_string());
    let message = match runs.store().folder(&found.id) {
        Some(folder) => in_folder(message, &folder, goes_on, args),
        None => {
            let digest = goes_on.digest().short();
            let help = "restore the plan and apply it,\n\
                or plan again from live DNS and supersede the run: `--replan` with `plan -o` or `apply`";
            message.detail(format!("the run {} continues with {digest}", found.id)).help(help)
        }
    };
    Ok(message.usage())
}

fn planned_for_another(refusal: Refusal) -> Failure {
    let message = Message::new(Code::ParentGone, refusal.to_string());
    message.help("plan again from live DNS").usage()
}

/// How to go on with a run that is a folder.
fn in_folder(message: Message, folder: &Path, artifact: &Artifact, args: &RunArgs) -> Message {
    let digest = artifact.digest().short();
    let finish = way_to_finish(folder, artifact, args);
    let (shown, given_up) = (shell_quote(folder), shell_quote(&folder.with_extension("given-up")));
    message.detail(format!("the run in {shown} continues with {digest}")).help(format!(
        "restore the plan and apply it, or finish the run with its own artifact:\n\
         {finish}\n\
         or plan again from live DNS and supersede the run: `--replan` with `plan -o` or `apply`;\n\
         or abandon the run where it stands, with whatever it has begun:\n  \
         mv {shown} {given_up}",
    ))
}

/// The commands that finish an open run without its plan.
fn way_to_finish(folder: &Path, artifact: &Artifact, args: &RunArgs) -> String {
    let sealed = folder.join("artifact.json");
    if args.state.chosen().is_none() {
        return format!("  cutover apply {}", shell_quote(&sealed));
    }
    // An artifact in a `--state` directory does not show where relative paths start: copy it there.
    let beside = shell_quote(&home(&args.input).join(format!("{}.run.json", artifact.name)));
    let (sealed, state) = (shell_quote(&sealed), args.state.option());
    format!("  cp {sealed} {beside}\n  cutover apply {beside}{state}")
}
