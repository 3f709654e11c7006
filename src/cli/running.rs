//! What the commands that drive a run share.

use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::signal::unix;

use super::approving::DemandArgs;
use super::exit::{Exit, Signal};
use super::failure::{Code, ErrorFormat, Failure, Message, Severity};
use super::planning::Planning;
use super::progress::Shown;
use super::{CommandArgs, Invocation, StateArgs, home, print_err, registry, shell_quote};
use crate::artifact::Artifact;
use crate::calendar::Timestamp;
use crate::config::SecretRef;
use crate::digest::Digest;
use crate::engine::{IllegalEvent, RunState};
use crate::graph::StepId;
use crate::notify::Way;
use crate::world::real::connect::{Commands, Connected, connect, secret};
use crate::world::real::notify::Recipient;
use crate::world::real::store::{Claim, Found, Lease, Part, RunId, Runs};
use crate::world::real::{Real, now};
use crate::world::{DriveError, DriveOutcome, Patience, Progress, Run, World as _, drive, tool};

/// The input of a run, and how to drive it.
#[derive(clap::Args)]
pub(super) struct RunArgs {
    /// The plan, an artifact of it, or its name
    #[arg(value_name = "PLAN|ARTIFACT|NAME")]
    pub(super) input: PathBuf,
    #[command(flatten)]
    pub(super) going: GoingArgs,
}

/// How to drive runs.
#[derive(Clone, clap::Args)]
pub(super) struct GoingArgs {
    /// Keep running through all waits, also while people are asked (`cutover confirm`)
    #[arg(long)]
    pub(super) wait: bool,
    /// Do not ask for confirmation
    #[arg(long)]
    pub(super) auto_approve: bool,
    #[command(flatten)]
    pub(super) state: StateArgs,
    #[command(flatten)]
    pub(super) commands: CommandArgs,
    /// How errors and remarks are written: given before or after the command.
    #[arg(skip)]
    pub(super) errors: ErrorFormat,
}

impl GoingArgs {
    /// How a plan is made for these runs.
    pub(super) fn planning(&self) -> Planning<'_> {
        let Self { wait: _, auto_approve: _, state, commands, errors } = self;
        Planning { state, commands: commands.allowed(), errors: *errors }
    }

    /// The same for one of several inputs.
    pub(super) fn of(&self, input: &Path) -> RunArgs {
        RunArgs { input: input.to_owned(), going: self.clone() }
    }
}

impl RunArgs {
    /// The commands that messages suggest.
    pub(super) fn invocation(&self) -> Invocation<'_> {
        Invocation::of(&self.input, &self.going.state)
    }
}

impl std::ops::Deref for RunArgs {
    type Target = GoingArgs;

    fn deref(&self) -> &GoingArgs {
        &self.going
    }
}

/// The state of a run when the loop ended.
pub(super) struct Ended {
    /// Why the loop ended.
    pub(super) outcome: DriveOutcome,
    /// The artifact that was run.
    pub(super) artifact: Arc<Artifact>,
    /// The state of its steps.
    pub(super) state: RunState,
}

/// The newest run, which must still be the one that was seen before we got the lease.
pub(super) async fn newest_still(
    runs: &Runs,
    seen: Option<&RunId>,
) -> Result<Option<Found>, Failure> {
    let newest = runs.newest().await?;
    match newest.as_ref().map(|found| &found.id) == seen {
        true => Ok(newest),
        false => {
            let text = "another process has started a run of this plan in the meantime";
            Err(Message::new(Code::RunMovedOn, text).error())
        }
    }
}

/// Names this process to others that want the lease.
pub(super) fn claim() -> Claim {
    let owner = format!("{} with process {}", tool(), std::process::id());
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    Claim { owner, host: host.unwrap_or_else(|| "an unnamed machine".to_owned()) }
}

