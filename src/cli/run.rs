//! `cutover run`

mod driven;
mod shared;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::apply::{Applied, go_on};
use super::approving::DemandArgs;
use super::due::{Due, HALTED_EVERY, LOOK_EVERY, Looked, look};
use super::exit::Exit;
use super::failure::{Code, ErrorFormat, Failure, Message, Severity};
use super::person::manual_tasks;
use super::running::{GoingArgs, RunArgs, Signals, stopped_by};
use super::{CommandArgs, StateArgs, planning, print_err, print_out, speaking_of};
use crate::calendar::{Timestamp, later, show_instant};
use crate::world::real::now;
use crate::world::real::store::Runs;
use driven::Driven;
use shared::SharedTurns;

/// Continue the open runs that are due, several at once
#[derive(clap::Args)]
#[command(after_help = "\
Begins no run: that is what `apply` is for. A run that another machine drives is left to it. A run that halts \
does not hold up the others. In PostgreSQL, `--all` takes what is due and leaves the rest alone, so any number \
of machines can share thousands of runs. Relative paths of a run that is given by its name, or by `--all`, start from the \
present directory.\n\n\
With `--once`, the exit code is the worst of all: 4 if all that is left has to wait, and the next time is \
printed. With `--loop`, only a signal ends the command.")]
pub(super) struct Args {
    /// Plans, artifacts, or names of plans
    #[arg(value_name = "PLAN|ARTIFACT|NAME", required_unless_present = "all")]
    plans: Vec<PathBuf>,
    /// All plans in the store
    #[arg(long, conflicts_with = "plans")]
    all: bool,
    #[command(flatten)]
    how_long: HowLong,
    /// How many runs to drive at once
    #[arg(long, value_name = "N", default_value = "8")]
    jobs: NonZeroUsize,
    #[command(flatten)]
    demand: DemandArgs,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    commands: CommandArgs,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct HowLong {
    /// Continue what is due now, and end
    #[arg(long)]
    once: bool,
    /// Stay, and continue each run when it is due
    #[arg(long = "loop")]
    stay: bool,
}

/// Runs at once that use the same provider with the same configuration. Our choice: adapters make up
/// to four requests at once, and providers block whoever asks much more.
const AT_PROVIDER_MAX: usize = 4;
/// How often the store is looked at for new runs. Our choice.
const LIST_EVERY: Duration = Duration::from_secs(10);
/// When to ask again for the lease of a run that another machine drives. Our choice.
const LEASE_EVERY: Duration = Duration::from_secs(15);
/// When to look again at a run that waits for a person. Our choice.
const ASK_EVERY: Duration = Duration::from_secs(10);
/// How long runs get to end after a signal. Our choice: then they end as in a crash, which is safe too.
const END_MAX: Duration = Duration::from_secs(20);

pub(super) async fn run(args: Args, errors: ErrorFormat) -> Result<Exit, Failure> {
    let mut signals = Signals::new().map_err(|error| Failure::system(&error))?;
    let signal = if let Some(mut turns) = SharedTurns::new(&args, errors)? {
        let signal = tokio::select! {
            ended = turns.take() => return ended,
            signal = signals.next() => signal,
        };
        // Each run hears the signal too, and says how to continue it.
        let _ = tokio::time::timeout(END_MAX, turns.end()).await;
        signal
    } else {
        let mut turns = Turns::new(&args, errors);
        let signal = tokio::select! {
            ended = turns.take() => return ended,
            signal = signals.next() => signal,
        };
        let _ = tokio::time::timeout(END_MAX, turns.end()).await;
        signal
    };
    let (name, _) = signal.named();
    Err(stopped_by(name).help("nothing is lost. Start it again").ends(Exit::Stopped(signal)))
}

/// What is known of a plan.
struct Known {
    input: PathBuf,
    /// When to look at it again; `None` while it is driven, or with `--once` when it was.
    look_at: Option<Timestamp>,
    /// How the last look or turn ended.
    exit: Exit,
    /// When its run continues.
    until: Option<Timestamp>,
    /// Why it could not be continued, to say it once.
    trouble: Option<Vec<String>>,
}

/// A run that is due, and waits for its turn.
struct Ready {
    looked: Looked,
    runs: Runs,
}

struct Turns<'a> {
    args: &'a Args,
    errors: ErrorFormat,
    plans: BTreeMap<String, Known>,
    /// When the store is listed again.
    list_at: Option<Timestamp>,
    ready: BTreeMap<String, Ready>,
    driven: Driven<'a>,
    /// The providers of each run that is driven.
    at_provider: BTreeMap<String, Vec<String>>,
}

