//! The command line: one file per command, listed here.
//!
//! Requested output goes to standard output, everything else to standard error. Colour is used only
//! on a terminal, and never with `NO_COLOR`.

mod annotations;
mod apply;
mod approvals;
mod approve;
mod approving;
mod check;
mod completions;
mod confirm;
mod diff;
mod discover;
mod due;
pub mod exit;
mod explain;
mod failure;
mod log;
mod mailboxes;
mod person;
mod plan;
mod planning;
mod probe;
mod profiles;
mod progress;
mod providers;
mod rollback;
mod run;
mod running;
mod schema;
mod several;
mod show;
mod standing;
mod state;
mod status;
mod storing;
mod zone;

use std::borrow::Cow;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use cutover_contract::Adapter;

use crate::diag::is_unseen;
use crate::language::Registry;
use crate::render::Styling;
use crate::world::real::connect::Commands;
use exit::Exit;
use failure::{Code, ErrorFormat, Failure, Message, Problem};
use storing::{Invocation, StateArgs, home};

/// Every adapter, one line each.
#[must_use]
pub fn registry() -> &'static [Adapter] {
    &[
        cutover_zonefile::ADAPTER,
        cutover_rfc2136::ADAPTER,
        cutover_powerdns::ADAPTER,
        cutover_cloudflare::ADAPTER,
        cutover_route53::ADAPTER,
        cutover_octodns::ADAPTER,
    ]
}

/// What the plan language takes from adapters and probes.
#[must_use]
pub fn language() -> Registry<'static> {
    Registry { adapters: registry(), probes: &crate::probe::KEYS }
}

/// Move a domain's mail from one host to another: plan the DNS changes, their order and their
/// waits, and apply them
#[derive(Parser)]
#[command(name = "cutover", version, max_term_width = 100)]
struct Cli {
    /// How to write errors and warnings to standard error
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value_t)]
    error_format: ErrorFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Discover(discover::Args),
    Check(check::Args),
    Plan(plan::Args),
    Show(show::Args),
    Diff(diff::Args),
    Explain(explain::Args),
    Approve(approve::Args),
    Approvals(approvals::Args),
    Apply(apply::Args),
    Run(run::Args),
    Rollback(rollback::Args),
    Confirm(confirm::Args),
    Status(status::Args),
    Log(log::Args),
    Mailboxes(mailboxes::Args),
    State(state::Args),
    Zone(zone::Args),
    Probe(probe::Args),
    Profiles(profiles::Args),
    Providers(providers::Args),
    Schema(schema::Args),
    Completions(completions::Args),
    Man(completions::ManArgs),
}

/// Whether programs may run.
#[derive(Clone, clap::Args)]
struct CommandArgs {
    /// Refuse to run any program that the plan names for secrets, probes, tasks or reloading
    #[arg(long)]
    no_commands: bool,
}

impl CommandArgs {
    fn allowed(&self) -> Commands {
        if self.no_commands { Commands::Refuse } else { Commands::Run }
    }
}

/// The directory that a file lies in.
fn base(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

/// Runs the command line of this process.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> Exit {
    let arguments: Vec<std::ffi::OsString> = arguments.into_iter().collect();
    // A script that reads 2 as "changes" must not get 2 for a mistyped option.
    let detailed = arguments.iter().any(|argument| argument == "--detailed-exitcode");
    let errors = ErrorFormat::among(&arguments);
    let (errors, ended) = match Cli::try_parse_from(arguments) {
        Ok(cli) => (cli.error_format, run_command(cli)),
        Err(error) if error.use_stderr() => {
            let problems = vec![Problem::CommandLine(Box::new(error))];
            (errors, Err(Failure { exit: Exit::Usage, problems }))
        }
        Err(help) => {
            let text = match styling(&std::io::stdout()) {
                Styling::Coloured => help.render().ansi().to_string(),
                Styling::Plain => help.render().to_string(),
            };
            // If this fails, there is nowhere left to report it.
            let _ = print_out(&text);
            return Exit::Done;
        }
    };
    match ended {
        Ok(exit) => exit,
        // As in Terraform, every other failure is 1.
        Err(failure) if detailed && failure.exit != Exit::Refuted => {
            errors.fail(&failure.ends(Exit::Error))
        }
        Err(failure) => errors.fail(&failure),
    }
}

