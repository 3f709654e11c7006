//! Failures and remarks as text for people.

use super::{Failure, Findings, Message, Problem, Severity};
use crate::diag::render_all;
use crate::render::{Styling, escape_control};

/// A failure: its problems, each plan's followed by how many there are.
pub(super) fn failure(failure: &Failure, styling: Styling) -> String {
    let texts = failure.problems.iter().map(|wrong| match wrong {
        Problem::Plan(Findings { source, found }) => {
            let number = match found.len() {
                1 => "1 problem".to_owned(),
                number => format!("{number} problems"),
            };
            format!("{}{}: {number}", problem(wrong, styling), escape_control(&source.name))
        }
        Problem::Message(message) if message.severity == Severity::Note => lines("", message),
        Problem::Message(_) | Problem::CommandLine(_) => problem(wrong, styling),
    });
    texts.collect::<Vec<_>>().join("\n\n")
}

/// A problem.
pub(super) fn problem(problem: &Problem, styling: Styling) -> String {
    let coloured = styling == Styling::Coloured;
    match problem {
        Problem::Message(message) => {
            let prefix = format!("{}: ", message.severity.word());
            lines(&prefix, message)
        }
        // The renderer escapes its text itself; escaping it again would destroy its colours.
        Problem::Plan(Findings { source, found }) => render_all(found, source, coloured),
        Problem::CommandLine(error) => match coloured {
            true => error.render().ansi().to_string(),
            false => error.render().to_string(),
        },
    }
}

/// A message with its details and its help. It may quote untrusted input, so it is escaped.
pub(super) fn lines(prefix: &str, message: &Message) -> String {
    let Message { code: _, severity: _, text, details, help } = message;
    let mut lines = vec![format!("{prefix}{text}")];
    lines.extend(details.iter().map(|detail| format!("  {detail}")));
    if let Some((first, rest)) = help.split_first() {
        lines.push(format!("help: {first}"));
        lines.extend(rest.iter().cloned());
    }
    escape_control(&lines.join("\n"))
}