impl<'a> Turns<'a> {
    fn new(args: &'a Args, errors: ErrorFormat) -> Self {
        Self {
            args,
            errors,
            plans: BTreeMap::new(),
            list_at: Some(now()),
            ready: BTreeMap::new(),
            driven: Driven::default(),
            at_provider: BTreeMap::new(),
        }
    }

    fn stays(&self) -> bool {
        self.args.how_long.stay
    }

    /// Continues what is due, until nothing is; with `--loop`, for ever.
    async fn take(&mut self) -> Result<Exit, Failure> {
        loop {
            if self.list_at.is_some_and(|at| at <= now()) {
                match self.list().await {
                    Err(failure) if self.stays() => away(self.errors, &failure),
                    listed => listed?,
                }
            }
            self.look().await;
            self.start();
            let looks = self.plans.values().filter_map(|plan| plan.look_at);
            let next = looks.chain(self.list_at).min();
            match (self.driven.is_empty(), next) {
                (true, None) => return self.ended(),
                (true, Some(next)) => pause_until(next).await,
                (false, None) => self.heed().await,
                (false, Some(next)) => tokio::select! {
                    () = pause_until(next) => {}
                    Some((plan, ended)) = self.driven.next() => self.note(plan, ended),
                },
            }
        }
    }

    /// Waits for a run that is driven.
    async fn heed(&mut self) {
        if let Some((plan, ended)) = self.driven.next().await {
            self.note(plan, ended);
        }
    }

    /// Finds the plans.
    async fn list(&mut self) -> Result<(), Failure> {
        self.list_at = self.stays().then(|| later(now(), LIST_EVERY));
        let found = self.driven.beside(listed(self.args)).await?;
        for (name, input) in found {
            self.plans.entry(name).or_insert(Known {
                input,
                look_at: Some(now()),
                exit: Exit::Done,
                until: None,
                trouble: None,
            });
        }
        Ok(())
    }

    /// Looks at the runs whose time has come.
    async fn look(&mut self) {
        let stays = self.stays();
        for (name, known) in &mut self.plans {
            if known.look_at.is_none_or(|at| at > now()) {
                continue;
            }
            let looked = match self.args.state.runs(&known.input, name) {
                Ok(runs) => self.driven.beside(look(&runs)).await.map(|looked| (looked, runs)),
                Err(failure) => Err(failure),
            };
            let again = |span| stays.then(|| later(now(), span));
            known.until = None;
            if looked.is_ok() {
                known.trouble = None;
            }
            match looked {
                Err(failure) => {
                    known.look_at = again(LOOK_EVERY);
                    known.fail(name, failure, self.errors);
                }
                Ok((None, _)) => {
                    (known.look_at, known.exit) = (again(LOOK_EVERY), Exit::Done);
                }
                Ok((Some(looked), runs)) => match looked.due {
                    Due::Now | Due::Halted => {
                        known.look_at = None;
                        self.ready.insert(name.clone(), Ready { looked, runs });
                    }
                    Due::At(at) => {
                        known.look_at = again(LOOK_EVERY).map(|again| again.min(at));
                        (known.exit, known.until) = (Exit::Waiting, Some(at));
                    }
                    Due::Person => {
                        known.look_at = again(ASK_EVERY);
                        if known.exit != Exit::ApprovalNeeded {
                            ask(&known.input, &looked, &self.args.state);
                        }
                        known.exit = Exit::ApprovalNeeded;
                    }
                    Due::Never => {
                        (known.look_at, known.exit) = (again(LOOK_EVERY), Exit::Done);
                    }
                },
            }
        }
    }

    /// Starts the runs that are due, as far as there is room.
    fn start(&mut self) {
        for name in self.ready.keys().cloned().collect::<Vec<_>>() {
            if self.driven.len() >= self.args.jobs.get() {
                return;
            }
            let providers = self.ready[&name].looked.providers.clone();
            if is_full(&self.at_provider, &providers) {
                continue;
            }
            let Some(Ready { looked, runs }) = self.ready.remove(&name) else { continue };
            self.at_provider.insert(name.clone(), providers);
            let run = run_args(self.args, self.plans[&name].input.clone(), self.errors);
            let demand = &self.args.demand;
            let turn = async move {
                let ended =
                    speaking_of(&name, go_on(&runs, &looked.found, &run, demand, None)).await;
                (name, ended)
            };
            self.driven.push(Box::pin(turn));
        }
    }

