//! The command line: one file a command, and here the list of them.
//!
//! What was asked for goes to standard output, everything else to standard error. Colour is used on
//! a terminal only, and `NO_COLOR` is obeyed.

mod apply;
mod check;
mod confirm;
pub mod exit;
mod explain;
mod log;
mod plan;
mod planning;
mod progress;
mod providers;
mod rollback;
mod running;
mod schema;
mod several;
mod show;
mod status;
mod zone;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use cutover_contract::Adapter;

use crate::diag::is_unseen;
use crate::probe;
use crate::render::{Dress, harmless};
use crate::spec::Registry;
use crate::world::real::connect::{Commands, ConnectError};
use exit::Exit;

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
    Registry { adapters: registry(), probes: &probe::KEYS }
}

/// Moves a domain's mail from one host to another: plans the DNS changes, their order and their
/// waits, and runs them
#[derive(Parser)]
#[command(name = "cutover", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(check::Args),
    Plan(plan::Args),
    Show(show::Args),
    Explain(explain::Args),
    Apply(apply::Args),
    Rollback(rollback::Args),
    Confirm(confirm::Args),
    Status(status::Args),
    Log(log::Args),
    Zone(zone::Args),
    Providers(providers::Args),
    Schema(schema::Args),
}

/// Where runs are kept.
#[derive(Clone, clap::Args)]
struct StateArgs {
    /// The directory that holds the state of runs [default: `.cutover` beside the plan or artifact]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

impl StateArgs {
    fn dir(&self, input: &Path) -> PathBuf {
        self.state.clone().unwrap_or_else(|| home(input).join(STATE))
    }
}

/// Whether programs are run.
#[derive(Clone, clap::Args)]
struct CommandArgs {
    /// Run no program that the plan names, whatever it is for (secrets, probes, tasks, reloading):
    /// refuse instead
    #[arg(long)]
    no_commands: bool,
}

impl CommandArgs {
    fn allowed(&self) -> Commands {
        if self.no_commands { Commands::Refuse } else { Commands::Run }
    }
}

/// The name of the state directory beside a plan.
const STATE: &str = ".cutover";

/// The directory that a file lies in.
fn base(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

/// The directory where the relative paths of a plan or an artifact start, and where the state of
/// its runs is kept: the one that it lies in, or, for the artifact of a run in the state directory
/// beside a plan, the one that the plan lies in.
fn home(input: &Path) -> PathBuf {
    let base = base(input);
    let absolute = std::path::absolute(&base).unwrap_or_else(|_| base.clone());
    // STATE/NAME/NUMBER
    match absolute.ancestors().nth(2) {
        Some(state) if state.ends_with(STATE) => state.parent().map_or(base, Path::to_owned),
        Some(_) | None => base,
    }
}

/// A command that could not do what it was asked for: what to say, and how to end.
struct Failure {
    text: String,
    exit: Exit,
}

impl Failure {
    /// What others wrote may stand in the text: what is not seen of it is escaped.
    fn new(exit: Exit, text: impl AsRef<str>) -> Self {
        Self { text: harmless(text.as_ref()), exit }
    }

    /// A provider that cannot be used.
    fn connect(name: &str, error: &ConnectError) -> Self {
        let exit = match error {
            ConnectError::UnknownKind(_) | ConnectError::Config(_) | ConnectError::Refused(_) => {
                Exit::Usage
            }
            ConnectError::Secret { .. } => Exit::Error,
        };
        Self::new(exit, format!("error: the provider `{name}` cannot be used: {error}"))
    }

    /// An operation that failed, with all that it says about its causes.
    fn error(error: &dyn std::error::Error) -> Self {
        let mut text = format!("error: {error}");
        let mut source = error.source();
        while let Some(cause) = source {
            // Many errors repeat their source; say each thing once.
            if !text.contains(&cause.to_string()) {
                text += &format!(": {cause}");
            }
            source = cause.source();
        }
        Self::new(Exit::Error, text)
    }
}

/// Runs the command line of this process.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> Exit {
    let arguments: Vec<std::ffi::OsString> = arguments.into_iter().collect();
    // Whoever branches on 2 for "changes" must not take a typing error for them.
    let detailed = arguments.iter().any(|argument| argument == "--detailed-exitcode");
    let usage = if detailed { Exit::Error } else { Exit::Usage };
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let to_stdout = !error.use_stderr();
            let text = error.render();
            if to_stdout {
                let stdout = dress(&std::io::stdout());
                let text = if stdout == Dress::Coloured {
                    text.ansi().to_string()
                } else {
                    text.to_string()
                };
                // Nowhere left to say it, should this fail.
                let _ = put(&text);
            } else {
                let stderr = dress(&std::io::stderr());
                tell(&if stderr == Dress::Coloured {
                    text.ansi().to_string()
                } else {
                    text.to_string()
                });
            }
            return if to_stdout { Exit::Done } else { usage };
        }
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(&Failure::error(&error)),
    };
    let ended = runtime.block_on(async {
        match cli.command {
            Command::Check(args) => check::run(args),
            Command::Plan(args) => plan::run(args).await,
            Command::Show(args) => show::run(&args),
            Command::Explain(args) => explain::run(args).await,
            Command::Apply(args) => apply::run(args).await,
            Command::Rollback(args) => rollback::run(args).await,
            Command::Confirm(args) => confirm::run(args).await,
            Command::Status(args) => status::run(&args),
            Command::Log(args) => log::run(&args),
            Command::Zone(args) => zone::run(args).await,
            Command::Providers(args) => providers::run(&args),
            Command::Schema(args) => schema::run(&args),
        }
    });
    match ended {
        Ok(exit) => exit,
        // As Terraform: whatever else goes wrong is 1.
        Err(failure) if detailed && failure.exit != Exit::Refuted => {
            fail(&Failure { exit: Exit::Error, ..failure })
        }
        Err(failure) => fail(&failure),
    }
}