pub(super) async fn lease(runs: &Runs) -> Result<Box<dyn Lease>, Failure> {
    Ok(runs.lease(&claim()).await?)
}

/// The providers and notification targets of a run.
pub(super) struct Reach {
    connected: Connected,
    notices: Vec<Recipient>,
    /// Where commands run.
    home: PathBuf,
    /// How remarks are written.
    errors: ErrorFormat,
}

impl Reach {
    /// For a command that only writes to the journal: connects to nothing, reads no secrets.
    pub(super) fn nothing(input: &Path, errors: ErrorFormat) -> Self {
        let connected = Connected { providers: BTreeMap::new(), secrets: Vec::new() };
        Self { connected, notices: Vec::new(), home: home(input), errors }
    }
}

pub(super) fn reach(args: &RunArgs, artifact: &Artifact) -> Result<Reach, Failure> {
    let (input, commands, errors) = (&args.input, args.commands.allowed(), args.errors);
    if commands == Commands::Refuse {
        check_no_programs(artifact)?;
    }
    let home = home(input);
    let mut connected = connect(registry(), &artifact.providers, &home, commands)
        .map_err(|(name, error)| Failure::connect(&name, &error))?;
    let mut known = |reference: &SecretRef| {
        let secret = secret(reference, &home, commands);
        let secret = secret.map_err(|error| bad_notification(&error.to_string()))?;
        connected.secrets.push(secret.clone());
        Ok::<_, Failure>(secret)
    };
    let notices = artifact.notify.iter().map(|notice| match &notice.way {
        Way::Webhook(webhook) => match known(webhook)? {
            address if is_web(address.expose()) => Ok(Recipient::Webhook(address)),
            _ => Err(bad_notification(&format!("{webhook} is not an http:// or https:// address"))),
        },
        Way::Mail(mail) => {
            let password = mail.login.as_ref().map(|login| known(&login.password));
            Ok(Recipient::Mail(mail.clone(), password.transpose()?))
        }
    });
    let notices = notices.collect::<Result<_, Failure>>()?;
    Ok(Reach { connected, notices, home, errors })
}

/// Refuses an artifact whose run or way back would run a program.
fn check_no_programs(artifact: &Artifact) -> Result<(), Failure> {
    let programs = artifact.programs();
    if programs.is_empty() {
        return Ok(());
    }
    let text = "this plan runs programs, and `--no-commands` forbids that";
    let help = "review them, and leave out `--no-commands` if you trust them";
    Err(Message::new(Code::ProgramsForbidden, text).details(programs).help(help).usage())
}

/// A notification target is unusable. Found before the run begins, not when the first message is
/// due.
fn bad_notification(problem: &str) -> Failure {
    let text = format!("cannot send notifications (`notify:`): {problem}");
    Message::new(Code::NotifyUnusable, text).error()
}

fn is_web(address: &str) -> bool {
    let rest = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace))
}

/// A question to which only `yes` is an answer.
pub(super) struct Question {
    /// What is asked.
    asked: &'static str,
    /// What happens without an answer.
    undone: &'static str,
    /// What to do before the answer.
    first: &'static str,
}

impl Question {
    pub(super) const APPLY: Self =
        Self { asked: "Apply this?", undone: "not applied", first: "review the plan" };
    pub(super) const ROLL_BACK: Self =
        Self { asked: "Roll back like this?", undone: "not applied", first: "review the plan" };
    pub(super) const UNLOCK: Self = Self {
        asked: "Take its lease away?",
        undone: "not unlocked",
        first: "make sure that the process is gone",
    };
}

