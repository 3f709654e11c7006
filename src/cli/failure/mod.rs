//! Failures and remarks of commands: values with a code, details and help, or findings about a plan
//! with their places. They are rendered where a command ends, as text or as JSON.
//!
//! Invariants: a failure has at least one problem. A message, a detail and a help are single lines,
//! as they came: whoever renders them escapes them.

mod code;
mod text;
mod v1;

use std::io::Write;

use cutover_contract::ProviderError;

pub(super) use code::Code;
pub(super) use v1::{Entry, Place, Severity, entries, failed};

use super::exit::Exit;
use super::{print_err, styling};
use crate::diag::{Diagnostic, Source, distinct};
use crate::world::DriveError;
use crate::world::real::connect::ConnectError;
use crate::world::real::store::{ReadError, StoreError};

/// A command that failed, and its exit code.
pub(super) struct Failure {
    pub(super) exit: Exit,
    /// What is wrong; never empty.
    pub(super) problems: Vec<Problem>,
}

/// Something that is wrong.
pub(super) enum Problem {
    /// With a command.
    Message(Box<Message>),
    /// With a plan.
    Plan(Findings),
    /// With the command line.
    CommandLine(Box<clap::Error>),
}

/// Findings about a plan.
pub(super) struct Findings {
    pub(super) source: Source,
    pub(super) found: Vec<Diagnostic>,
}

/// A problem with a command.
pub(super) struct Message {
    pub(super) code: Code,
    pub(super) severity: Severity,
    /// What happened, in one line.
    pub(super) text: String,
    /// Reasons and lists.
    pub(super) details: Vec<String>,
    /// What to do. Commands are lines of their own, indented.
    pub(super) help: Vec<String>,
}

impl Message {
    /// An error. Only the first line is its message; the others become details.
    pub(super) fn new(code: Code, text: impl AsRef<str>) -> Self {
        let mut lines = text.as_ref().lines();
        Self {
            code,
            severity: Severity::Error,
            text: lines.next().unwrap_or_default().to_owned(),
            details: lines.map(str::to_owned).collect(),
            help: Vec::new(),
        }
    }

    /// A failed operation, with its chain of causes.
    pub(super) fn of_cause(code: Code, error: &dyn std::error::Error) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            // Many errors repeat their source; say each thing once.
            if !text.contains(&cause.to_string()) {
                text += &format!(": {cause}");
            }
            source = cause.source();
        }
        Self::new(code, text)
    }

    /// The same, of this severity.
    pub(super) fn severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    /// Adds a detail, a line for each of its lines.
    pub(super) fn detail(mut self, detail: impl AsRef<str>) -> Self {
        self.details.extend(detail.as_ref().lines().map(str::to_owned));
        self
    }

    /// Adds details.
    pub(super) fn details<D: AsRef<str>>(self, details: impl IntoIterator<Item = D>) -> Self {
        details.into_iter().fold(self, Self::detail)
    }

    /// Adds what to do, a line for each of its lines.
    pub(super) fn help(mut self, help: impl AsRef<str>) -> Self {
        self.help.extend(help.as_ref().lines().map(str::to_owned));
        self
    }

    /// The failure of a command that ends with this code.
    pub(super) fn ends(self, exit: Exit) -> Failure {
        Failure { exit, problems: vec![self.into()] }
    }

    /// The failure of a command that was used wrongly.
    pub(super) fn usage(self) -> Failure {
        self.ends(Exit::Usage)
    }

    /// The failure of an operation.
    pub(super) fn error(self) -> Failure {
        self.ends(Exit::Error)
    }
}

impl From<Message> for Problem {
    fn from(message: Message) -> Self {
        Self::Message(Box::new(message))
    }
}

impl Problem {
    /// Findings about a plan.
    pub(super) fn plan(found: &[Diagnostic], source: &Source) -> Self {
        Self::Plan(Findings { source: source.clone(), found: distinct(found) })
    }

    /// The same, but as a warning, with what can be done in spite of it.
    pub(super) fn into_warning(self, help: &str) -> Self {
        match self {
            Self::Message(message) => message.severity(Severity::Warning).help(help).into(),
            other @ (Self::Plan(_) | Self::CommandLine(_)) => other,
        }
    }
}

impl Failure {
    /// A plan that cannot be used.
    pub(super) fn plan(found: &[Diagnostic], source: &Source) -> Self {
        Self { exit: Exit::Usage, problems: vec![Problem::plan(found, source)] }
    }

