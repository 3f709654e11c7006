//! Failures and remarks as JSON, in version 1: `schemas/errors.v1.json`.

use serde::Serialize;

use super::{Failure, Findings, Message, Problem};
use crate::diag::{self, Diagnostic, Source, in_order, is_unseen, located, place};

/// The version of the format.
const VERSION: u32 = 1;

/// A failure.
#[derive(Serialize)]
struct Failed {
    version: u32,
    exit: u8,
    errors: Vec<Entry>,
}

/// Remarks of a command that goes on.
#[derive(Serialize)]
struct Remarked {
    version: u32,
    warnings: Vec<Entry>,
}

/// A problem.
#[derive(Serialize)]
pub(in crate::cli) struct Entry {
    pub(in crate::cli) code: &'static str,
    pub(in crate::cli) severity: Severity,
    pub(in crate::cli) message: String,
    pub(in crate::cli) details: Vec<String>,
    pub(in crate::cli) why: Option<String>,
    pub(in crate::cli) help: Vec<String>,
    pub(in crate::cli) place: Option<Place>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum Severity {
    /// Something is wrong.
    Error,
    /// Somebody should look at it.
    Warning,
    /// Nothing is wrong: why the command ended here, or what it left out.
    Note,
}

impl Severity {
    /// Its name.
    pub(in crate::cli) fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A place in a plan, or in a file that it names. Lines and columns count from one, columns in
/// characters; the end is the first place after it.
#[derive(Serialize)]
pub(in crate::cli) struct Place {
    pub(in crate::cli) file: String,
    pub(in crate::cli) line: usize,
    pub(in crate::cli) column: usize,
    pub(in crate::cli) end_line: usize,
    pub(in crate::cli) end_column: usize,
}

/// A failure, as a line.
pub(in crate::cli) fn failed(failure: &Failure) -> String {
    let exit = failure.exit.number();
    line(&Failed { version: VERSION, exit, errors: entries(&failure.problems) })
}

/// Remarks, as a line.
pub(super) fn remarked(problems: &[Problem]) -> String {
    line(&Remarked { version: VERSION, warnings: entries(problems) })
}

/// Every problem by itself, those of a plan in the order of their places.
pub(in crate::cli) fn entries(problems: &[Problem]) -> Vec<Entry> {
    let mut entries = Vec::new();
    for problem in problems {
        match problem {
            Problem::Message(message) => entries.push(of_message(message)),
            Problem::Plan(Findings { source, found }) => {
                entries.extend(in_order(found).into_iter().map(|found| of_finding(found, source)));
            }
            Problem::CommandLine(error) => entries.push(of_command_line(error)),
        }
    }
    entries
}

fn of_message(message: &Message) -> Entry {
    let Message { code, severity, text, details, help } = message;
    Entry {
        code: code.name(),
        severity: *severity,
        message: text.clone(),
        details: details.clone(),
        why: None,
        help: help.clone(),
        place: None,
    }
}

fn of_finding(found: &Diagnostic, source: &Source) -> Entry {
    let Diagnostic { severity, code, title, span, label, also, why, help } = found;
    let label = Some(label).filter(|label| !label.is_empty()).cloned();
    // The name of a file may have line ends.
    let at = |span| place(source, span).replace('\n', "\\n");
    let also = also.as_ref().map(|(span, label)| format!("{label}: {}", at(*span)));
    let diag::Place { file, begin, end } = located(source, *span);
    Entry {
        code: code.name,
        severity: match severity {
            diag::Severity::Error => Severity::Error,
            diag::Severity::Warning => Severity::Warning,
        },
        message: title.clone(),
        details: label.into_iter().chain(also).collect(),
        why: why.clone(),
        help: vec![help.clone()],
        place: Some(Place {
            file: file.to_owned(),
            line: begin.line,
            column: begin.column,
            end_line: end.line,
            end_column: end.column,
        }),
    }
}

/// What clap says: a line that tells what is wrong, tips, and how the command is used.
fn of_command_line(error: &clap::Error) -> Entry {
    let text = error.render().to_string();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let (help, mut said): (Vec<&str>, Vec<&str>) = lines
        .partition(|line| ["tip: ", "Usage: ", "For more"].iter().any(|w| line.starts_with(w)));
    let is_list = error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if is_list {
        said = vec!["a command is missing"];
    }
    let (message, details) =
        said.split_first().map_or(("", &[][..]), |(first, rest)| (*first, rest));
    let help = help.iter().map(|line| line.strip_prefix("tip: ").unwrap_or(line));
    Entry {
        code: super::Code::Usage.name(),
        severity: Severity::Error,
        message: message.strip_prefix("error: ").unwrap_or(message).to_owned(),
        details: details.iter().map(|line| (*line).to_owned()).collect(),
        why: None,
        help: help.map(str::to_owned).collect(),
        place: None,
    }
}

/// JSON on a line. Every unseen character is escaped, since the line may end up on a terminal.
fn line(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).expect("texts and numbers are always written");
    let mut line = String::with_capacity(text.len());
    let mut units = [0; 2];
    for c in text.chars() {
        match is_unseen(c) {
            false => line.push(c),
            true => line.extend(c.encode_utf16(&mut units).iter().map(|u| format!("\\u{u:04x}"))),
        }
    }
    line
}