/// Asks for confirmation on a terminal; anywhere else, `--auto-approve` is required. Without
/// confirmation the command ends.
pub(super) fn ask(
    auto_approve: bool,
    &Question { asked, undone, first }: &Question,
    show: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    if auto_approve {
        return Ok(());
    }
    show()?;
    if !std::io::stdin().is_terminal() {
        let help = format!("{first}, then run this in a terminal or add `--auto-approve`");
        return Err(not_confirmed(&format!("{undone}: needs confirmation"))
            .help(help)
            .ends(Exit::ApprovalNeeded));
    }
    print_err(&format!("\n{asked} Only `yes` is accepted:"));
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Failure::system(&error))?;
    match answer.trim() {
        "yes" => Ok(()),
        _ => Err(not_confirmed(undone).ends(Exit::ApprovalNeeded)),
    }
}

fn not_confirmed(text: &str) -> Message {
    Message::new(Code::NotConfirmed, text).severity(Severity::Note)
}

/// Where a run goes that stops moving forward.
#[derive(Clone, Copy)]
pub(super) enum Turn<'t> {
    /// Back to this rollback point.
    Back(&'t str),
    /// Nowhere: this artifact supersedes it.
    Away(Digest),
}

/// The command that drives a run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Driver {
    Apply,
    Rollback,
    /// `run`, which takes the name of a plan.
    Run,
}

impl Driver {
    /// What follows `cutover`, and what follows the input.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Apply => ("apply", ""),
            Self::Rollback => ("rollback", ""),
            Self::Run => ("run", "--once"),
        }
    }

    /// What to do when a wait is over.
    pub(super) fn again(self) -> &'static str {
        match self {
            Self::Apply => "apply again",
            Self::Rollback => "roll back again",
            Self::Run => "run again",
        }
    }
}

/// The command that drives a run, with its arguments.
#[derive(Clone, Copy)]
pub(super) struct Going<'a> {
    pub(super) args: &'a RunArgs,
    pub(super) driver: Driver,
    /// Who may approve, which is looked at before each checkpoint.
    pub(super) demand: &'a DemandArgs,
}

impl Going<'_> {
    /// The command that continues the run.
    fn again(self) -> String {
        let GoingArgs { wait, auto_approve: _, state: _, commands, errors: _ } = &self.args.going;
        let (command, rest) = self.driver.words();
        let mut line = self.args.invocation().line(command, rest);
        line += if *wait { " --wait" } else { "" };
        line + if commands.no_commands { " --no-commands" } else { "" }
    }
}

/// Drives a run, with progress on standard error. `turn` first turns it back, or hands it over to
/// its successor.
pub(super) async fn drive_run(
    found: Found,
    reached: Reach,
    going: Going<'_>,
    (runs, lease): (&Runs, &mut dyn Lease),
    turn: Option<Turn<'_>>,
) -> Result<Ended, Failure> {
    let patience = if going.args.wait { Patience::Stay } else { Patience::Leave };
    let turned = match found.run.artifact.is_way_back() {
        true => runs.rolled_back_by(&found.run.artifact).await?,
        false => None,
    };
    let Some(mut turned) = turned.filter(|turned| !turned.run.state.unsent.is_empty()) else {
        return drive_once(found, reached, going, (runs, lease), turn, patience).await;
    };
    // Mail is led back first, then people are told why, and then the rest is waited for.
    let (id, back) = (found.id.clone(), Arc::clone(&found.run.artifact));
    let leave = Patience::Leave;
    let ended = drive_once(found, reached, going, (runs, lease), turn, leave).await?;
    turned.run.announces_rollback = true;
    let told = match reach(going.args, &turned.run.artifact) {
        Ok(reached) => drive_once(turned, reached, going, (runs, lease), None, leave).await,
        Err(failure) => Err(failure),
    };
    if let Err(failure) = told {
        let message = Message::new(Code::NobodyTold, "nobody was told of the rollback");
        let message = message.severity(Severity::Note).details(failure.messages());
        going.args.errors.remark(message);
    }
    match (patience, &ended.outcome) {
        (Patience::Stay, DriveOutcome::Waiting { .. } | DriveOutcome::NeedsPerson) => {
            let found = newest_still(runs, Some(&id)).await?.expect("it is the way back");
            let reached = reach(going.args, &back)?;
            drive_once(found, reached, going, (runs, lease), None, patience).await
        }
        (_, _) => Ok(ended),
    }
}