    /// A provider that cannot be used.
    pub(super) fn connect(name: &str, error: &ConnectError) -> Self {
        let (code, exit) = match error {
            ConnectError::UnknownKind(_) | ConnectError::Config(_) => {
                (Code::ProviderUnusable, Exit::Usage)
            }
            ConnectError::Refused(_) => (Code::ProgramsForbidden, Exit::Usage),
            ConnectError::Secret { .. } => (Code::SecretUnreadable, Exit::Error),
        };
        Message::new(code, format!("cannot use provider `{name}`: {error}")).ends(exit)
    }

    /// The operating system refuses what every command needs.
    pub(super) fn system(error: &std::io::Error) -> Self {
        Message::of_cause(Code::System, error).error()
    }

    /// The same, with this exit code.
    pub(super) fn ends(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }

    /// Whether it is of this kind.
    pub(super) fn is(&self, code: Code) -> bool {
        self.problems.iter().any(|problem| match problem {
            Problem::Message(message) => message.code == code,
            Problem::Plan(_) | Problem::CommandLine(_) => false,
        })
    }

    /// The same, with the name of the plan, where there are several.
    pub(super) fn of_plan(mut self, name: &str) -> Self {
        for problem in &mut self.problems {
            if let Problem::Message(message) = problem {
                message.text = format!("{name}: {}", message.text);
            }
        }
        self
    }

    /// What is wrong, in a line for each problem.
    pub(super) fn messages(&self) -> Vec<String> {
        entries(&self.problems).into_iter().map(|entry| entry.message).collect()
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Io { .. }
            | StoreError::TooLarge { .. }
            | StoreError::Away { .. }
            | StoreError::Foreign { .. } => Code::StoreUnusable,
            StoreError::Locked { .. } => Code::RunLocked,
            StoreError::Lost { .. } => Code::LeaseLost,
            StoreError::Conflict { .. } => Code::JournalConflict,
        };
        Message::of_cause(code, &error).error()
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        let code = match error {
            ReadError::Store(error) => return error.into(),
            ReadError::Artifact { .. } => Code::ArtifactUnusable,
            ReadError::Line { .. } => Code::JournalUnusable,
        };
        Message::of_cause(code, &error).error()
    }
}

impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        Message::of_cause(Code::ProviderFailed, &error).error()
    }
}

impl From<DriveError> for Failure {
    fn from(error: DriveError) -> Self {
        match &error {
            DriveError::Append(cause) => {
                // Nothing takes effect before its entry is written, so the run is safe.
                let lost = matches!(cause.downcast_ref(), Some(StoreError::Lost { .. }));
                let (code, help) = match lost {
                    true => (Code::LeaseLost, LOST_HELP),
                    false => (Code::JournalUnwritable, UNWRITTEN_HELP),
                };
                Message::of_cause(code, &error).help(help).ends(Exit::Halted)
            }
            DriveError::Illegal(_) => Message::of_cause(Code::Internal, &error).error(),
        }
    }
}

const LOST_HELP: &str =
    "nothing else was begun. Another process drives this run now; `cutover status` shows it";
const UNWRITTEN_HELP: &str =
    "nothing else was begun. Run the same command again when the state can be written";

/// How errors and warnings are written to standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ErrorFormat {
    /// For people
    #[default]
    Text,
    /// For machines: an object on a line of its own for each failure, and for each set of warnings
    Json,
}

impl ErrorFormat {
    /// What the arguments ask for, for when they cannot be parsed.
    pub(super) fn among(arguments: &[std::ffi::OsString]) -> Self {
        let mut pairs = arguments.windows(2);
        let is_json = arguments.iter().any(|argument| argument == "--error-format=json")
            || pairs.any(|pair| pair[0] == "--error-format" && pair[1] == "json");
        if is_json { Self::Json } else { Self::Text }
    }

    /// Writes a failure; the exit code of the process.
    pub(super) fn fail(self, failure: &Failure) -> Exit {
        match self {
            Self::Text => print_err(&text::failure(failure, styling(&std::io::stderr()))),
            Self::Json => print_json(&failed(failure)),
        }
        failure.exit
    }

    /// Writes what a person should know, though the command goes on.
    pub(super) fn remark(self, problem: impl Into<Problem>) {
        let problem = problem.into();
        match self {
            Self::Text => print_err(&text::problem(&problem, styling(&std::io::stderr()))),
            Self::Json => print_json(&v1::remarked(&[problem])),
        }
    }
}

/// Writes a line of JSON to standard error.
fn print_json(line: &str) {
    // If this fails, there is nowhere left to report it.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A message as text for people, where it is not a failure but the result of a command.
pub(super) fn told(message: &Message) -> String {
    text::lines("", message) + "\n"
}