fn fail(failure: &Failure) -> Exit {
    tell(&failure.text);
    failure.exit
}

/// The commands that people are told to type about a plan's runs.
#[derive(Clone, Copy)]
struct Typed<'a> {
    /// The plan or the artifact, as it was given.
    input: &'a Path,
    /// Where runs are kept, if that was said.
    state: Option<&'a Path>,
}

impl<'a> Typed<'a> {
    fn of(input: &'a Path, state: &'a StateArgs) -> Self {
        Self { input, state: state.state.as_deref() }
    }

    /// `cutover COMMAND INPUT`, what comes after it, and where runs are kept.
    fn line(self, command: &str, rest: &str) -> String {
        let gap = if rest.is_empty() { "" } else { " " };
        let state = self.state.map_or(String::new(), |dir| format!(" --state {}", shell(dir)));
        format!("cutover {command} {}{gap}{rest}{state}", shell(self.input))
    }
}

/// A path as a shell takes it.
fn shell(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:@%=".contains(c);
    match !text.is_empty() && text.chars().all(plain) && !text.starts_with('-') {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// What a terminal may be sent: of all that is not seen, ends of lines, tabs and our own colours.
/// Whoever shows a text of others escapes it, and this is for what nobody has thought of.
fn printable(text: &str, dress: Dress) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let colour = colour(rest).filter(|_| dress == Dress::Coloured);
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

/// Writes a line to standard error.
fn tell(text: &str) {
    let text = printable(text.trim_end(), dress(&std::io::stderr()));
    // Nowhere left to say it, should this fail.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Writes text for people to standard output.
fn put(text: &str) -> Result<(), Failure> {
    write_out(&printable(text, dress(&std::io::stdout())))
}

/// Writes to standard output what machines read; a terminal is none.
fn put_exactly(text: &str) -> Result<(), Failure> {
    if std::io::stdout().is_terminal() {
        return write_out(&printable(text, Dress::Plain));
    }
    write_out(text)
}

/// Writes to standard output. A reader that went away, as `head` does, is no error.
fn write_out(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::error(&error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn dress(stream: &dyn IsTerminalDyn) -> Dress {
    #[expect(clippy::disallowed_methods, reason = "NO_COLOR is read here and nowhere else")]
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if stream.is_terminal_dyn() && !no_colour { Dress::Coloured } else { Dress::Plain }
}

/// [`IsTerminal`] without its seal, so that either stream can be given.
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