fn run_command(cli: Cli) -> Result<Exit, Failure> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::system(&error))?;
    let Cli { command, error_format: errors } = cli;
    runtime.block_on(async {
        match command {
            Command::Discover(args) => discover::run(args, errors).await,
            Command::Check(args) => check::run(args, errors),
            Command::Plan(args) => plan::run(args, errors).await,
            Command::Show(args) => show::run(&args),
            Command::Diff(args) => diff::run(&args),
            Command::Explain(args) => explain::run(args, errors).await,
            Command::Approve(args) => approve::run(&args),
            Command::Approvals(args) => approvals::run(&args),
            Command::Apply(args) => apply::run(args, errors).await,
            Command::Run(args) => run::run(args, errors).await,
            Command::Rollback(args) => rollback::run(args, errors).await,
            Command::Confirm(args) => confirm::run(args, errors).await,
            Command::Status(args) => status::run(&args, errors).await,
            Command::Log(args) => log::run(&args, errors).await,
            Command::Mailboxes(args) => mailboxes::run(args).await,
            Command::State(args) => state::run(args, errors).await,
            Command::Zone(args) => zone::run(args, errors).await,
            Command::Probe(args) => probe::run(args, errors).await,
            Command::Profiles(args) => profiles::run(&args),
            Command::Providers(args) => providers::run(&args),
            Command::Schema(args) => schema::run(&args),
            Command::Completions(args) => completions::run(&args),
            Command::Man(args) => completions::man(&args),
        }
    })
}

/// A path, quoted for a shell if necessary.
fn shell_quote(path: &Path) -> String {
    let text = path.display().to_string();
    // Only a NUL cannot be quoted, and no path has one.
    let quoted = shlex::try_quote(&text).map(std::borrow::Cow::into_owned);
    quoted.unwrap_or(text)
}

/// Escapes every unseen character except line ends, tabs and our own colours.
///
/// Untrusted text is escaped where it is rendered; this is the safety net for a place that forgot.
fn printable(text: &str, styling: Styling) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let colour = colour(rest).filter(|_| styling == Styling::Coloured);
        let taken = colour.map_or(c.len_utf8(), str::len);
        match colour.is_some() || matches!(c, '\n' | '\t') || !is_unseen(c) {
            true => shown.push_str(&rest[..taken]),
            false => shown.extend(c.escape_default()),
        }
        rest = &rest[taken..];
    }
    shown
}

/// The sequence that sets a colour, if the text begins with one (ECMA-48, SGR).
fn colour(text: &str) -> Option<&str> {
    let numbers = text.strip_prefix("\u{1b}[")?;
    let end = numbers.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    numbers[end..].starts_with('m').then(|| &text[..text.len() - numbers.len() + end + 1])
}

tokio::task_local! {
    /// Of which plan everything is that is written, while several runs are driven at once.
    static PLAN: String;
}

/// Lets every line for people that is written meanwhile begin with the name of a plan.
async fn speaking_of<F: Future>(plan: &str, work: F) -> F::Output {
    PLAN.scope(plan.to_owned(), work).await
}

/// Whether several runs are driven at once, and write lines of text.
fn is_one_of_several() -> bool {
    PLAN.try_with(|_| ()).is_ok()
}

/// Text for people, in which each line says of which plan it is, if there are several.
fn attributed(text: &str) -> Cow<'_, str> {
    let of =
        |plan: &String| text.split_inclusive('\n').map(|line| format!("{plan}: {line}")).collect();
    PLAN.try_with(of).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Writes text for people to standard error.
fn print_err(text: &str) {
    let text = printable(&attributed(text.trim_end()), styling(&std::io::stderr()));
    // If this fails, there is nowhere left to report it.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Writes text for people to standard output.
fn print_out(text: &str) -> Result<(), Failure> {
    write_out(&printable(&attributed(text), styling(&std::io::stdout())))
}

/// Writes machine-readable output to standard output: byte for byte, unless that is a terminal.
fn print_raw(text: &str) -> Result<(), Failure> {
    if std::io::stdout().is_terminal() {
        return write_out(&printable(text, Styling::Plain));
    }
    write_out(text)
}

/// Writes to standard output. A reader that closes the pipe early, as `head` does, is not an error.
fn write_out(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Message::of_cause(Code::OutputFailed, &error).error())
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn styling(stream: &dyn IsTerminalDyn) -> Styling {
    #[expect(clippy::disallowed_methods, reason = "NO_COLOR is read here and nowhere else")]
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if stream.is_terminal_dyn() && !no_colour { Styling::Coloured } else { Styling::Plain }
}

/// [`IsTerminal`] is sealed and not object safe; this lets [`styling`] take either stream.
trait IsTerminalDyn {
    fn is_terminal_dyn(&self) -> bool;
}

impl IsTerminalDyn for std::io::Stdout {
    fn is_terminal_dyn(&self) -> bool {
        self.is_terminal()
    }
}

impl IsTerminalDyn for std::io::Stderr {
    fn is_terminal_dyn(&self) -> bool {
        self.is_terminal()
    }
}