    /// Takes note of how a turn ended.
    fn note(&mut self, name: String, ended: Result<Applied, Failure>) {
        self.at_provider.remove(&name);
        let stays = self.stays();
        let Some(known) = self.plans.get_mut(&name) else { return };
        let again = |span| stays.then(|| later(now(), span));
        match ended {
            Ok(Applied { exit, until }) => {
                (known.exit, known.until, known.trouble) = (exit, until, None);
                known.look_at = match exit {
                    Exit::Halted | Exit::Stuck => again(HALTED_EVERY),
                    // What comes next is found by looking.
                    Exit::Done
                    | Exit::Waiting
                    | Exit::ApprovalNeeded
                    | Exit::Error
                    | Exit::Usage
                    | Exit::Changes
                    | Exit::Refuted
                    | Exit::Stopped(_) => again(Duration::ZERO),
                };
            }
            Err(failure) if failure.is(Code::RunLocked) => {
                // Whoever drives it will also continue it.
                (known.exit, known.look_at) = (Exit::Waiting, again(LEASE_EVERY));
                if !stays {
                    known.fail(&name, Failure { exit: Exit::Waiting, ..failure }, self.errors);
                }
            }
            // Another machine has moved it on.
            Err(failure) if failure.is(Code::RunMovedOn) => {
                (known.exit, known.look_at) = (Exit::Waiting, Some(now()));
            }
            Err(failure) => {
                known.look_at = again(LOOK_EVERY);
                known.fail(&name, failure, self.errors);
            }
        }
    }

    /// How all of it ended, and when something continues.
    fn ended(&self) -> Result<Exit, Failure> {
        let exits = self.plans.values().map(|known| known.exit);
        let worst = exits.fold(Exit::Done, Exit::or_worse);
        let next = self.plans.iter().filter_map(|(name, known)| Some((known.until?, name))).min();
        say_end(worst, next.map(|(until, name)| (until, name.clone())))
    }

    /// Lets the runs that are driven end.
    async fn end(&mut self) {
        while self.driven.next().await.is_some() {}
    }
}

impl Known {
    /// Says why a run cannot be continued, once.
    fn fail(&mut self, name: &str, failure: Failure, errors: ErrorFormat) {
        self.exit = failure.exit;
        let messages = failure.messages();
        if self.trouble.as_ref() != Some(&messages) {
            errors.fail(&failure.of_plan(name));
        }
        self.trouble = Some(messages);
    }
}

/// The plans that are asked for, each with its input.
async fn listed(args: &Args) -> Result<Vec<(String, PathBuf)>, Failure> {
    if args.all {
        let names = args.state.store(Path::new(""))?.plans().await?;
        return Ok(names.into_iter().map(|name| (name.clone(), PathBuf::from(name))).collect());
    }
    let mut found = Vec::new();
    for input in &args.plans {
        let runs = planning::runs(input, &args.state).await?;
        found.push((runs.plan().to_owned(), input.clone()));
    }
    Ok(found)
}

/// The store cannot be asked: it is tried again later.
fn away(errors: ErrorFormat, failure: &Failure) {
    for text in failure.messages() {
        let message = Message::new(Code::StoreUnusable, text).severity(Severity::Warning);
        errors.remark(message.help("it is tried again"));
    }
}

/// Whether as many runs use one of these providers as may do so at once.
fn is_full(driven: &BTreeMap<String, Vec<String>>, providers: &[String]) -> bool {
    providers.iter().any(|provider| {
        driven.values().filter(|used| used.contains(provider)).count() >= AT_PROVIDER_MAX
    })
}

/// How a run is continued.
fn run_args(args: &Args, input: PathBuf, errors: ErrorFormat) -> RunArgs {
    let going = GoingArgs {
        wait: false,
        // What was begun has been approved.
        auto_approve: true,
        state: args.state.clone(),
        commands: args.commands.clone(),
        errors,
    };
    RunArgs { input, going }
}

/// Says when a run continues, if one does.
fn say_end(worst: Exit, next: Option<(Timestamp, String)>) -> Result<Exit, Failure> {
    match next {
        Some((until, name)) => {
            let at = show_instant(until, now());
            print_out(&format!("{name} is the next that continues: run again at {at}\n"))?;
        }
        None if worst == Exit::Done => print_out("nothing is left to do\n")?,
        None => {}
    }
    Ok(worst)
}

/// Says what a person has to do.
fn ask(input: &Path, looked: &Looked, state: &StateArgs) {
    let run = &looked.found.run;
    let invocation = super::Invocation::of(input, state);
    print_err(&manual_tasks(&run.artifact, &run.state, invocation));
}

#[expect(clippy::disallowed_methods, reason = "nothing is due until then")]
async fn pause_until(at: Timestamp) {
    tokio::time::sleep((at - now()).to_std().unwrap_or_default()).await;
}