/// The same, of one run and nothing else.
async fn drive_once(
    found: Found,
    reach: Reach,
    going: Going<'_>,
    (runs, lease): (&Runs, &mut dyn Lease),
    turn: Option<Turn<'_>>,
    patience: Patience,
) -> Result<Ended, Failure> {
    let (mut run, mut world) = opened((runs, lease), found, reach);
    let artifact = Arc::clone(&run.artifact);
    world.approving = going.demand.approving(&going.args.input, &artifact);
    let mut signals = Signals::new().map_err(|error| Failure::system(&error))?;
    let shown = Shown::new(&artifact, going.args.invocation());
    let mut watch =
        |state: &RunState, progress: Progress<'_>| shown.watch(&artifact, state, &progress);
    let turned = match turn {
        Some(Turn::Back(to)) => run.turn_back(&mut world, to, &mut watch).await,
        Some(Turn::Away(by)) => run.supersede(&mut world, by, &mut watch).await,
        None => Ok(()),
    };
    let ended = match turned {
        Err(error) => Err(error),
        Ok(()) => {
            // A signal drops what is under way, just as a crash would; the journal survives both.
            tokio::select! {
                ended = drive(&mut world, &mut run, patience, &mut watch) => ended,
                signal = signals.next() => {
                    let stopped = stopped(signal, &mut run, &mut world, going).await;
                    shown.finish();
                    return Err(stopped);
                }
            }
        }
    };
    shown.finish();
    let outcome = ended?;
    Ok(Ended { outcome, artifact, state: run.state })
}

/// Sleeps until one of several runs can continue. No run is affected if the process ends meanwhile.
pub(super) async fn rest_until(
    until: Timestamp,
    inputs: &[PathBuf],
    going: &GoingArgs,
) -> Result<(), Failure> {
    let mut signals = Signals::new().map_err(|error| Failure::system(&error))?;
    let pause = (until - now()).to_std().unwrap_or_default();
    #[expect(clippy::disallowed_methods, reason = "there is nothing to do until then")]
    let rest = tokio::time::sleep(pause);
    tokio::select! {
        () = rest => Ok(()),
        signal = signals.next() => {
            let all: Vec<String> = inputs.iter().map(|input| shell_quote(input)).collect();
            let mut line = format!("cutover apply {}", all.join(" "));
            line += &going.state.option();
            let (name, _) = signal.named();
            let help = format!("nothing is lost. Continue with `{line} --wait`");
            Err(stopped_by(name).help(help).ends(Exit::Stopped(signal)))
        }
    }
}

/// The signals that ask a process to end.
pub(super) struct Signals([(Signal, unix::Signal); 3]);

impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        let of = |signal, kind| unix::signal(kind).map(|stream| (signal, stream));
        Ok(Self([
            of(Signal::Interrupt, unix::SignalKind::interrupt())?,
            of(Signal::Terminate, unix::SignalKind::terminate())?,
            of(Signal::HangUp, unix::SignalKind::hangup())?,
        ]))
    }

    pub(super) async fn next(&mut self) -> Signal {
        let Self([(one, first), (two, second), (three, third)]) = self;
        tokio::select! {
            _ = first.recv() => *one,
            _ = second.recv() => *two,
            _ = third.recv() => *three,
        }
    }
}

/// Stops all running commands, records that, and says how to continue.
async fn stopped(signal: Signal, run: &mut Run, world: &mut Real<'_>, going: Going<'_>) -> Failure {
    let (name, _) = signal.named();
    let mut message = stopped_by(name);
    for step in world.end_commands().await {
        let mut text =
            format!("{step}: its command was killed, with all processes that it had started");
        let detail = format!("its command was killed when {name} stopped cutover");
        if let Err(error) = run.record_interrupted(world, step, detail, &mut |_, _| {}).await {
            text += &format!("; this could not be written to the journal: {error}");
        }
        message = message.detail(text);
    }
    let help = format!(
        "nothing is lost. Continue with `{}`; `{}` shows the state of the run",
        going.again(),
        going.args.invocation().line("status", "")
    );
    message.help(help).ends(Exit::Stopped(signal))
}

pub(super) fn stopped_by(signal: &str) -> Message {
    let text = format!("stopped by {signal}");
    Message::new(Code::Stopped, text).severity(Severity::Note)
}

/// What a person says about a step.
#[derive(Clone)]
pub(super) enum Word {
    /// It counts as passed or done, for this reason.
    Done(String),
    /// A task in doubt was not done, for this reason.
    NotDone(Option<String>),
}

/// Writes what a person says about a step to the journal, and does nothing else.
pub(super) async fn record_word(
    writing: (&Runs, &mut dyn Lease),
    found: Found,
    reach: Reach,
    step: &StepId,
    word: Word,
) -> Result<(), Failure> {
    let (mut run, mut world) = opened(writing, found, reach);
    let watch = &mut |_: &RunState, _: Progress<'_>| {};
    let said = match word {
        Word::Done(reason) => run.pass_gate(&mut world, step.clone(), reason, watch).await,
        Word::NotDone(reason) => run.record_not_done(&mut world, step.clone(), reason, watch).await,
    };
    said.map_err(|error| match error {
        DriveError::Illegal(error) => not_confirmable(step, &error),
        DriveError::Append(_) => error.into(),
    })
}

/// Refuses a confirmation that the run is not waiting for.
pub(super) fn not_confirmable(step: &StepId, error: &IllegalEvent) -> Failure {
    let help = "`cutover status` shows what the run waits for: a task, a fact to confirm, or a gate with `on_fail: ask` that has not passed";
    let what = match error {
        IllegalEvent::Step { .. } => {
            format!("{step} cannot be confirmed now: it is not waiting for a person")
        }
        IllegalEvent::UnknownStep(_)
        | IllegalEvent::Order { .. }
        | IllegalEvent::Artifact { .. }
        | IllegalEvent::NotOpen(_)
        | IllegalEvent::Window(_)
        | IllegalEvent::TooFewApprove
        | IllegalEvent::NotNamed(_)
        | IllegalEvent::Expired(_)
        | IllegalEvent::Evidence { .. }
        | IllegalEvent::NoWayBack(_)
        | IllegalEvent::Span(_) => format!("{step} cannot be confirmed now: {error}"),
    };
    Message::new(Code::NotConfirmable, what).help(help).usage()
}

/// Connects a run to the world.
fn opened<'l>(
    (runs, lease): (&Runs, &'l mut dyn Lease),
    found: Found,
    Reach { connected: Connected { providers, secrets }, notices, home, errors }: Reach,
) -> (Run, Real<'l>) {
    let Found { run, id, incomplete_octets } = found;
    let store = Arc::clone(runs.store());
    if incomplete_octets > 0 {
        let text = format!(
            "the last line of {} was incomplete; its {incomplete_octets} octets are cut off",
            store.place(&id, Part::Journal)
        );
        errors.remark(Message::new(Code::JournalCut, text).severity(Severity::Note));
    }
    let zones = run.artifact.zones.iter().map(|(name, zone)| (name, &zone.provider));
    let relied = run.artifact.relies_on.iter().map(|(name, of)| (name, &of.provider));
    let zones = zones.chain(relied).map(|(name, of)| (name.clone(), of.clone())).collect();
    let world = Real {
        providers,
        zones,
        home,
        secrets,
        notices,
        run: id,
        store,
        running: BTreeMap::new(),
        approving: None,
        querying: BTreeMap::new(),
        wake: Arc::default(),
        lease,
    };
    (run, world)
}
